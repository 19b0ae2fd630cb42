"""A plan: the calls of a recorded function, what it takes, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..callsite import caller
from ..chain_rule import Node
from ..tensor import Tensor, blank, quiet
from .guards import PLAIN
from .passes import PASSES, Program
from .program import Array, Call, nested, owner, place
from .recorder import Recorder, refusal
from .table import table

if TYPE_CHECKING:
    from ..drawing.graph import Graph


class Replayed(Node):
    """The node of a replayed result: it says what computed the result, and has no graph."""

    __slots__ = ("title",)

    def __init__(self, title: str) -> None:
        super().__init__(None, (), None, None, True)
        self.title = title

    def name(self) -> str:
        """The name that the eager result's node had."""
        return self.title

    def pull(self, g: Any, useful: Any, lift: Any) -> list[tuple[Any, Any]]:
        """Raises: the graph was used up inside the compiled function, or never built."""
        raise RuntimeError(
            f"backward through a result of tinygrad_cls.compile ({self.title}): a replay builds no "
            f"graph. Call backward() inside the compiled function"
        )


class Output:
    """How to make a tensor that the function returns, or leaves as a gradient."""

    def __init__(self, t: Tensor) -> None:
        self.array = t._array
        self.kind = type(t)
        self.title = None if t._node is None else t._node.name()
        self.requires_grad = t._requires_grad
        self.inference = t._inference
        self.grad: Any = None  # of what retained it, or of a leaf that the function made
        self.uses = 0
        self.node: Replayed | None = None

    def make(self, made: dict[Output, Tensor]) -> Tensor:
        """A tensor in memory of its own; the one in ``made``, if it was made before."""
        if self in made:
            return made[self]
        made[self] = t = blank(self.kind)
        t._array = self.array.copy("K")
        if self.title is not None:
            node = self.node
            if node is None or node.hooks or node.retained:  # the last result's own by now
                node = self.node = Replayed(self.title)
            t._node = node
        if self.requires_grad:
            t._requires_grad = True
        if self.inference:
            t._inference = True
        if self.grad is not None:
            t._grad = stand_in(self.grad, made, ())
        return t


def is_plain(x: Any) -> bool:
    """Whether an output is a mere value in one place, as most gradients are."""
    if type(x) is not Output or x.kind is not Tensor or x.uses > 1:
        return False
    return not (x.title or x.requires_grad or x.inference or x.grad)


class Argument:
    """Stands for an argument that is returned."""

    def __init__(self, number: int) -> None:
        self.number = number


def stand_in(x: Any, made: dict[Output, Tensor], given: Sequence[Tensor]) -> Any:
    """What a replay returns where the template has ``x``."""
    kind = type(x)
    if kind is Output:
        return x.make(made)
    return given[x.number] if kind is Argument else x


class Plan:
    """The kernels of a recorded function. Iterating gives its calls, ``print`` shows them."""

    def __init__(
        self,
        recorder: Recorder,
        surroundings: Any,
        given: Any,
        twins: Sequence[Tensor],
        result: Any,
        passes: Any,
    ) -> None:
        self.once = recorder.once
        self.surroundings = surroundings
        self.objects = given.objects  # so that no other object gets their ids
        self.own = [x if x is twin else None for x, twin in zip(given.tensors, twins, strict=True)]
        self.inputs = [
            (i, recorder.here(t._array)) for i, t in enumerate(twins) if self.own[i] is None
        ]
        self.written = list(recorder.written.values())
        self.counters = [t._counted() for t in self.written]
        self.called = caller()  # what a stale value's error names as the line that wrote
        self.foreign = {id(owner(t._array)) for t in self.written}
        self.check_arguments(given)
        known = {id(t) for t in surroundings.tensors}
        self.met = [found for key, found in recorder.met.items() if key in known]
        self.conditions = recorder.conditions
        self._places: dict[int, Any] = {id(t): Argument(i) for i, t in enumerate(twins)}
        self._places |= {id(t): t for t in surroundings.tensors}
        self._recorder, self._outputs = recorder, list[Output]()
        leaves = recorder.touched.items()
        self.gradients: list[tuple[Tensor, Array]] = []
        self.left = [(t, self._read(t._grad)) for key, t in leaves if key in known]
        numbers = {id(t): i for i, t in enumerate(twins) if self.own[i] is None}
        self.fed = [(numbers[key], self._read(t._grad)) for key, t in leaves if key in numbers]
        self.template = nested(result, self._read)
        flat = type(self.template) is tuple
        self.flat = flat and not any(isinstance(x, tuple | list | dict) for x in self.template)
        self.first = self._handed_over(given)
        self._compile(recorder, passes)
        del self._places, self._recorder

    # --- making -------------------------------------------------------------------------------

    def _compile(self, recorder: Recorder, passes: Any) -> None:
        """From what was recorded to kernels."""
        for output in self._outputs:
            root = owner(output.array)
            if id(root) in recorder.born:  # the user gets this memory: the plan needs a copy
                recorder.moves_constant(root)
        places = [recorder.here(output.array) for output in self._outputs]
        program = Program([*recorder.first, *recorder.calls], places, recorder.outside())
        for name in () if self.once else passes:
            PASSES[name](program)
        for output, a in zip(self._outputs, program.places, strict=True):
            output.array = a
        self.calls = program.calls
        self.kernels = [call.bound() for call in self.calls]
        self.undo = undone(self.calls, recorder.known)
        self.gradients = [(leaf, g.array) for leaf, g in self.left if is_plain(g)]
        self.left = [(leaf, g) for leaf, g in self.left if not is_plain(g)]

    def _read(self, x: Any) -> Any:
        """What stands in a result for ``x``: how to make it anew, or itself if it stays."""
        if isinstance(x, Tensor):
            if id(x) not in self._places:
                if id(owner(x._array)) in self._recorder.known:
                    return x
                self._recorder.check_origin(x)
                self._places[id(x)] = output = Output(x)
                self._outputs.append(output)
                output.grad = self._read(x._grad)
            if type(found := self._places[id(x)]) is Output:
                found.uses += 1
            return self._places[id(x)]
        if not (isinstance(x, PLAIN) or x in self.surroundings):
            raise refusal(
                f"the function returns a {type(x).__name__}, which a replay can't make anew: "
                f"return tensors, plain values, or tuples, lists and dicts of them"
            )
        return x

    # --- running ------------------------------------------------------------------------------

    def fits(self, given: Any) -> bool:
        """Whether a replay does what the function would do."""
        if not self.surroundings.same():
            return False
        for leaf, g, memory in self.met:
            if leaf._grad is not g or (g is not None and g._array is not memory):
                return False
        for condition in self.conditions:
            if not condition():
                return False
        if self.own:
            for x, own in zip(given.tensors, self.own, strict=True):
                if (x if x in self.surroundings else None) is not own:
                    return False
        return True

    def change(self) -> str | None:
        """Why it doesn't fit."""
        found: str | None = self.surroundings.change()
        if found is None and any(leaf._grad is not g for leaf, g, _ in self.met):
            return "a gradient is there that was not, or is another one"
        return found

    def check_arguments(self, given: Any) -> None:
        """Refuses an argument in memory that the function writes to: the plan reads a copy."""
        for x, own in zip(given.tensors, self.own, strict=True):
            if own is None and self.is_written(x._array):
                raise refusal(
                    f"an argument of shape {tuple(x.shape)} shares memory with a tensor that the "
                    f"function writes to: give a clone()"
                )

    def is_written(self, a: Array) -> bool:
        """Whether an array lies in memory from outside that the plan writes to."""
        root = owner(a)
        if root.base is None:
            return id(root) in self.foreign
        return any(np.may_share_memory(a, t._array) for t in self.written)  # not NumPy's own memory

    def run(self, given: Any) -> Any:
        """Replays."""
        if self.inputs:
            self.check_arguments(given)
        for i, buffer in self.inputs:
            np.copyto(buffer, given.tensors[i]._array)
        for a, saved in self.undo:
            np.copyto(saved, a)
        try:
            quiet.run(self._execute)
        except BaseException:
            for a, saved in self.undo:
                np.copyto(a, saved)
            raise
        for counter in self.counters:
            counter[:] = counter[0] + 1, self.called
        return self._handed_over(given)

    def _execute(self) -> None:
        for kernel in self.kernels:
            kernel()

    def _handed_over(self, given: Any) -> Any:
        """The result; gradients are set."""
        made: dict[Output, Tensor] = {}
        for leaf, a in self.gradients:
            leaf._grad = t = blank(Tensor)
            t._array = a.copy("K")
        for leaf, g in self.left:
            leaf._grad = stand_in(g, made, given.tensors)
        for number, g in self.fed:
            given.tensors[number]._grad = stand_in(g, made, given.tensors)
        if type(self.template) is Output:
            return self.template.make(made)
        if self.flat:
            return tuple([stand_in(x, made, given.tensors) for x in self.template])
        return nested(self.template, partial(stand_in, made=made, given=given.tensors))

    # --- looking ------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def __str__(self) -> str:
        """A line for each call, with its memory and its time. `t` is a tensor from outside, `arg`
        an argument's copy, `m` the plan's own memory.
        """
        return table(self.calls, self._outside())

    def _outside(self) -> dict[int, str]:
        """Names of the memory that isn't the plan's own, by owner's id."""
        found = {id(owner(t._array)): f"t{i}" for i, t in enumerate(self.surroundings.tensors, 1)}
        return found | {id(owner(a)): f"arg{i}" for i, a in self.inputs}

    def graph(self) -> Graph:
        """Which call reads what which one wrote, to be drawn as a trace is."""
        from .picture import graph_of

        return graph_of(self.calls, self._outside())

    def svg(self) -> str:
        """The graph as an SVG image; a notebook shows it by itself."""
        from ..drawing.svg import svg

        return svg(self.graph())

    _repr_svg_ = svg


def undone(calls: Sequence[Call], outside: Container[int]) -> list[tuple[Array, Array]]:
    """The memory from outside that is written to before a call that may raise, and room for what
    was in it: where a replay fails, nothing is to be half-done.
    """
    last = max((i for i, call in enumerate(calls) if call.may_raise), default=0)
    found = {place(c.out): c.out for c in calls[:last] if c.out is not None}
    return [(a, np.empty_like(a)) for a in found.values() if id(owner(a)) in outside]

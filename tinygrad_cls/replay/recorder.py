"""What a function does, written down while it runs eagerly for the first time.

Every op passes the tape; the few other places that write to memory, draw random numbers or look at
values tell `_state.state.recorder`. Each op is run a second time, on symbols, and becomes NumPy
calls on memory of the plan's own: `moved` remembers where the plan has what eager memory holds.
Memory from before the call (parameters, data) is used where it lies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import ops
from .._state import state
from ..callsite import caller, line
from ..tensor import Event, Tensor
from . import program
from .program import Array, Call, address, copied, owner, safe
from .tracing import Calls, Stored, Untraceable, trace, whole

TILE = 1 << 14
"""Elements of a parameter that are updated at once: their float64 detour stays in the cache."""


class Recorder:
    """The tape of a recording, and the calls of the plan to be."""

    def __init__(self, known: Sequence[Array], start: int) -> None:
        self.calls: Calls = []
        self.first: Calls = []  # what must be done anew before every replay
        self.moved: dict[int, tuple[Array, Array]] = {}
        self.known = {id(owner(a)): owner(a) for a in known}  # memory from before
        self.born: dict[int, Array] = {}  # memory that the function made, not by an op
        self.arguments: dict[int, Array] = {}  # by the id of eager memory: the plan's buffer
        self.biases: dict[int, Tensor] = {}  # id of a weight: the bias that was added with it
        self.live: list[Array] = []  # numbers of optimizers
        self.written: dict[int, Tensor] = {}
        self.touched: dict[int, Tensor] = {}  # whose .grad is another object afterwards
        self.met: dict[int, tuple[Tensor, Any, Any]] = {}  # leaves, .grad from before, its memory
        self.conditions: list[Callable[[], bool]] = []
        self.refused: RuntimeError | None = None  # raised, even if the function caught it
        self.once: str | None = None  # why this can't be replayed
        self.start = start
        self.kept: list[Any] = []  # so that no id is given twice

    # --- memory -------------------------------------------------------------------------------

    def here(self, a: Array) -> Array:
        """The plan's array for an eager one."""
        root = owner(a)
        if id(root) in self.moved:
            _, new = self.moved[id(root)]
            return program.moved(a, root, new)
        return a

    def place(self, eager: Array, planned: Array) -> None:
        """Remembers that the plan has ``planned`` where eager mode has ``eager``."""
        old, new = owner(eager), owner(planned)
        self.kept += [old, new]
        if old is new:
            return
        self.moved[id(old)] = old, new

    def takes(self, argument: Tensor) -> None:
        """A copy of an argument: every replay fills the plan's own buffer for it."""
        buffer = program.empty_like(argument._array)
        self.arguments[id(owner(argument._array))] = buffer
        self.place(argument._array, buffer)

    def makes(self, array: Array) -> None:
        """Memory that was made by no op: constant, unless something writes to it."""
        root = owner(array)
        if not (id(root) in self.moved or id(root) in self.known):
            self.born[id(root)] = root

    def copies(self, source: Array, target: Array) -> None:
        """``target`` is a new copy of ``source``."""
        made = np.empty_like(target)
        self.call(copied, (self.here(source),), made, "copy")
        self.place(target, made)

    def moves_constant(self, root: Array) -> Array:
        """The plan's own copy of memory that was made by no op."""
        made = root.copy("K")
        del self.born[id(root)]
        self.place(root, made)
        self.calls = [c.change(self.here) for c in self.calls]
        return made

    def outside(self) -> set[int]:
        """The ids of the owners of memory that is not the plan's, or keeps its values."""
        buffers = [*self.arguments.values(), *self.live]
        return {*self.known, *self.born, *(id(owner(a)) for a in buffers)}

    def call(self, function: Any, args: Any, out: Array | None, op: str, pure: bool = True) -> None:
        """One more call."""
        self.calls.append(Call(function, args, {}, out, op, pure))

    # --- ops ----------------------------------------------------------------------------------

    def append(self, event: Event) -> None:
        """Takes the event of an op that was just applied."""
        if state.watch is not None:
            self.refuses("detect_anomaly()")
        op, inputs, static, output = event
        self.kept.append(event)
        for x in inputs:
            if isinstance(x, Tensor):
                self.check_origin(x)
        args = [x._array if isinstance(x, Tensor) else number(x) for x in inputs]
        y = output._array
        if any(owner(y) is owner(a) for a in args if isinstance(a, np.ndarray)):
            return  # a view: its memory is known already
        # The kernel runs on eager memory, which has the values; the plan's is for replays.
        try:
            if ops.TABLE.get(op.name) is not op:
                raise Untraceable("a kernel of the user's")
            calls, result = trace(op.kernel, args, static, op.name)
            if not isinstance(result, np.ndarray) or not calls or not same_memory(result, y):
                raise Untraceable("another result")
        except Exception:  # noqa: BLE001  (NumPy turns Untraceable into errors of its own)
            calls, result = whole(op.kernel, args, static, op.name)
            if not same_memory(result, y):
                raise refusal(f"{op.name}, run twice, laid its results out differently") from None
        self.calls += [c.change(self.here) for c in calls]
        self.place(y, result)
        if op is ops.affine:
            self.biases[id(inputs[1])] = inputs[2]

    def check_origin(self, x: Tensor) -> None:
        """Refuses a tensor whose changes the plan could not notice."""
        node = x._node
        if node is not None and node.clock < self.start and state.grad_enabled:
            raise refusal(
                f"a tensor of shape {tuple(x.shape)} was computed, with requires_grad, before the "
                f"compiled function was called: its graph can be used only once. Compute it inside "
                f"the function, or detach() it"
            )
        root = id(owner(x._array))
        if not (root in self.moved or root in self.known or root in self.born):
            raise refusal(
                f"a tensor of shape {tuple(x.shape)} comes from a place that a plan can't watch "
                f"(such as an iterator): pass it to the function as an argument"
            )

    # --- what is no op ------------------------------------------------------------------------

    def writes(self, tensor: Tensor, target: Array, value: Any, index: Any = None) -> None:
        """Before ``target[index] = value``, where ``target`` is the tensor's memory."""
        root = owner(target)
        self.kept.append(tensor)
        if id(root) in self.arguments:
            raise refusal(
                f"the function writes to its argument of shape {tuple(tensor.shape)}, which is a "
                f"copy of the caller's: return the new value, or let the function refer to the "
                f"tensor by a variable from outside"
            )
        if id(root) in self.born:  # it must start from the same values in every replay
            made = self.moves_constant(root)
            self.first.append(Call(copied, (made.copy("K"),), {}, made, "constant"))
        elif id(root) not in self.moved:
            self.check_origin(tensor)
            self.written[id(tensor)] = tensor
        target = self.here(target)
        value = self.here(value)
        if index is None:
            self.call(copied, (value,), target, "write")
        else:
            index = program.mapped(index, self.here)
            self.calls.append(Call(assigned, (value, index), {}, target, "write", pure=False))

    def accumulates(self, leaf: Tensor, g: Any) -> None:
        """After a leaf without a gradient got a copy of ``g``."""
        assert leaf._grad is not None
        if id(leaf) not in self.touched:
            self.met.setdefault(id(leaf), (leaf, None, None))
        self.replaces(leaf)
        self.copies(g, leaf._grad._array)

    def adds(self, leaf: Tensor, g: Array) -> None:
        """Before ``g`` is added, in place, to the gradient that a leaf has."""
        grad = leaf._grad
        assert grad is not None
        self.kept.append(grad)
        self.meets(leaf)
        self.check_origin(grad)
        target = self.here(grad._array)
        if id(owner(grad._array)) not in self.moved:
            self.written[id(grad)] = grad
        self.call(np.add, (target, self.here(g)), target, "accumulate")

    def meets(self, leaf: Tensor) -> None:
        """The leaf's ``.grad`` is looked at."""
        if id(leaf) not in self.touched:
            g = leaf._grad
            self.met.setdefault(id(leaf), (leaf, g, None if g is None else g._array))

    def replaces(self, leaf: Tensor) -> None:
        """The leaf's ``.grad`` was set or dropped."""
        self.kept.append(leaf)
        self.touched[id(leaf)] = leaf

    def draws(self, draw: Callable[..., Any], *args: Any, array: Array) -> None:
        """``array`` was just drawn as ``draw(*args)``, and is in every replay."""
        made = np.empty_like(array)
        args = program.mapped(args, self.here)
        self.call(Stored(draw), args, made, "random", pure=False)
        self.place(array, made)

    def repeats(self, function: Callable[[], Any]) -> None:
        """``function()`` was called, and is in every replay."""
        self.call(function, (), None, "state", pure=False)

    def checks(self, check: Callable[..., Any], *args: Array) -> None:
        """A check of values that may raise: it's made in every replay."""
        self.calls.append(
            Call(check, tuple(self.here(a) for a in args), {}, None, "check", pure=False)
        )

    def updates(
        self,
        rule: Callable[..., Any],
        numbers: Callable[[], Sequence[float]],
        tensors: dict[str, list[Tensor]],
        changed: Sequence[str],
    ) -> None:
        """Before an optimizer replaces the tensors named ``changed`` by what ``rule`` gives of all
        ``tensors``, name by name, and of the ``numbers``, which may be others in every call.
        """
        kind = tensors["value"][0]._array.dtype
        live = [np.array(x, kind) for x in numbers()]
        self.live += live
        self.calls.append(Call(Numbers(numbers, live), (), {}, None, "update", pure=False))
        for name, group in tensors.items():
            for t in group:
                self.check_origin(t)
                self.kept.append(t)
                if name in changed:
                    self.written[id(t)] = t
        numbered = {id(t): i for i, t in enumerate(tensors["value"])}
        pairs = {
            i: numbered.get(id(self.biases.get(id(t)))) for i, t in enumerate(tensors["value"])
        }
        arrays = {name: [self.here(t._array) for t in group] for name, group in tensors.items()}
        eager = {name: [t._array for t in group] for name, group in tensors.items()}
        small = [
            i
            for i, a in enumerate(arrays["value"])
            if a.size <= TILE or not all(group[i].flags.c_contiguous for group in arrays.values())
        ]
        if small:
            self.update_packed(rule, live, arrays, eager, small, pairs, changed)
        for i in range(len(arrays["value"])):
            if i not in small:
                flat = {name: a[i].reshape(-1) for name, a in arrays.items()}
                values = {name: a[i].reshape(-1) for name, a in eager.items()}
                self.update_tiled(rule, live, flat, values, changed)

    def update_packed(
        self,
        rule: Any,
        live: Any,
        arrays: Any,
        eager: Any,
        which: list[int],
        pairs: dict[int, int | None],
        changed: Any,
    ) -> None:
        """Many small parameters, end to end."""
        vectors = []
        size = sum(arrays["value"][i].size for i in which)
        shapes = {i: arrays["value"][i].shape for i in which}
        for name, group in arrays.items():
            vector = np.empty(size, group[which[0]].dtype)
            for i, part in parts(vector, shapes, pairs).items():
                part[...] = eager[name][i]
                self.call(copied, (group[i],), part, "pack")
            vectors.append(vector)
        calls, results = trace(rule, [*vectors, *live], {}, "update")
        self.calls += calls
        for name, result in zip(changed, results, strict=True):
            for i, part in parts(result, shapes, pairs).items():
                self.call(copied, (part,), arrays[name][i], "unpack")

    def update_tiled(
        self, rule: Any, live: Any, arrays: dict[str, Array], eager: Any, changed: Any
    ) -> None:
        """A large parameter, piece by piece."""
        size = next(iter(arrays.values())).size
        made: dict[int, Any] = {}
        for start in range(0, size, TILE):
            cut = slice(start, min(start + TILE, size))
            pieces = [a[cut] for a in arrays.values()]
            length = cut.stop - cut.start
            if length not in made:
                stand_ins = [a[cut].copy() for a in eager.values()]
                made[length] = stand_ins, *trace(rule, [*stand_ins, *live], {}, "update")
            stand_ins, calls, results = made[length]
            swap = {id(s): p for s, p in zip(stand_ins, pieces, strict=True)}
            self.calls += [c.change(lambda a, swap=swap: swap.get(id(a), a)) for c in calls]
            for name, result in zip(changed, results, strict=True):
                target = arrays[name][cut]
                self.call(copied, (swap.get(id(result), result),), target, "update")

    def requires(self, condition: Callable[[], bool]) -> None:
        """What must be true before a replay, as it is now."""
        self.conditions.append(condition)

    def stops(self, what: str) -> None:
        """The function changes ``what``, a number of Python's: it must be recorded every time."""
        self.once = f"the function itself changes {what}"

    def counts(self, tensor: Tensor) -> None:
        """Before an optimizer adds 1 to its count of steps."""
        self.check_origin(tensor)
        self.kept.append(tensor)
        self.written[id(tensor)] = tensor
        here = self.here(tensor._array)
        self.call(np.add, (here, np.ones((), here.dtype)), here, "count")

    def settles(self, what: str, x: Any) -> None:
        """Raises if ``x`` holds an array that may be another in a replay."""
        if any(id(owner(a)) in self.moved for a in program.arrays(x)):
            self.refuses(what)

    def refuses(self, what: str) -> None:
        """Raises: ``what`` would make a Python value of a tensor."""
        raise refusal(
            f"{what} looks at a value while tinygrad_cls.compile records, and a replay would go on "
            f"with what it saw: return the tensor and look at it outside, or choose with where()"
        )


@safe
class Numbers:
    """An optimizer's numbers, as they are now, into memory that the kernels read."""

    def __init__(self, numbers: Callable[[], Sequence[float]], live: list[Array]) -> None:
        self.numbers = numbers
        self.live = live

    def __call__(self) -> None:
        for a, x in zip(self.live, self.numbers(), strict=True):
            a[()] = x


def assigned(value: Any, index: Any, out: Array) -> None:
    """``out[index] = value``."""
    out[index] = value


def parts(
    vector: Array, shapes: dict[int, tuple[int, ...]], pairs: dict[int, int | None]
) -> dict[int, Array]:
    """Where each array lies in the vector: one after the other, but a layer's bias, if it has one,
    beside its weight, as one more column.
    """
    found: dict[int, Array] = {}
    start = 0
    biases = {j for i, j in pairs.items() if i in shapes and j in shapes}
    for i, shape in shapes.items():
        if i in biases:
            continue
        j = pairs[i]
        if j not in biases or j in found:  # two layers may have one bias
            size = math.prod(shape)
            found[i] = vector[start : start + size].reshape(shape)
        else:
            size = shape[0] * (shape[1] + 1)
            block = vector[start : start + size].reshape(shape[0], shape[1] + 1)
            found[i], found[j] = block[:, :-1], block[:, -1]
        start += size
    return dict(sorted(found.items()))


def number(x: Any) -> Any:
    """A constant operand as Python's number, which kernels know how to make fast."""
    if isinstance(x, np.ndarray) and x.ndim == 0 and x.dtype.kind == "f":
        return 0 if x == 0 and not np.signbit(x) else x.item()
    return x


def refusal(text: str) -> RuntimeError:
    """The error of something that a plan can't hold, and the line that did it."""
    error = RuntimeError(f"compile: {text} ({line(caller())})")
    if state.recorder is not None:
        state.recorder.refused = error
    return error


def same_memory(result: Array, y: Array) -> bool:
    """Whether two arrays lie alike in memory of the same size."""
    a, b = owner(result), owner(y)
    return (
        result.shape == y.shape
        and result.dtype == y.dtype
        and result.strides == y.strides
        and a.nbytes == b.nbytes
        and address(result) - address(a) == address(y) - address(b)
    )

"""What a trace holds: values, the calls that made them, and the steps of backward."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import ops
from ..op import Op
from ..tensor import quiet
from .names import label_groups, name_values
from .rules import Rule

Array = np.ndarray[Any, Any]


@dataclass
class Value:
    """A tensor as it was: ``kind`` is "input", "parameter" (a leaf that requires grad) or "result".

    A tensor that is written in place is another value from then on. ``array`` is a copy; None where
    the trace saw the history of a value and not the value.
    """

    id: str
    kind: str
    array: Array | None
    requires_grad: bool
    name: str = ""
    module: str = ""

    @property
    def shape(self) -> str:
        """As it is written: "(2, 3)"."""
        return "" if self.array is None else str(self.array.shape)


@dataclass
class Call:
    """An op that was applied: ``output = op(*inputs, **static)``.

    ``inputs`` are ids of values, or arrays and numbers for constants; ``recorded`` says that the
    graph got a node; ``within`` is the backward pass that made the call (``create_graph``). ``op``
    is None for a Function, and for what was computed before the trace began.
    """

    op: Op | None
    title: str
    inputs: tuple[Any, ...]
    static: dict[str, Any]
    output: str
    running: tuple[tuple[Any, int], ...] = field(repr=False)  # modules, each with the nth call
    line: str
    recorded: bool
    within: int | None
    group: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The path of the module that made the call, such as "layer_1" or "encoder.0"."""
        return ".".join(self.group)


@dataclass
class Step:
    """One contribution of backward: the rule of ``op`` for one input, applied to a cotangent.

    ``value``: whose cotangent ``g`` is; ``operands``: what the rule reads beside ``g``; ``raw``:
    what it says; ``contribution``: that, summed over the axes ``summed`` which the op had
    broadcast; ``receiver``: whose cotangent it is added to; ``arrival``: as which, from 1;
    ``before`` and ``after``: the receiver's cotangent. ``local`` is the rule at g = 1, where that
    is a derivative: elementwise ops, and scalars. A Function has no rule: its ``op`` is None, and
    ``g`` too where it has several outputs. ``hooked``: a hook changed ``g`` on its way.
    """

    number: int
    backward: int
    value: str
    op: Op | None
    node: str
    slot: int
    input: str
    rule: Rule
    g: Array | None
    operands: dict[str, Any]
    raw: Array | None
    contribution: Array
    summed: tuple[int, ...]
    local: Array | None
    receiver: str
    arrival: int
    before: Array | None
    after: Array
    hooked: bool


@dataclass
class Gradient:
    """What backward number ``backward`` did to the ``.grad`` of a leaf, or of a result that retains
    it: ``after = before + arrived``. ``hooked``: a hook changed what arrived.
    """

    value: str
    backward: int
    before: Array | None
    arrived: Array
    after: Array
    hooked: bool


@dataclass(eq=False)
class Trace:
    """What a block computed. ``print(t.text())``, ``t.svg()``, ``t.html("page.html")``; a notebook
    shows it by itself.
    """

    values: list[Value] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    seeds: list[tuple[int, str, Array]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    gradients: list[Gradient] = field(default_factory=list)

    def __repr__(self) -> str:
        return (
            f"<trace of {len(self.calls)} calls, {len(self.steps)} steps of backward, "
            f"{len(self.gradients)} gradients>"
        )

    def __getitem__(self, id: str) -> Value:
        """The value of an id.

        Raises:
            KeyError: there is none.
        """
        number = id[1:]
        if not (id[:1] == "v" and number.isdecimal() and int(number) < len(self.values)):
            raise KeyError(f"{id!r} is no value: this trace has v0 to v{len(self.values) - 1}")
        return self.values[int(number)]

    def finish(self, names: Mapping[str, Any], tensors: Mapping[int, list[str]]) -> None:
        """Names the values, at the end of the block."""
        label_groups(self.calls, names)
        name_values(self, names, tensors)

    # --- by hand ----------------------------------------------------------------------------------

    def forward(self, changed: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """All values, computed anew from the leaves, of which some are ``changed``.

        The calls are repeated as they were made: a branch that the code would take for other
        numbers is not taken.

        >>> import numpy as np, tinygrad_cls as tg
        >>> x = tg.tensor([1.0, 2.0])
        >>> with tg.trace() as t:
        ...     y = x * 3
        >>> t.forward()["v1"], t.forward({"v0": np.array([5.0])})["v1"]
        (array([3., 6.], dtype=float32), array([15.]))
        """
        found: dict[str, Array] = {v.id: v.array for v in self.values if v.array is not None}
        found |= changed or {}
        for call in self.calls:
            if call.op is None or call.within is not None:
                continue
            kernel: Callable[..., Any] = call.op.kernel
            inputs = [found[x] if isinstance(x, str) else x for x in call.inputs]
            found[call.output] = np.asarray(quiet.run(kernel, *inputs, **call.static))
        return found

    def replay(self) -> dict[str, Array]:
        """The last ``.grad`` of every leaf, and of what retains it, computed from the steps by
        hand: the seeds, each rule applied to what has arrived, and sums. A Function's
        contributions, and cotangents that a hook changed, are taken as recorded.

        >>> import tinygrad_cls as tg
        >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
        >>> with tg.trace() as t:
        ...     (w * w).sum().backward()
        >>> t.replay(), w.grad
        ({'v0': array([ 2., -4.], dtype=float32)}, tensor([ 2., -4.]))
        """
        arrived: dict[tuple[int, str], Array] = {}
        for number, value, g in self.seeds:
            known = arrived.get((number, value))
            arrived[number, value] = g if known is None else known + g
        for step in self.steps:
            contribution = step.contribution
            if step.op is not None and step.g is not None:
                g = step.g if step.hooked else arrived[step.backward, step.value]
                contribution = by_the_rule(step, g)
            known = arrived.get((step.backward, step.receiver))
            arrived[step.backward, step.receiver] = (
                contribution if known is None else known + contribution
            )
        grads: dict[str, Array] = {}
        for noted in self.gradients:
            g = noted.arrived if noted.hooked else arrived[noted.backward, noted.value]
            grads[noted.value] = g if noted.before is None else noted.before + g
        return grads

    # --- pictures ---------------------------------------------------------------------------------

    def graph(self, collapse: bool = True, opened: Collection[tuple[str, ...]] = ()) -> Any:
        """The forward graph as a :class:`~tinygrad_cls.drawing.graph.Graph`. ``collapse``: a module
        is one node, save those in ``opened``.
        """
        from ..drawing.graph import collapse as collapsed
        from .picture import graph_of

        graph = graph_of(self)
        return collapsed(graph, opened) if collapse else graph

    def svg(self, collapse: bool = True, opened: Collection[tuple[str, ...]] = ()) -> str:
        """The graph as an SVG image."""
        from ..drawing.svg import svg

        return svg(self.graph(collapse, opened))

    def text(self, collapse: bool = False) -> str:
        """The graph as an indented tree, from the results to the leaves."""
        from ..drawing.text import text

        return text(self.graph(collapse))

    def to_dot(self, collapse: bool = False) -> str:
        """The graph in Graphviz's language."""
        from ..drawing.text import dot

        return dot(self.graph(collapse))

    def to_mermaid(self, collapse: bool = False) -> str:
        """The graph in Mermaid's language, which GitHub draws."""
        from ..drawing.text import mermaid

        return mermaid(self.graph(collapse))

    def html(self, path: str | Path | None = None, lang: str = "en") -> str:
        """A page of one file, which needs no network, to step through backward; written to
        ``path`` if that is given.
        """
        from .page import page
        from .scene import scene

        made = page(scene(self), lang)
        if path is not None:
            Path(path).write_text(made, encoding="utf-8")
        return made

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        from .page import framed

        return framed(self)


def copied(a: Array) -> Array:
    """A copy in the same layout: in which order numbers are summed depends on it. So an axis that
    was broadcast stays so.
    """
    narrow = a[tuple(slice(1) if step == 0 else slice(None) for step in a.strides)]
    made = narrow.copy("K")
    return made if made.shape == a.shape else np.broadcast_to(made, a.shape)


@np.errstate(all="ignore")
def by_the_rule(step: Step, g: Array) -> Array:
    """The contribution of a step for the cotangent ``g``."""
    if step.op is None:
        raise ValueError(f"{step.node} has no rule in the table")
    raw: Any = step.op.formula(step.slot).on_arrays(g, *step.operands.values())
    shape = step.contribution.shape
    return np.asarray(raw if raw.shape == shape else ops.KERNELS["sum_to"](raw, shape))

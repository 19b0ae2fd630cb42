"""The chain rule, once: a node for every recorded op, and one loop that passes cotangents down.

Duck-typed: a tensor here is anything with ``_edge`` (where its cotangent goes: a node, a leaf
tensor or None) and ``_lift`` (which makes a tensor of an array and an edge).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, TypeAlias

import numpy as np

from . import ops
from ._state import state, tick
from .errors import BOTH, CYCLE, freed, match, not_several, require_grad, stale, unused

Lift = Callable[[Any, Any], Any]


Version: TypeAlias = tuple[str, int, list[Any], int]
"""Of a tensor's value kept for backward: its name in the formulas; which input of the node it is,
or -1 for the output; the counter of all views of its memory, which holds the version and who wrote
last; and the version when it was kept."""


class Node:
    """One recorded op: what it was applied to, and what its derivatives need."""

    __slots__ = (
        "__weakref__", "called", "clock", "edges", "hooks", "keeps_values", "op", "retained",
        "saved", "shapes", "versions",
    )  # fmt: skip
    called: list[Any]  # what anomaly detection notes

    def __init__(
        self,
        op: Any,
        edges: tuple[Any, ...],
        shapes: Any,
        saved: Any,
        keeps_values: bool,
        versions: Sequence[Version] = (),
    ) -> None:
        self.op = op
        self.edges = edges
        self.shapes = shapes  # of the inputs, where they may have been broadcast
        self.saved: dict[str, Any] | None = saved
        self.keeps_values = keeps_values
        self.versions = versions
        self.clock = tick()
        self.hooks: dict[int, Callable[[Any], Any]] | None = None
        self.retained: Callable[[], Any] | None = None  # a weak reference to what keeps its .grad

    def name(self) -> str:
        """torch's name of the op's backward, such as MulBackward0."""
        name: str = self.op.name
        known = ops.TORCH_NAMES.get(name, name.title().replace("_", ""))
        return known(self.saved) if callable(known) else f"{known}Backward0"

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """torch's view of the graph: where the cotangents of the inputs go."""
        return tuple((edge, 0) for edge in self.edges)

    def pull(self, g: Any, useful: set[Any] | None, lift: Lift | None) -> list[tuple[Any, Any]]:
        """The cotangents of the inputs from the output's, each with the edge it goes to."""
        saved = self.saved
        if saved is None:
            raise freed(self.name())
        if lift is not None and state.recorder is not None and not state.grad_enabled:
            g = lift(g._array, None)  # laid out as arrays would be
        for name, where, counter, version in self.versions:
            if counter[0] != version:
                raise stale(self, saved[name], where, counter, version)
            if lift is not None:
                history = self if where < 0 else self.edges[where]
                saved = {**saved, name: lift(saved[name], history)}
        pulled = []
        op, shapes = self.op, self.shapes
        for i, edge in enumerate(self.edges):
            if edge is None or (useful is not None and edge not in useful):
                continue
            formula = op.formulas[0 if op.variadic else i]
            values = []
            for name in formula.needs:
                value = saved.get(name, i)  # only "which input" isn't saved
                values.append(value)
            gx = (formula.on_arrays if lift is None else formula.function)(g, *values)
            if shapes is not None and gx.shape != shapes[i]:
                gx = ops.sum_to(gx, shapes[i])
            pulled.append((edge, gx))
        return pulled

    def release(self) -> None:
        """Frees the saved values; a node that saved none can go backward again, as in torch."""
        if self.keeps_values:
            self.saved = None


@np.errstate(all="ignore")  # nan and inf are values here, as in torch
def chain_rule(
    seeds: Sequence[tuple[Any, Any]],
    *,
    targets: Sequence[Any] | None = None,
    keep: bool = False,
    lift: Lift | None = None,
    watch: Any = None,
) -> dict[Any, Any]:
    """The cotangents of the leaves (or of the ``targets``) from those of the roots, ``seeds``.

    Nodes are visited once each, the youngest first: when a node's turn comes, every node that
    uses its result is younger and has already contributed. With ``lift`` the formulas are fed
    Tensors, else arrays. ``watch`` is asked instead of the nodes.
    """
    cotangents: dict[Any, Any] = {}
    queue: list[tuple[int, Node]] = []
    wanted = set(targets) if targets is not None else set()
    useful = leading_to(wanted, [edge for edge, _ in seeds]) if targets is not None else None
    found: dict[Any, Any] = {}

    arriving = seeds
    while True:
        for edge, g in arriving:
            if edge in cotangents:
                cotangents[edge] = cotangents[edge] + g
            else:
                cotangents[edge] = g
                if isinstance(edge, Node):
                    heappush(queue, (-edge.clock, edge))
        if not queue:
            return cotangents | found
        node = heappop(queue)[1]
        g = cotangents.pop(node)
        if wanted and node in wanted:
            found[node] = g
        if node.hooks:
            for hook in (*node.hooks.values(),):
                g = hook(g)
        if node.retained is not None and (x := node.retained()) is not None:
            x._accumulate(g)
            if watch is not None:
                watch.ends({x: g})
        if useful is not None and useful.isdisjoint(node.edges):
            if node in found:  # torch takes it before the hooks, but at the end of the way after
                found[node] = g
            arriving = ()
            continue
        args = g, useful, lift
        arriving = node.pull(*args) if watch is None else watch.pull(node, *args)
        if not keep:
            node.release()


def leading_to(targets: set[Any], roots: Iterable[Any]) -> set[Any]:
    """The targets, and the nodes between the roots and them: nobody asks for other cotangents."""
    reached: set[Node] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and node not in reached:
            reached.add(node)
            stack.extend(node.edges)
    useful = set(targets)
    for node in sorted(reached, key=lambda n: n.clock):
        if any(edge in useful for edge in node.edges if edge is not None):
            useful.add(node)
    return useful


def run(
    outputs: Any, cotangents: Any, targets: Any, retain_graph: bool | None, create_graph: bool
) -> tuple[dict[Any, Any], Any]:
    """Seeds the chain rule from tensors, in the reading that is called for: arrays, unless the
    result needs a graph of its own or a recording is running. The cotangents, and what watched.
    """
    outputs = several(outputs)
    given = (None,) * len(outputs) if cotangents is None else several(cotangents)
    match(given, outputs)
    lift = outputs[0]._lift if create_graph or state.events is not None else None
    seeds = [(y._edge, y._seed(g, lift is not None)) for y, g in zip(outputs, given, strict=True)]
    keep = create_graph if retain_graph is None else retain_graph
    watch = None if state.watch is None else state.watch.begins(seeds)
    found, state.grad_enabled = state.grad_enabled, create_graph
    try:
        return chain_rule(seeds, targets=targets, keep=keep, lift=lift, watch=watch), watch
    finally:
        state.grad_enabled = found


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds d(sum of ``tensors``)/d(leaf) to ``leaf.grad``, of all leaves or of ``inputs``.

    ``grad_tensors`` are the cotangents, one for each tensor (None, or 1 for a single element).

    >>> import tinygrad_cls as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> backward((x * x).sum()); x.grad
    tensor([2., 4.])
    """
    if create_graph:
        warnings.warn(CYCLE, stacklevel=3)
    edges = None
    if inputs is not None:
        inputs, edges = sought(inputs, "backward")
        for x in inputs:
            x.retain_grad()
    found, watch = run(tensors, grad_tensors, edges, retain_graph, create_graph)
    leaves = found if inputs is None else dict.fromkeys(inputs)
    added = {leaf: leaf._accumulate(found[leaf]) for leaf in leaves if leaf in found}
    if watch is not None:
        watch.ends(added)


def several(tensors: Any) -> Sequence[Any]:
    """One tensor or a sequence of them, as a sequence."""
    if isinstance(tensors, tuple | list):
        return tensors
    return (tensors,) if hasattr(tensors, "_edge") else not_several(tensors)


def sought(inputs: Any, caller: str) -> tuple[Sequence[Any], list[Any]]:
    """The tensors whose gradients are asked for, and their edges."""
    inputs = (inputs,) if isinstance(inputs, str) else several(inputs)
    require_grad(inputs, caller)
    return inputs, [x._edge for x in inputs]


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """d(sum of ``outputs``)/d(input) for each input, leaving every ``.grad`` as it is.

    With ``create_graph`` the results can be differentiated again.

    >>> import tinygrad_cls as tg
    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> (slope,) = grad(x**3, x, create_graph=True)
    >>> slope.item(), grad(slope, x)[0].item()
    (27.0, 18.0)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(BOTH)
    inputs, edges = sought(inputs, "grad")
    found, _ = run(outputs, grad_outputs, edges, retain_graph, create_graph)
    results = []
    for i, (x, edge) in enumerate(zip(inputs, edges, strict=True)):
        if edge in found:
            results.append(x._gradient(found[edge]))
        elif materialize_grads:
            results.append(x._gradient(np.zeros(x.shape, x.dtype.numpy)))
        elif allow_unused:
            results.append(None)
        else:
            raise unused(i, tuple(x.shape))
    return tuple(results)

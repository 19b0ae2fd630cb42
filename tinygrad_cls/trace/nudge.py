"""Numeric slopes of a trace: one weight moved a little both ways, the loss computed anew."""

from __future__ import annotations

from typing import Any

import numpy as np

from .record import Array, Trace

STEPS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
BUDGET = 100_000  # calls of kernels: a second


def nudges(trace: Trace, cells: dict[str, list[int]]) -> tuple[dict[str, dict[int, Any]], str]:
    """For every leaf, for the flat indices ``cells`` of it: a pair of losses for each of `STEPS`,
    at w + eps and at w - eps, in float64. And why there are none, or not all.

    The loss is what backward started from, weighed with its cotangent: of all backward passes.

    >>> import tinygrad_cls as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> with tg.trace() as t:
    ...     (w * w).sum().backward()
    >>> [[more, less], *_] = nudges(t, {"v0": [0]})[0]["v0"][0]
    >>> round((more - less) / 0.2, 9)
    2.0
    """
    if any(call.op is None or call.within is not None for call in trace.calls):
        return {}, "function"
    if any(s.hooked for s in trace.steps) or any(g.hooked for g in trace.gradients):
        return {}, "hook"
    made = {call.output for call in trace.calls}
    leaves: dict[str, Array] = {
        v.id: v.array.astype(np.float64)
        for v in trace.values
        if v.id not in made and v.array is not None and v.array.dtype.kind == "f"
    }
    calls = needed(trace)

    def loss() -> float:
        found: dict[str, Any] = {v.id: v.array for v in trace.values} | leaves
        for call in calls:
            inputs = [found[x] if isinstance(x, str) else x for x in call.inputs]
            found[call.output] = np.asarray(call.op.kernel(*inputs, **call.static))
        return float(sum(np.sum(found[v] * np.asarray(g, np.float64)) for _, v, g in trace.seeds))

    moved: dict[str, dict[int, Any]] = {}
    left = BUDGET
    with np.errstate(all="ignore"):
        for leaf, wanted in cells.items():
            if leaf not in leaves:
                continue
            w, found = leaves[leaf].reshape(-1), moved.setdefault(leaf, {})
            leaves[leaf] = w.reshape(leaves[leaf].shape)
            for i in wanted:
                left -= 2 * len(STEPS) * max(len(calls), 1)
                if left < 0:
                    return moved, "large"
                kept = w[i]
                found[i] = []
                for eps in STEPS:
                    pair = []
                    for sign in (1, -1):
                        w[i] = kept + sign * eps
                        pair.append(loss())
                    found[i].append(pair)
                w[i] = kept
    return moved, ""


def needed(trace: Trace) -> list[Any]:
    """The calls that lead to where backward started, in order."""
    wanted = {value for _, value, _ in trace.seeds}
    found = []
    for call in reversed(trace.calls):
        if call.output in wanted:
            found.append(call)
            wanted.update(x for x in call.inputs if isinstance(x, str))
    return found[::-1]

"""What of one run corresponds to what of another, and how two arrays that part are related."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .recording import Array, Event, Key

Events = Mapping[Key, Event]
OPTIONAL = {"input", "cotangent"}
"""Kinds that a run may lack: functions between two nodes are no nodes."""


class Structure(Exception):
    """The runs have different names, shapes or epochs."""


def names_of(a: Events, b: Events) -> dict[str, str]:
    """``b``'s name for each name of ``a``: the same, or by order where all shapes agree."""
    names: dict[str, str] = {}
    for kind, what in (("start", "parameter or buffer"), ("output", "node")):
        of_a, of_b = (
            {e.key[1]: e.value.shape for e in reversed(events.values()) if e.kind == kind}  # type: ignore[call-overload]
            for events in (a, b)
        )
        if kind == "output" and not (of_a and of_b):
            continue
        if of_a.keys() == of_b.keys():
            names |= {name: name for name in of_a}
        elif list(of_a.values()) == list(of_b.values()):
            names |= dict(zip(of_a, of_b, strict=True))
        else:
            raise Structure(missing(what, of_a, of_b))
    return names


def missing(what: str, of_a: Mapping[str, object], of_b: Mapping[str, object]) -> str:
    """Which names only one of them has."""
    only = [
        f"{run} has the {what} {', '.join(names)}, which {other} has not"
        for run, other, names in (
            ("a", "b", [name for name in of_a if name not in of_b]),
            ("b", "a", [name for name in of_b if name not in of_a]),
        )
        if names
    ]
    return "; ".join(only)


def pairs(a: Events, b: Events, names: Mapping[str, str]) -> Iterator[tuple[Event, Event]]:
    """The events that both have, in the order of ``a``; Structure where one lacks what it should
    have. Nodes are left out where one run shows none.
    """
    rest = dict(b)
    for key, event in a.items():
        other = rest.pop((key[0], names.get(key[1], key[1]), *key[2:]), None)
        if other is None:
            need(event, b, "a", "b")
        elif event.value.shape != other.value.shape:
            raise Structure(
                f"{event.label} has shape {event.value.shape} in a and {other.value.shape} in b"
            )
        else:
            yield event, other
    for event in rest.values():
        need(event, a, "b", "a")


def need(event: Event, events: Events, run: str, other: str) -> None:
    """Raises Structure if ``events`` of the other run may not lack this one."""
    shows = any(e.kind == event.kind and e.evaluation == event.evaluation for e in events.values())
    if event.kind not in OPTIONAL and (shows or event.kind != "output"):
        raise Structure(f"{run} has {event.label}, {other} has not")


def resemblance(a: Event, b: Event, bound: float, before: tuple[Event | None, Event | None]) -> str:
    """How the values of two events that part are related, "" if that is not seen.

    ``before``: the same events in the epoch before.
    """
    if a.value.size < 2 or not (np.isfinite(a.value).all() and np.isfinite(b.value).all()):
        return ""
    x, y = (np.asarray(e.value, np.float64) for e in (a, b))
    if a.kind == "step" and a.start is not None and b.start is not None:
        x, y = x - a.start, y - b.start
    near = 4 * bound
    of, to = ("the step of b", "the step of a") if a.kind == "step" else ("b", "a")

    def same(p: Array, q: Array) -> bool:
        return p.shape == q.shape and bool(np.max(np.abs(p - q)) <= near)

    if not y.any() or not x.any():
        zero, other = (of, to) if not y.any() else (to, of)
        return f"{zero} is 0 everywhere, {other} is not"
    for p, q, e, this, that in ((x, y, before[1], "b", "a"), (y, x, before[0], "a", "b")):
        if e is not None and a.kind == "gradient" and same(q, p + e.value):
            return (
                f"{this}'s is {that}'s plus what {this} had in the epoch before: "
                "is zero_grad() missing?"
            )
    factor = float(np.vdot(x, y) / np.vdot(x, x))
    if same(y, factor * x):
        rate = ": another learning rate?" if a.kind == "step" else ""
        return f"{of} is {factor:.7g} times {to} in every entry{rate}"
    if x.ndim and same(by_rows(x), by_rows(y)):
        return "both have the same rows, in another order: is the data shuffled?"
    if x.ndim == 2 and same(y, x.T):
        return "b is the transpose of a"
    if x.ndim > 1 and len(x) > 1 and same(y - x, np.broadcast_to((y - x)[0], x.shape)):
        return "the difference is the same in every row: is a bias missing?"
    return ""


def by_rows(x: Array) -> Array:
    """The rows in an order that depends on their values alone."""
    rows = x.reshape(len(x), -1)
    return np.asarray(rows[np.lexsort(rows.T)])

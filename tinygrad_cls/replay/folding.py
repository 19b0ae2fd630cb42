"""Biases as columns of weights: one product instead of a product and a sum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .memory import NOTHING, Program, shifted, whole
from .program import Array, Call, copied, owner, place


def folded(program: Program) -> None:
    """Makes one product of a layer's product and its sum, forward and backward.

    The bias becomes one more column of the weight, and what that is multiplied with gets a row of
    ones; so the bias's gradient, a sum over the batch, is one more column of the weight's::

        W x + b  =  [W b] [x]         g [x' 1]  =  [dW db]
                          [1]

    For layers whose activations lie feature by feature. Sums are taken in another order.
    """
    extended = _fold_layers(program)
    for i in range(len(program.calls)):
        _fold_gradient(program, i, extended)
    program.rewrite(program.calls)


def _fold_layers(program: Program) -> list[Array]:
    """Makes one product of each layer; returns what weights are multiplied with then."""
    factors: list[tuple[int, Array, Array]] = []  # since when the third is the second, with ones
    moves: dict[int, tuple[Array, Array]] = {}
    calls: list[Call] = []
    for i, call in enumerate(program.calls):
        if i and _is_layer(program, i - 1):
            product = calls.pop()
            (W, x), b, z = product.args, call.args[1], call.out
            X = next((X for at, old, X in factors if _is_still(program, at, old, x, i)), None)
            if X is None:
                X = np.ones((len(x) + 1, x.shape[1]), x.dtype)
                program.fixed.add(id(X))
                factors.append((i, x, X))
                root = program.root(x)
                if program.own(x) and whole(x) and program.writes(x) and root not in moves:
                    moves[root] = x, X
                else:
                    calls.append(Call(copied, (x,), {}, X[:-1], product.op))
            Wb = np.empty((len(W), len(X)), W.dtype)
            calls.append(Call(copied, (W,), {}, Wb[:, :-1], product.op))
            calls.append(Call(copied, (b[:, 0],), {}, Wb[:, -1], product.op))
            calls.append(Call(np.matmul, (Wb, X), {}, z, product.op))
        else:
            calls.append(call)
    program.rewrite(calls)
    for x, X in moves.values():
        program.move(x, lambda a, x=x, X=X: shifted(a, x, X))  # type: ignore[misc]
    return [X for _, _, X in factors]


def _is_layer(program: Program, i: int) -> bool:
    """Whether calls i and i + 1 are W x + b, with x and the result of shape (features, batch)."""
    product, total = program.calls[i : i + 2]
    if product.function is not np.matmul or total.function is not np.add:
        return False
    (W, x), (y, b) = product.args, total.args
    z: Any = product.out
    out: Any = total.out
    return bool(
        W.ndim == x.ndim == 2
        and isinstance(b, np.ndarray)
        and b.shape == (len(W), 1)
        and W.dtype == x.dtype == b.dtype == out.dtype
        and isinstance(y, np.ndarray)
        and place(y) == place(z)
        and program.own(z)
        and [use.at for use in program.uses(z)] == [i, i + 1]  # nobody else wants W x
        and program.writes(z) == [i]
        and (x.flags.c_contiguous or id(owner(x)) in program.outside)
        and out.flags.c_contiguous
    )


def _is_still(program: Program, at: int, old: Array, x: Array, i: int) -> bool:
    """Whether ``old`` is ``x``, and call ``i`` finds there what call ``at`` found."""
    return place(old) == place(x) and not program.written(x, at, i)


def _fold_gradient(program: Program, i: int, extended: list[Array]) -> None:
    """Makes one product of a weight's gradient, if that is call i, and its bias's."""
    call = program.calls[i]
    if call.function is not np.matmul or call.args[0].ndim != 2 or call.args[1].ndim != 2:
        return
    left, right = call.args
    for X in extended:
        for x in _values(program, X):
            if place(right) == place(x.T):
                g, turned = left.T, False
            elif place(left) == place(x):
                g, turned = right, True
            else:
                continue
            sums = (use.at for use in program.uses(g) if not use.writes)
            j = next((at for at in sums if _sums_rows(program, at, g)), None)
            if j is not None and _fits(program, i, j, g, x, X):
                _fold_sum(program, i, j, g, X, turned)
                return


def _values(program: Program, X: Array) -> Iterator[Array]:
    """What holds the values that are above the ones: that itself, or what was copied there."""
    yield X[:-1]
    call = program.calls[program.writes(X)[0]]
    if call.function is copied:
        yield call.args[0]


def _sums_rows(program: Program, i: int, g: Array) -> bool:
    """Whether call ``i`` is the product of a row of ones with ``g``."""
    if i == len(program.calls):
        return False
    call = program.calls[i]
    if call.function is not np.matmul or call.args[0].ndim != 1:
        return False
    ones, factor = call.args
    constant = program.own(ones) and not program.writes(ones)  # not a parameter that starts with 1
    return constant and place(factor) == place(g) and bool(np.all(ones == 1))


def _fits(program: Program, i: int, j: int, g: Array, x: Array, X: Array) -> bool:
    """Whether calls ``i`` and ``j`` find the same values, and what they write can be moved."""
    first, last = sorted((i, j))
    filled = program.writes(X)[0]
    if filled >= first or program.written(x, filled + 1, last):
        return False
    if program.written(g, first, last):
        return False
    d: Any = program.calls[i].out
    db: Any = program.calls[j].out
    if not g.dtype == X.dtype == d.dtype == db.dtype:
        return False
    for a, at in ((d, i), (db, j)):
        uses, places = program.uses(a), (place(a), place(a.T))
        if not (program.own(a) and whole(a) and uses[0][:2] == (at, True)):
            return False
        if any(place(use.array) not in places for use in uses):
            return False
    return True


def _fold_sum(program: Program, i: int, j: int, g: Array, X: Array, turned: bool) -> None:
    """Replaces the product ``i`` and the sum ``j`` by one product."""
    op = program.calls[i].op
    d: Any = program.calls[i].out
    db: Any = program.calls[j].out
    D = np.empty((g.shape[1], len(X)), d.dtype)
    weight = D[:, :-1].T if turned else D[:, :-1]
    program.move(d, lambda a: weight if place(a) == place(d) else weight.T)
    program.move(db, lambda a: D[:, -1])
    program.replace(max(i, j), NOTHING)
    program.replace(min(i, j), Call(np.matmul, (g.T, X.T), {}, D, op))

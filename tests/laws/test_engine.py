"""The chain rule's costs: no recursion, a visit for each node, nothing left to the collector."""

import gc
import weakref
from collections import Counter
from typing import Any

import numpy as np
import pytest

import tinygrad_cls as tg
from tinygrad_cls.chain_rule import Node


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each node was asked for its inputs' cotangents."""
    seen: Counter[int] = Counter()
    pull = Node.pull

    def counted(self: Node, *args: Any) -> Any:
        seen[self.clock] += 1
        return pull(self, *args)

    monkeypatch.setattr(Node, "pull", counted)
    return seen


def test_a_long_chain() -> None:
    """100,000 ops go backward and are freed: a hundred times Python's recursion limit."""
    x = tg.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = -y
    y.backward()
    assert x.grad.item() == 1
    del y


def test_a_long_chain_is_freed_unused() -> None:
    y = tg.tensor(1.0, requires_grad=True)
    for _ in range(100_000):
        y = y * 1.0
    del y


def test_a_diamond_costs_its_nodes(visits: Counter[int]) -> None:
    """1,000 times y + y has 2**1000 paths and 1,000 nodes."""
    x = tg.tensor(1.0, requires_grad=True, dtype=tg.float64)
    y = x
    for _ in range(1000):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**1000
    assert len(visits) == 1000
    assert set(visits.values()) == {1}


def test_a_diamond_with_two_arms(visits: Counter[int]) -> None:
    x = tg.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(300):
        y = (y * 0.5) + (y * 0.5)
    y.backward()
    assert x.grad.item() == 1
    assert len(visits) == 900
    assert set(visits.values()) == {1}


def test_only_what_leads_to_the_inputs_is_visited(visits: Counter[int]) -> None:
    x, w = (tg.ones(3, requires_grad=True) for _ in range(2))
    far = w
    for _ in range(50):
        far = far.exp().log()
    tg.autograd.grad((x * 2 + far).sum(), x)
    assert len(visits) == 3  # sum, add, mul


class Watched(tg.Tensor):
    """A tensor whose death can be seen."""


@pytest.mark.parametrize("how", ["forward", "backward", "create_graph", "recording", "hooks"])
def test_freed_without_the_collector(how: str) -> None:
    """No reference cycles: an array dies with the last name for it."""
    gc.collect()
    gc.disable()
    try:
        x = Watched(np.arange(3.0)).requires_grad_()
        y = (x * x).exp()
        loss = y.sum()
        alive = [weakref.ref(x), weakref.ref(loss), weakref.ref(y), weakref.ref(y._array)]
        alive += [weakref.ref(loss.grad_fn), weakref.ref(y.grad_fn)]
        if how == "backward":
            y.retain_grad()
            loss.backward()
        elif how == "create_graph":
            (g,) = tg.autograd.grad(loss, x, create_graph=True)
            (h,) = tg.autograd.grad(g.sum(), x)
            alive += [weakref.ref(g), weakref.ref(h), weakref.ref(g.grad_fn)]
            del g, h
        elif how == "recording":
            with tg.recording() as tape:
                tg.autograd.grad(loss, x)
            del tape
        elif how == "hooks":
            y.register_hook(lambda g: g * 2)
            x.register_hook(lambda g: g * 2)
            loss.backward()
        del x, y, loss
        assert [ref() for ref in alive] == [None] * len(alive)
    finally:
        gc.enable()


def test_backward_frees_what_it_saved() -> None:
    x = tg.ones(3, requires_grad=True)
    y = x.exp()
    saved, loss = weakref.ref(y._array), y.sum()
    del y
    assert saved() is not None  # exp keeps its output for backward
    loss.backward()
    assert saved() is None


def test_fan_out_adds_up() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    sum(x * k for k in range(1, 5)).sum().backward()
    assert x.grad.tolist() == [10, 10]


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda a: a + a, 2),
        (lambda a: a - a, 0),
        (lambda a: a * a, 6),
        (lambda a: a / a, 0),
        (lambda a: tg.maximum(a, a), 1),
        (lambda a: tg.stack([a, a, a]).sum(), 3),
        (lambda a: tg.where(a > 0, a, a), 1),
        (lambda a: a, 1),
    ],
)
def test_one_tensor_in_several_places(f: Any, slope: float) -> None:
    a = tg.tensor(3.0, requires_grad=True)
    f(a).backward()
    assert a.grad.item() == slope


def test_several_roots_and_an_inner_node_among_the_inputs() -> None:
    x = tg.tensor(2.0, requires_grad=True)
    y = x * x
    z = y * 3
    assert [g.item() for g in tg.autograd.grad([z, y], [x, y], [tg.tensor(1.0)] * 2)] == [16, 4]


def test_gradients_do_not_alias() -> None:
    """The one cotangent that add sends both ways becomes two gradients."""
    a, b = (tg.ones(2, requires_grad=True) for _ in range(2))
    seed = tg.ones(2)
    (a + b).backward(seed)
    a.grad.zero_()
    assert b.grad.tolist() == seed.tolist() == [1, 1]


def test_a_tape_is_taken_off_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), tg.recording() as tape:
        1 / 0
    tg.ones(2) + 1
    assert tape == []

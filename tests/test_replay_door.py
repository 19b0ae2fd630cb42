"""`compile` by the side of PyTorch's: called, and as a decorator."""

import numpy as np
import pytest

import tinygrad_cls as tg

torch = pytest.importorskip("torch")


def values(package, compiled):
    """A function of three inputs, and of a tensor from outside that changes in between."""
    w = package.tensor([[1.0, -2.0], [0.5, 3.0]])

    def f(x):
        return ((x @ w).relu() ** 2).mean(dim=1)

    f = compiled(f)
    found = []
    for k in (0.0, 1.0, 2.0):
        found.append(f(package.tensor([[1.0, 2.0], [k, -1.0]])).numpy())
        w.mul_(0.5)
    return found


def test_compiled_functions_are_torchs() -> None:
    theirs = values(torch, lambda f: torch.compile(f, backend="eager"))
    for ours in (
        values(tg, tg.compile),
        values(tg, tg.compile()),
        values(tg, lambda f: tg.compile(f, passes=())),
        values(tg, lambda f: tg.compile(model=f, passes=["direct"])),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)  # a few roundings of float32


def test_a_module_is_compiled() -> None:
    results = []
    for package in (torch, tg):
        package.manual_seed(0)
        model = package.nn.Linear(3, 2)
        called = tg.compile(model) if package is tg else torch.compile(model, backend="eager")
        with package.no_grad():
            results.append([called(package.full((2, 3), float(k))).numpy() for k in range(3)])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6, atol=1e-7)

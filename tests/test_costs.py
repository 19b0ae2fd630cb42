"""What importing the package and a training step cost, where it can be told without a clock."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from parity import check

import tinygrad_cls as tg
from tinygrad_cls import nn

ROOT = Path(__file__).resolve().parent.parent


def loaded(statement: str) -> set[str]:
    """The modules that are there after ``statement``, in a fresh process."""
    command = [sys.executable, "-c", f"{statement}\nimport sys; print(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_waits_with_what_few_need() -> None:
    """The random generators and, with them, cryptography took a third of the import."""
    own = loaded("import tinygrad_cls") - loaded("import numpy")
    late = {"numpy.random", "secrets", "hashlib", "random", "dataclasses", "zipfile", "json"}
    assert own & late == set()
    assert "tinygrad_cls.tensor" in own  # the comparison sees what an import loads


def test_draws_after_a_late_start() -> None:
    """The twister is made by the first draw, from the seed that is valid then."""
    code = "import tinygrad_cls as tg\ntg.manual_seed(1); tg.manual_seed(0)\nprint(tg.rand(2))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "tensor([0.4963, 0.7682])\n"


def test_memory_of_a_step() -> None:
    """PyTorch 2.13 allocates 16.4 MB at the peak of this step (its profiler says): the first
    hidden layer, the second, the cotangent at the second ReLU and the one it passes on, of 4 MB
    each, and some columns. The bound is a tenth above, for here ReLU's mask is an array of its own.
    """
    model = nn.Sequential(
        nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 1)
    )
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    x, y = tg.rand(100_000, 2), tg.rand(100_000)

    def step() -> None:
        loss = nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        step()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 16e6 < peak - before < 1.1 * 16.4e6  # h, h', g and g' at least: or nothing was measured
    assert after - before < 1e5  # a step leaves nothing behind


@pytest.mark.needs_torch
@pytest.mark.parametrize("wanted", ["a", "b"])
def test_a_stale_value_that_the_gradient_asked_for_does_not_need(wanted: str) -> None:
    """torch reads all that a node saved, also for one of its gradients."""
    check(
        f"""
a = torch.tensor([1.0, 2.0], requires_grad=True)
b = torch.tensor([3.0, 4.0], requires_grad=True)
c, d = a * 2, b * 3
y = (c * d).sum()
with torch.no_grad():
    d.add_(1)
torch.autograd.grad(y, {wanted})
"""
    )

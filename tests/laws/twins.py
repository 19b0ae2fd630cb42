"""The calls of the laws made to PyTorch, by the twins of :mod:`tinygrad_cls._torch.twins`.

Import it through the fixture ``twins``: it needs PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tinygrad_cls._torch.twins import twin

from .calls import Array, Call, mapped, results

torch = pytest.importorskip("torch", reason="compares with PyTorch")


class Twin:
    """A call made to PyTorch: the same arrays as its tensors, the same arguments."""

    def __init__(self, call: Call, requires_grad: Sequence[int] = ()) -> None:
        self.tensors = [
            torch.from_numpy(a).detach().requires_grad_(i in requires_grad)
            for i, a in enumerate(call.arrays)
        ]
        function = twin(call.entry.name)
        if function is None:
            pytest.skip("torch has no such function: its value is judged where formulas use it")
        kwargs = {name: mapped(torch.tensor, value) for name, value in call.kwargs.items()}
        self.results = results(function(*call.with_arrays(self.tensors), **kwargs))

    def vjp(self, cotangents: Sequence[Array], wanted: Sequence[int]) -> list[Array]:
        ys = [y for y in self.results if isinstance(y, torch.Tensor) and y.requires_grad]
        found = torch.autograd.grad(
            ys,
            [self.tensors[i] for i in wanted],
            [torch.tensor(g) for g in cotangents],
            allow_unused=True,
            materialize_grads=True,
        )
        return [g.numpy() for g in found]

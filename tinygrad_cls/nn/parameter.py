"""A tensor that a module learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor


class Parameter(Tensor):
    """A leaf that requires grad, and that a module finds among its attributes.

    >>> import tinygrad_cls as tg
    >>> Parameter(tg.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        source = Tensor() if data is None else data.detach()
        if requires_grad and not source.is_floating_point():
            raise RuntimeError(
                f"Only Tensors of floating point and complex dtype can require gradients, not "
                f"{source.dtype}; convert with .float(), or pass requires_grad=False"
            )
        self.__dict__.update(source.__dict__)  # the same memory, as a leaf of its own
        self._requires_grad = bool(requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{self._text('tensor(')}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """A twin without the gradient, as torch has it for parameters alone."""
        twin: Parameter = super().__deepcopy__(memo)
        twin._grad = None
        return twin

    def _own(self, array: np.ndarray[Any, Any]) -> None:
        """Takes new memory, keeping its identity: what ``Module.to`` does."""
        self._array = array
        self._base = None
        self._counter = None

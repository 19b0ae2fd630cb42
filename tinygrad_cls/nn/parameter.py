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
        source = data if data is not None else Tensor()
        self._array = source._canonical()
        self._counter = source._counter
        self._base = source._base or source
        self.requires_grad = requires_grad

    def __repr__(self) -> str:
        return f"Parameter containing:\n{self._text('tensor(')}"

    def _own(self, array: np.ndarray[Any, Any]) -> None:
        """Takes new memory, keeping its identity: what ``Module.to`` does."""
        self._array = array
        self._base = None
        self._counter = None

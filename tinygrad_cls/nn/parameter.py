"""The tensors of a module: those that it learns, and others that belong to its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..surface import rebuilt
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
        """A twin with memory of its own, without gradient and attributes: as torch has it for
        parameters alone.
        """
        array = np.array(self._canonical(), order="K")
        twin: Parameter = rebuilt(self.__class__, array, self._requires_grad)
        return twin

    def _convert(self, converted: Callable[[Tensor], Any]) -> None:
        """Takes on another dtype, keeping its identity: what ``Module.to`` does."""
        twin = converted(self.detach())
        if twin.dtype is self.dtype:
            return
        if self.requires_grad and not twin.is_floating_point():
            raise RuntimeError(
                f"data set to a tensor that requires gradients must be floating point or complex "
                f"dtype, not {twin.dtype}; freeze it with requires_grad_(False)"
            )
        self._array = twin._array
        self._base = None
        self.__dict__.pop("_counter", None)
        if self._grad is not None:
            self._grad = converted(self._grad)


class Buffer(Tensor):
    """A tensor that belongs to a module's state but is not learned: assigned to an attribute, it is
    registered as by :meth:`Module.register_buffer`.

    >>> from tinygrad_cls import nn, ones
    >>> m = nn.Module()
    >>> m.scale = nn.Buffer(ones(2))
    >>> m.state_dict()["scale"]
    tensor([1., 1.])
    """

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        source = Tensor() if data is None else data.detach()
        self.__dict__.update(source.__dict__)
        self._requires_grad = data is not None and data.requires_grad
        self.persistent = persistent

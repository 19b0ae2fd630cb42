"""The layers and losses as functions."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .. import ops
from ..creation import whole
from ..errors import no_such_name, not_a_tensor
from ..ops import linear, logsigmoid, one_hot, sigmoid, softplus, tanh
from ..random import default_generator, drawn, in_memory_order
from ..tensor import Tensor, new
from .loss_functions import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .normalization import batch_norm

__all__ = [
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "relu",
    "sigmoid",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]


def implicit_dim(name: str, x: Tensor, dim: int | None) -> int:
    """torch's guess for a softmax without ``dim``, with torch's warning."""
    if dim is not None:
        return whole(name, "dim", 1, dim)
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        f"dim=X as an argument.",
        stacklevel=4,
    )
    return 0 if x.ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Any:
    """e**x / sum e**x along ``dim``, in ``dtype`` if one is given."""
    x = input if dtype is None else input.to(dtype)
    return x.softmax(implicit_dim("softmax", x, dim))


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Any:
    """log softmax(x) along ``dim``, in ``dtype`` if one is given."""
    x = input if dtype is None else input.to(dtype)
    return x.log_softmax(implicit_dim("log_softmax", x, dim))


def tensor_for(name: str, input: Any) -> Tensor:
    """The layer's input, refused unless it is a tensor; the table would take an array too."""
    return input if isinstance(input, Tensor) else not_a_tensor(name, input)


def relu(input: Tensor, inplace: bool = False) -> Any:
    """max(x, 0), element by element; ``inplace`` overwrites the input."""
    tensor_for("relu_" if inplace else "relu", input)
    return input.relu_() if inplace else ops.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x where x > 0, else negative_slope x, element by element; ``inplace`` overwrites the input.

    At 0 the slope is ``negative_slope``, as in torch.

    >>> import tinygrad_cls as tg
    >>> leaky_relu(tg.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    tensor_for("leaky_relu_" if inplace else "leaky_relu", input)
    if inplace:
        return input._in_place(ops.leaky_relu, negative_slope)
    return ops.leaky_relu(input, negative_slope)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """While ``training``, x m / (1 - p) with m = 0 with probability ``p``, else 1. Else x itself.

    m is torch's, from torch's stream: where a float64 uniform number is less than 1 - p.
    ``inplace`` overwrites the input.

    >>> import tinygrad_cls as tg
    >>> g = tg.manual_seed(0)
    >>> dropout(tg.ones(4), 0.5)
    tensor([0., 0., 2., 0.])
    """
    check_probability(p)
    tensor_for("dropout", input)
    if not training or p == 0 or not input.numel():
        return input
    kind = input._array.dtype
    if p == 1:
        noise = new(np.zeros((), kind))
    elif kind.kind != "f":
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {input.dtype.title}: "
            f"dropout takes floating point; convert with .float()"
        )
    else:
        keep, stream = 1 - float(p), default_generator.stream
        kept = in_memory_order(input, lambda shape: stream.bernoulli(shape, keep))
        noise = drawn(lambda: kept().astype(kind) / kind.type(keep))
    return input.mul_(noise) if inplace else input * noise


def check_probability(p: float) -> None:
    if p < 0 or p > 1 or math.isnan(p):
        kind = RuntimeError if math.isnan(p) else ValueError  # of nan torch complains later
        raise kind(f"dropout probability has to be between 0 and 1, but got {p}")


if not TYPE_CHECKING:  # a type checker finds a wrong name by itself

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)

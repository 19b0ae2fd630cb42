"""The layers of a small classifier."""

from __future__ import annotations

import math
from typing import Any

from .. import ops
from ..creation import empty
from ..dtypes import dtype as Dtype
from ..errors import not_a_tensor
from ..tensor import Tensor, apply
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class Linear(Module):
    """y = x W' + b over the last axis: (..., in_features) -> (..., out_features).

    ``weight`` (out, in) and ``bias`` (out,) start uniform on +-1/sqrt(in_features), drawn as
    torch draws them.

    >>> import tinygrad_cls as tg
    >>> g = tg.manual_seed(0)
    >>> Linear(2, 1).weight
    Parameter containing:
    tensor([[-0.0053,  0.3793]], requires_grad=True)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), dtype=dtype, device=device))
        if bias:
            self.bias = Parameter(empty(out_features, dtype=dtype, device=device))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the initial weights anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Any:
        own = self._parameters  # the way of self.weight, without the detour of __getattr__
        W, b = own.get("weight"), own.get("bias")
        plain = W is not None and b is not None
        if plain and type(input) is Tensor and input._array.ndim == 2:
            return apply(ops.affine, (input, W, b), {})  # what linear comes to, at once
        if not isinstance(input, Tensor):
            not_a_tensor("linear", input)
        return ops.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class ReLU(Module):
    """max(x, 0), element by element."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Any:
        if type(input) is Tensor and not self.inplace:
            return apply(ops.relu, (input,), {})  # what F.relu comes to, at once
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where x > 0, else negative_slope x, element by element."""

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Any:
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + ", inplace=True" * self.inplace


class Softplus(Module):
    """log(1 + e**(beta x)) / beta, and x where beta x > threshold, element by element."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Any:
        return ops.softplus(F.tensor_for("softplus", input), self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Sigmoid(Module):
    """1 / (1 + e**-x), element by element."""

    def forward(self, input: Tensor) -> Any:
        return ops.sigmoid(F.tensor_for("sigmoid", input))


class LogSigmoid(Module):
    """log sigmoid x, right for x of any size, element by element."""

    def forward(self, input: Tensor) -> Any:
        return ops.logsigmoid(F.tensor_for("log_sigmoid", input))


class Tanh(Module):
    """tanh x, element by element."""

    def forward(self, input: Tensor) -> Any:
        return ops.tanh(F.tensor_for("tanh", input))


class Softmax(Module):
    """e**x / sum e**x along ``dim``."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Any:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """log softmax(x) along ``dim``."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Any:
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Dropout(Module):
    """While training, zeroes elements with probability ``p`` and divides the others by 1 - p, so
    that the mean stays; in evaluation mode, x itself. The mask is torch's, from torch's stream.

    >>> import tinygrad_cls as tg
    >>> g = tg.manual_seed(0)
    >>> Dropout(0.5)(tg.ones(4))
    tensor([0., 0., 2., 0.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        F.check_probability(p)
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Any:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Flatten(Module):
    """The axes from ``start_dim`` to ``end_dim`` as one; by default all but the batch."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Any:
        return ops.flatten(F.tensor_for("flatten", input), self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Identity(Module):
    """x itself; any arguments are accepted and ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input

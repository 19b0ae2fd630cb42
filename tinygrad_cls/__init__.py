"""A NumPy autograd engine shaped like PyTorch.

>>> import tinygrad_cls as torch
>>> from tinygrad_cls import nn
>>> g = torch.manual_seed(0)
>>> nn.Linear(2, 1)(torch.ones(1, 2))
tensor([[-0.2080]], grad_fn=<AddmmBackward0>)
"""

import math
from typing import TYPE_CHECKING, Any, NoReturn

from . import autograd, cuda, nn, ops, optim, utils
from ._state import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    recording,
    set_grad_enabled,
)
from ._torch import from_torch, to_torch
from .creation import (
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    is_floating_point,
    is_tensor,
    linspace,
    numel,
    ones,
    ones_like,
    result_type,
    tensor,
    zeros,
    zeros_like,
)
from .custom import op
from .dtypes import (
    Size,
    bool_,
    can_cast,
    device,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
)
from .errors import no_such_name
from .formatting import set_printoptions
from .methods import Tensor
from .random import (
    Generator,
    bernoulli,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from .replay import compile
from .serialize import load, save
from .trace import trace

__all__ = [  # and every entry of ops.TABLE that torch has a public name for
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "Generator",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "Size",
    "Tensor",
    "absolute",
    "arange",
    "as_tensor",
    "autograd",
    "bernoulli",
    "bool",
    "can_cast",
    "clip",
    "compile",
    "cuda",
    "default_generator",
    "device",
    "divide",
    "double",
    "dtype",
    "e",
    "empty",
    "empty_like",
    "enable_grad",
    "eye",
    "finfo",
    "float",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "from_torch",
    "full",
    "full_like",
    "get_default_dtype",
    "get_rng_state",
    "half",
    "iinfo",
    "inf",
    "inference_mode",
    "initial_seed",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_floating_point",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_tensor",
    "linspace",
    "load",
    "long",
    "manual_seed",
    "multiply",
    "nan",
    "nn",
    "no_grad",
    "numel",
    "ones",
    "ones_like",
    "op",
    "ops",
    "optim",
    "pi",
    "promote_types",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "recording",
    "result_type",
    "save",
    "seed",
    "set_default_dtype",
    "set_grad_enabled",
    "set_printoptions",
    "set_rng_state",
    "short",
    "subtract",
    "tensor",
    "to_torch",
    "trace",
    "uint8",
    "utils",
    "zeros",
    "zeros_like",
]

__version__ = "0.1.0"

float, double, half = float32, float64, float16
short, int, long = int16, int32, int64
bool = bool_
inf, nan, pi, e = math.inf, math.nan, math.pi, math.e


for _name, _entry in ops.TABLE.items():  # an op is added in ops.py alone
    if _name not in ops.HELPERS:
        globals()[_name] = _entry
absolute, clip, divide, multiply, subtract = ops.abs, ops.clamp, ops.div, ops.mul, ops.sub

if TYPE_CHECKING:  # the names that the table provides

    def __getattr__(name: str) -> Any: ...
else:

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)

"""torch's dtypes and how they combine: the promotion rules, and which op takes which dtype."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import C_NAMES, TITLES


class dtype:  # noqa: N801  (torch's name)
    """A tensor's element type. It prints as torch's does, so that scripts print the same bytes.

    >>> import tinygrad_cls as tg
    >>> tg.ones(2).dtype, tg.float64.itemsize, tg.int64.is_floating_point
    (torch.float32, 8, False)
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.title = TITLES[name]
        self.c_name = C_NAMES[name]
        self.numpy = np.dtype(name)
        self.itemsize = self.numpy.itemsize
        self.is_floating_point = self.numpy.kind == "f"
        self.is_complex = False
        self.is_signed = self.numpy.kind in "fi"

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return "bool_" if self.name == "bool" else self.name


DEVICES = (
    "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, "
    "mps, meta, hpu, mtia, privateuseone"
)


class device:  # noqa: N801
    """The name of a device. Only the CPU holds tensors; another's name may be made, not used.

    >>> device("cpu"), device("cuda:1").index
    (device(type='cpu'), 1)
    """

    type: str
    index: int | None

    def __init__(self, type: Any = None, index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if not isinstance(type, str):
            got = "" if type is None else type.__class__.__name__
            raise TypeError(
                f"device() received an invalid combination of arguments - got ({got}), but "
                f"expected one of: a device; a name such as 'cpu', and an index"
            )
        self.type, self.index = parsed(type)
        if index is not None:
            if not isinstance(index, int):
                raise TypeError(
                    f"device(): argument 'index' (position 2) must be int, not "
                    f"{index.__class__.__name__}"
                )
            if self.index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed "
                    f"explicitly: {type}"
                )
            self.index = index

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))


def parsed(name: str) -> tuple[str, int | None]:
    """The type and the index in a device's name.

    >>> parsed("cuda:1"), parsed("cpu")
    (('cuda', 1), ('cpu', None))
    """
    found = re.fullmatch(r"([A-Za-z_]+)(?::(0|[1-9][0-9]*))?", name)
    if not name:
        raise RuntimeError("Device string must not be empty")
    if found is None:
        raise RuntimeError(f"Invalid device string: '{name}'")
    if found[1] not in DEVICES.split(", "):
        raise RuntimeError(
            f"Expected one of {DEVICES} device type at start of device string: {name}"
        )
    return found[1], None if found[2] is None else int(found[2])


def on_cpu(where: Any) -> None:
    """Refuses any device but the CPU."""
    if where is CPU or (type(where) is str and where == "cpu"):
        return
    place = device(where)
    if place.type == "cuda":
        raise AssertionError(
            "Torch not compiled with CUDA enabled: this engine computes with NumPy on the CPU. "
            "Ask cuda.is_available() first, or use PyTorch itself for a GPU."
        )
    if place.type != "cpu":
        raise RuntimeError(
            f"the device '{place}' is not available: this engine computes with NumPy on the CPU"
        )


CPU = device("cpu")


class Size(tuple[int, ...]):
    """A shape: a tuple that prints as torch's.

    >>> Size([2, 3]), Size([2, 3]).numel()
    (torch.Size([2, 3]), 6)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return Size(part) if isinstance(index, slice) else part

    def __add__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            raise TypeError(
                f"can only concatenate tuple (not {type(other).__name__}) to torch.Size"
            )
        return Size(super().__add__(other))

    def __radd__(self, other: tuple[int, ...]) -> Size:
        return Size(other + tuple(self))

    def __mul__(self, times: Any) -> Size:
        return Size(super().__mul__(times))

    __rmul__ = __mul__

    def numel(self) -> int:
        """How many elements."""
        return int(np.prod(self, dtype=np.int64))


float32 = dtype("float32")
float64 = dtype("float64")
float16 = dtype("float16")
int64 = dtype("int64")
int32 = dtype("int32")
int16 = dtype("int16")
int8 = dtype("int8")
uint8 = dtype("uint8")
bool_ = dtype("bool")

DTYPES = (float32, float64, float16, int64, int32, int16, int8, uint8, bool_)
OF_NUMPY = {d.numpy: d for d in DTYPES}
OF_PYTHON = {float: float64, int: int64, bool: bool_}
CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}
"""By NumPy's letters: bool < integer < float."""


class Default:
    """The dtype of a tensor made from Python floats."""

    dtype = float32


def of(x: Any) -> dtype:
    """The engine's dtype for a dtype of the engine, of NumPy or of Python.

    >>> of(np.float64), of(int)
    (torch.float64, torch.int64)
    """
    if isinstance(x, dtype):
        return x
    if isinstance(x, type) and x in OF_PYTHON:
        return OF_PYTHON[x]
    try:
        return OF_NUMPY[np.dtype(x).newbyteorder("=")]
    except (TypeError, KeyError):
        raise TypeError(
            f"can't convert {x!r} to a dtype of this engine. The only supported types are: "
            f"{', '.join(d.name for d in DTYPES)}."
        ) from None


def asked(name: str, x: Any, default: dtype | None = None) -> dtype:
    """The dtype that a caller of the function ``name`` asks for, or if none ``default`` (float32).

    >>> asked("zeros", None), asked("zeros", int)
    (torch.float32, torch.int64)
    """
    if x is None:
        return default or Default.dtype
    if isinstance(x, dtype):
        return x
    if isinstance(x, type) and x in OF_PYTHON:
        return OF_PYTHON[x]
    raise TypeError(
        f"{name}(): argument 'dtype' must be torch.dtype, not {type(x).__name__}: {x!r}; the "
        f"dtypes are {', '.join(d.name for d in DTYPES)}, of this module"
    )


def set_default_dtype(d: dtype) -> None:
    """Sets the dtype of tensors made from Python floats.

    >>> import tinygrad_cls as tg
    >>> tg.set_default_dtype(tg.float64); tg.tensor(1.0).dtype
    torch.float64
    >>> tg.set_default_dtype(tg.float32)
    """
    floating = "only floating-point types are supported as the default type"
    if not isinstance(d, dtype):
        raise TypeError(f"invalid dtype object: {floating}, not {d!r}")
    if not d.is_floating_point:
        raise TypeError(f"{floating}, not {d!r}")
    Default.dtype = d


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats."""
    return Default.dtype


class finfo:  # noqa: N801
    """The limits of a floating-point dtype, by default of the default one.

    >>> finfo(float32).eps, finfo().bits
    (1.1920928955078125e-07, 32)
    """

    def __init__(self, type: dtype | None = None) -> None:
        kind = type or Default.dtype
        if not kind.is_floating_point:
            raise TypeError(
                f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                f"'torch.{kind.name}'"
            )
        limits = np.finfo(kind.numpy)
        self.dtype = kind.name
        self.bits = int(limits.bits)
        self.eps, self.max, self.min = float(limits.eps), float(limits.max), float(limits.min)
        self.tiny = self.smallest_normal = float(limits.smallest_normal)
        self.resolution = float(limits.resolution)


class iinfo:  # noqa: N801
    """The limits of an integer dtype.

    >>> iinfo(uint8).max, iinfo(int64).bits
    (255, 64)
    """

    def __init__(self, type: dtype) -> None:
        if type.numpy.kind not in "iu":
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                f"'torch.{type.name}'"
            )
        limits = np.iinfo(type.numpy)
        self.dtype = type.name
        self.bits, self.max, self.min = limits.bits, int(limits.max), int(limits.min)


def promoted(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of two dtypes of equal standing: a float takes an integer in without growing."""
    if (a.kind == "f") != (b.kind == "f"):
        return a if a.kind == "f" else b
    return np.promote_types(a, b)


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The dtype that two tensors with axes, of these dtypes, give.

    >>> promote_types(int64, float16), promote_types(uint8, int8)
    (torch.float16, torch.int16)
    """
    return of(promoted(of(type1).numpy, of(type2).numpy))


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a result of one dtype may be written to another: float > integer > bool.

    >>> can_cast(float64, float16), can_cast(float32, int64)
    (True, False)
    """
    return CATEGORY[from_.numpy.kind] <= CATEGORY[to.numpy.kind]


def result_type(operands: Sequence[Any]) -> np.dtype[Any]:
    """torch's promotion: tensors with axes first, then 0-d tensors, then Python's numbers.

    A lower standing counts only where it brings a higher category (bool < integer < float).

    >>> result_type([np.ones(2, np.float32), np.array(1.0)]).name
    'float32'
    >>> result_type([np.ones(2, np.int64), 1.5]).name
    'float32'
    """
    standing: list[np.dtype[Any] | None] = [None, None, None]
    for x in operands:
        if isinstance(x, np.ndarray):
            rank, kind = (0 if x.ndim else 1), x.dtype
        else:
            rank, kind = 2, of_number(x).numpy
        peer = standing[rank]
        standing[rank] = kind if peer is None else promoted(peer, kind)
    result = standing[0]
    for lower in standing[1:]:
        if result is None:
            result = lower
        elif lower is not None and CATEGORY[lower.kind] > CATEGORY[result.kind]:
            result = promoted(result, lower)
    if result is None:
        raise TypeError("an op needs at least one tensor or number")
    return result


def of_number(x: Any) -> dtype:
    """The dtype of a Python or NumPy number: NumPy's have none of their own here, as in torch."""
    if isinstance(x, float | np.floating):
        return Default.dtype
    return bool_ if isinstance(x, bool | np.bool_) else int64


def check_number(value: Any, kind: dtype) -> None:
    """torch's errors for a Python number that a tensor of this dtype can't hold.

    >>> check_number(300, uint8)
    Traceback (most recent call last):
    RuntimeError: value cannot be converted to type uint8_t without overflow: 300
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if isinstance(value, int) and abs(value) >= 2**63:
        raise OverflowError(f"int too big to convert: {value}")
    if kind is bool_ or kind in (float64, float16):
        return
    if kind is float32:
        fits = not math.isfinite(value) or abs(value) <= finfo(float32).max
    else:
        limits = iinfo(kind)
        least = -limits.max if kind is uint8 else limits.min  # torch wraps a negative byte around
        fits = math.isfinite(value) and least <= value <= limits.max
    if not fits:
        name = {"float32": "float", "int32": "int"}.get(kind.name, f"{kind.name}_t")
        raise RuntimeError(f"value cannot be converted to type {name} without overflow: {value}")


def common(op: Any, operands: Sequence[Any]) -> np.dtype[Any]:
    """The dtype in which ``op`` takes these operands, by its rule ``op.types``."""
    kind = result_type(operands)
    rule = op.types
    if op.name == "pow" and kind.kind in "iu" and isinstance(operands[1], int) and operands[1] < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if rule == "first":
        return operands[0].dtype  # type: ignore[no-any-return]
    if rule == "same":
        refuse_mixed(op, operands)
    elif rule == "float" and kind.kind != "f":
        return Default.dtype.numpy
    elif rule == "floating" and kind.kind != "f":
        refuse_integers(op, kind)
    elif rule == "integer" and kind.kind == "f":
        raise NotImplementedError(
            f"\"{op.name}_cpu\" not implemented for '{of(kind).title}': it takes integers or "
            f"booleans"
        )
    elif rule == "arithmetic" and any(np.asarray(x).dtype.kind == "b" for x in operands):
        refuse_booleans(op, kind)
    elif rule == "number" and kind.kind == "b":
        if op.name in ("relu", "argmax", "argmin"):
            raise RuntimeError(f"Boolean inputs not supported for {op.name}")
        raise NotImplementedError(f"\"{op.name}_cpu\" not implemented for 'Bool'")
    return kind


def refuse_mixed(op: Any, operands: Sequence[Any]) -> None:
    """A product takes no mix of dtypes."""
    kinds = [of(x.dtype) for x in operands]
    if len(set(kinds)) > 1:
        if op.name == "affine":
            raise RuntimeError(
                f"mat1 and mat2 must have the same dtype, but got {kinds[0].title} and "
                f"{kinds[1].title}; convert one with .to(dtype) or .float()"
            )
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {kinds[0].c_name} != "
            f"{kinds[1].c_name}; convert one with .to(dtype) or .float()"
        )


def refuse_integers(op: Any, kind: np.dtype[Any]) -> None:
    """torch's texts where an op takes floating point alone."""
    title = of(kind).title
    fix = "convert with .float() first"
    if op.name.endswith("softmax"):
        raise NotImplementedError(
            f"\"{op.name}_lastdim_kernel_impl\" not implemented for '{title}'; {fix}"
        )
    if op.name == "mean":
        raise RuntimeError(
            f"mean(): could not infer output dtype. Input dtype must be either a floating point "
            f"or complex dtype. Got: {title}; {fix}"
        )
    if op.name == "p_norm":
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. "
            f"Got {title}; {fix}"
        )
    if op.name in ("variance", "deviation"):
        raise RuntimeError(
            f"std and var only support floating point and complex dtypes, not {title}; {fix}"
        )
    name = TORCH_KERNELS.get(op.name, op.name)
    raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{title}'; {fix}")


TORCH_KERNELS = {"logsigmoid": "log_sigmoid", "squared_error": "mse"}
"""torch's names of kernels, where they are others, for its texts."""


def refuse_booleans(op: Any, kind: np.dtype[Any]) -> None:
    """torch's texts for arithmetic with truth values."""
    fix = "If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."
    if op.name == "neg":
        raise RuntimeError(f"Negation, the `-` operator, on a bool tensor is not supported. {fix}")
    if kind.kind != "b":
        raise RuntimeError(
            f"Subtraction, the `-` operator, with a bool tensor is not supported. {fix}"
        )
    raise RuntimeError(
        "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
        "`logical_xor()` operator instead."
    )

"""torch's dtypes and how they combine: the promotion rules, and which op takes which dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class dtype:  # noqa: N801  (torch's name)
    """A tensor's element type. It prints as torch's does, so that scripts print the same bytes.

    >>> import tinygrad_cls as tg
    >>> tg.ones(2).dtype, tg.float64.itemsize, tg.int64.is_floating_point
    (torch.float32, 8, False)
    """

    def __init__(self, name: str, title: str, c_name: str) -> None:
        self.name = name
        self.title = title
        self.c_name = c_name
        self.numpy = np.dtype(name)
        self.itemsize = self.numpy.itemsize
        self.is_floating_point = self.numpy.kind == "f"
        self.is_complex = False
        self.is_signed = self.numpy.kind in "fi"

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return "bool_" if self.name == "bool" else self.name


class device:  # noqa: N801
    """The name of a device. Only the CPU holds tensors; another's name may be made, not used.

    >>> device("cpu")
    device(type='cpu')
    """

    type: str
    index: int | None

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        self.type, _, number = str(type).partition(":")
        if self.type not in ("cpu", "cuda", "mps", "meta", "xpu"):
            raise RuntimeError(
                f"Expected one of cpu, cuda, mps, meta, xpu device type at start of device string: "
                f"{type}"
            )
        self.index = int(number) if number else index

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))


def on_cpu(where: Any) -> None:
    """Refuses any device but the CPU."""
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
        return Size(super().__add__(tuple(other)))

    def numel(self) -> int:
        """How many elements."""
        return int(np.prod(self, dtype=np.int64))


float32 = dtype("float32", "Float", "float")
float64 = dtype("float64", "Double", "double")
float16 = dtype("float16", "Half", "c10::Half")
int64 = dtype("int64", "Long", "long int")
int32 = dtype("int32", "Int", "int")
int16 = dtype("int16", "Short", "short int")
int8 = dtype("int8", "Char", "signed char")
uint8 = dtype("uint8", "Byte", "unsigned char")
bool_ = dtype("bool", "Bool", "bool")

DTYPES = (float32, float64, float16, int64, int32, int16, int8, uint8, bool_)
OF_NUMPY = {d.numpy: d for d in DTYPES}
OF_PYTHON = {float: float64, int: int64, bool: bool_}


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


def set_default_dtype(d: dtype) -> None:
    """Sets the dtype of tensors made from Python floats.

    >>> import tinygrad_cls as tg
    >>> tg.set_default_dtype(tg.float64); tg.tensor(1.0).dtype
    torch.float64
    >>> tg.set_default_dtype(tg.float32)
    """
    if not of(d).is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, not {d!r}")
    Default.dtype = of(d)


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats."""
    return Default.dtype


def promote(a: np.dtype[Any] | None, b: np.dtype[Any] | None) -> np.dtype[Any] | None:
    """The dtype of two dtypes of equal standing: a float takes an integer in without growing."""
    if a is None or b is None:
        return a or b
    if (a.kind == "f") != (b.kind == "f"):
        return a if a.kind == "f" else b
    return np.promote_types(a, b)


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
            rank = 2
            kind = Default.dtype.numpy if isinstance(x, float) else OF_PYTHON[type(x)].numpy
        standing[rank] = promote(standing[rank], kind)
    result = standing[0]
    for lower in standing[1:]:
        if result is None:
            result = lower
        elif lower is not None and "bif".index(lower.kind.replace("u", "i")) > "bif".index(
            result.kind.replace("u", "i")
        ):
            result = promote(result, lower)
    if result is None:
        raise TypeError("an op needs at least one tensor or number")
    return result


def common(op: Any, operands: Sequence[Any]) -> np.dtype[Any]:
    """The dtype in which ``op`` takes these operands, by its rule ``op.types``."""
    kind = result_type(operands)
    rule = op.types
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
    raise NotImplementedError(f"\"{op.name}_cpu\" not implemented for '{title}'; {fix}")


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

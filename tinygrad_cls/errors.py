"""The words for what went wrong: torch's first sentence, then the shapes, the axis and the fix.

Nothing here runs on the good path, except ``axes`` and ``match``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from .callsite import line

ALIASES: dict[str, str | int] = {
    "axis": "dim",
    "keepdims": "keepdim",
    "a": 0,
    "x": 0,
    "x1": 0,
    "x2": 1,
    "input": 0,
    "self": 0,
    "other": 1,
}
"""Argument names of NumPy that torch accepts too, and torch's names for the first two inputs."""
NUMPY_ASKS = ("out", "dtype")
"""What NumPy's functions pass on to a method of theirs, as None."""
TORCH_ARGUMENTS = {"x": "input", "a": "input", "b": "other", "mask": "condition"}
"""torch's names of the inputs, for its texts."""
OWN_ALIASES: dict[str, dict[str, int]] = {
    "bmm": {"mat2": 1}, "clamp_max": {"max": 1}, "clamp_min": {"min": 1}, "dot": {"tensor": 1},
    "mm": {"mat2": 1}, "mv": {"vec": 1}, "pow": {"exponent": 1}, "split": {"split_size": 1},
    "where": {"input": 1, "other": 2},
}  # fmt: skip
"""torch's names of inputs that it gives other names than in other functions."""


TITLES = {
    "float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long", "int32": "Int",
    "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool",
}  # fmt: skip
C_NAMES = {
    "float32": "float", "float64": "double", "float16": "c10::Half", "int64": "long int",
    "int32": "int", "int16": "short int", "int8": "signed char", "uint8": "unsigned char",
    "bool": "bool",
}  # fmt: skip
"""torch's names of the dtypes in its texts: its own, and those of C++."""


def typename(x: Any) -> str:
    """torch's name for the type of a value; a class or a function gives its own name."""
    if hasattr(x, "_edge"):
        return str(x.type())
    named = x if hasattr(x, "__name__") else type(x)
    home = getattr(named, "__module__", None)
    name: str = getattr(named, "__qualname__", named.__name__)
    return name if home in (None, "builtins") else f"{home}.{name}"


def said(kind: type[Exception], text: str) -> Exception:
    """An error whose text is final: ``explain`` passes it on as it is."""
    error = kind(text)
    error.said = True  # type: ignore[attr-defined]
    return error


def axes(dim: Any, ndim: int) -> tuple[int, ...]:
    """``dim`` (None, an int or several) as a tuple of axes counted from 0.

    >>> axes(-1, 3), axes(None, 2), axes((0, -1), 3)
    ((2,), (0, 1), (0, 2))
    """
    if type(dim) is int and -ndim <= dim < ndim:
        return (dim % ndim,)
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, tuple | list):
        if not dim:
            return tuple(range(ndim))
        found = tuple(axes(d, ndim)[0] if ndim else axes(d, 0) for d in dim)
        if len(set(found)) < len(found):
            raise said(
                RuntimeError,
                f"dim {max(found, key=found.count)} appears multiple times "
                f"in the list of dims {tuple(dim)}",
            )
        return () if ndim == 0 else found  # type: ignore[return-value]
    try:
        axis = dim.__index__()
    except AttributeError:
        raise said(TypeError, f"dim must be an int or a tuple of ints, not {dim!r}") from None
    bound = ndim or 1  # torch lets a 0-d tensor pass for one with a single axis
    if not -bound <= axis < bound:
        raise said(
            IndexError,
            f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], "
            f"but got {axis}): the tensor has {ndim} dimension{'s' * (ndim != 1)}",
        )
    return (axis % bound,) if ndim else ()


def one_axis(dim: Any, ndim: int) -> int:
    """``dim`` as one axis counted from 0, where several make no sense."""
    if isinstance(dim, tuple | list) or dim is None:
        raise said(TypeError, f"argument 'dim' must be int, not {type(dim).__name__}")
    return axes(dim, ndim)[0]


def not_a_tensor(name: str, x: Any, argument: str = "input", position: int = 1) -> NoReturn:
    """torch's text for a list or a number in a tensor's place."""
    kind = ("numpy." if isinstance(x, np.ndarray | np.generic) else "") + type(x).__name__
    raise TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {kind}; make "
        f"one with tensor(...) or from_numpy(...)"
    )


def aliased(function: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments with NumPy's and torch's names replaced by the function's own."""
    names = function.names
    aliases = ALIASES | OWN_ALIASES.get(function.name, {})
    renamed = {}
    for name, value in kwargs.items():
        if name in NUMPY_ASKS and name not in names and value is None:
            continue
        alias = name if name in names else aliases.get(name, name)
        renamed[names[alias] if isinstance(alias, int) else alias] = value
    return renamed


def bind(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The slow way to bind arguments: names, aliases, defaults, and texts for what is wrong."""
    names = (*op.inputs, *op.static)
    if len(args) > len(names):
        raise TypeError(
            f"{op.name}() takes {len(names)} arguments ({', '.join(names)}), {len(args)} were given"
        )
    bound = dict(zip(names, args, strict=False))
    aliases = ALIASES | OWN_ALIASES.get(op.name, {})
    for name, value in kwargs.items():
        alias = aliases.get(name, name) if name not in names else name
        key = op.inputs[alias] if isinstance(alias, int) and alias < len(op.inputs) else alias
        asked = key == "out" or (key in NUMPY_ASKS and value is None)
        if key not in names and not asked:
            raise TypeError(
                f"{op.name}() got an unexpected keyword argument '{name}'; "
                f"it takes {', '.join(names)}"
            )
        if key in bound:
            raise TypeError(f"{op.name}() got multiple values for argument '{name}'")
        bound[key] = value
    bound = {k: v for k, v in bound.items() if not (k in NUMPY_ASKS and v is None)}
    absent = [name for name in (*op.inputs, *op.required) if name not in bound]
    if absent:
        raise missing(op.name, absent)
    inputs = tuple(bound.pop(name) for name in op.inputs)
    return inputs, op.static | bound


def not_bound(function: Any, args: Any, kwargs: Any, error: TypeError) -> Exception:
    """What is wrong with a composition's arguments, in torch's words where some are missing."""
    parameters = list(function.__signature__.parameters.values())
    given = {p.name for p in parameters[: len(args)]} | kwargs.keys()
    absent = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind is not p.VAR_POSITIONAL and p.name not in given
    ]
    return missing(function.name, absent) if absent else error


def missing(name: str, arguments: Sequence[str]) -> Exception:
    """torch's text for arguments that were not given."""
    second = next((alias for alias, at in OWN_ALIASES.get(name, {}).items() if at == 1), "other")
    torchs = {**TORCH_ARGUMENTS, "b": second}
    listed = ", ".join(f'"{torchs.get(argument, argument)}"' for argument in arguments)
    return TypeError(f"{name}() missing {len(arguments)} required positional arguments: {listed}")


def explain(
    op: Any, inputs: Sequence[Any], error: Exception, static: dict[str, Any] | None = None
) -> Exception:
    """What a kernel's error means in terms of the op's law."""
    if hasattr(error, "said"):
        return error
    shapes = [np.shape(x) for x in inputs]
    given = ", ".join(f"{name} {shape}" for name, shape in zip(op.inputs, shapes, strict=False))
    law = f"{op.name}: {given}; the law is {op.law.text}"
    if isinstance(error, ZeroDivisionError):
        return RuntimeError(f"ZeroDivisionError: {law}")
    if isinstance(error, TypeError):
        for position, (name, value) in enumerate((static or {}).items(), len(inputs) + 1):
            if type(op.static[name]) in (int, float) and not isinstance(value, int | float):
                return TypeError(
                    f"{op.name}(): argument '{name}' (position {position}) must be Number, not "
                    f"{type(value).__name__}: it is {value!r}"
                )
        return TypeError(f"{op.name}(): {error}. {law}")
    try:
        op.law.bind(shapes, op.inputs)
    except ValueError as why:
        product = cannot_multiply(op.name, shapes)
        if product:
            return RuntimeError(f"{product} The {why}. {law}")
        sentence = f"{why}. "
        if "do not broadcast" in str(why) and len(shapes) > 1:
            named = [sum(axis != "..." for axis in axes) for axes in op.law.inputs]
            free = [s[: len(s) - n] for s, n in zip(shapes, named, strict=False)]
            sentence = sizes_must_match(free) + " "
        return RuntimeError(f"{sentence}{law}")
    return (IndexError if isinstance(error, IndexError) else RuntimeError)(f"{error}. {law}")


def sizes_must_match(shapes: Sequence[tuple[int, ...]]) -> str:
    """torch's sentence for the last axis, seen from the right, that does not broadcast."""
    width = max(map(len, shapes))
    padded = [(1,) * (width - len(shape)) + tuple(shape) for shape in shapes]
    for axis in range(width - 1, -1, -1):
        sizes = [shape[axis] for shape in padded if shape[axis] != 1]
        for size in sizes:
            if size != sizes[0]:
                return (
                    f"The size of tensor a ({sizes[0]}) must match the size of tensor b ({size}) "
                    f"at non-singleton dimension {axis}."
                )
    return f"Shapes {', '.join(map(str, shapes))} do not broadcast."


def cannot_multiply(name: str, shapes: Sequence[tuple[int, ...]]) -> str | None:
    """torch's sentence for a product of matrices that do not fit, if ``name`` is a product."""
    if name == "affine":
        a, W, bias = shapes
        b = W[::-1]
        if a[-1] == W[-1]:
            return (
                f"The expanded size of the tensor ({W[0]}) must match the existing size "
                f"({bias[0]}) at non-singleton dimension 1.  Target sizes: {[a[0], W[0]]}.  "
                f"Tensor sizes: {list(bias)}."
            )
    elif name == "product" and shapes[0][-1] != shapes[1][-2]:
        a, b = shapes
    else:
        return None
    if len(b) == 2:
        rows = math.prod(a[:-1])
        return f"mat1 and mat2 shapes cannot be multiplied ({rows}x{a[-1]} and {b[0]}x{b[1]})."
    try:
        batch = math.prod(np.broadcast_shapes(a[:-2], b[:-2]))
    except ValueError:  # which torch says first
        return sizes_must_match([a[:-2], b[:-2]])
    return (
        f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {a[-1]}] but "
        f"got: [{batch}, {b[-2]}]."
    )


def stale(node: Any, value: Any, where: int, counter: list[Any], version: int) -> Exception:
    """A value that backward reads was overwritten after it was saved."""
    source = node if where < 0 else (*node.edges, None)[where]
    made = ""
    if hasattr(source, "clock"):
        name = source.name().removesuffix("0").replace("Backward", "")  # Mul, or Sum1
        made = f", which is output 0 of {name},"
    kind = TITLES[value.dtype.name]
    _, *called = counter
    written = f"The last write was at {line(called[0])}. " if called else ""
    return RuntimeError(
        f"one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [torch.{kind}Tensor {list(value.shape)}]{made} is at version "
        f"{counter[0]}; expected version {version} instead. {written}Hint: "
        f"{node.name()} reads the value that it saved; use an out-of-place operation, or write "
        f"before that op."
    )


def freed(name: str) -> Exception:
    """A second backward through values that the first one freed."""
    return RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors "
        "after they have already been freed). Saved intermediate values of the graph are freed "
        "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to "
        "backward through the graph a second time or if you need to access saved tensors after "
        f"calling backward. ({name} is the first node whose values are gone; a fresh "
        "forward pass makes a fresh graph.)"
    )


CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter "
    "and its gradient which can cause a memory leak. We recommend using autograd.grad when "
    "creating the graph to avoid this. If you have to use this function, make sure to reset the "
    ".grad fields of your parameters to None after use to break the cycle and avoid the leak."
)
"""torch's warning of backward(create_graph=True)."""


def match(cotangents: Sequence[Any], outputs: Sequence[Any]) -> None:
    """Refuses cotangents that are no tensors, or not one for each output."""
    for g in cotangents:
        if g is not None and not hasattr(g, "_edge"):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if len(cotangents) != len(outputs):
        raise RuntimeError(
            f"got {len(outputs)} tensors and {len(cotangents)} gradients: give one for each"
        )


def not_several(x: Any) -> NoReturn:
    """What is neither a tensor nor a sequence of them."""
    raise TypeError(f"'{type(x).__name__}' object is not iterable: give a tensor or a sequence")


def require_grad(inputs: Sequence[Any], caller: str) -> None:
    """Refuses to differentiate for no tensor, or for one that doesn't require grad."""
    if not inputs:
        raise RuntimeError(f"`inputs` argument to `{caller}()` cannot be empty.")
    for x in inputs:
        if not hasattr(x, "_edge"):
            raise RuntimeError(
                f"all inputs have to be Tensors or GradientEdges, but got {type(x).__name__}"
            )
        if x._edge is None:
            raise RuntimeError(
                f"One of the differentiated Tensors does not require grad: its shape is "
                f"{tuple(x.shape)}; make it with requires_grad=True"
            )


BOTH = (
    "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
    "allow_unused=False."
)
"""torch's text for autograd.grad with both."""


def unused(i: int, shape: tuple[int, ...]) -> Exception:
    """A gradient asked for of a tensor that the result does not depend on."""
    return RuntimeError(
        f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
        f"allow_unused=True if this is the desired behavior. Its shape is {shape}."
    )


def no_such_name(module: str, name: str) -> AttributeError:
    """What a module of the package says of a name that it lacks: torch may well have it."""
    text = f"module '{module}' has no attribute '{name}'"
    if not name.startswith("__"):  # else it is Python that asks
        text += (
            ": this engine is for small classifiers, made of linear layers, activations, Dropout "
            "and BatchNorm1d and trained by SGD or Adam. docs/surface.md lists its names; for all "
            "else there is PyTorch"
        )
    return AttributeError(text, name=name, obj=sys.modules[module])  # for "Did you mean"

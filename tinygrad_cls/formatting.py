"""How a tensor prints: the text of ``repr(tensor)``, byte for byte as PyTorch writes it.

This room knows arrays, not Tensors. One notation is chosen for all the numbers that will be
shown (``_notation``), the numbers are laid out in brackets (``_body``), and what they do not
tell (size, dtype, gradient) follows as suffixes (``tensor_repr``). A large tensor is cut down
to its edges first, so the cost is that of the text, not that of the tensor.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["set_printoptions", "tensor_repr"]


class _Options(NamedTuple):
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print, for the whole process; what is not given stays as it is.

    Args:
        precision: digits after the decimal point (4 at first).
        threshold: more elements than this are summarised (1000).
        edgeitems: elements shown at either end of a summarised axis (3).
        linewidth: characters in a line (80).
        profile: ``"default"``, ``"short"`` or ``"full"``: what to start from.
        sci_mode: scientific notation always, never, or (None) where it reads better.

    As in torch, ``sci_mode`` returns to None unless it is given, an unknown profile is ignored,
    and an impossible value (``precision=-1``) raises when a tensor is printed, not here.

    >>> x = np.array([3.14159, 2.71828], np.float32)
    >>> set_printoptions(precision=2)
    >>> print(tensor_repr(x, default_float=x.dtype))
    tensor([3.14, 2.72])
    >>> set_printoptions(profile="default")
    >>> print(tensor_repr(x, default_float=x.dtype))
    tensor([3.1416, 2.7183])
    """
    global _options
    numbers = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    given: dict[str, Any] = {name: n for name, n in numbers.items() if n is not None}
    start = _PROFILES.get(profile or "", _options)
    _options = start._replace(**given, sci_mode=sci_mode)


def tensor_repr(
    array: npt.NDArray[Any],
    *,
    default_float: np.dtype[Any],
    requires_grad: bool = False,
    grad_fn: str | None = None,
    prefix: str = "tensor(",
) -> str:
    """Return the text of ``repr(tensor)`` for a tensor that holds ``array``.

    Args:
        array: any shape; floating-point, integer or bool.
        default_float: the dtype of a float literal; it, int64 and bool are not spelled out.
        requires_grad: says so, unless ``grad_fn`` already does.
        grad_fn: the name of the node that made the tensor, such as ``"AddBackward0"``.
        prefix: the name of the class and its bracket; lines below are indented to its length.

    >>> x = np.array([[1.0, -0.5], [np.nan, 100.0]])
    >>> print(tensor_repr(x, default_float=np.dtype(np.float32), requires_grad=True))
    tensor([[  1.0000,  -0.5000],
            [     nan, 100.0000]], dtype=torch.float64, requires_grad=True)
    >>> print(tensor_repr(np.arange(2000), default_float=np.dtype(np.float32)))
    tensor([   0,    1,    2,  ..., 1997, 1998, 1999])
    """
    options, indent = _options, len(prefix)
    text = prefix + (_body(array, indent, options) if array.size else "[]")
    suffixes = []
    if options.edgeitems == 0 if array.size else array.ndim != 1:
        suffixes.append(f"size={array.shape}")
    # No element of an empty tensor shows that it is an integer or a bool.
    evident = {default_float} | ({np.dtype(np.int64), np.dtype(np.bool_)} if array.size else set())
    if array.dtype not in evident:
        suffixes.append(f"dtype=torch.{array.dtype.name}")
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")

    # torch counts two characters too many for the line that ends the numbers, and only there.
    column = len(text.rpartition("\n")[2]) + 2
    for suffix in suffixes:
        fits = column + len(", " + suffix) <= options.linewidth
        gap = ", " if fits else ",\n" + " " * indent
        column = column + len(gap + suffix) if fits else indent + len(suffix)
        text += gap + suffix
    return text + ")"


def _body(array: npt.NDArray[Any], indent: int, options: _Options) -> str:
    """Lay out the numbers of a non-empty array in brackets, after a prefix ``indent`` wide."""
    edge, ndim = options.edgeitems, array.ndim
    summarise = array.size > options.threshold
    cut = [summarise and n > 2 * edge for n in array.shape]
    if any(cut):
        if edge == 0:
            return "[...]"
        ends = [*range(edge), *range(-edge, 0)]
        shown = (ends if short else range(n) for n, short in zip(array.shape, cut, strict=True))
        array = array[np.ix_(*shown)]
    show, width = _notation(array.ravel().tolist(), options.precision, options.sci_mode)
    per_line = max(1, (options.linewidth - indent - (ndim - 1)) // (width + len(", ")))

    def block(values: Any, axis: int) -> str:
        if axis == ndim:
            return show(values).rjust(width)
        items = [block(value, axis + 1) for value in values]
        innermost = axis == ndim - 1
        if cut[axis]:
            items.insert(edge, " ..." if innermost else "...")
        if innermost:
            items = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
        newlines = "\n" * max(1, ndim - 1 - axis)
        return "[" + f",{newlines}{' ' * (indent + axis + 1)}".join(items) + "]"

    return block(array.tolist(), 0)


def _notation(
    values: Sequence[Any], precision: int, sci_mode: bool | None
) -> tuple[Callable[[Any], str], int]:
    """Choose one way of writing for all ``values``, and the width of its columns.

    Of floats only the finite, nonzero ones choose, with M and m their largest and smallest
    magnitude: scientific if ``sci_mode``, which by itself is M/m > 1000, M > 1e8 or m < 1e-4;
    else ``1.`` if all are integers; else fixed-point.

    >>> show, width = _notation([0.5, -20.0, math.inf], precision=4, sci_mode=None)
    >>> show(0.5), show(math.inf), width
    ('0.5000', 'inf', 8)
    """
    if not isinstance(values[0], float):
        return str, max(len(str(v)) for v in values)

    # The others do not widen the columns either: in [-0., 1.] the -0. juts out, as in torch.
    deciding = [v for v in values if v and math.isfinite(v)]
    sizes = [abs(v) for v in deciding]
    if deciding and sci_mode is None:
        low, high = min(sizes), max(sizes)
        sci_mode = high / low > 1000.0 or high > 1e8 or low < 1e-4
    if deciding and sci_mode:
        spec, point = f".{precision}e", ""
    elif all(v.is_integer() for v in deciding):
        spec, point = ".0f", "."
    else:
        spec, point = f".{precision}f", ""

    def show(value: float) -> str:
        return format(value, spec) + (point if math.isfinite(value) else "")

    return show, max((len(show(v)) for v in deciding), default=1)

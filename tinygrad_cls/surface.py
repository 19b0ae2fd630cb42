"""What a tensor says of itself, and how it turns into other things: other dtypes, Python's
numbers, NumPy's arrays, text. Nothing here has a history; :class:`~tinygrad_cls.tensor.Tensor`
adds that.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes, ops
from ._state import state
from .dtypes import CPU, Size
from .errors import axes
from .formatting import tensor_repr


class Surface:
    """The half of Tensor that a reader of autograd may skip."""

    _array: np.ndarray[Any, Any]
    __array_priority__ = 1000

    if TYPE_CHECKING:  # what Tensor and the table add
        _requires_grad: bool
        _grad: Any

        def __getattr__(self, name: str) -> Any: ...

        def __getitem__(self, index: Any) -> Any: ...

        def __eq__(self, other: object) -> Any: ...

        def __hash__(self) -> int: ...

        def _operator(self, other: Any) -> Any: ...

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _operator
        __truediv__ = __rtruediv__ = __floordiv__ = __mod__ = __pow__ = __matmul__ = _operator
        __lt__ = __le__ = __gt__ = __ge__ = __and__ = __or__ = __xor__ = _operator

        def __neg__(self) -> Any: ...

        def __abs__(self) -> Any: ...

        def __invert__(self) -> Any: ...

    # --- shape and type -----------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The sizes of the axes."""
        return Size(self._array.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._array.ndim

    @property
    def dtype(self) -> dtypes.dtype:
        """The element type."""
        return dtypes.OF_NUMPY[self._array.dtype]

    @property
    def device(self) -> dtypes.device:
        """Always the CPU."""
        return CPU

    is_cuda = False
    is_sparse = False

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        return self.shape if dim is None else self.shape[self._axis(dim)]

    def _axis(self, dim: int) -> int:
        if not self.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        return axes(dim, self.ndim)[0]

    def dim(self) -> int:
        """The number of axes."""
        return self._array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.size

    nelement = numel
    ndimension = dim

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._array.nbytes

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """The steps between neighbours along each axis, in elements."""
        a = self._canonical()
        steps = tuple(s // a.itemsize for s in a.strides)
        return steps if dim is None else steps[self._axis(dim)]

    def data_ptr(self) -> int:
        """The address of the first element."""
        return int(self._canonical().ctypes.data)

    def is_contiguous(self) -> bool:
        """Whether the elements lie in C order without gaps."""
        return bool(self._canonical().flags.c_contiguous)

    def is_complex(self) -> bool:
        """Always False."""
        return False

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers."""
        return self._array.dtype.kind in "fi"

    def contiguous(self) -> Any:
        """Itself if contiguous, else a copy that is."""
        return self if self.is_contiguous() else self._apply(ops.clone, (self,), {})

    def is_floating_point(self) -> bool:
        """Whether the dtype is a float."""
        return bool(self._array.dtype.kind == "f")

    @property
    def T(self) -> Any:
        """The axes in reverse order."""
        if self.ndim not in (0, 1, 2):
            warnings.warn(
                "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is "
                "deprecated and it will throw an error in a future release. Consider `x.mT` to "
                "transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` "
                "to reverse the dimensions of a tensor.",
                stacklevel=2,
            )
        return self._apply(ops.permuted, (self,), {"dims": tuple(range(self.ndim))[::-1]})

    @property
    def mT(self) -> Any:
        """The last two axes exchanged."""
        return ops.mT(self)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """In another dtype, or "on" another device, of which there is one: the CPU.

        ``to(dtype)``, ``to(device, dtype)``, ``to(other)``; itself where nothing changes.
        """
        kind = kwargs.pop("dtype", None)
        device, force = kwargs.pop("device", None), kwargs.pop("copy", False)
        for name in set(kwargs) - {"non_blocking", "memory_format"}:
            raise TypeError(f"to() got an unexpected keyword argument '{name}'")
        for arg in args:
            if isinstance(arg, Surface):
                kind = arg.dtype
            elif isinstance(arg, dtypes.dtype) or (
                isinstance(arg, type) and arg in dtypes.OF_PYTHON
            ):
                kind = arg
            elif isinstance(arg, str | dtypes.device):
                device = arg
            elif arg is not None and not isinstance(arg, bool):
                raise TypeError(f"to(): {arg!r} is neither a dtype, a device nor a tensor")
        if isinstance(kind, str):
            raise TypeError(f"to() received an invalid combination of arguments: dtype={kind!r}")
        if device is not None:
            dtypes.on_cpu(device)
        if kind is None or dtypes.of(kind) is self.dtype:
            return self.clone() if force else self
        return self._apply(ops.cast, (self,), {"dtype": dtypes.of(kind).numpy})

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The type's legacy name, or the tensor in another dtype: ``t.type(torch.LongTensor)``."""
        if dtype is None:
            return f"torch.{self.dtype.title}Tensor"
        if isinstance(dtype, str):
            named = {f"torch.{d.title}Tensor": d for d in dtypes.DTYPES}
            if dtype not in named:
                raise ValueError(f"invalid type: '{dtype}'; the types are {', '.join(named)}")
            dtype = named[dtype]
        return self.to(getattr(dtype, "legacy_dtype", dtype))

    def where(self, condition: Any, other: Any) -> Any:
        """``self`` where ``condition`` is true, else ``other``."""
        return ops.where(condition, self, other)

    def type_as(self, other: Any) -> Any:
        """In the dtype of ``other``."""
        return self.to(other.dtype)

    def cpu(self) -> Any:
        """Itself."""
        return self

    def cuda(self, device: Any = None) -> Any:
        """Refused: there is no GPU here."""
        return self.to(dtypes.device("cuda"))

    def view_as(self, other: Any) -> Any:
        """``view`` with the shape of ``other``."""
        return self.view(other.shape)

    def reshape_as(self, other: Any) -> Any:
        """``reshape`` with the shape of ``other``."""
        return self.reshape(other.shape)

    def expand_as(self, other: Any) -> Any:
        """``expand`` to the shape of ``other``."""
        return self.expand(other.shape)

    def unbind(self, dim: int = 0) -> tuple[Any, ...]:
        """The slices along ``dim``."""
        axis = (slice(None),) * self._axis(dim)
        return tuple(self[(*axis, i)] for i in range(self.size(dim)))

    # --- to Python and NumPy ------------------------------------------------------------------

    def item(self) -> Any:
        """The only element as a Python number."""
        if self._array.size != 1:
            raise RuntimeError(
                f"a Tensor with {self._array.size} elements cannot be converted to Scalar: its "
                f"shape is {tuple(self.shape)}; use .tolist(), or reduce it first"
            )
        return self._looked_at("item()").item()

    def _looked_at(self, how: str) -> np.ndarray[Any, Any]:
        """The array, for a reader outside of the graph; a recording of replay allows none."""
        if state.recorder is not None:
            state.recorder.refuses(how)
        return self._array

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._looked_at("tolist()").tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """The memory as a NumPy array; refused where a write would escape autograd."""
        if self.requires_grad and state.grad_enabled and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. "
                "Use tensor.detach().numpy() instead."
            )
        self._looked_at("numpy()")
        a: np.ndarray[Any, Any] = self._canonical()
        return a

    def to_numpy(self) -> np.ndarray[Any, Any]:
        """``numpy()`` under the name by which matplotlib asks."""
        return self.numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        a: np.ndarray[Any, Any] = self.numpy()
        if dtype is not None and np.dtype(dtype) != a.dtype:
            if copy is False:
                raise ValueError(f"Unable to avoid copy while converting {self.dtype} to {dtype}")
            return a.astype(dtype)
        return a.copy() if copy else a

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        """What a NumPy function returns for a tensor: a tensor (of uint8 for truth values)."""
        a = np.asarray(array)
        return self._new(a.astype(np.uint8) if a.dtype == np.bool_ else a)

    def __repr__(self) -> str:
        return self._text("tensor(")

    def _text(self, prefix: str) -> str:
        return tensor_repr(
            self._looked_at("the tensor's text"),
            default_float=dtypes.Default.dtype.numpy,
            requires_grad=self._requires_grad,
            grad_fn=None if self._node is None else self._node.name(),
            prefix=prefix,
        )

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 else object.__format__(self, spec)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return len(self._array)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element: Any) -> bool:
        if isinstance(element, Surface | int | float):
            return bool((self == element).any())
        raise RuntimeError(
            f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            f"{type(element)}."
        )

    def __bool__(self) -> bool:
        if self._array.size == 1:
            return bool(self._looked_at("bool()").item())
        many = "more than one value" if self._array.size else "no values"
        raise RuntimeError(
            f"Boolean value of Tensor with {many} is ambiguous: its shape is "
            f"{tuple(self.shape)}; use .any() or .all()"
        )

    def _scalar(self) -> Any:
        if self.requires_grad:
            warnings.warn(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected "
                "behavior.\nConsider using tensor.detach() first.",
                stacklevel=3,
            )
        if self._array.size != 1:
            raise ValueError(
                f"only one element tensors can be converted to Python scalars: this one has shape "
                f"{tuple(self.shape)}"
            )
        return self._looked_at("a conversion to a number").item()

    def __float__(self) -> float:
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self.detach()._scalar())

    def __index__(self) -> int:
        if self._array.size != 1 or self._array.dtype.kind == "f":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._looked_at("use as an index").item())

    def _attributes(self) -> dict[str, Any]:
        """What a user has set on this tensor."""
        return {name: x for name, x in self.__dict__.items() if name not in OWN}

    def __copy__(self) -> Any:
        """A leaf in the same memory, with the same attributes, without the gradient."""
        twin = object.__new__(self.__class__)
        twin.__dict__.update(self.detach().__dict__ | self._attributes())
        twin._requires_grad = self.requires_grad
        return twin

    def __deepcopy__(self, memo: dict[Any, Any]) -> Any:
        """A leaf with a copy of the memory, which tensors that share memory share again."""
        if self._node is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment. Use .detach() first."
            )
        a = owner = self._canonical()
        while type(owner.base) is np.ndarray:
            owner = owner.base
        if not owner.flags.forc:  # a piece of memory that isn't NumPy's
            a = owner = np.array(a, order="C")
        key = "memory", id(owner)
        if key not in memo:  # with the owner, so that its id stays its own
            memo[key] = owner.copy("K").ravel("K"), [0], owner
        memory, counter, _ = memo[key]
        offset = a.ctypes.data - owner.ctypes.data
        array = np.ndarray(a.shape, a.dtype, memory, offset, a.strides)
        expanded = any(step == 0 and n > 1 for step, n in zip(a.strides, a.shape, strict=True))
        array.flags.writeable = a.size == 0 or not expanded
        memo[id(self)] = twin = rebuilt(self.__class__, array, self._requires_grad)
        twin._counter = counter
        twin._grad = copy.deepcopy(self._grad, memo)
        twin.__dict__.update(copy.deepcopy(self._attributes(), memo))
        return twin

    def __reduce__(self) -> Any:
        self._looked_at("pickling")
        copied = np.array(self._canonical(), order="K")
        return rebuilt, (self.__class__, copied, self.requires_grad), self._attributes() or None


OWN = frozenset({
    "_array", "_node", "_requires_grad", "_grad", "_counter", "_base", "_base_node", "_shared",
    "_inference", "_hooks",
})  # fmt: skip
"""What the engine keeps in a tensor; the rest are a user's attributes."""


def rebuilt(kind: Any, array: Any, requires_grad: bool) -> Any:
    """A tensor of a copy or a pickle: a leaf, with ``array`` as it lies in memory."""
    made = object.__new__(kind)
    made._array = array
    made._shared = True
    made._requires_grad = requires_grad
    return made

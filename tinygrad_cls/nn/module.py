"""Module: a tree of parameters, buffers and other modules, with a ``forward``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..tensor import Tensor
from .parameter import Parameter


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict(strict=False)`` could not place."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


class Module:
    """The base of every layer, loss and model: attributes that are Parameters, Modules or buffers
    are registered in the order of their assignment.

    >>> from tinygrad_cls import nn
    >>> class Line(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = nn.Linear(2, 1)
    ...     def forward(self, x):
    ...         return self.layer(x)
    >>> [name for name, _ in Line().named_parameters()]
    ['layer.weight', 'layer.bias']
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]

    def __init__(self) -> None:
        self.__dict__.update(training=True, _parameters={}, _buffers={}, _modules={})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    # --- attributes ---------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        rooms = self.__dict__
        if isinstance(value, Parameter | Module):
            kind = "parameters" if isinstance(value, Parameter) else "module"
            if "_modules" not in rooms:
                raise AttributeError(
                    f"cannot assign {kind} before Module.__init__() call: begin __init__ with "
                    f"super().__init__()"
                )
            self._forget(name)
            rooms["_parameters" if isinstance(value, Parameter) else "_modules"][name] = value
            return
        for room, kinds, what in (
            ("_parameters", Parameter, "parameter"),
            ("_modules", Module, "child module"),
            ("_buffers", Tensor, "buffer"),
        ):
            if name in rooms.get(room, ()):
                if value is not None and not isinstance(value, kinds):
                    typename = f"{type(value).__module__.split('.')[0]}.{type(value).__name__}"
                    raise TypeError(
                        f"cannot assign '{typename}' as {what} '{name}' (torch.nn."
                        f"{kinds.__name__} or None expected); wrap a tensor in nn.Parameter"
                    )
                rooms[room][name] = value
                return
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        for room in ("_parameters", "_buffers", "_modules"):
            entries = self.__dict__.get(room, {})
            if name in entries:
                return entries[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        if not self._forget(name):
            object.__delattr__(self, name)

    def _forget(self, name: str) -> bool:
        """Takes an attribute out of every room it may be in."""
        rooms = (self._parameters, self._buffers, self._modules, self.__dict__)
        return any([room.pop(name, self) is not self for room in rooms])

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or a place for one."""
        self._forget(name)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that belongs to the state but is not learned."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
                f"(torch Tensor or None required)"
            )
        self._forget(name)
        self._buffers[name] = tensor
        if not persistent:
            self.__dict__.setdefault("_not_persistent", set()).add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._forget(name)
        self._modules[name] = module

    register_module = add_module

    # --- the tree -----------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, parents first, each once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from child.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules right below this one, each once."""
        seen: set[Module] = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules right below this one."""
        return (child for _, child in self.named_children())

    def _named(self, room: str, prefix: str, recurse: bool, once: bool) -> Iterator[Any]:
        seen: set[int] = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=once)
        for path, module in owners if recurse else [(prefix, self)]:
            for name, value in module.__dict__[room].items():
                if value is not None and not (once and id(value) in seen):
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its path, a shared one once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Every parameter, a shared one once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Every buffer with its path."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Every buffer."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``"stack.0"``."""
        found: Any = self
        for name in target.split(".") if target else ():
            if name not in found._modules:
                raise AttributeError(f"{type(found).__name__} has no attribute `{name}`")
            found = found._modules[name]
        return found  # type: ignore[no-any-return]

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Calls ``fn`` on every module below, children first, then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # --- modes and conversion -----------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Sets training mode here and below; it computes nothing."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            module.__dict__["training"] = mode
        return self

    def eval(self) -> Module:
        """Sets evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Sets ``requires_grad`` of every parameter."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops every parameter's gradient, or zeroes it."""
        clear(self.parameters(), set_to_none)

    def to(self, *args: Any, **kwargs: Any) -> Module:
        """Converts floating-point parameters and buffers in place; see :meth:`Tensor.to`."""
        for module in self.modules():
            for parameter in module._parameters.values():
                if parameter is not None and parameter.is_floating_point():
                    self._convert(parameter, args, kwargs)
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.is_floating_point():
                    module._buffers[name] = buffer.to(*args, **kwargs)
        return self

    def _convert(self, parameter: Parameter, args: Any, kwargs: Any) -> None:
        converted = parameter.detach().to(*args, **kwargs)
        if not converted.is_floating_point():
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={converted.dtype}"
            )
        if converted.dtype is not parameter.dtype:
            parameter._own(converted._array)
            if parameter.grad is not None:
                parameter._grad = parameter.grad.to(*args, **kwargs)

    def float(self) -> Module:
        """In float32."""
        return self.to(dtypes.float32)

    def double(self) -> Module:
        """In float64."""
        return self.to(dtypes.float64)

    def half(self) -> Module:
        """In float16."""
        return self.to(dtypes.float16)

    def cpu(self) -> Module:
        """Itself."""
        return self

    def cuda(self, device: Any = None) -> Module:
        """Refused: there is no GPU here."""
        return self.to(dtypes.device("cuda"))

    # --- state --------------------------------------------------------------------------------

    def state_dict(self, prefix: str = "") -> OrderedDict[str, Tensor]:
        """Parameters and buffers by path, sharing their memory, without history."""
        state: OrderedDict[str, Tensor] = OrderedDict()
        hidden = self.__dict__.get("_not_persistent", ())
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if value is not None and name not in hidden:
                state[prefix + name] = value.detach()
        for name, child in self._modules.items():
            if child is not None:
                state.update(child.state_dict(f"{prefix}{name}."))
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copies values in by path, casting to each parameter's dtype.

        Nothing is written unless everything fits. RuntimeError lists all that is missing,
        unexpected (both only when ``strict``) or of another shape.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        own = self.state_dict()
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict and unexpected:
            names = ", ".join(f'"{name}"' for name in unexpected)
            problems.append(f"Unexpected key(s) in state_dict: {names}. ")
        if strict and missing:
            names = ", ".join(f'"{name}"' for name in missing)
            problems.append(f"Missing key(s) in state_dict: {names}. ")
        for name, value in own.items():
            given = state_dict.get(name)
            if given is not None and tuple(given.shape) != tuple(value.shape):
                problems.append(
                    f"size mismatch for {name}: copying a param with shape "
                    f"{dtypes.Size(given.shape)} from checkpoint, the shape in current model is "
                    f"{value.shape}."
                )
        if problems:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(problems)
            )
        for name, value in own.items():
            if name in state_dict:
                given = state_dict[name]
                source = given._array if isinstance(given, Tensor) else np.asarray(given)
                np.copyto(value._array, source, casting="unsafe")
                value._bump()
        return IncompatibleKeys(missing, unexpected)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # --- repr ---------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What a layer says of itself between its parentheses."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [
            f"({name}): " + repr(child).replace("\n", "\n  ")
            for name, child in self._modules.items()
        ]
        lines = ([extra] if extra else []) + children
        if not children:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"

    def _get_name(self) -> str:
        return type(self).__name__


def clear(parameters: Any, set_to_none: bool) -> None:
    """Drops or zeroes the gradients of ``parameters``."""
    for parameter in parameters:
        if set_to_none:
            parameter._grad = None
        elif parameter._grad is not None:
            parameter._grad = parameter._grad.detach()
            parameter._grad.zero_()

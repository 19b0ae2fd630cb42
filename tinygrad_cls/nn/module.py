"""Module: a tree of parameters, buffers and other modules, with a ``forward``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from .. import dtypes
from .._state import no_grad
from ..errors import typename
from ..tensor import Tensor, clear
from .hooks import Hooked
from .parameter import Buffer, Parameter


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


class Module(Hooked):
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
    _not_persistent: set[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        own = f"{type(self).__name__}.__init__()"
        if kwargs:
            raise TypeError(f"{own} got an unexpected keyword argument '{next(iter(kwargs))}'")
        if args:
            raise TypeError(f"{own} takes 1 positional argument but {len(args) + 1} were given")
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _modules={},
            _not_persistent=set(),
            _Hooked__hooks=None,
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    # --- attributes ---------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        """A Parameter, a Module or a Buffer is registered; a registered name takes only its own
        kind, which for a buffer is any Tensor.
        """
        rooms = self.__dict__
        for room, (kind, what, expected) in ROOMS.items():
            if room == "_buffers" and isinstance(value, Buffer):
                self.register_buffer(name, value, value.persistent)
                return
            takes = isinstance(value, kind) and room != "_buffers"
            if takes and room not in rooms:
                raise AttributeError(
                    f"cannot assign {'parameters' if kind is Parameter else 'module'} before "
                    f"Module.__init__() call: begin __init__ with super().__init__()"
                )
            if takes or name in rooms.get(room, ()):
                if value is not None and not isinstance(value, kind):
                    raise TypeError(
                        f"cannot assign '{typename(value)}' as {what} '{name}' ({expected} or None "
                        f"expected){'; wrap it in nn.Parameter' * isinstance(value, Tensor)}"
                    )
                self.__forget(name, but=room)
                rooms[room][name] = value
                return
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        rooms = self.__dict__
        if "_modules" in rooms:  # else __init__ has not run
            # a forward pass comes by here for every child: without a loop
            if name in (room := rooms["_modules"]):
                return room[name]
            if name in (room := rooms["_parameters"]):
                return room[name]
            if name in (room := rooms["_buffers"]):
                return room[name]
        text = f"'{type(self).__name__}' object has no attribute '{name}'"
        if "_modules" not in rooms:
            text += ": begin __init__ with super().__init__()"
        raise AttributeError(text, name=name, obj=self)

    def __delattr__(self, name: str) -> None:
        if not self.__forget(name):
            object.__delattr__(self, name)

    def __forget(self, name: str, but: str = "") -> bool:
        """Takes an attribute out of every room it may be in, ``but`` one; was there any?"""
        if but != "_buffers":
            self._not_persistent.discard(name)
        rooms = [self.__dict__[room] for room in ROOMS if room != but]
        found = [room.pop(name, self) for room in (*rooms, self.__dict__)]
        return any(value is not self for value in found)

    def __dir__(self) -> list[str]:
        own = {*super().__dir__(), *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in own if not name[0].isdigit())

    def __register(self, room: str, name: str, value: Any, required: str) -> None:
        """Adds to a room under a name that is not taken and can be part of a path."""
        kind, what, _ = ROOMS[room]
        what = what.removeprefix("child ")
        if room not in self.__dict__:
            raise AttributeError(
                f"cannot assign {what} before Module.__init__() call: begin __init__ with "
                f"super().__init__()"
            )
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {typename(name)}")
        if name not in self.__dict__[room] and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            got = f", got: {name}" if kind is Module else ""  # a KeyError's text is torch's whole
            raise KeyError(f'{what} name can\'t contain "."{got}')
        if not name:
            raise KeyError(f'{what} name can\'t be empty string ""')
        if value is not None and not isinstance(value, kind):
            raise TypeError(
                f"cannot assign '{typename(value)}' object to {what} '{name}' "
                f"({required} or None required)"
            )
        self.__dict__[room][name] = value

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or a place for one."""
        self.__register("_parameters", name, param, "torch.nn.Parameter")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that belongs to the state but is not learned."""
        self.__register("_buffers", name, tensor, "torch Tensor")
        (self._not_persistent.discard if persistent else self._not_persistent.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"{typename(module)} is not a Module subclass: a child is a layer that has been "
                f"made, such as nn.ReLU(), neither a class nor a function"
            )
        self.__register("_modules", name, module, "torch.nn.Module")

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

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once."""
        named = self.named_modules(remove_duplicate=remove_duplicate)
        return (module for _, module in named)

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

    def __named(self, room: str, prefix: str, recurse: bool, once: bool) -> Iterator[Any]:
        seen: set[int] = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=once)
        for path, module in owners if recurse else [(prefix, self)]:
            for name, value in getattr(module, room).items():
                if value is not None and not (once and id(value) in seen):
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its path, a shared one once."""
        return self.__named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Every parameter, a shared one once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Every buffer with its path."""
        return self.__named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Every buffer."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``"stack.0"``."""
        found: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(found, name):
                raise AttributeError(f"{type(found).__name__} has no attribute `{name}`")
            found = getattr(found, name)
            if not isinstance(found, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return found  # type: ignore[no-any-return]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts ``module`` at a path; ``strict``: only in the place of another."""
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict or hasattr(parent, name):
            parent.get_submodule(name)  # raises where there is none
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``"stack.0.weight"``."""
        owner, name = self.__owner(target)
        found = getattr(owner, name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``"norm.running_mean"``."""
        owner, name = self.__owner(target)
        found = getattr(owner, name)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found  # type: ignore[no-any-return]

    def __owner(self, target: str) -> tuple[Module, str]:
        """The module that a path ends in, and the name of its attribute there."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")
        return owner, name

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

        def converted(t: Tensor) -> Any:
            if not t.is_floating_point():
                return t
            t = t.to(*args, **kwargs)
            if not t.is_floating_point():
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired "
                    f"dtype={t.dtype}"
                )
            return t

        return self.__convert(converted)

    def type(self, dst_type: Any) -> Module:
        """Converts all parameters and buffers in place, integers too; see :meth:`Tensor.type`."""
        return self.__convert(lambda t: t.type(dst_type))

    def __convert(self, converted: Callable[[Tensor], Any]) -> Module:
        for module in self.modules():
            for parameter in module._parameters.values():
                if parameter is not None:
                    parameter._convert(converted)
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = converted(buffer)
        return self

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

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Tensor]:
        """Parameters and buffers by path, sharing their memory.

        Without history, unless ``keep_vars``.
        """
        state: OrderedDict[str, Tensor] = OrderedDict()
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if value is not None and name not in self._not_persistent:
                state[prefix + name] = value if keep_vars else value.detach()
        for name, child in self._modules.items():
            if child is not None:
                state |= child.state_dict(prefix=f"{prefix}{name}.", keep_vars=keep_vars)
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
        for what, names in (("Missing", missing), ("Unexpected", unexpected)):
            if strict and names:
                listed = ", ".join(f'"{name}"' for name in names)
                problems.append(f"{what} key(s) in state_dict: {listed}. ")
        given = {name: state_dict[name] for name in own if name in state_dict}
        for name, value in given.items():
            if not isinstance(value, Tensor):
                problems.append(
                    f'While copying the parameter named "{name}", expected torch.Tensor or '
                    f"Tensor-like object from checkpoint but received {type(value)}"
                )
            elif value.shape != own[name].shape:
                problems.append(
                    f"size mismatch for {name}: copying a param with shape {value.shape} from "
                    f"checkpoint, the shape in current model is {own[name].shape}."
                )
        if problems:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(problems)
            )
        with no_grad():
            for name, value in given.items():
                own[name].copy_(value)
        return IncompatibleKeys(missing, unexpected)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # --- repr ---------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What a layer says of itself between its parentheses."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): {child!r}" for name, child in self._modules.items()]
        return described(self._get_name(), extra.split("\n") if extra else [], children)

    def _get_name(self) -> str:
        return type(self).__name__


ROOMS: dict[str, tuple[type, str, str]] = {
    "_parameters": (Parameter, "parameter", "torch.nn.Parameter"),
    "_modules": (Module, "child module", "torch.nn.Module"),
    "_buffers": (Tensor, "buffer", "torch.nn.Buffer, torch.Tensor"),
}
"""Where a module keeps what is registered: of which type, called what, and torch's words for it."""


def described(name: str, extra: list[str], children: list[str]) -> str:
    """``name(extra)``, or over several lines with the children's own descriptions indented."""
    if len(extra) <= 1 and not children:
        return f"{name}({''.join(extra)})"
    lines = [*extra, *(child.replace("\n", "\n  ") for child in children)]
    return f"{name}(\n  " + "\n  ".join(lines) + "\n)"

"""Modules that hold modules in order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from .module import Module


class Listed(Module):
    """Children named "0", "1", ... that are indexed like a list."""

    def __init__(self, children: Iterable[tuple[str, Module]]) -> None:
        super().__init__()
        for name, child in children:
            if not isinstance(child, Module):
                raise TypeError(f"{type(child).__name__} is not a Module subclass")
            self.add_module(name, child)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(*self._part(index))
        return self._modules[self._key(index)]

    def _part(self, index: slice) -> Any:
        return (OrderedDict(list(self._modules.items())[index]),)

    def _key(self, index: int) -> str:
        keys = list(self._modules)
        if not -len(keys) <= index < len(keys):
            raise IndexError(f"index {index} is out of range")
        return keys[index]

    def __setitem__(self, index: int, module: Module) -> None:
        self._modules[self._key(index)] = module

    def append(self, module: Module) -> Any:
        """Adds a module at the end."""
        self.add_module(str(len(self)), module)
        return self


class Sequential(Listed):
    """Modules applied one after the other; none at all is the identity.

    >>> from tinygrad_cls import nn
    >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], dict):
            super().__init__(modules[0].items())
        else:
            super().__init__((str(i), module) for i, module in enumerate(modules))

    def forward(self, x: Any) -> Any:
        for module in self._modules.values():
            x = module(x)  # type: ignore[misc]  # a Sequential holds no None
        return x


class ModuleList(Listed):
    """A list whose modules are registered; it has no ``forward``."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__((str(i), module) for i, module in enumerate(modules))

    def _part(self, index: slice) -> Any:
        return (list(self._modules.values())[index],)

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Adds modules at the end."""
        for module in modules:
            self.append(module)
        return self

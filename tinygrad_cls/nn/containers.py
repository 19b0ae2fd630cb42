"""Modules that hold modules, in order or by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import chain, groupby
from operator import index as as_index
from typing import Any

from .module import Module, described


class Listed(Module):
    """Children named "0", "1", ... that are indexed like a list."""

    def __init__(self, children: Iterable[tuple[str, Module | None]]) -> None:
        super().__init__()
        for name, child in children:
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

    def _key(self, index: Any) -> str:
        keys, i = list(self._modules), as_index(index)
        if not -len(keys) <= i < len(keys):
            raise IndexError(f"index {i} is out of range: there are {len(keys)} modules")
        return keys[i]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        keys = list(self._modules)
        for key in keys[index] if isinstance(index, slice) else [self._key(index)]:
            del self._modules[key]
        self._number(self)

    def _number(self, modules: Iterable[Any]) -> None:
        self.__dict__["_modules"] = {str(i): module for i, module in enumerate(modules)}

    def append(self, module: Module) -> Any:
        """Adds a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Adds modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend should be called with an iterable, but got "
                f"{type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Adds a module before the one at ``index``."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}; there are {len(self)} modules")
        modules = list(self)
        modules.insert(index, module)
        self._number(modules)
        return self

    def pop(self, index: int | slice) -> Any:
        """Takes a module out and returns it."""
        module = self[index]
        del self[index]
        return module


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
        if len(modules) == 1 and isinstance(modules[0], OrderedDict):
            super().__init__(modules[0].items())
        else:
            super().__init__((str(i), module) for i, module in enumerate(modules))

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *self._sequential(other))

    def __iadd__(self, other: Sequential) -> Sequential:
        return self.extend(self._sequential(other))  # type: ignore[no-any-return]

    @staticmethod
    def _sequential(other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other)} is "
                f"given."
            )
        return other

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]  # a None fails here, as in torch
        return input


class ModuleList(Listed):
    """A list whose modules are registered; it has no ``forward``."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__(())
        if modules is not None:
            self.extend(modules)

    def _part(self, index: slice) -> Any:
        return (list(self)[index],)

    def insert(self, index: int, module: Module) -> None:
        """Adds a module before the one at ``index``; returns nothing, as a list."""
        super().insert(index, module)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(chain(self, other))

    def __iadd__(self, other: Iterable[Module]) -> ModuleList:
        return self.extend(other)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        lines, start = [], 0
        for text, group in groupby(map(repr, self)):
            n = len(list(group))
            label = f"({start})" if n == 1 else f"({start}-{start + n - 1})"
            lines.append(f"{label}: {text}" if n == 1 else f"{label}: {n} x {text}")
            start += n
        return described(self._get_name(), [], lines)


class ModuleDict(Module):
    """A dict whose modules are registered, in the order they came; it has no ``forward``.

    >>> from tinygrad_cls import nn
    >>> heads = nn.ModuleDict({"circles": nn.Linear(8, 1), "blobs": nn.Linear(8, 4)})
    >>> list(heads), heads["blobs"].out_features
    (['circles', 'blobs'], 4)
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> ValuesView[Any]:
        """The modules."""
        return self._modules.values()

    def items(self) -> ItemsView[str, Any]:
        """Pairs of name and module."""
        return self._modules.items()

    def clear(self) -> None:
        """Takes all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Takes a module out and returns it."""
        module = self[key]
        del self[key]
        return module

    def update(self, modules: Any) -> None:
        """Adds the modules of a mapping, or of pairs of name and module."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"ModuleDict.update should be called with an iterable of key/value pairs, but got "
                f"{type(modules).__name__}"
            )
        if isinstance(modules, Mapping | ModuleDict):
            modules = modules.items()
        for i, pair in enumerate(modules):
            if not isinstance(pair, Iterable):
                raise TypeError(
                    f"ModuleDict update sequence element #{i} should be Iterable; is"
                    f"{type(pair).__name__}: give pairs of name and module"
                )
            if len(pair := tuple(pair)) != 2:
                raise ValueError(
                    f"ModuleDict update sequence element #{i} has length {len(pair)}; 2 is required"
                )
            self[pair[0]] = pair[1]

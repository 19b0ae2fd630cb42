"""Names for what a trace holds: from the variables of the code, and from the paths of modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..nn import Module
from ..tensor import Tensor

Running = tuple[tuple[Any, int], ...]


def label_groups(calls: Sequence[Any], names: Mapping[str, Any]) -> None:
    """Gives every call the path of the module that made it, such as ("encoder", "0").

    A module that user code calls is named by its variable, or else by its class; one that holds
    others is left out of the paths if it's the only one and was called once. The second call of a
    module is another group, "relu ·2".
    """
    roots: dict[int, Any] = {}
    parts: set[tuple[int, int]] = set()  # the calls of modules that hold others
    for call in calls:
        if call.running:
            root, n = call.running[0]
            roots[id(root)] = root
            if any(True for _ in root.children()):
                parts.add((id(root), n))
    variables = {id(x): name for name, x in names.items() if isinstance(x, Module)}
    paths = {key: {id(m): p for p, m in root.named_modules()} for key, root in roots.items()}
    for call in calls:
        labels = []
        for depth, (module, n) in enumerate(call.running):
            root = id(call.running[0][0])
            label = variables.get(root, type(module).__name__)
            if depth == 0:
                if (root, n) in parts and len(parts) == 1:
                    continue
            elif id(module) != root:  # else a module that calls itself
                above = paths[root].get(id(call.running[depth - 1][0]), "")
                path = paths[root].get(id(module), type(module).__name__)
                label = path.removeprefix(f"{above}.") if above else path
            labels.append(label if n == 1 else f"{label} ·{n}")
        call.group = tuple(labels)


def name_values(trace: Any, names: Mapping[str, Any], tensors: Mapping[int, Sequence[str]]) -> None:
    """Gives values the names of variables, and of parameters of modules."""
    running = {id(m): m for call in trace.calls for m, _ in call.running[:1]}
    known = {id(x) for x in names.values() if isinstance(x, Module)}
    unnamed = [("", m) for key, m in running.items() if key not in known]
    for name, x in named([*unnamed, *names.items()]):
        for found in tensors.get(id(x), ()):
            trace[found].name = trace[found].name or name
    for call in trace.calls:
        trace[call.output].module = call.module
        for x in call.inputs:
            if isinstance(x, str) and trace[x].kind == "parameter":
                trace[x].module = trace[x].module or call.module


def named(names: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor with its name: those of modules first, then variables, then what lists and dicts
    hold. With one module, "layer_1.weight"; with several, "model.layer_1.weight".
    """
    modules = [
        (n, m) for n, m in names if isinstance(m, Module) and any(True for _ in m.parameters())
    ]
    several = len({id(m) for _, m in modules}) > 1
    for name, module in modules:
        for inner, parameter in (*module.named_parameters(), *module.named_buffers()):
            yield f"{name}.{inner}" if several and name else inner, parameter
    for name, x in names:
        if isinstance(x, Tensor):
            yield name, x
    for name, x in names:
        if isinstance(x, list | tuple):
            yield from ((f"{name}[{i}]", t) for i, t in enumerate(x) if isinstance(t, Tensor))
        elif isinstance(x, dict):
            yield from ((f"{name}[{k!r}]", t) for k, t in x.items() if isinstance(t, Tensor))

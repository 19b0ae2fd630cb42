"""check_module: a module's gradient for its inputs and its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from . import check
from .report import Report
from .subject import ENGINES, Unfit, kind
from .trial import said


def check_module(module: Any, inputs: Sequence[Any], options: dict[str, Any]) -> Report:
    """The module as a function of its inputs and parameters, judged.

    For modules of this engine and of torch. During a call the parameters' places hold the tensors
    that the judge moves, and the buffers' places copies, in the dtype of these: whatever a call
    does to its buffers, the module is afterwards what it was.
    """
    if isinstance(module, type) or not hasattr(module, "named_parameters"):
        raise Unfit(f"the module is {kind(module)}: give an instance of a Module, ours or torch's")
    try:
        named = dict(module.named_parameters())
        clones = [p.detach().clone().requires_grad_(p.requires_grad) for p in named.values()]
    except Exception as error:  # noqa: BLE001  (a lazy module, one on another device, ...)
        raise Unfit(f"the parameters can't be read: {said(error)}") from None
    places = {id(p): n for n, p in enumerate(named.values())}
    count = len(inputs)

    def call(*tensors: Any) -> Any:
        with lent(module, tensors[count:], places):
            return module(*tensors[:count])

    call.__name__ = type(module).__name__
    call.lent_to = range(count, count + len(named))  # type: ignore[attr-defined]
    leaf = ENGINES["torch" if is_torchs(module) else "tinygrad_cls"]().leaf
    given = [x.detach() if hasattr(x, "detach") else leaf(np.array(x)) for x in inputs]
    given = [x.requires_grad_() if is_real(x) else x for x in given]
    names = [f"input {i}" if count > 1 else "input" for i in range(count)] + list(named)
    report = check(call, *given, *clones, names=names, **options)
    frozen = [name for name, p in named.items() if not p.requires_grad]
    untested = (*report.untested, f"frozen: {', '.join(frozen)}") if frozen else report.untested
    paste = f"judge.check_module(module, *report.example[:{count}], seed={report.seed})"
    return replace(report, untested=untested, reproduce=paste)


@contextmanager
def lent(module: Any, tensors: Sequence[Any], places: dict[int, int]) -> Iterator[None]:
    """The module with other tensors as its parameters (shared ones in all their places), and
    copies of its buffers.
    """
    found: list[tuple[Any, str, Any, Any]] = []
    dtype = next((x.dtype for x in tensors if is_real(x)), None)
    try:
        for _, owner in list(module.named_modules()):
            for name, parameter in list(owner._parameters.items()):
                if parameter is not None:
                    found.append((owner, name, owner._parameters, parameter))
                    del owner._parameters[name]
                    object.__setattr__(owner, name, tensors[places[id(parameter)]])
            for name, buffer in list(owner._buffers.items()):
                if buffer is not None:
                    found.append((owner, name, owner._buffers, buffer))
                    copy = buffer.detach().clone()
                    owner._buffers[name] = copy.to(dtype) if dtype and is_real(copy) else copy
        yield
    finally:
        for owner, name, room, tensor in found:
            owner.__dict__.pop(name, None)
            room[name] = tensor


def is_torchs(module: Any) -> bool:
    """Whether it's one of torch's modules, or of a class made of them."""
    return any(kind.__module__.split(".")[0] == "torch" for kind in type(module).__mro__)


def is_real(x: Any) -> bool:
    """Whether it's a tensor of real numbers."""
    return hasattr(x, "requires_grad_") and bool(x.is_floating_point())

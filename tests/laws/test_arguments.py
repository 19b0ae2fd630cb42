"""Whatever torch's function takes by name, ours takes by that name."""

from typing import Any

import pytest

import tinygrad_cls as tg
from tinygrad_cls import ops

from .calls import Call, agrees, each, outcome, results


def is_torchs(call: Call) -> bool:
    return call.entry.name not in ops.HELPERS


def overloads(torch: Any, name: str) -> list[list[str]]:
    """The names of the arguments in each form of a function, but for `out`."""
    return [
        ["input" if a.name == "self" else a.name for a in schema.arguments]
        for schema in torch._C._jit_get_schemas_for_operator(f"aten::{name}")
        if not any(a.is_out for a in schema.arguments)
    ]


@pytest.mark.needs_torch
@each(where=is_torchs)
def test_every_argument_by_name(call: Call, twins: Any) -> None:
    function = getattr(twins.torch, call.entry.name, None)
    if function is None:
        return
    ours, theirs = call.with_arrays(call.tensors()), call.with_arrays(twins.Twin(call).tensors)
    for names in overloads(twins.torch, call.entry.name):
        for k in range(min(len(ours), len(names))):  # from the kth on

            def called(f: Any, args: Any, names: list[str] = names, k: int = k) -> Any:
                named = dict(zip(names[k:], args[k:], strict=False))
                return f(*args[:k], **named, **call.kwargs)

            wanted = outcome(lambda: called(function, theirs))
            if isinstance(wanted, type):
                continue  # a form that Python doesn't call, or of fewer arguments
            found = called(getattr(tg, call.entry.name), ours)
            for a, b in zip(results(found), results(wanted), strict=True):
                agrees(a, b, ulps=4 + call.fold, least=call.scale)

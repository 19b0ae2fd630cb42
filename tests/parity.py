"""Runs the same code on both engines and compares what it did, for the tests beside this file.

``outcome(engine, code)`` runs ``code``, a snippet as a user would write it or a function of the
engine, and tells what came of it: the value of the last line, or the exception, and the warnings.
``compare`` holds two outcomes against each other, and ``snippets`` makes a test of every snippet
in a text. In a snippet ``torch``, ``nn``, ``F`` and
``optim`` are the engine's; ``np``, ``copy``, ``pickle`` and ``math`` are themselves.
"""

import ast
import builtins
import copy
import importlib
import math
import pickle
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinygrad_cls

Code = str | Callable[[Any], Any]
TOLERANCE = {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3}
"""Relative, and absolute below 1: a few roundings of the dtype. Sums differ in their order."""


def pytorch() -> ModuleType:
    """PyTorch, set to repeat the warnings that it gives once per process."""
    torch = importlib.import_module("torch")
    torch.set_warn_always(True)
    return torch


@dataclass
class Outcome:
    """What came of a run: ``value``, or the exception's type and text; and the warnings."""

    value: Any = None
    error: str = ""
    message: str = ""
    warned: list[tuple[str, str]] = field(default_factory=list)


def execute(code: Code, engine: Any) -> Any:
    """The value of the last line of a snippet, or of a function of the engine."""
    if callable(code):
        return code(engine)
    names = {
        "torch": engine, "nn": engine.nn, "F": engine.nn.functional, "optim": engine.optim,
        "np": np, "copy": copy, "pickle": pickle, "math": math,
    }  # fmt: skip
    body = ast.parse(code).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), code, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), code, "eval"), names)


def outcome(engine: Any, code: Code) -> Outcome:
    if isinstance(code, str):
        ast.parse(code)  # both engines would "raise" the same SyntaxError
    with warnings.catch_warnings(record=True) as caught, engine.set_grad_enabled(True):
        warnings.simplefilter("always")
        # NumPy finds torch's array protocol old-fashioned
        warnings.filterwarnings("ignore", "__array", DeprecationWarning)
        try:
            result = Outcome(seen(execute(code, engine)))
        except Exception as error:
            # torch's own subclasses count as what they are to a user's `except`
            kind = next(c for c in type(error).__mro__ if c.__module__ == builtins.__name__)
            result = Outcome(error=kind.__name__, message=str(error))
    result.warned = [(w.category.__name__, str(w.message)) for w in caught]
    return result


def seen(x: Any) -> Any:
    """What a user sees of a value, in terms that both engines share."""
    if hasattr(x, "requires_grad_") and hasattr(x, "detach"):
        kind = "Parameter" if type(x).__name__ == "Parameter" else "Tensor"
        array = x.detach().cpu().numpy().copy()
        return {
            "type": kind, "dtype": str(x.dtype), "shape": tuple(x.shape), "array": array,
            "requires_grad": x.requires_grad, "is_leaf": x.is_leaf,
        }  # fmt: skip
    if isinstance(x, np.ndarray | np.generic):
        kind = "ndarray" if isinstance(x, np.ndarray) else "NumPy scalar"
        return {"type": kind, "dtype": str(x.dtype), "array": np.array(x)}
    if type(x).__name__ == "Size":
        return {"type": "Size", "value": tuple(x)}
    if isinstance(x, tuple | list):
        return [type(x).__name__ if type(x) is list else "tuple", *map(seen, x)]
    if isinstance(x, dict):
        return {str(name): seen(value) for name, value in x.items()}
    if x is None or isinstance(x, bool | int | str | type):
        return (type(x).__name__, x)
    if isinstance(x, float):
        return {"type": "float", "array": np.array(x)}
    return re.sub(r" at 0x[0-9a-f]+", "", repr(x))


def first_sentence(text: str) -> str:
    """Up to the first full stop or line break."""
    return re.split(r"\. |\.?\n", text.strip(), maxsplit=1)[0].rstrip(".")


def begins(ours: str, theirs: str) -> bool:
    """Whether our message starts with torch's whole first sentence."""
    return " ".join(ours.split()).startswith(" ".join(first_sentence(theirs).split()))


def compare(ours: Outcome, theirs: Outcome, *, text: bool = True, warned: bool = True) -> None:
    """AssertionError unless ours is torch's: same value, or same exception and first sentence."""
    if theirs.error or ours.error:
        shown = f"torch: {theirs.error or theirs.value}: {theirs.message}\n"
        shown += f"ours:  {ours.error or ours.value}: {ours.message}"
        assert ours.error == theirs.error, shown
        assert not text or begins(ours.message, theirs.message), shown
    else:
        same(ours.value, theirs.value, "the value")
    if warned:
        shown = f"torch warns: {theirs.warned}\nours warns: {ours.warned}"
        assert len(ours.warned) == len(theirs.warned), shown
        for (kind, said), (their_kind, they_said) in zip(ours.warned, theirs.warned, strict=True):
            assert kind == their_kind, shown
            assert begins(said, they_said), shown


def same(ours: Any, theirs: Any, where: str) -> None:
    """AssertionError unless two values, as ``seen``, are the same up to rounding."""
    assert type(ours) is type(theirs), f"{where}: {theirs!r} in torch, ours {ours!r}"
    if isinstance(theirs, np.ndarray):
        assert ours.shape == theirs.shape, f"{where}: {theirs!r} in torch, ours {ours!r}"
        if ours.tobytes() == theirs.tobytes():
            return
        near = TOLERANCE.get(str(theirs.dtype), 0.0)
        np.testing.assert_allclose(
            ours, theirs, rtol=near, atol=near, err_msg=f"{where} (torch's is the desired)"
        )
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), f"{where}: {theirs!r} in torch, ours {ours!r}"
        for name in theirs:
            same(ours[name], theirs[name], f"{where}: {name}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), f"{where}: {theirs!r} in torch, ours {ours!r}"
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            same(a, b, f"{where}[{i - 1}]")
    else:
        assert ours == theirs, f"{where}: {theirs!r} in torch, ours {ours!r}"


def check(code: Code, *, text: bool = True, warned: bool = True) -> None:
    """Runs ``code`` on both engines and compares; an error by its type alone where ``text`` is
    false or a snippet ends with ``# type``, because torch's words are of no use to a reader.
    """
    text = text and not (isinstance(code, str) and code.endswith("# type"))
    theirs = outcome(pytorch(), code)
    compare(outcome(tinygrad_cls, code), theirs, text=text, warned=warned)


def snippets(text: str) -> Callable[[Any], Any]:
    """A decorator: the test is called with every snippet of ``text`` and needs PyTorch.

    A line is a snippet; a line that is indented, as in a bracket or a block, or starts with ``|``
    (which is no part of the code) belongs to the one above. ``#`` starts a comment.
    """
    codes: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        if line[0] in " |":
            codes[-1] += "\n" + line.removeprefix("|")
        elif not line.startswith("#"):
            codes.append(line)

    def decorate(test: Any) -> Any:
        return pytest.mark.needs_torch(pytest.mark.parametrize("code", codes)(test))

    return decorate

"""Traces of one backward pass: of the tutorial's experiments, of a function, of a script."""

from __future__ import annotations

import difflib
import inspect
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

from .. import float32, int64, manual_seed
from ..experiments import EXPERIMENTS, DataError, split, train
from ..trace import trace
from ..trace.record import Trace

LARGEST = 5000  # steps that a page holds; one more is a loop of training


class StepError(DataError):
    """There is no backward pass to step through; the message says why."""


def of_experiment(name: str, epoch: int, samples: int = 4) -> Trace:
    """One forward and backward pass of an experiment that was trained for ``epoch`` epochs, on its
    first training samples.

    >>> t = of_experiment("circles-linear", epoch=1)
    >>> [step.rule.symbols for step in t.steps[-2:]]
    ['dW = dyᵀ · x', 'db = Σ_rows dy']
    """
    experiment = EXPERIMENTS[name]
    task = experiment.task
    points = experiment.points()
    if epoch:
        run = train(experiment, points, epochs=epoch, show=lambda line: None)
        data, model = run.data, run.model
    else:
        data = split(points, float32, int64 if task.integer_targets else float32)
        manual_seed(42)
        model = experiment.model(len(points.features), len(points.classes))
    if samples > len(data.y_train):
        raise StepError(
            f"{samples} samples were asked for, and {name} trains on {len(data.y_train)}"
        )
    model.train()
    for parameter in model.parameters():
        parameter.grad = None
    X, y = data.X_train[:samples], data.y_train[:samples]
    loss_fn = task.loss()
    with trace() as made:
        logits = task.logits(model(X))
        loss = loss_fn(logits, y)
        loss.backward()
    return made


def of_function(path: Path, name: str) -> Trace:
    """What a function of a file computes: it is called without arguments, and goes backward itself.

    Raises:
        StepError: there is no such function, it raised, or it never called backward.
    """
    place = f"{path.name}:{name}"
    with running(path, f"importing {path.name}"):
        module = runpy.run_path(str(path), run_name=path.stem)
    function = module.get(name)
    if function is None:
        found = [n for n, x in module.items() if isinstance(x, FunctionType)]
        near = difflib.get_close_matches(name, found)
        hint = f": did you mean {near[0]}?" if near else f"; it has {', '.join(found) or 'none'}"
        raise StepError(f"{path.name} has no function {name!r}{hint}")
    if not callable(function):
        raise StepError(f"{place} is of type {type(function).__name__}, not a function")
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise StepError(
            f"{place} is called without arguments, and it needs some: {error}. Write a function "
            f"that makes them"
        ) from error
    names: dict[str, Any] = {}
    with running(path, place), trace(names) as made, locals_of(function, names):
        function()
    return checked(made, place)


def of_script(path: Path) -> Trace:
    """What a script computes, run from beginning to end.

    Raises:
        StepError: it raised, or it never called backward.
    """
    names: dict[str, Any] = {}
    with running(path, path.name), trace(names) as made:
        names.update(runpy.run_path(str(path), run_name="__main__"))
    return checked(made, path.name)


def checked(made: Trace, place: str) -> Trace:
    """The trace, if there's something to step through."""
    if not made.steps:
        raise StepError(
            f"{place} never called backward() on something that was computed: there is nothing to "
            f"step through. It should end in loss.backward()"
        )
    if len(made.steps) > LARGEST:
        raise StepError(
            f"{place} made {len(made.steps)} steps of backward, and a page holds {LARGEST}: name a "
            f"function that goes forward and backward once, FILE.py:function"
        )
    return made


@contextmanager
def running(path: Path, what: str) -> Iterator[None]:
    """As Python runs a script: its folder is where modules are looked for. What goes wrong in it is
    a StepError, which says where.
    """
    if not path.is_file():
        raise StepError(f"there is no file {path}")
    found = sys.argv, sys.path
    sys.argv, sys.path = [str(path)], [str(path.parent.resolve()), *sys.path]
    try:
        yield
    except StepError:
        raise
    except SystemExit as error:
        if error.code not in (None, 0):
            raise StepError(f"{what} exited with {error.code}") from error
    except Exception as error:
        raise StepError(
            f"{what} raised {type(error).__name__}: {error}{line_in(path, error)}"
        ) from (error)
    finally:
        sys.argv, sys.path = found


def line_in(path: Path, error: BaseException) -> str:
    """The line of the file that an error came through last."""
    if isinstance(error, SyntaxError):
        return ""  # it says so itself
    found, where = "", error.__traceback__
    while where is not None:
        if Path(where.tb_frame.f_code.co_filename).name == path.name:
            found = f" ({path.name}, line {where.tb_lineno})"
        where = where.tb_next
    return found


@contextmanager
def locals_of(function: Callable[..., Any], names: dict[str, Any]) -> Iterator[None]:
    """Puts a function's variables into ``names`` when it returns: they name what it computed."""
    code = getattr(function, "__code__", None)

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code is code:
            names.update(frame.f_locals)

    found = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(found)

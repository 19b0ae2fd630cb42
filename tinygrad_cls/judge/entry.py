"""The call: inputs become arrays, the function a subject, and the outcome a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .examination import Check, Progress
from .report import Finding, Report
from .subject import Answer, Array, NumPySubject, Subject, Unfit, kind, subject
from .trial import count, quietly, said


def prepared(inputs: Sequence[Any]) -> tuple[list[Array], tuple[int, ...]]:
    """The inputs as arrays of their own, and which are differentiated: those that require grad, or
    all of real numbers where none says.
    """
    arrays, wants = [], []
    for n, given in enumerate(inputs):
        x, asks = given, bool(getattr(given, "requires_grad", False))
        if isinstance(x, str | bytes) or x is None or callable(x):
            raise Unfit(
                f"input {n} is {x!r}: give arrays, and bind other arguments with functools.partial"
            )
        if hasattr(x, "detach"):
            x = x.detach()
        try:
            x = x.cpu().numpy() if hasattr(x, "cpu") else x
            a = np.array(x, order="C")
        except Exception as error:  # noqa: BLE001  (bfloat16, sparse, meta, objects, ...)
            raise Unfit(f"input {n} is no array of numbers: {said(error)}") from None
        if a.dtype.kind not in "fiub":
            raise Unfit(
                f"input {n} is of dtype {a.dtype}: give real numbers, and bind other arguments "
                f"with functools.partial"
            )
        if a.dtype.kind == "f" and a.dtype not in (np.float32, np.float64):
            raise Unfit(f"input {n} is of dtype {a.dtype}: give float32 or float64")
        arrays.append(a)
        wants.append(asks)
    real = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    if not arrays:
        raise Unfit("no inputs: give the arrays at which the function is to be judged")
    if not real:
        raise Unfit("no input of real numbers: there is nothing to differentiate")
    asked = tuple(i for i in real if wants[i])
    return arrays, asked or tuple(real)


def run(
    f: Any,
    inputs: Sequence[Any],
    *,
    vjp: Callable[..., Any] | None,
    vjp2: Callable[..., Any] | None,
    against: Any,
    names: Sequence[str] | None,
    name: str,
    seed: int,
    probes: int,
    order: int | None,
    coordinates: int,
    progress: Progress | None,
    seconds: float = 60.0,
    thorough: bool = True,
) -> Report:
    """The check at given inputs; not ``thorough``, of the numbers alone."""
    valid(seed, probes, order, coordinates, progress)
    valid_words(name, names, seconds, vjp, vjp2, against)
    made = subject(f, inputs, vjp)
    arrays, judged = prepared(inputs)
    if names is not None:
        if len(names) != len(arrays):
            raise ValueError(f"names has {len(names)} names for {len(arrays)} inputs")
        made.inputs = tuple(names)
    made.name = name or made.name
    twin = subject(against, inputs, None) if against is not None else None
    second = second_subject(vjp, vjp2, made, judged) if vjp2 is not None and vjp else None
    total = sum(arrays[i].size for i in judged)
    asked = order == 2
    if order is None:
        order = 2 if total <= 256 and (second is not None or made.engine != "numpy") else 1
    with quietly():
        examination = Check(
            made,
            arrays,
            judged,
            twin=twin,
            seed=seed,
            probes=probes,
            order=order,
            coordinates=coordinates,
            second=second,
            asked=asked,
            seconds=seconds,
            progress=progress,
        )
        try:
            if thorough:
                examination.run()
            else:
                examination.numbers()
        except Unfit as error:
            examination.findings.append(Finding("not judged", str(error)))
        except Exception as error:  # noqa: BLE001  (what the function does in between is its own)
            text = (
                f"the check stopped: {said(error)} (a fault of the judge, or of what it was given)"
            )
            examination.findings.append(Finding("not judged", text))
    written = {"vjp": vjp, "vjp2": vjp2, "against": against}
    options = {"seed": seed}
    options |= {"probes": probes} if probes != 3 else {}
    options |= {"order": 2} if asked else {}
    options |= {"coordinates": coordinates} if coordinates != 1024 else {}
    given = [name for name, value in written.items() if value is not None]
    return examination.report(reproduce(made, arrays, options, given))


def valid(seed: Any, probes: Any, order: Any, coordinates: Any, progress: Any) -> None:
    """ValueError or TypeError for options that make no sense."""
    for name, value, least in (
        ("seed", seed, 0),
        ("probes", probes, 2),
        ("coordinates", coordinates, 1),
    ):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} is {value!r}: give a whole number, {least} or more")
    if order not in (None, 1, 2):
        raise ValueError(f"order is {order!r}: give 1, 2 or None")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress is {kind(progress)}: give a function of a line")


def valid_words(name: Any, names: Any, seconds: Any, vjp: Any, vjp2: Any, against: Any) -> None:
    """ValueError or TypeError for what isn't names, a time or functions."""
    if not isinstance(name, str):
        raise TypeError(f"name is {kind(name)}: give a string")
    if names is not None and not (
        isinstance(names, list | tuple) and all(isinstance(n, str) for n in names)
    ):
        raise TypeError(f"names is {names!r}: give a list of strings, one for each input")
    if not isinstance(seconds, int | float) or not seconds >= 0:
        raise ValueError(f"seconds is {seconds!r}: give a number, 0 or more")
    if vjp2 is not None and not (callable(vjp2) and callable(vjp)):
        raise TypeError(
            f"vjp2 is {kind(vjp2)}, vjp is {kind(vjp)}: vjp2 is the function that differentiates "
            f"the function vjp"
        )
    if against is not None and not (callable(against) or hasattr(against, "pullback")):
        raise TypeError(f"against is {kind(against)}: give the same function in another engine")


def second_subject(
    vjp: Callable[..., Any], vjp2: Callable[..., Any], made: Subject, judged: tuple[int, ...]
) -> Subject:
    """The gradient with its own hand-written vjp, as a function of inputs and cotangent."""
    count_inputs = len(made.inputs)

    def gradient(*args: Any) -> Any:
        xs, g = args[:count_inputs], args[count_inputs]
        found = vjp(g, *xs)
        found = found if isinstance(found, tuple | list) else (found,)
        wanted = tuple(
            np.zeros(np.shape(xs[i])) if found[i] is None else np.asarray(found[i]) for i in judged
        )
        return wanted[0] if len(wanted) == 1 else wanted

    def pulled(h: Any, *args: Any) -> Any:
        xs, g = args[:count_inputs], args[count_inputs]
        found = vjp2(h, g, *xs)
        if not isinstance(found, tuple | list):
            text = f"vjp2 returned {kind(found)}: return a tuple, for g and for each input"
            raise Answer("bad answer", text)
        return (*found[1:], found[0])  # the cotangent is the last input

    second = NumPySubject(gradient, pulled, 0)
    second.name, second.inputs = f"gradient of {made.name}", (*made.inputs, "g")
    return second


def reproduce(
    made: Subject, arrays: Sequence[Array], options: dict[str, Any], hand_written: Sequence[str]
) -> str:
    """The call, ready to paste where the function and its ``vjp`` are; large arrays are left to
    ``report.example``.
    """
    from .explore import source

    small = sum(count(a.shape) for a in arrays) <= 24
    inputs = source(arrays) if small else "*report.example"
    given = [f"{name}={name}" for name in hand_written]
    given += [f"{name}={value}" for name, value in options.items()]
    name = made.name if made.name.isidentifier() else "f"
    return f"judge.check({name}, {inputs}, {', '.join(given)})"

"""torch's gradcheck and gradgradcheck: the judge's evidence, read with torch's tolerances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._state import enable_grad
from ..tensor import Tensor

if TYPE_CHECKING:
    from ..judge.examination import Check
    from ..judge.report import Finding, Report


class GradcheckError(RuntimeError):
    """A gradient is wrong: torch's words, then the judge's. ``report`` has the evidence."""

    report: Report


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether every slope of ``func`` at ``inputs`` is right to ``atol + rtol |slope|``.

    torch's signature and torch's tolerances over the judge's evidence: the steps are chosen by
    their error bounds (``eps`` and ``fast_mode`` are taken and change nothing), a legal gradient at
    a kink passes, and so does a float32 function that is right in float64.
    :func:`tinygrad_cls.judge.check` derives its tolerance instead, and looks at more.

    Raises:
        Exception: What ``func`` and its backward raise.
        GradcheckError: A slope is wrong; with ``raise_exception=False`` the result is False.
        ValueError: No input requires grad, or forward mode or batches are asked for, which this
            engine hasn't.

    >>> import tinygrad_cls as tg
    >>> x = tg.tensor([0.5, 1.0], dtype=tg.float64, requires_grad=True)
    >>> gradcheck(tg.tanh, x)
    True
    """
    refuse(
        "gradcheck",
        check_batched_grad=check_batched_grad,
        check_batched_forward_grad=check_batched_forward_grad,
        check_forward_ad=check_forward_ad,
        masked=masked,
    )
    if not check_backward_ad:
        raise ValueError("gradcheck: check_backward_ad=False leaves nothing to check here")
    from ..judge import laws
    from ..judge.trial import quietly

    check = of(func, inputs, atol, rtol, nondet_tol)
    with quietly():
        check.numbers()
        if check_undefined_grad and check.evidence is not None:
            check.note(laws.partial_graphs(check.exam))
    return verdict(check, counted(check, check_grad_dtypes), raise_exception)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """:func:`gradcheck` of the gradient, as a function of ``inputs`` and ``grad_outputs`` (random
    ones where none are given).

    >>> import tinygrad_cls as tg
    >>> x = tg.tensor([0.5, 1.0], dtype=tg.float64, requires_grad=True)
    >>> gradgradcheck(tg.tanh, x)
    True
    """
    refuse(
        "gradgradcheck",
        check_batched_grad=check_batched_grad,
        check_fwd_over_rev=check_fwd_over_rev,
        masked=masked,
    )
    if not check_rev_over_rev:
        raise ValueError("gradgradcheck: check_rev_over_rev=False leaves nothing to check here")
    from ..judge.examination import Check
    from ..judge.trial import quietly

    first = of(func, inputs, atol, rtol, nondet_tol)
    with quietly():
        gradient = first.gradient() if first.forward() else None
        if gradient is None:
            return verdict(first, first.findings, raise_exception)
        if grad_outputs is None:
            gs = first.trial.cotangents(first.draw_cotangents()[0])
            if gen_non_contig_grad_outputs:
                gs = [np.repeat(g[..., None], 2, axis=-1)[..., 0] for g in gs]
        else:
            given = grad_outputs if isinstance(grad_outputs, tuple | list) else (grad_outputs,)
            gs = [np.array(g.detach()._array) for g in given]
        n = len(first.arrays)
        judged = (*first.judged, *range(n, n + len(gs)))
        check = Check(gradient, [*first.arrays, *gs], judged, forgiven=(atol, rtol))
        check.nondeterminism = nondet_tol
        check.numbers()
    return verdict(check, counted(check, check_grad_dtypes), raise_exception)


def refuse(name: str, **options: bool | None) -> None:
    """What needs forward mode, batching or sparse tensors."""
    for option, value in options.items():
        if value:
            raise ValueError(
                f"{name}: {option}=True is not supported by this engine, which has no forward "
                f"mode, no vmap and no sparse tensors"
            )


def of(func: Callable[..., Any], inputs: Any, atol: float, rtol: float, nondet: float) -> Check:
    """The check of a function of tensors, for those that require grad; what it raises is raised."""
    from ..judge.entry import prepared
    from ..judge.examination import Check
    from ..judge.subject import TensorSubject
    from ..judge.trial import quietly

    given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    if not any(isinstance(x, Tensor) and x.requires_grad for x in given):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )
    arrays, judged = prepared(given)
    subject = TensorSubject(func, len(arrays))
    with quietly():
        subject.pullback(arrays, [np.ones_like(y) for y in subject.values(arrays)])
    check = Check(subject, arrays, judged, forgiven=(atol, rtol))
    check.nondeterminism = nondet
    return check


def counted(check: Check, dtypes: bool) -> list[Finding]:
    """The findings, with or without those on dtypes."""
    return [f for f in check.findings if dtypes or "dtype" not in f.kind]


SENTENCES = {
    "not repeatable": "Backward is not reentrant, i.e., running backward with same input and "
    "grad_output multiple times gives different values",
    "wrong shape": "Analytical gradient has incorrect size",
    "wrong dtype": "Gradient has dtype mismatch",
    "not linear": "backward not multiplied by grad_output",
}
"""torch's first sentences; others are Jacobian mismatches."""


def verdict(check: Check, findings: Sequence[Finding], raise_exception: bool) -> bool:
    """True, or the error that torch would raise, with the report."""
    bad = [f for f in findings if f.level != "NOTE"]
    if not bad:
        return True
    if not raise_exception:
        return False
    first = bad[0]
    sentence = SENTENCES.get(first.kind)
    if first.kind == "missing gradient" and not differentiable(check):
        sentence = "Numerical gradient for function expected to be zero"
    if sentence is None:
        output, i = mismatch(check)
        sentence = f"Jacobian mismatch for output {output} with respect to input {i}"
    report = check.report()
    error = GradcheckError(f"{sentence},\n{report}")
    error.report = report
    raise error


def differentiable(check: Check) -> bool:
    """Whether an output requires grad."""
    subject: Any = check.subject
    with enable_grad():
        return any(y.requires_grad for y in subject.run(subject.tensors(check.arrays, True)))


def mismatch(check: Check) -> tuple[int, int]:
    """Which output, by which input: the first whose own gradient is wrong."""
    from ..judge.point import TIMES

    evidence = check.evidence
    if evidence is None or not evidence.wrong.any():
        return 0, check.judged[0]
    trial, point = check.trial, evidence.point
    row = int(np.flatnonzero(evidence.wrong)[0])
    i, j = evidence.at[row]
    start = 0
    for n, shape in enumerate(trial.shapes):
        size = int(np.prod(shape))
        g = np.zeros(point.values.size)
        g[start : start + size] = point.cotangents[0][start : start + size]
        answer = trial.pull(point.arrays, g)[i]
        yours = 0.0 if answer is None else float(np.ravel(answer)[j])
        floor = float(np.abs(g) @ np.nan_to_num(evidence.error[row]))
        ends = np.array([evidence.low[row] * g, evidence.high[row] * g])
        low, high = ends.min(axis=0).sum(), ends.max(axis=0).sum()
        if not low - TIMES * floor <= yours <= high + TIMES * floor:
            return n, i
        start += size
    return 0, i

"""Checks at drawn inputs: the smallest that fails, or the last that passed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .report import Report


def drawn(
    run: Callable[..., Report], f: Any, inputs: Sequence[Any], *, examples: int, **options: Any
) -> Report:
    """The check at ``inputs``, or at what the strategies among them draw."""
    if not any(hasattr(x, "example") and hasattr(x, "map") for x in inputs):
        return run(f, inputs, **options)
    from .explore import explore

    reports: list[Report] = []
    tried: list[tuple[Any, ...]] = []
    quick = options | {"probes": 2, "order": 1, "progress": None, "thorough": False}

    def fails(*given: Any) -> bool:
        report = run(f, given, **quick)
        reports.append(report)
        tried.append(given)
        return report.verdict == "failed"

    found = explore(fails, inputs, examples, options["seed"])
    if found.inputs is None:
        unsure = [r for r in reports if r.verdict == "not judged"]
        judged = [r for r in reports if r.verdict == "passed"]
        passed = [given for given, r in zip(tried, reports, strict=True) if r.passed]
        last = run(f, passed[-1], **options) if passed else unsure[-1]
        line = f"{found.tried} drawn inputs: {len(judged)} passed, {len(unsure)} not judged"
        return replace(last, measured=(line, *last.measured))
    report = run(f, found.inputs, **options)
    line = f"{found.tried} drawn inputs; this is the smallest that fails"
    if found.flaky or report.verdict != "failed":
        line = f"{found.tried} drawn inputs; this one failed and then did not: something is random"
        report = next((r for r in reversed(reports) if r.verdict == "failed"), report)
    return replace(report, measured=(line, *report.measured))

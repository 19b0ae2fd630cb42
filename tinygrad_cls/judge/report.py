"""What the judge says: readings, findings and the report, for people, for programs, for a page."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

FAIL, UNSURE, NOTE = "FAIL", "UNSURE", "NOTE"
SHOWN = 6
"""Findings, and inputs, that are printed; ``report.findings`` has all."""


class Verdict(NamedTuple):
    """A kind of finding: whether it fails a check, and what it means."""

    level: str
    meaning: str


VERDICTS: dict[str, Verdict] = {
    "wrong gradient": Verdict(FAIL, "a number in the gradient is not the slope of the function"),
    "wrong shape": Verdict(FAIL, "a gradient has not its input's shape"),
    "wrong dtype": Verdict(FAIL, "a gradient has fewer digits than its input"),
    "missing gradient": Verdict(FAIL, "no gradient for an input that the output depends on"),
    "unwanted gradient": Verdict(FAIL, "a gradient for an input of integers or booleans"),
    "bad answer": Verdict(FAIL, "backward returned something that is no gradient"),
    "backward raises": Verdict(FAIL, "forward takes these inputs, backward raises"),
    "not linear": Verdict(FAIL, "the gradient is not linear in the cotangent"),
    "mutation": Verdict(FAIL, "forward or backward changed its arguments"),
    "shared memory": Verdict(FAIL, "a gradient changed after it had been returned"),
    "not repeatable": Verdict(FAIL, "backward gives another answer the second time"),
    "hidden state": Verdict(FAIL, "backward depends on more than its arguments"),
    "accumulation": Verdict(FAIL, "of an input used twice, the contributions are not added"),
    "memory layout": Verdict(FAIL, "another answer for the same values laid out otherwise"),
    "other sizes": Verdict(
        FAIL, "wrong where an axis is shorter, of size 1 or empty, or for 0-d inputs"
    ),
    "other values": Verdict(FAIL, "wrong at other values than those given: larger, or all equal"),
    "float32 budget": Verdict(FAIL, "the float32 gradient is off by more than rounding explains"),
    "second order": Verdict(FAIL, "the gradient is right, the gradient of the gradient is not"),
    "wrong rule": Verdict(FAIL, "a loss or an optimizer does not follow the rule it is held to"),
    "unreliable difference": Verdict(
        UNSURE, "the difference quotient is too noisy here to judge, and nothing else can"
    ),
    "not judged": Verdict(UNSURE, "the function has no finite value or no answer here"),
    "kink": Verdict(NOTE, "left and right slope differ, and the gradient given is a legal one"),
    "symmetric convention": Verdict(
        NOTE, "the function reads one triangle of a symmetric input, the gradient is symmetric"
    ),
    "jump": Verdict(NOTE, "the function jumps here, and the gradient given is a piece's slope"),
    "infinite slope": Verdict(NOTE, "the slope grows without bound here"),
    "edge of the domain": Verdict(NOTE, "steps to one side leave the domain: one-sided slope"),
    "saved by another oracle": Verdict(
        NOTE, "the difference quotient is unreliable here, another oracle agrees with the gradient"
    ),
    "aliasing": Verdict(NOTE, "a gradient shares memory with an argument or another gradient"),
    "random state": Verdict(NOTE, "the function draws random numbers; they were held fixed"),
    "wider dtype": Verdict(NOTE, "a gradient has more digits than its input"),
}
"""Every kind of finding. A check passes if none fails; it is not judged if one is UNSURE."""


@dataclass(frozen=True)
class Reading:
    """What one oracle says of one number, and how far that may be off."""

    oracle: str
    value: float
    error: float = 0.0
    how: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing found.

    kind: a key of :data:`VERDICTS`. text: one sentence. where: ``d out / d x[1,2]``; at: the values
    there. yours, readings: the gradient judged and what the oracles say. error: relative to the
    gradient's scale; noise: as a multiple of the noise floor. hint: a key of
    :data:`tinygrad_cls.judge.hints.HINTS`, or ""; pattern: the hint with its numbers.
    """

    kind: str
    text: str
    where: str = ""
    at: str = ""
    yours: float | None = None
    readings: tuple[Reading, ...] = ()
    error: float | None = None
    noise: float | None = None
    hint: str = ""
    pattern: str = ""

    @property
    def level(self) -> str:
        return VERDICTS[self.kind].level

    def lines(self) -> list[str]:
        """The finding for people, a line or more."""
        subject = "  ".join(part for part in (self.where, self.at) if part)
        lines = [f" {self.level:6} {self.kind}: {subject or self.text}"]
        if subject:
            lines.append(f"   {self.text}")
        if self.yours is not None:
            lines.append(f"   {'yours (backward)':19}{number(self.yours)}")
        for reading in self.readings:
            error = f" +- {reading.error:.0e}" if reading.error else ""
            how = f"  ({reading.how})" if reading.how else ""
            lines.append(f"   {reading.oracle:19}{number(reading.value)}{error}{how}")
        if self.error is not None and math.isfinite(self.error):
            times = f" = {amount(self.noise)} x the noise floor" if self.noise is not None else ""
            lines.append(f"   error {self.error:.2g} relative{times}")
        if self.pattern or (self.hint and self.hint != self.kind):
            lines.append(f"   looks like: {self.pattern or self.hint}")
        elif self.kind == "wrong gradient":
            lines.append("   looks like none of the known mistakes")
        return lines


@dataclass
class Report:
    """The outcome of one check. ``bool(report)`` is ``report.passed``.

    measured: what was measured on the way, as lines (noise floor, Taylor order, float32 budget).
    untested: what the check did not look at, and why. reproduce: the call, ready to paste.
    """

    name: str
    inputs: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    measured: tuple[str, ...] = ()
    tested: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    probes: int = 0
    coordinates: int = 0
    seed: int = 0
    seconds: float = 0.0
    reproduce: str = ""
    example: tuple[Any, ...] = field(default=(), repr=False, compare=False)

    @property
    def verdict(self) -> str:
        """``"passed"``, ``"failed"`` or ``"not judged"``."""
        levels = {finding.level for finding in self.findings}
        return "failed" if FAIL in levels else "not judged" if UNSURE in levels else "passed"

    @property
    def passed(self) -> bool:
        return self.verdict == "passed"

    def __bool__(self) -> bool:
        return self.passed

    @property
    def failures(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == FAIL)

    @property
    def hints(self) -> tuple[str, ...]:
        """The diagnoses of all findings, each once."""
        return tuple(dict.fromkeys(f.hint for f in self.findings if f.hint))

    def __str__(self) -> str:
        lines = [self.title()]
        order = (FAIL, UNSURE, NOTE)
        findings = sorted(self.findings, key=lambda f: order.index(f.level))
        for finding in findings[:SHOWN]:
            lines += finding.lines()
        if len(findings) > SHOWN:
            lines.append(f" and {len(findings) - SHOWN} more findings: see report.findings")
        if self.passed:
            lines.append(f" PASS   {', '.join(self.tested)}" if self.tested else " PASS")
        lines += [f" {line}" for line in self.measured]
        if self.untested:
            lines.append(f" not tested: {'; '.join(self.untested)}")
        if self.reproduce:
            short = len(self.reproduce) <= 120
            lines.append(f" reproduce: {self.reproduce if short else 'print(report.reproduce)'}")
        return "\n".join(lines)

    def title(self) -> str:
        """The first line: what was checked, and how much of it."""
        shown = (*self.inputs[:SHOWN], *(["..."] if len(self.inputs) > SHOWN else []))
        inputs = f"   inputs: {', '.join(shown)}" if self.inputs else ""
        counts = f"   {self.probes} probes, {self.coordinates} coordinates" if self.probes else ""
        return (
            f"gradient check  {self.name}{inputs}{counts}, {self.seconds:.2g} s, seed {self.seed}"
        )

    def to_json(self) -> str:
        """The report as JSON; what is not finite is null, and a text beside it says what it was."""
        import json

        data = {
            "name": self.name,
            "verdict": self.verdict,
            "passed": self.passed,
            "inputs": self.inputs,
            "findings": [as_dict(finding) for finding in self.findings],
            "measured": self.measured,
            "tested": self.tested,
            "untested": self.untested,
            "probes": self.probes,
            "coordinates": self.coordinates,
            "seed": self.seed,
            "seconds": self.seconds,
            "reproduce": self.reproduce,
        }
        return json.dumps(finite(data), indent=2, allow_nan=False, ensure_ascii=False)

    def _repr_html_(self) -> str:
        """The printed report for a notebook, its verdict in colour; every text is escaped."""
        import html

        color = {"passed": "#009e73", "failed": "#d55e00", "not judged": "#e69f00"}[self.verdict]
        rows = "".join(
            f"<tr><td>{finding.level}</td><td style='text-align:left'><pre style='margin:0'>"
            f"{html.escape(chr(10).join(finding.lines()))}</pre></td></tr>"
            for finding in self.findings
        )
        rest = html.escape(
            "\n".join([*self.measured, *(f"not tested: {u}" for u in self.untested)])
        )
        return (
            f"<div><b style='color:{color}'>{self.verdict}</b> {html.escape(self.title())}"
            f"<table>{rows}</table><pre>{rest}</pre></div>"
        )


def as_dict(finding: Finding) -> dict[str, Any]:
    """A finding with its level; a number that JSON has no word for keeps its text."""
    data = {"level": finding.level} | asdict(finding)
    if finding.yours is not None and not math.isfinite(finding.yours):
        data["yours_text"] = str(finding.yours)
    return data


def finite(data: Any) -> Any:
    """The same with None for what is not finite."""
    match data:
        case dict():
            return {key: finite(value) for key, value in data.items()}
        case list() | tuple():
            return [finite(value) for value in data]
        case float():
            return data if math.isfinite(data) else None
    return data


def number(value: float) -> str:
    """Ten significant digits: what a derivative in float64 can be known to.

    >>> number(0.334), number(1e-30)
    ('0.3340000000', '1.000000000e-30')
    """
    return f"{value:#.10g}" if not value or 1e-4 <= abs(value) < 1e6 else f"{value:.9e}"


def amount(times: float) -> str:
    """A multiple, to two digits.

    >>> amount(3.21), amount(4.2e8)
    ('3.2', '4.2e+08')
    """
    return f"{times:.2g}"

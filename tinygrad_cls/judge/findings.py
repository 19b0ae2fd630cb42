"""From evidence to findings: what is wrong where, and what was accepted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .diagnosis import diagnose
from .directions import Along
from .exam import Exam
from .gradient import Evidence
from .report import Finding, Reading
from .scene import index


def place(evidence: Evidence, row: int) -> tuple[str, str]:
    """A coordinate by name, and the number there."""
    i, j = evidence.at[row]
    point = evidence.point
    name = index(point.trial.subject.inputs[i], point.arrays[i].shape, j)
    return f"d out / d {name}", f"{name} = {float(point.arrays[i].reshape(-1)[j]):.10g}"


def wrong_numbers(evidence: Evidence, exam: Exam) -> Iterator[Finding]:
    """Of every input with wrong numbers the worst one, with a diagnosis."""
    for i in evidence.point.judged:
        rows = [r for r in np.flatnonzero(evidence.wrong) if evidence.at[r][0] == i]
        if not rows:
            continue
        weight = [evidence.ratio[r] if np.isfinite(evidence.ratio[r]) else np.inf for r in rows]
        row = int(rows[int(np.argmax(weight))])
        k = int(np.argmax(evidence.off[row] / np.maximum(evidence.floor[row], 1e-300)))
        evidence.second_opinions([*map(int, np.flatnonzero(~evidence.wrong)[:3]), row], noisy=False)
        where, at = place(evidence, row)
        unit, per = evidence.unit(row, k)
        yours = float(evidence.yours[row, k]) / unit
        scale = max(float(evidence.scale[row, k]), abs(float(evidence.truth_low[row, k])))
        if not scale:  # where the slope is 0: beside the other slopes of the input
            scale = float(evidence.reach[row, k])
        its = [r for r in range(len(evidence.at)) if evidence.at[r][0] == i]
        missing = all(a[i] is None for a in exam.answers)
        hint, pattern = (
            ("none for used", "None, but the output depends on it")
            if missing
            else diagnose(evidence, i)
        )
        text = f"{len(rows)} of {len(its)} numbers are wrong; this is the worst"
        text += per or f", for random cotangent {k}"
        if evidence.narrowed:
            text = f"found by halving, among {evidence.narrowed}"
        yield Finding(
            "missing gradient" if missing else "wrong gradient",
            text,
            where,
            at,
            yours,
            evidence.readings(row, k),
            float(evidence.off[row, k]) / scale if scale else None,
            float(evidence.ratio[row]),
            hint,
            pattern,
        )


def conventions(evidence: Evidence) -> Iterator[Finding]:
    """Kinks, jumps, edges and infinite slopes, each kind once, with the gradient accepted there."""
    texts = {
        "kink": "kink",
        "jump": "jump",
        "infinite": "infinite slope",
        "one_sided": "edge of the domain",
    }
    for flag, kind in texts.items():
        sure = ~evidence.wrong & ~evidence.unreliable
        rows = np.flatnonzero(np.asarray(evidence.flags[flag].any(axis=1)) & sure)
        if kind == "kink":  # what differences can't tell is no kink
            rows = np.array([r for r in rows if r not in evidence.saved], int)
        if kind == "edge of the domain":
            rows = rows[~np.asarray(evidence.endless)[rows]]
        if not len(rows):
            continue
        row = int(rows[0])
        where, at = place(evidence, row)
        unit, per = evidence.unit(row, 0)
        yours = float(evidence.yours[row, 0]) / unit
        ends = [float(t[row, 0]) / unit for t in (evidence.truth_low, evidence.truth_high)]
        low, high = min(ends), max(ends)
        more = f" ({len(rows)} such coordinates)" if len(rows) > 1 else ""
        if kind == "kink":
            text = f"slopes {low:.6g} and {high:.6g}, yours {yours:.6g}: legal"
            text += convention(evidence, row)
        elif kind == "jump":
            text = f"its pieces have slopes {low:.6g} and {high:.6g}, yours is {yours:.6g}"
        elif kind == "infinite slope":
            text = f"the slope grows without bound, yours is {yours:.6g}"
        else:
            text = "a step to one side leaves the domain: judged by the slope to the other side"
        yield Finding(kind, text + per + more, where, at)
    for i in evidence.symmetric:
        name = evidence.point.trial.subject.inputs[i]
        text = f"the function reads one triangle of {name}; yours is right for symmetric changes"
        yield Finding("symmetric convention", text, f"d out / d {name}")
    for oracle in dict.fromkeys(evidence.saved.values()):
        rows = np.array(
            [r for r, o in evidence.saved.items() if o == oracle and not evidence.wrong[r]]
        )
        if len(rows):
            where, at = place(evidence, int(rows[0]))
            count = f"{len(rows)} coordinate{'s' * (len(rows) > 1)}"
            text = f"differences are unreliable at {count}, the {oracle} agrees with yours"
            yield Finding("saved by another oracle", text, where, at)


def convention(evidence: Evidence, row: int) -> str:
    """How the gradient at a kink compares with the twin's, if there is one."""
    if evidence.twin is None:
        return ""
    i, j = evidence.at[row]
    theirs, yours = float(evidence.twin[i][0, j]), float(evidence.yours[row, 0])
    same = abs(theirs - yours) <= 1e-9 * max(abs(theirs), abs(yours))
    return (
        f", as {evidence.point.twin_engine}'s"
        if same
        else f"; {evidence.point.twin_engine} takes {theirs:.6g}"
    )


def tie_finding(evidence: Evidence, along: Along) -> Finding:
    """Tied elements whose slopes don't add up."""
    names = [
        index(evidence.point.trial.subject.inputs[i], evidence.point.arrays[i].shape, j)
        for i, j in along.members[:3]
    ]
    some = ", ".join(names) + (", ..." if len(along.members) > 3 else "")
    truth = (along.low + along.high) / 2
    times = along.yours / truth if truth else float("inf")
    return Finding(
        "wrong gradient",
        f"{along.what} ({some}): each slope is legal alone, their sum is not",
        "d out / d (" + some + ")",
        "",
        along.yours,
        (Reading("finite difference", truth, along.floor, "along that direction"),),
        abs(along.yours - truth) / max(abs(truth), 1e-300),
        along.ratio,
        "ties",
        f"{len(along.members)} tied elements get {times:.6g} times the gradient together",
    )

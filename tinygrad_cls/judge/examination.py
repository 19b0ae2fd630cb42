"""The gradient check: all stages, in order, and the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from . import answers, laws, other_inputs, purity
from .budget import float32_findings
from .directions import Along, sweep, ties
from .exam import Exam
from .findings import conventions, place, tie_finding, wrong_numbers
from .gradient import STORE, Evidence, examine
from .mistakes import jacobian
from .oracles import taylor_order
from .point import FAST, TIMES, Coordinate, Point
from .report import NOTE, Finding, Reading, Report
from .subject import Answer, Array, Subject, Unfit
from .trial import Trial, flat, moved, said, states

Progress = Callable[[str], None]
SLIGHT = 1e-6
"""A relative error at other inputs that is none: a branch that is wrong there is so by more than an
iteration's tolerance, which may be met at one size and missed at another."""


class Check:
    """One check of one subject at one point; ``run`` goes through the stages."""

    def __init__(
        self,
        made: Subject,
        arrays: list[Array],
        judged: tuple[int, ...],
        *,
        twin: Subject | None = None,
        seed: int = 0,
        probes: int = 3,
        order: int = 1,
        coordinates: int = 1024,
        second: Subject | None = None,
        forgiven: tuple[float, float] = (0.0, 0.0),
        asked: bool = False,
        seconds: float = 60.0,
        progress: Progress | None = None,
    ) -> None:
        self.subject, self.arrays, self.judged, self.twin = made, arrays, judged, twin
        self.seed, self.probes, self.order, self.limit = seed, max(2, probes), order, coordinates
        self.asked, self.deadline = asked, time.perf_counter() + seconds
        self.second, self.forgiven, self.nondeterminism = second, forgiven, 0.0
        self.evidence: Evidence | None = None
        self.start = time.perf_counter()
        self.progress = progress
        self.trial = Trial(made)
        self.rng = np.random.default_rng(seed)
        self.findings: list[Finding] = []
        self.measured: list[str] = []
        self.tested: list[str] = []
        self.untested: list[str] = []
        self.seen = 0

    def note(self, found: Iterable[Finding]) -> bool:
        """Adds findings; whether one of them fails the check. A backward that raises now and then
        is a finding wherever that happens.
        """
        found = iter(found)
        gathered: list[Finding] = []
        try:
            gathered += found
        except Answer as error:
            gathered.append(Finding(error.kind, f"now and then: {error}"))
        found = gathered
        self.findings += found
        return any(f.level != NOTE for f in found)

    def say(self, words: str) -> None:
        if self.progress:
            self.progress(words)

    # --- the stages -----------------------------------------------------------------------------

    def run(self) -> None:
        """All stages; the first that leaves nothing to judge ends the check."""
        if not self.forward():
            return
        exam = self.backward()
        if exam is None:
            return
        self.exam = exam
        wide = self.wide()
        shapes = self.note(answers.shape_findings(exam, self.truth))
        if shapes or not self.note(self.values(wide)):
            self.at_rest(shapes)

    def numbers(self) -> None:
        """The function, its backward, and the numbers at the point given: nothing else."""
        exam = self.backward() if self.forward() else None
        if exam is not None:
            self.exam = exam
            if not self.note(answers.shape_findings(exam, self.truth)):
                self.note(self.values(self.wide()))

    def report(self, reproduce: str = "") -> Report:
        """What was found so far."""
        made = self.subject
        described = zip(made.inputs, self.arrays, strict=False)
        return Report(
            made.name,
            tuple(f"{name} {a.dtype} {a.shape}" for name, a in described),
            tuple(self.findings),
            tuple(self.measured),
            tuple(self.tested),
            tuple(self.untested),
            self.probes,
            self.seen,
            self.seed,
            time.perf_counter() - self.start,
            reproduce,
            tuple(self.arrays),
        )

    def forward(self) -> bool:
        """The function has a finite value here, twice the same, and leaves its inputs alone."""
        trial = self.trial
        trial.copies = True
        try:
            before = states()
            values = trial.learn(self.arrays)
            drew = moved(before, states())
        except Unfit as error:
            return not self.note([Finding("not judged", str(error))])
        except Exception as error:  # noqa: BLE001  (whatever the function raises)
            return not self.note(
                [Finding("not judged", f"the function raised {said(error)}{self.advice()}")]
            )
        trial.copies = self.note(purity.forward_mutation(trial, self.arrays))
        if not any(dtype.kind == "f" for dtype in trial.dtypes):
            text = f"the output is of dtype {trial.dtypes[0]}: it has no derivative"
            return not self.note([Finding("not judged", text)])
        start = flat(values)
        if np.isnan(start).any():
            place = int(np.argmax(np.isnan(start)))
            what = float(np.concatenate([np.ravel(v) for v in values]).astype(float)[place])
            text = (
                f"output number {place} is {what} at the point given: there is no slope to compare"
            )
            return not self.note([Finding("not judged", text)])
        if drew:
            trial.held = before
            self.findings.append(
                Finding("random state", "the function draws from a global random generator")
            )
        again = flat(trial.outputs(self.arrays))
        if drew:
            start = again
            again = flat(trial.outputs(self.arrays))
        size = np.abs(start).max(initial=0)
        if np.abs(again - start).max(initial=0) > 1e-6 * size:
            text = (
                f"the function gives {start[0]:.10g} and then {again[0]:.10g} for the same inputs"
            )
            return not self.note([Finding("not judged", f"{text}: hold its random numbers fixed")])
        self.y = values
        return True

    def advice(self) -> str:
        """What to do if the function isn't one of tensors after all."""
        if self.subject.engine != "tinygrad_cls":
            return ""
        return (
            ". Without vjp= a function is called with tensors of tinygrad_cls: give vjp= (--vjp) "
            "for one of NumPy arrays; torch tensors as inputs, or an adapter, for another engine's"
        )

    def backward(self) -> Exam | None:
        """Backward answers, with a gradient for each input, and leaves its arguments alone."""
        trial = self.trial
        G = self.draw_cotangents()
        try:
            if self.note(list(purity.backward_mutation(trial, self.arrays, G[0]))):
                trial.copies = True
            given: list[Any] = []
            for g in G:
                found = trial.pull(self.arrays, g)
                given.append(tuple(a.copy() if isinstance(a, np.ndarray) else a for a in found))
        except (Answer, Unfit) as error:
            kind = getattr(error, "kind", "bad answer")
            if "numpy()" in str(error) and self.advice():
                self.note([Finding("not judged", f"{self.advice().strip('. ')} ({error})")])
                return None
            hint = "arity" if kind == "bad answer" else ""
            self.note([Finding(kind, str(error), hint=hint)])
            return None
        exam = Exam(trial, self.arrays, self.judged, self.y, G, given, self.rng)
        if self.note(answers.answer_findings(exam, given[0])) and any(
            f.kind == "bad answer" for f in self.findings
        ):
            return None
        fits = all(
            a[i] is None or np.shape(a[i]) == self.arrays[i].shape
            for a in given
            for i in self.judged
        )
        if fits:
            exam.nondeterminism = self.nondeterminism
            if self.note(purity.repeated(exam)):
                self.untested.append("the numbers: backward doesn't answer the same twice")
                return None
            try:
                exam.measure_rounding()
            except Answer as error:
                self.note([Finding(error.kind, f"now and then: {error}")])
                return None
            self.note(purity.random_backward(exam))
            self.note(answers.dropped_digits(exam))
            self.note(laws.linearity(exam))
        return exam

    def draw_cotangents(self) -> Array:
        """Random cotangents; one gives small outputs the weight of large ones."""
        values = flat(self.y)
        G = self.rng.standard_normal((self.probes, values.size))
        sizes = np.abs(values[values != 0])
        if self.probes > 2 and sizes.size and sizes.max() > 1e3 * sizes.min():
            middle = np.exp(np.mean(np.log(sizes)))
            G[-1] *= np.clip(middle / np.maximum(np.abs(values), 1e-300), 1e-4, 1e4)
        fixed, start = np.ones(values.size, bool), 0
        for y in self.y:
            fixed[start : start + y.size] = y.dtype.kind == "f"
            start += y.size
        return np.where(fixed, G, 0.0)

    def wide(self) -> list[Array]:
        """The inputs in float64, if the function takes them so: the reading that is judged."""
        if all(self.arrays[i].dtype == np.float64 for i in self.judged):
            return self.arrays
        wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in self.arrays]
        try:
            values = self.trial.outputs(wide)
            answer = self.trial.subject.pullback(wide, [np.ones(y.shape) for y in values])
        except Exception:  # noqa: BLE001  (it takes float32 alone)
            answer, values = (), ()
        if not answer or any(y.dtype.kind == "f" and y.dtype != np.float64 for y in values):
            self.untested.append("digits beyond float32: the function takes no float64")
            return self.arrays
        return wide

    def point(self, arrays: list[Array], G: Array | None = None) -> Point:
        """The function at these inputs, with backward's answers in float64."""
        trial = self.trial
        values = flat(trial.learn(arrays))
        G = self.exam.cotangents if G is None else G
        gradients: dict[int, list[Array]] = {i: [] for i in self.judged}
        for g in G:
            answer = trial.pull(arrays, g)
            for i in self.judged:
                u = answer[i]
                given = np.zeros(arrays[i].shape) if u is None else np.asarray(u, np.float64)
                if given.shape != arrays[i].shape:  # found before: nothing to compare
                    given = np.zeros(arrays[i].shape)
                gradients[i].append(given.reshape(-1).copy())
        stacked = {i: np.array(rows).reshape(len(G), -1) for i, rows in gradients.items()}
        made = Point(trial, list(arrays), self.judged, values, G, stacked, self.rng)
        made.forgiven, made.deadline = self.forgiven, self.deadline
        return made

    def truth(self, i: int) -> Array | None:
        """The gradient for input ``i`` by differences alone, for the first cotangent."""
        if self.arrays[i].size * self.trial.size > STORE:
            return None
        point = Point(
            self.trial, list(self.arrays), (i,), flat(self.y), self.exam.cotangents, {}, self.rng
        )
        J = jacobian(point, self.arrays, i)
        return None if J is None else (J @ self.exam.cotangents[0]).reshape(self.arrays[i].shape)

    def values(self, wide: list[Array]) -> Iterator[Finding]:
        """The numbers, at the point given."""
        point = self.point(wide)
        point.measure_noise()
        evidence = self.evidence = self.examined(point)
        self.report_noise(evidence)
        yield from wrong_numbers(evidence, self.exam)
        yield from conventions(evidence)
        yield from self.unjudged(evidence)
        if not evidence.wrong.any():
            for along in ties(evidence):
                if along.ratio > TIMES:
                    yield tie_finding(evidence, along)
                    break
        yield from self.swept(point, evidence)
        if wide is not self.arrays and not evidence.wrong.any():
            findings, line = float32_findings(self.exam, point)
            self.measured.append(line)
            yield from findings

    def examined(self, point: Point) -> Evidence:
        """Evidence on all coordinates, or on a random choice of a large input's."""
        m = max(1, point.values.size)
        start = time.perf_counter()
        self.trial.value(point.arrays)
        call = max(time.perf_counter() - start, 1e-6)
        affordable = int(max(0.0, self.deadline - start) / 4 / (2 * len(FAST) * call))
        budget = max(16, min(self.limit, STORE // m, affordable))
        total = sum(point.arrays[i].size for i in point.judged)
        chosen: list[Coordinate] = []
        for i in point.judged:
            n = point.arrays[i].size
            share = n if total <= budget else min(n, max(16, budget * n // total))
            places = range(n) if share == n else np.sort(self.rng.choice(n, share, replace=False))
            chosen += [(i, int(j)) for j in places]
        self.seen = max(self.seen, len(chosen))
        twin = self.twin_gradients(point)
        return examine(point, chosen, twin, self.progress)

    def swept(self, point: Point, evidence: Evidence) -> Iterator[Finding]:
        """Large inputs as a whole, where only a choice of numbers was visited."""
        visited = {i: sum(a[0] == i for a in evidence.at) for i in point.judged}
        for i in point.judged:
            if visited[i] == point.arrays[i].size:
                continue
            late = time.perf_counter() > self.deadline
            others = "not at all: out of time" if late else "along random directions"
            self.untested.append(
                f"each number of {self.subject.inputs[i]}: {visited[i]} of {point.arrays[i].size}, "
                f"the others {others}"
            )
            if evidence.wrong.any() or late:
                continue
            along = sweep(point, i)
            if along is not None:
                yield from self.narrowed(point, along)

    def narrowed(self, point: Point, along: Along) -> Iterator[Finding]:
        """The wrong number that halving found."""
        there = examine(point, along.members[:64])
        there.narrowed = f"{point.arrays[along.members[0][0]].size} numbers (found by halving)"
        found = list(wrong_numbers(there, self.exam))
        if found:
            yield from found
            return
        yield Finding(
            "wrong gradient",
            f"along {along.what} of {len(along.members)} numbers the slope is another one",
            f"d out / d {self.subject.inputs[along.members[0][0]]}",
            yours=along.yours,
            readings=(Reading("finite difference", along.low, along.floor, "along the direction"),),
            error=abs(along.yours - along.low) / max(abs(along.low), 1e-300),
            noise=along.ratio,
        )

    def twin_gradients(self, point: Point) -> dict[int, Array] | None:
        """The gradients by the same function in another engine, if it gives the same values."""
        if self.twin is None:
            return None
        trial = Trial(self.twin)
        try:
            values = flat(trial.learn(point.arrays))
            if values.shape != point.values.shape:
                raise Unfit(f"it returns {values.size} numbers, yours {point.values.size}")
            size = np.abs(point.values).max(initial=0)
            if np.abs(values - point.values).max(initial=0) > 1e-6 * size:
                k = int(np.argmax(np.abs(values - point.values)))
                raise Unfit(
                    f"it is another function: {values[k]:.6g} where yours is {point.values[k]:.6g}"
                )
            rows = [trial.pull(point.arrays, g) for g in point.cotangents]
        except Exception as error:  # noqa: BLE001  (a twin that fails is no oracle)
            why = str(error) if isinstance(error, Unfit) else said(error)
            self.note([Finding("not judged", f"against {self.twin.name}: {why}")])
            return None
        self.tested.append(f"{self.twin.engine}'s gradient")
        point.twin_engine = self.twin.engine
        return {
            i: np.array(
                [np.zeros(point.arrays[i].size) if r[i] is None else np.ravel(r[i]) for r in rows],
                np.float64,
            )
            for i in point.judged
        }

    def report_noise(self, evidence: Evidence) -> None:
        """What was measured, in a line: the floor, and the order of Taylor's remainder."""
        if not evidence.at:
            self.untested.append("the numbers: no input has any")
            return
        fine = np.isfinite(evidence.floor).all(axis=1) & (evidence.reach.min(axis=1) > 0)
        if fine.any():
            share = np.median((evidence.floor / np.maximum(evidence.reach, 1e-300))[fine])
            line = (
                f"noise floor {share:.0e} of the gradient's scale (median), tolerance {TIMES:g} x"
            )
            self.measured.append(line)
        bent = any(flag.any() for flag in evidence.flags.values())
        order = None if bent else taylor_order(evidence.point)
        wrong = bool(evidence.wrong.any())
        if order is not None and (order < 1.5) == wrong:  # else rounding hides what it could tell
            kind = "wrong" if wrong else "right"
            self.measured.append(f"Taylor's remainder is of order {order:.2f}, a {kind} gradient's")
        self.tested.append(f"values at {len(evidence.at)} coordinates")

    def unjudged(self, evidence: Evidence) -> Iterator[Finding]:
        """Coordinates that no oracle could judge."""
        unseen = np.flatnonzero(evidence.blind & ~evidence.wrong)
        if len(unseen):
            where, _ = place(evidence, int(unseen[0]))
            self.untested.append(
                f"{len(unseen)} numbers below the noise ({where}, ...): 0 would pass for them"
            )
        rows = np.flatnonzero(evidence.unreliable & ~evidence.wrong)
        if not len(rows):
            return
        row = int(rows[0])
        where, at = place(evidence, row)
        share = float(np.max(evidence.floor[row]))
        text = (
            f"{len(rows)} of {len(evidence.at)} coordinates can't be judged: the difference has an "
            f"error of {share:.1e} here, and no other oracle applies"
        )
        yield Finding("unreliable difference", text, where, at, float(evidence.yours[row, 0]))

    # --- after the numbers ------------------------------------------------------------------------

    def at_rest(self, shapes: bool) -> None:
        """What is left to judge when the numbers at the point are right."""
        if shapes or any(f.level != NOTE for f in self.findings):
            return
        if time.perf_counter() > self.deadline:
            self.untested.append("all but the numbers: out of time")
            if self.asked:
                self.note([Finding("not judged", "second order, asked for: out of time")])
            return
        exam, trial = self.exam, self.trial
        trial.learn(self.arrays)
        for words, stage in (
            ("memory layout", laws.layout_findings),
            ("an input used twice", laws.accumulation),
            ("some inputs or outputs alone", laws.partial_graphs),
        ):
            self.say(words)
            if self.note(stage(exam)):
                return
            self.tested.append(words)
        self.tested.insert(0, "linear in the cotangent")
        self.note(answers.aliasing(exam, trial.cotangents(exam.cotangents[0])))
        if self.note(self.sizes()) or self.note(self.elsewhere()):
            return
        if self.order > 1:
            self.note(self.second_order())
        elif self.subject.engine != "numpy":
            self.untested.append("second order")

    def sizes(self) -> Iterator[Finding]:
        """Axes of size 1 and 0, and 0-d inputs, where the function takes them."""
        done: list[str] = []
        for words, arrays in other_inputs.other_sizes(self.exam):
            if time.perf_counter() > self.deadline:
                self.untested.append("more sizes and values: out of time")
                break
            if arrays:
                done.append(words)
                found = self.variant(arrays, words, "other sizes", "small sizes")
                if found:
                    yield found
                    return
        if done:
            self.tested.append(f"{len(done)} other sizes")
        else:
            self.untested.append("other sizes (the output doesn't show which axes may change)")

    def elsewhere(self) -> Iterator[Finding]:
        """Values that are larger, or tied."""
        if sum(self.arrays[i].size for i in self.judged) > self.limit:
            self.untested.append("other values")
            return
        for words, arrays in other_inputs.other_values(self.exam):
            if time.perf_counter() > self.deadline:
                return
            self.say(words)
            found = self.variant(arrays, words, "other values", "")
            if found:
                yield found
                return
        self.tested.append("other values (larger, and all equal)")

    def variant(self, arrays: list[Array], words: str, kind: str, hint: str) -> Finding | None:
        """The same subject at other inputs: what is wrong there, if it has values there."""
        trial = Trial(self.subject)
        trial.copies, trial.held = self.trial.copies, self.trial.held
        wide = [a.astype(np.float64) if i in self.judged else a for i, a in enumerate(arrays)]
        there = Check(self.subject, wide, self.judged, seed=self.seed, probes=2)
        there.trial = trial
        try:
            values = trial.learn(wide)
        except Exception:  # noqa: BLE001  (outside its domain)
            return None
        if np.isnan(flat(values)).any() or any(y.dtype.kind != "f" for y in values):
            return None
        there.y = values
        G = there.draw_cotangents()
        try:
            given = [trial.pull(wide, g) for g in G]
        except (Answer, Unfit) as error:
            return Finding(kind, f"{words}: {error}", hint=hint or "unstable branch", pattern=words)
        there.exam = Exam(trial, wide, self.judged, values, G, given, self.rng)
        for i in self.judged:
            u = given[0][i]
            if u is not None and np.shape(u) != wide[i].shape:
                text = f"{words}: the gradient has shape {np.shape(u)}, the input {wide[i].shape}"
                return Finding(kind, text, self.exam.name(i), hint=hint, pattern=words)
        point = there.point(wide)
        if not point.values.size or not sum(wide[i].size for i in self.judged):
            return None
        point.measure_noise()
        total = sum(wide[i].size for i in self.judged)
        chosen = [(i, j) for i in self.judged for j in range(wide[i].size)]
        if total > 64:
            chosen = [chosen[int(n)] for n in np.sort(self.rng.choice(total, 64, replace=False))]
        evidence = examine(point, chosen, thorough=kind == "other sizes")
        if kind == "other values":
            self.only_sure(evidence)
        wrong = list(wrong_numbers(evidence, there.exam))
        if not wrong and not evidence.wrong.any():
            wrong = [
                tie_finding(evidence, a)
                for a in ties(evidence)
                if a.ratio > TIMES and abs(a.low + a.high) > 1e3 * TIMES * a.floor
            ]
        for found in wrong:
            if found.error is not None and found.error < SLIGHT:
                continue
            if self.remembers(arrays):
                hint = "saved state"
            pattern = f"{found.pattern} ({words})" if found.pattern else words
            return replace(
                found,
                kind=kind,
                hint=hint or found.hint,
                pattern=pattern,
                text=f"{words}: {found.text}",
            )
        return None

    def only_sure(self, evidence: Evidence) -> None:
        """Keeps what is wrong where the function is smooth and has a slope.

        Nobody said that it's meant for these values: a table that ends, or a search that leaves its
        bracket, is flat there.
        """
        smooth = ~np.any([flag.any(axis=1) for flag in evidence.flags.values()], axis=0)
        slope = np.abs(evidence.truth_low)
        sloped = (slope > 1e3 * TIMES * evidence.floor).all(axis=1)
        evidence.wrong &= smooth & sloped

    def remembers(self, arrays: list[Array]) -> bool:
        """Whether backward's answer at other inputs is the one at the inputs given."""
        g = self.exam.cotangents[0]
        here = self.exam.numbers(self.exam.answers[0])
        if [a.shape for a in arrays] != [a.shape for a in self.arrays]:
            return False
        try:
            there = self.exam.numbers(self.trial.pull(arrays, g))
        except (Answer, Unfit):
            return False
        return bool((here == there).all())

    def gradient(self) -> Subject | None:
        """The gradient as a subject of inputs and cotangents, if the engine has one."""
        made = self.second or self.subject.gradient(self.judged)
        if made is not None:
            count = len(self.trial.shapes)
            cotangents = [f"g{k}" if count > 1 else "g" for k in range(count)]
            made.inputs = (*self.subject.inputs, *cotangents)
        return made

    def second_order(self) -> Iterator[Finding]:
        """The gradient, judged as a function of inputs and cotangents."""
        gradient = self.gradient()
        if gradient is None:
            text = "second order can't be judged"
            if self.subject.engine == "numpy":
                text += " without vjp2="
            if self.asked:
                yield Finding("not judged", f"{text}, or ask for order=1")
            else:
                self.untested.append("second order")
            return
        self.say("second order")
        n = len(self.arrays)
        ones = self.trial.cotangents(self.exam.cotangents[0])
        arrays = [
            a.astype(np.float64) if i in self.judged else a for i, a in enumerate(self.arrays)
        ]
        arrays = [*arrays, *(g.astype(np.float64) for g in ones)]
        judged = (*self.judged, *range(n, n + len(ones)))
        inner = Check(gradient, arrays, judged, seed=self.seed + 1, probes=2, coordinates=256)
        inner.trial.held = self.trial.held
        if not inner.forward():
            if self.asked:
                yield Finding("not judged", f"second order: {inner.findings[0].text}")
            else:
                self.untested.append("second order: " + inner.findings[0].text)
            return
        exam = inner.backward()
        bad = [f for f in inner.findings if f.level != NOTE]
        if exam is None or bad:
            if bad and bad[0].kind == "backward raises" and not (self.asked or self.second):
                self.untested.append(f"second order: {bad[0].text}")
            elif bad:
                yield replace(bad[0], kind="second order", hint="second order")
            return
        inner.exam = exam
        found = [f for f in inner.values(arrays) if f.level != NOTE]
        wrong = [f for f in found if f.kind != "unreliable difference"]
        for f in wrong[:1]:
            yield replace(f, kind="second order", hint="second order", pattern=f.pattern or f.hint)
        if not found:
            self.tested.append("second order")
        elif not wrong and self.asked:
            yield Finding("not judged", f"second order: {found[0].text}")
        elif not wrong:
            self.untested.append(f"second order: {found[0].text}")

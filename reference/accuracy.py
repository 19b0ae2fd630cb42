"""How far results are from the truth, ours beside torch's: `python -m reference.accuracy`.

A sample is computed with more digits first: float32 in float64, float64 in long double. The worst
thousand results of each engine by that estimate are then judged against mpmath, which computes
them from their definitions. Where long double is no wider than float64 (Windows, Apple's ARM),
every result in float64 goes to mpmath, and the sample is of 10,000 numbers.

A result whose true value is subnormal has no full set of digits to lose: it may be off by the
smallest normal number. Below -88.7 in float32, 1 / (1 + exp(-x)) is 0 on both engines.
"""

import argparse
import math
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import tinygrad_cls
from tinygrad_cls.__main__ import seed
from tinygrad_cls.experiments import extra
from tinygrad_cls.experiments.output import replacing, to_json

from .record import Array
from .truth import FUNCTIONS, Block, Function

with extra("test"):
    from mpmath import mp, mpf

DTYPES = ("float32", "float64")
WORST = 1000
BITS = 120  # of mpmath's numbers: 53, and room for what cancels at logits of 1e4

# --- The measurement ----------------------------------------------------------------------------

WIDE: dict[str, Any] = {"float32": np.float64, "float64": np.longdouble}


@dataclass(frozen=True)
class Errors:
    """One engine's errors in ulp of the largest term.

    99.9 % of the results are off by no more than `most`. lost: the largest error of a result whose
    true value is subnormal, relative to the smallest normal number. moved: the most by which
    mpmath changed an estimate, relative to the error where that is above 1 ulp.
    """

    largest: float
    at: str
    allowed: float | None
    most: float
    mean: float
    lost: float
    moved: float
    broken_at: str | None


@dataclass(frozen=True)
class Row:
    """What was measured of one function in one dtype: each engine's errors, by its name."""

    function: str
    dtype: str
    results: int
    errors: dict[str, Errors]

    @property
    def judged(self) -> bool:
        return self.errors["ours"].allowed is not None

    @property
    def broken(self) -> bool:
        return self.errors["ours"].broken_at is not None


def measure(
    function: Function,
    dtype: str,
    engines: Mapping[str, Any],
    points: int = 1_000_000,
    seed: int = 42,
    worst: int = WORST,
) -> Row:
    """The errors of `function` on a sample of about `points` numbers.

    engines: modules shaped like torch, ours by the name "ours".
    """
    if np.finfo(WIDE[dtype]).nmant < np.finfo(dtype).nmant + 10:
        points = worst = min(points, 10 * WORST)
    sample = Sample(function, dtype, points, seed)
    return Row(
        function.name,
        dtype,
        sample.truth.size,
        {name: sample.errors(engine, worst) for name, engine in engines.items()},
    )


class Sample:
    """Inputs and, in one line for all blocks, what is true of their results.

    truth: the value, in the wide dtype. unit: an ulp of the largest term. allowed: in ulp.
    """

    def __init__(self, function: Function, dtype: str, points: int, seed: int) -> None:
        self.function, self.info, wide = function, np.finfo(dtype), WIDE[dtype]
        self.blocks = function.sample(points, np.dtype(dtype), np.random.default_rng(seed))
        with np.errstate(all="ignore"):
            truths = [function.truth(*(widened(x, wide) for x in b)) for b in self.blocks]
        self.shapes = [value.shape for value, _ in truths]
        self.ends = np.cumsum([value.size for value, _ in truths])
        self.truth = np.concatenate([value.ravel() for value, _ in truths])
        scale = np.concatenate([abs(scale).ravel() for _, scale in truths])
        bounds = [
            function.bound(b[0].shape[-1]) if function.bound else math.inf for b in self.blocks
        ]
        self.allowed = np.repeat(bounds, np.diff(self.ends, prepend=0))

        tiny = float(self.info.tiny)
        # A result this small comes from an underflow, or from a difference of terms of size 1.
        self.subnormal = (abs(self.truth) < tiny) & (scale < 1)
        self.allowed[self.subnormal] = 1 / self.info.eps  # tiny, in ulp of tiny
        scale[self.subnormal] = tiny
        scale[~np.isfinite(scale)] = 1  # there the result is right or wrong, and no ulp off
        self.unit = np.ldexp(wide(1), np.frexp(scale)[1] - 1 - self.info.nmant)
        self.known: dict[int, Any] = {}

    def errors(self, engine: Any, worst: int) -> Errors:
        """Those of one engine, the `worst` of them as mpmath has them."""
        call = self.function.call
        results = [call(engine, *map(engine.from_numpy, block)).numpy() for block in self.blocks]
        result = np.concatenate([y.ravel() for y in results])
        with np.errstate(all="ignore"):
            errors = np.asarray(distance(result, self.truth) / self.unit, np.float64)

        normal = np.isfinite(errors) & np.isfinite(self.truth) & ~self.subnormal
        moved = [0.0]
        with mp.workprec(BITS):
            for i in np.argsort(np.where(normal, errors, -1))[-worst:].tolist():
                if normal[i]:
                    off = abs(mpf(float(result[i])) - self.exact(i))
                    error = float(off / mpf(float(self.unit[i])))
                    moved.append(abs(float(errors[i]) - error) / max(1, error))
                    errors[i] = error

        largest = int(np.where(self.subnormal, 0, errors).argmax())
        judged = np.sort(errors[~self.subnormal])
        broken = np.flatnonzero(~(errors <= self.allowed))
        return Errors(
            largest=float(errors[largest]),
            at=told(*self.place(largest)),
            allowed=float(self.allowed[largest]) if self.function.bound else None,
            most=float(judged[math.ceil(0.999 * judged.size) - 1]),
            mean=float(judged.mean()),
            lost=float(errors[self.subnormal].max(initial=0) * self.info.eps),
            moved=max(moved),
            broken_at=self.difference(broken[0], result) if broken.size else None,
        )

    def place(self, i: int) -> tuple[Block, tuple[int, ...]]:
        """The block that result i comes from, and its index there."""
        k = int(np.searchsorted(self.ends, i, side="right"))
        at = np.unravel_index(i - (self.ends[k - 1] if k else 0), self.shapes[k])
        return self.blocks[k], tuple(map(int, at))

    def exact(self, i: int) -> Any:
        """The true value of result i, by mpmath; computed once for both engines."""
        if i not in self.known:
            block, (first, *others) = self.place(i)
            self.known[i] = self.function.exact(*(in_mpmath(x[first]) for x in block), *others)
        return self.known[i]

    def difference(self, i: int, result: Array) -> str:
        """Result i, its true value and its inputs."""
        return f"{result[i]!s}, not {float(self.truth[i])!r}, at {told(*self.place(i))}"


def widened(x: Array, wide: Any) -> Array:
    """Labels stay integers."""
    return x.astype(wide) if x.dtype.kind == "f" else x


def distance(result: Array, truth: Array) -> Array:
    """|result - truth|; where one is not finite, 0 if they round to the same and else infinite."""
    same = (result == truth.astype(result.dtype)) | (np.isnan(result) & np.isnan(truth))
    finite = np.isfinite(result) & np.isfinite(truth)
    return np.where(finite, abs(result - truth), np.where(same, 0, math.inf))


def in_mpmath(x: Any) -> Any:
    """A number as mpmath's, a label as it is, a row as a tuple, which a cache can hold."""
    if np.ndim(x):
        return tuple(x.tolist())
    return mpf(float(x)) if x.dtype.kind == "f" else int(x)


def told(block: Block, at: tuple[int, ...]) -> str:
    """The inputs of one result.

    >>> told((np.array([0.5, 2.0]), np.array([0.0, 1.0])), (1,))
    'x 2.0, t 1.0'
    >>> told((np.array([[0.5, 2.0, -1.0]]),), (0, 2))
    'x -1.0 in a row of 3 up to 2'
    """
    x = block[0]
    if x.ndim == 1:
        return ", ".join(f"{name} {a[at]!s}" for name, a in zip("xt", block, strict=False))
    element = at[1:] or tuple(int(a[at]) for a in block[1:])
    number = f"x {x[at[0], element[0]]!s} in a " if element else ""
    return f"{number}row of {x.shape[1]} up to {x[at[0]].max():.6g}"


# --- The command --------------------------------------------------------------------------------

NOTES = """\
ulp: units in the last place of the largest term, which is the result itself for the first three
functions (reference/truth.py lists the others). 99.9 %: of the results are off by no more. Allowed:
4 ulp for the first three, else counted by rounding analysis, at the place of the largest error;
every result is judged by its own bound. A dash: not judged.
Three formulas mirror torch's, since better ones could not match it bit by bit. softplus is x above
the threshold 20 and judged as that; the switch leaves out e**-20 = 2.1e-9, nothing in float32, much
in float64: "softplus as log(1+e^x)". BCE is (1 - t) x - log sigmoid x, a difference: at x = -20,
t = 0 it is 0 in float32 and 2.06e-9 in truth: "BCE relative to itself". sigmoid is 1 / (1 + e**-x):
0 where e**-x overflows, and there the true value is subnormal."""

NUMBERS = "  {:>7}  {:>7}  {:>7}"


def title(engines: Mapping[str, Any], seed: int) -> str:
    """The engines and the machine."""
    theirs = "without PyTorch"
    if torch := engines.get("torch"):
        theirs = f"PyTorch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()})"
    return (
        f"tinygrad_cls {tinygrad_cls.__version__} on NumPy {np.__version__}, {theirs}, "
        f"{platform.machine()}, seed {seed}"
    )


def head(dtype: str, engines: Mapping[str, Any]) -> Iterator[str]:
    """The names of the columns."""
    names = "".join(NUMBERS.format(name, "", "") for name in engines)
    yield f"{'':45}{names}".rstrip()
    columns = NUMBERS.format("max ulp", "99.9 %", "mean") * len(engines)
    yield f"{dtype:22}  {'results':>7}  {'allowed':>7}  met{columns}"


def lines(row: Row) -> Iterator[str]:
    """One function: the engines side by side, and where each is worst."""
    ours = row.errors["ours"]
    met = "-" if ours.allowed is None else "NO" if row.broken else "yes"
    bound = "-" if ours.allowed is None else f"{ours.allowed:.1f}"
    numbers = "".join(
        NUMBERS.format(*map(amount, (e.largest, e.most, e.mean))) for e in row.errors.values()
    )
    yield f"{row.function:22}  {row.results:7}  {bound:>7}  {met:>3}{numbers}"
    yield "  worst at: " + "; ".join(f"{name} {e.at}" for name, e in row.errors.items())
    if ours.broken_at:
        yield f"  beyond the bound: {ours.broken_at}"


def amount(value: float) -> str:
    """A few digits.

    >>> amount(3.678), amount(0.0), amount(0.00021), amount(12345678.0)
    ('3.68', '0', '2.1e-04', '1.2e+07')
    """
    return "0" if value == 0 else f"{value:.2f}" if 0.005 <= value < 1e4 else f"{value:.1e}"


def subnormal(table: Sequence[Row]) -> str:
    """What is lost where the truth is subnormal, of the functions that are judged."""
    most = {
        name: max((row.errors[name].lost, row.function) for row in table if row.judged)
        for name in table[0].errors
    }
    told = ", ".join(f"{name} {amount(lost)} ({where})" for name, (lost, where) in most.items())
    return f"subnormal results, largest error in smallest normal numbers: {told}; 1 is allowed"


def engines_here() -> dict[str, Any]:
    """Ours, and torch where it is installed."""
    try:
        import torch
    except ImportError:
        return {"ours": tinygrad_cls}
    return {"ours": tinygrad_cls, "torch": torch}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"accuracy: error: {message}\n")


def count(text: str) -> int:
    """A number of points; fewer than 100 are no sample."""
    if int(text) < 100:
        raise argparse.ArgumentTypeError(f"{text} is less than 100")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The options; see `python -m reference.accuracy --help`."""
    result = _Parser(
        prog="python -m reference.accuracy",
        description="Measure both engines' errors against the truth, which mpmath has the last "
        "word about.",
        epilog="Exit status: 0 if our results are within their bounds, 1 if not, 2 for a wrong "
        "call.",
    )
    add = result.add_argument
    add(
        "--points",
        type=count,
        default=1_000_000,
        help="numbers in the sample of each function and dtype (default: a million)",
    )
    add("--seed", type=seed, default=42, help="of the sample (default: 42)")
    add("--dtype", choices=(*DTYPES, "both"), default="both", help="(default: both)")
    add("--json", type=Path, metavar="FILE", help="also write all that is measured as JSON")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 if our results are within their bounds, 1 if not; SystemExit(2) for a wrong
    call.
    """
    arguments = parser().parse_args(argv)
    try:
        return run(arguments)
    except OSError as error:
        parser().error(str(error))
    except KeyboardInterrupt:
        return 130


def run(arguments: argparse.Namespace) -> int:
    """Exit status."""
    engines = engines_here()
    dtypes = DTYPES if arguments.dtype == "both" else (arguments.dtype,)
    table: list[Row] = []
    with ExitStack() as files:
        json = files.enter_context(replacing(arguments.json)) if arguments.json else None
        print(title(engines, arguments.seed))
        for dtype in dtypes:
            print("", *head(dtype, engines), sep="\n")
            for function in FUNCTIONS:
                row = measure(function, dtype, engines, arguments.points, arguments.seed)
                print(*lines(row), sep="\n", flush=True)
                table.append(row)
            print(subnormal([row for row in table if row.dtype == dtype]))
        moved = max(e.moved for row in table for e in row.errors.values())
        print("", NOTES, f"mpmath moved the estimates by at most {amount(moved)} ulp.", sep="\n")
        if json:
            data = {
                "title": title(engines, arguments.seed),
                "points": arguments.points,
                "rows": [asdict(row) for row in table],
            }
            json.write_text(to_json(data) + "\n", encoding="utf-8")
    print("", conclusion(table), sep="\n")
    return 1 if any(row.broken for row in table) else 0


def conclusion(table: Sequence[Row]) -> str:
    """The last line."""
    judged = [row for row in table if row.judged]
    broken = [f"{row.function} {row.dtype}" for row in judged if row.broken]
    if broken:
        return f"Accuracy BROKEN, {len(broken)} of {len(judged)} rows not met: {', '.join(broken)}"
    return f"Accuracy kept: {len(judged)} of {len(judged)} rows met"


if __name__ == "__main__":
    sys.exit(main())

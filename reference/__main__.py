"""python -m reference: every experiment on both engines, and how far apart they are."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from tinygrad_cls.__main__ import epoch_count, seed
from tinygrad_cls.experiments import EXPERIMENTS, MissingExtra, extra
from tinygrad_cls.experiments.output import WrongCall, replacing, to_json
from tinygrad_cls.sweep.command import seeds

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic matrix products


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"reference: error: {message}\n")


def parser() -> argparse.ArgumentParser:
    """The options; see `python -m reference --help`."""
    result = _Parser(
        prog="python -m reference",
        description="Train every experiment on both engines from the same seed, print what they "
        "print, and judge the distance between them by the contract with PyTorch.",
        epilog="Exit status: 0 if the contract is kept, 1 if it is broken, 2 for a wrong call.",
    )
    add = result.add_argument
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where PyTorch trains; auto takes CUDA where there is one (default: auto)",
    )
    add("--dtype", choices=("float32", "float64", "both"), default="both", help="(default: both)")
    which = result.add_mutually_exclusive_group().add_argument
    which("--seed", type=seed, default=42, help="(default: 42, the one all promises are about)")
    which(
        "--seeds",
        type=seeds,
        metavar="N-M",
        help="count instead for how many of these each row of the contract holds, on all cores; "
        "what is finished is kept in OUT/seeds, and the same command goes on from there",
    )
    add("--jobs", type=epoch_count, metavar="N", help="processes for --seeds (default: one a core)")
    add(
        "--experiments",
        nargs="+",
        choices=list(EXPERIMENTS),
        default=list(EXPERIMENTS),
        metavar="NAME",
        help=f"some of {', '.join(EXPERIMENTS)} (default: all)",
    )
    add("--epochs", type=epoch_count, help="(default: the tutorial's 1000, 2000 and 100)")
    add(
        "--eager",
        action="store_true",
        help="run our steps op by op; by default they are recorded and then replayed",
    )
    add("--out", type=Path, default=Path("out"), help="folder for the figures (default: out)")
    add("--json", type=Path, metavar="FILE", help="also write all that is printed as JSON")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 if the contract is kept, 1 if it is broken; SystemExit(2) for a wrong call."""
    arguments = parser().parse_args(argv)
    try:
        with extra("reference"):
            import torch  # noqa: F401
        with extra("experiments"):
            import matplotlib  # noqa: F401
            import sklearn  # noqa: F401
        return run_seeds(arguments) if arguments.seeds else run(arguments)
    except (MissingExtra, OSError, WrongCall) as error:
        parser().error(str(error))
    except KeyboardInterrupt:
        return 130


def run(arguments: argparse.Namespace) -> int:
    """Exit status."""
    from . import figures, report
    from .compare import Setting, compare
    from .contract import judge
    from .divergence import first_divergences
    from .other import default_kernels
    from .training import pick_device

    dtypes = ("float32", "float64") if arguments.dtype == "both" else (arguments.dtype,)
    device = pick_device(arguments.device)
    settings = [
        Setting(
            EXPERIMENTS[name],
            dtype,
            arguments.seed,
            arguments.epochs or EXPERIMENTS[name].epochs,
            device,
            arguments.eager,
        )
        for name in dict.fromkeys(arguments.experiments)
        for dtype in dtypes
    ]
    with ExitStack() as files:
        arguments.out.mkdir(parents=True, exist_ok=True)
        json = files.enter_context(replacing(arguments.json)) if arguments.json else None

        print(report.title(settings[0]), end="\n\n")
        judged = []
        with default_kernels(settings) as records:
            for setting in settings:
                comparison = compare(setting, records)
                judged.append((comparison, judge(comparison)))
                if setting.dtype == dtypes[0]:  # the tutorial's; the others are counted below
                    print(*report.lines(comparison), sep="\n", end="\n\n", flush=True)
        print(*report.contract(judged), "", report.NOTES, "", sep="\n", flush=True)
        broken = [comparison.setting for comparison, verdict in judged if verdict.broken]
        found = {report.key(setting): first_divergences(setting) for setting in broken}
        for line in report.divergences(found):
            print(line)

        comparisons = [comparison for comparison, _ in judged]
        paths = figures.write(arguments.out, comparisons)
        print("Figures:", *paths)
        if json:
            told = report.as_json(settings[0], judged, found)
            json.write_text(to_json(told) + "\n", encoding="utf-8")
        shown = [c for c in comparisons if c.setting.dtype == dtypes[0]]
        print(report.identical(shown))
        print(report.conclusion(judged))
    return 1 if any(verdict.broken for _, verdict in judged) else 0


def run_seeds(arguments: argparse.Namespace) -> int:
    """Exit status."""
    from . import report, seeds
    from .training import pick_device

    dtypes = ("float32", "float64") if arguments.dtype == "both" else (arguments.dtype,)
    device = str(pick_device(arguments.device))
    names = list(dict.fromkeys(arguments.experiments))
    tasks = [
        seeds.Task(names, dtypes, number, arguments.epochs, device, arguments.eager)
        for number in arguments.seeds
    ]
    with ExitStack() as files:
        json = files.enter_context(replacing(arguments.json)) if arguments.json else None
        results = seeds.run(tasks, arguments.out / "seeds", arguments.jobs)
        if json:
            json.write_text(to_json(results) + "\n", encoding="utf-8")
    print(report.engines(tasks[0].settings()[0]), end="\n\n")
    print(*seeds.lines(results), "", seeds.conclusion(results), sep="\n")
    return 0 if seeds.conclusion(results).startswith("Contract kept") else 1


if __name__ == "__main__":
    sys.exit(main())

"""``python -m benchmarks``: training steps of this engine, PyTorch, JAX and others, compared."""

import argparse
import cProfile
import pstats
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import all_cores, document, environment, graphs, one_core, tasks
from benchmarks.engines import BASE, CONTROL, ENGINES, Engine
from benchmarks.engines.jax import Jit
from benchmarks.engines.numpy import ByHand
from benchmarks.engines.torch import Eager, Replay
from benchmarks.harness import Unfair
from benchmarks.rows import Row, show_absent, show_first, show_goals

TOGETHER = ("steps", "epochs", "cores")  # the default
SWEEPS = ("grid", "graphs")
MODULES = ("overhead", "memory", "startup", "accuracy", "passes")  # each has run(options)
GRID_ENGINES = (BASE, CONTROL, Eager, Replay, ByHand, Jit)
QUICK_CORES = (BASE, CONTROL, Replay, Jit)
EPILOG = """also: python -m benchmarks compare BEFORE.json AFTER.json [--force]
      python -m benchmarks draw|bars FILE.json PICTURE"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run studies, or work on their files. No time is shown before the work is proven equal."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        match words[:1]:
            case ["compare"]:
                options = _files("compare", "before", "after", words[1:])
                document.compare(options.before, options.after, options.force)
                return 0
            case ["draw" | "bars" as kind]:
                options = _files(kind, "file", "picture", words[1:])
                figures: Any = import_module("benchmarks.figures")
                getattr(figures, kind)(document.read(options.file), options.picture)
                return 0
        return run(_options(words))
    except Unfair as error:
        print(f"No times: {error}", file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    """Run the studies asked for; return 1 if an engine did different work."""
    engines = [e for e in ENGINES if e in {BASE, CONTROL} or _wanted(e, options)]
    rows: list[Row] = []
    if pairs := _pairs(options):
        rows += one_core.compare(pairs, engines, options.seconds, options.seed)
    else:
        environment.show(environment.record())
        print(one_core.METHOD if set(SWEEPS) & set(options.studies) else "")
    if "cores" in options.studies:
        rows += _on_all_cores(engines, options)
    for study in SWEEPS:
        if study in options.studies:
            rows += _sweep(study, engines, options)
    if rows:
        show_first(rows)
        show_absent(rows)
        _show_notes(engines, rows)
        show_goals(rows)
    for study in MODULES:
        if study in options.studies:
            module: Any = import_module(f"benchmarks.{study}")
            rows += module.run(options)
    if options.profile:
        profile(pairs[0][1] if pairs else tasks.small()[0])
    if options.json:
        document.write(options.json, environment.record(), rows)
    return int(any(row.get("verdict") == "different work" for row in rows))


def _pairs(options: argparse.Namespace) -> list[tuple[str, tasks.Task]]:
    found = []
    if "steps" in options.studies:
        small, large = tasks.small(options.points), tasks.large()
        steps = [*small[:2], large[0]] if options.quick else small + large
        found += [("steps", task) for task in steps if not options.tiny or task in small]
    if "epochs" in options.studies:
        epochs = tasks.epochs(options.points)
        found += [("epochs", task) for task in (epochs[:1] if options.quick else epochs)]
    return found


def _on_all_cores(engines: Sequence[type[Engine]], options: argparse.Namespace) -> list[Row]:
    if len(environment.ALL) < 2:
        print("\nAll cores: there is one, and its times are above")
        return []
    chosen = [e for e in engines if not options.quick or e in QUICK_CORES]
    larger = tasks.large()[1:2] if options.quick else tasks.large()
    work = [tasks.step("circles-relu", options.points)] if options.tiny else larger
    blocks = 5 if options.quick else 10
    return all_cores.compare(work, chosen, blocks, environment.ALL)


def _sweep(study: str, engines: Sequence[type[Engine]], options: argparse.Namespace) -> list[Row]:
    if study == "graphs":
        names = {engine.name for engine in engines}
        drawn = [d for d in graphs.DRAWN if d.name in names]
        shapes = (
            [replace(shape, nodes=30) for shape in graphs.SHAPES] if options.tiny else graphs.SHAPES
        )
        return one_core.sweep(study, shapes, drawn, options.seconds / 8, options.seed)
    cells = tasks.grid(options.quick)[: 2 if options.tiny else None]
    chosen = [engine for engine in GRID_ENGINES if engine in engines]
    return one_core.sweep(study, cells, chosen, options.seconds / len(cells), options.seed)


def _wanted(engine: type[Engine], options: argparse.Namespace) -> bool:
    return not options.engines or engine.name in options.engines


def _show_notes(engines: Sequence[type[Engine]], rows: list[Row]) -> None:
    timed = {row["engine"] for row in rows if "median" in row}
    print("\nTo be fair")
    for engine in engines:
        if engine.note and engine.name in timed:
            print(f"  {engine.name:22} {engine.note}")
    garbage = {
        name: sum(r["garbage"] for r in rows if r["engine"] == name and "garbage" in r)
        for name in sorted(timed)
    }
    left = [f"{name} {count}" for name, count in garbage.items() if count]
    print(f"  objects left to the garbage collector: {', '.join(left) or 'none'}")


def profile(task: tasks.Task) -> None:
    """Print where the engine's time goes."""
    session = Eager(task)
    session.step()
    print(f"\nProfile of 1000 steps, {task}: 0.001 seconds are a microsecond a step")
    with cProfile.Profile() as profiler:
        for _ in range(1000):
            session.step()
    pstats.Stats(profiler).strip_dirs().sort_stats("tottime").print_stats(20)


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = (*TOGETHER, *SWEEPS, *MODULES)
    parser.add_argument(
        "studies", nargs="*", metavar="STUDY", help=f"{', '.join(known)} (the first three)"
    )
    parser.add_argument("--quick", action="store_true", help="the main rows, under two minutes")
    parser.add_argument(
        "--seconds",
        type=float,
        help="for a study's samples; proof and compilers on top (60; quick 6)",
    )
    parser.add_argument("--engines", help="PyTorch eager and these alone, by name, with commas")
    parser.add_argument("--points", type=int, default=800, help="points of a small batch (800)")
    parser.add_argument("--seed", type=int, default=0, help="of the order of turns (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--profile", action="store_true", help="where the engine's time goes")
    parser.add_argument("--tiny", action="store_true", help="a few small tasks, to try it out")
    options = parser.parse_args(words)
    options.studies = options.studies or list(TOGETHER)
    if unknown := set(options.studies) - set(known):
        parser.error(f"no such study: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if options.points < 2 or (options.seconds is not None and not options.seconds > 0):
        parser.error("--points must be 2 or more, --seconds more than 0")
    options.engines = options.engines.split(",") if options.engines else []
    names = {engine.name for engine in ENGINES}
    if unknown := set(options.engines) - names:
        parser.error(f"no such engine: {', '.join(unknown)}; there are {', '.join(sorted(names))}")
    options.seconds = options.seconds or (6.0 if options.quick else 60.0)
    return options


def _files(verb: str, first: str, second: str, words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {verb}")
    parser.add_argument(first, type=Path)
    parser.add_argument(second, type=Path)
    if verb == "compare":
        parser.add_argument("--force", action="store_true", help="two machines or dtypes as well")
    return parser.parse_args(words)


if __name__ == "__main__":
    environment.pin()
    sys.exit(main())

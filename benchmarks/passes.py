"""What each pass of replay is worth: steps without one of them against steps with all."""

import argparse
from dataclasses import asdict
from typing import Any

from benchmarks import tasks
from benchmarks.engines.torch import Function, Replay
from benchmarks.harness import check, floor, measure, ratio
from tinygrad_cls.replay.passes import PASSES

METHOD = """
What the passes are worth: replay without a pass, its time by that of replay with all passes, a
ratio of medians [95 % interval]. Above 1 the pass pays. "All" once more is the noise."""


def without(*names: str, title: str = "") -> type[Replay]:
    """Return the engine without some of its passes."""

    class Without(Replay):
        name = title or f"without {', '.join(names)}"

        def prepare(self, function: Function) -> Function:
            kept = [name for name in PASSES if name not in names]
            compiled: Function = self.torch.compile(function, passes=kept)
            return compiled

    return Without


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time every task with all passes, without each, and without any."""
    print(METHOD)
    work = [tasks.step("circles-relu", 800), *tasks.large()[:2], *tasks.epochs()]
    work += [] if options.quick else tasks.large()[2:]
    engines = [
        without(title="all passes"),
        without(title="all passes again"),
        *(without(name) for name in PASSES),
        without(*PASSES, title="without any"),
    ]
    rows = []
    for task in work[:1] if getattr(options, "tiny", False) else work:
        sessions = [engine(task) for engine in engines]
        steps = 2 if task.work > 1e9 else 10
        check(str(task), sessions, 2 * steps, task.tolerance)
        times = measure(sessions, steps, (options.seconds or 6.0) / len(work), options.seed)
        base = times["all passes"].seconds
        noise = floor(ratio(times["all passes again"].seconds, base))
        print(f"\n  {task}, one core; noise floor {noise:.3f}")
        for name, timing in list(times.items())[2:]:
            found = ratio(timing.seconds, base)
            said = "pays" if found.low > noise else "no difference"
            said = "costs" if found.high < 1 / noise else said
            print(f"    {name:22} {found}  {said}", flush=True)
            rows.append(
                {
                    "study": "passes",
                    "task": task.name,
                    "dtype": task.dtype,
                    "cores": 1,
                    "engine": name,
                    "ratio": asdict(found),
                    "floor": noise,
                    "verdict": said,
                }
            )
    return rows

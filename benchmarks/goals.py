"""The speeds to reach: how many times as fast as another engine."""

from dataclasses import dataclass

from benchmarks.engines import Engine
from benchmarks.engines.jax import Jit, Scan
from benchmarks.engines.torch import Compiled, Eager, PyTorch, Replay


@dataclass(frozen=True)
class Goal:
    """``engine`` is to be ``factor`` times as fast as ``over`` on a float32 task."""

    task: str
    all_cores: bool
    engine: str
    over: str
    factor: float


def _goals(
    task: str, *pairs: tuple[type[Engine], float], cores: bool = False, ours: type[Engine] = Replay
) -> list[Goal]:
    return [Goal(task, cores, ours.name, over.name, factor) for over, factor in pairs]


GOALS = [
    *_goals("circles-relu, batch 800", (PyTorch, 5.5), (Scan, 1.8), (Compiled, 2.5)),
    *_goals("circles-relu, batch 800, fresh", (PyTorch, 5.0)),
    *_goals("circles-relu, batch 800", (PyTorch, 2.3), ours=Eager),
    *_goals("circles-relu, batch 8,000", (PyTorch, 2.5)),
    *_goals("circles-relu, batch 100,000", (PyTorch, 1.3), (Jit, 1.3), (Scan, 1.3), cores=True),
    *_goals("64-256-256-1, batch 1,024", (PyTorch, 0.9), cores=True),
    *_goals("784-1024-1024-1, batch 1,024", (PyTorch, 0.9), cores=True),
    *(
        goal
        for name in ("circles-relu", "circles-linear", "blobs")
        for goal in _goals(f"{name}, epoch", (PyTorch, 5.0))
    ),
]


def goals_of(task: str, dtype: str, all_cores: bool, engine: str) -> list[Goal]:
    """Return the goals of one engine on one task."""
    return [
        goal
        for goal in GOALS
        if (goal.task, goal.all_cores, goal.engine) == (task, all_cores, engine)
        and dtype == "float32"
    ]

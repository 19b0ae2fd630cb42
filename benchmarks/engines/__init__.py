"""The engines as adapters, one class each: a task in, training steps and their results out."""

from benchmarks.engines.base import Engine, Unable
from benchmarks.engines.jax import Jit, Scan
from benchmarks.engines.numpy import ByHand
from benchmarks.engines.sklearn import MLPClassifier
from benchmarks.engines.tapes import Hips, MyGrad
from benchmarks.engines.torch import Compiled, Control, Cuda, Eager, PyTorch, Replay

__all__ = ["BASE", "CONTROL", "ENGINES", "Engine", "Unable"]

BASE, CONTROL = PyTorch, Control  # the base of every ratio, and the same once more
ENGINES: tuple[type[Engine], ...] = (
    BASE,
    CONTROL,
    Eager,
    Replay,
    ByHand,
    Compiled,
    Cuda,
    Jit,
    Scan,
    Hips,
    MyGrad,
    MLPClassifier,
)

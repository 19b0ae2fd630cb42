"""The field's gradient checkers, each as the function of a :class:`~.pair.Pair` that it is.

A library is called as its users call it: the pair becomes its native function with a custom
derivative, every option stays at its default. A project that is no dependency to ask of anyone is
there as the rule that its source states, on NumPy; what is cited was read, none was copied.
"""

from __future__ import annotations

from .pair import NotRun, Pair
from .rival import Checker, Rival
from .rules import RULES
from .with_hips import hips
from .with_jax import jax
from .with_scipy import scipy
from .with_torch import fast, slow

__all__ = ["RIVALS", "Checker", "NotRun", "Pair", "Rival"]

LIBRARIES = (
    Rival("torch", "torch gradcheck", "library", slow),
    Rival("torch-fast", "torch gradcheck, fast mode", "library", fast),
    Rival("jax", "JAX check_grads", "library", jax),
    Rival("hips", "HIPS autograd check_grads", "library", hips),
    Rival("scipy", "SciPy check_grad", "library", scipy),
)

RIVALS: dict[str, Rival] = {rival.name: rival for rival in (*LIBRARIES, *RULES)}
"""By the name that ``--only`` takes."""

"""All rules, in the order in which they are told."""

from __future__ import annotations

from .. import ops
from .gradients import NoGradient, NotInOptimizer, NoZeroGrad
from .layers import DeadReLU, EvalMode, LinearInARow, TrainMode
from .losses import BCE, ProbabilitiesAsLogits, Saturated
from .rule import Rule
from .shapes import TargetShape

RULES: tuple[type[Rule], ...] = (
    LinearInARow,
    ProbabilitiesAsLogits,
    TargetShape,
    Saturated,
    DeadReLU,
    EvalMode,
    TrainMode,
    NoZeroGrad,
    NoGradient,
    NotInOptimizer,
)
LOSSES = (*BCE, ops.nll, ops.binary_cross_entropy, ops.squared_error, ops.smooth_l1)

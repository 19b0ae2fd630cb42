"""Why a loss is computed as it is: the naive and the stable form, step by step, in one dtype.

Every number is measured: the forms run on the engine's own ops, the exact values come from
``decimal``, and the places where a form fails are searched among the numbers of the dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .report import Explanation

__all__ = ["ExplainError", "explain"]


class ExplainError(ValueError):
    """What was asked cannot be explained; the message says why, in one line."""


def explain(
    name: str, x: Sequence[float] | float, t: Any = None, dtype: str = "float32"
) -> Explanation:
    """The naive and the stable form of ``bce``, ``cross-entropy``, ``softmax`` or ``sigmoid``.

    ``x`` holds logits: of one row for cross-entropy and softmax. ``t`` is one target in [0, 1] for
    each logit of bce; for cross-entropy the class; for softmax the class whose probability is
    differentiated (default 0). The result prints itself, and holds its numbers.

    >>> told = explain("bce", [-5.0, 20.0], [0.0, 0.0])
    >>> [round(float(a), 5) for a in told.rows["naive"].value]
    [0.00672, inf]
    >>> [round(float(a), 5) for a in told.rows["tinygrad_cls"].value]
    [0.00672, 20.0]
    """
    from .report import explanation

    return explanation(name, x, t, dtype)

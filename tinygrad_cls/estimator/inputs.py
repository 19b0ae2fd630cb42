"""What the classifier takes: its parameters, its data and their weights."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from .network import ACTIVATIONS

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # scikit-learn 1.5

    def validate_data(estimator: Any, *data: Any, **options: Any) -> Any:
        """Its method then, a function since."""
        return estimator._validate_data(*data, **options)


Array = NDArray[Any]

POSITIVE = Interval(Real, 0, None, closed="neither")
NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
COUNT = Interval(Integral, 1, None, closed="left")
BELOW_ONE = Interval(Real, 0, 1, closed="left")
CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", COUNT],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "solver": [StrOptions({"adam", "sgd"})],
    "alpha": [NOT_NEGATIVE],
    "batch_size": [StrOptions({"auto"}), COUNT],
    "learning_rate_init": [POSITIVE],
    "max_iter": [COUNT],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [NOT_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "beta_1": [BELOW_ONE],
    "beta_2": [BELOW_ONE],
    "epsilon": [POSITIVE],
    "n_iter_no_change": [COUNT],
    "class_weight": [StrOptions({"balanced"}), dict, None],
}
"""What each parameter may be, in scikit-learn's terms."""


def hidden_sizes(asked: Any) -> list[int]:
    """``hidden_layer_sizes`` as a list."""
    sizes: list[Any] = np.atleast_1d(asked).tolist()
    if any(not isinstance(n, int) or n < 1 for n in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0 and whole numbers, got {asked}")
    return sizes


def checked(
    estimator: Any, X: Any, y: Any, sample_weight: Any, kind: Any
) -> tuple[Array, Array, Array | None]:
    """Rows, classes and weights as arrays. ``kind`` is the dtype of the network that goes on
    learning, None where a new one begins.
    """
    kinds = (np.float64, np.float32) if kind is None else (kind,)
    X, y = validate_data(estimator, X, y, dtype=kinds, reset=kind is None, order="C")
    check_classification_targets(y)
    if sample_weight is None:
        return X, y, None
    weight: Array = _check_sample_weight(sample_weight, X, dtype=X.dtype)
    check_weights(weight, "Sample weights")
    return X, y, weight


def rows_alone(estimator: Any, X: Any, kind: Any) -> Array:
    """Rows to tell the classes of, as an array of the network's dtype."""
    found: Array = validate_data(estimator, X, dtype=kind, reset=False, order="C")
    return found


def check_weights(weight: Array, what: str) -> None:
    """ValueError for negative weights, and where all are zero."""
    if (weight < 0).any():
        raise ValueError(f"{what} must not be negative: the least is {weight.min()}")
    if not weight.any():
        raise ValueError(f"{what} must contain at least one non-zero number.")


def weighted(
    by_class: Any, classes: Array, number: Array, weight: Array | None, kind: Any
) -> Array | None:
    """The weights of rows, times those of their classes: row i is of ``classes[number[i]]``."""
    if by_class is not None:
        if isinstance(by_class, dict):
            absent = [c for c in by_class if c not in classes.tolist()]
            if absent:
                raise ValueError(f"class_weight names {absent}, which is no class of y")
        of_class = compute_class_weight(by_class, classes=classes, y=classes[number])
        check_weights(of_class, "class_weight")
        each = of_class.astype(kind)[number]
        weight = each if weight is None else weight * each
    if weight is not None:
        check_weights(weight, "The weights of the rows to learn from, or held out,")
    return weight

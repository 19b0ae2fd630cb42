"""python -m benchmarks.estimator: our MLPClassifier beside scikit-learn's.

With equal hyperparameters on four data sets, standardized: accuracy by 5-fold cross-validation on
the same folds, and the time of the fits, which take turns. Initial weights differ (ours are
PyTorch's, theirs Glorot's), so accuracies do by chance. Status 1 if their mean difference is more
than chance explains (95 %, by Nadeau and Bengio's corrected t-test for repeated cross-validation,
2003), or if our fits take longer.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier as Theirs
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks import document, environment
from benchmarks.harness import Unfair, ratio
from tinygrad_cls.estimator import MLPClassifier as Ours

DATA = {
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "breast cancer": datasets.load_breast_cancer,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "adam, as by default": {},
    "sgd, rate 0.1": {"solver": "sgd", "learning_rate_init": 0.1},
}
EPOCHS = 5
TOLERANCE = 1e-8
"""Relative, of a loss: a thousand steps' rounding of 1e-16, and Adam's amplification of it."""

Row = dict[str, Any]


def prove(name: str, options: dict[str, Any]) -> float:
    """Raises ``Unfair`` unless both do the same work: from equal weights, on rows in their order,
    the losses of five epochs agree. Returns how closely.

    Left out is ``epsilon``, which the two add to Adam's divisor in different places.
    """
    X, y = DATA[name](return_X_y=True)
    X = StandardScaler().fit_transform(X)
    options = options | {"shuffle": False, "epsilon": 1e-14, "random_state": 0, "max_iter": 1}
    theirs = Theirs(warm_start=True, **options).fit(X, y)
    theirs.set_params(max_iter=EPOCHS)
    ours = Ours(**options | {"max_iter": EPOCHS})
    untrained = clone(ours).set_params(learning_rate_init=1e-300, max_iter=1).fit(X, y)
    theirs.coefs_, theirs.intercepts_ = untrained.coefs_, untrained.intercepts_
    found = np.array(ours.fit(X, y).loss_curve_)
    expected = np.array(theirs.fit(X, y).loss_curve_[1:])
    difference = float(np.abs(found / expected - 1).max())
    if not difference <= TOLERANCE:
        raise Unfair(f"{name}: our losses are {found.tolist()}, scikit-learn's {expected.tolist()}")
    return difference


def compared(name: str, options: dict[str, Any], seeds: int) -> tuple[bool, str, list[Row]]:
    """A data set's line of the table, whether it keeps the promises, and its rows for a file."""
    X, y = DATA[name](return_X_y=True)
    accuracy: dict[Any, list[float]] = {Ours: [], Theirs: []}
    seconds: dict[Any, list[float]] = {Ours: [], Theirs: []}
    epochs: dict[Any, list[float]] = {Ours: [], Theirs: []}
    for seed in range(seeds):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y)
        for number, (train, test) in enumerate(folds):
            scale = StandardScaler().fit(X[train])
            for kind in (Ours, Theirs) if number % 2 else (Theirs, Ours):
                model = kind(random_state=seed, **options)
                start = time.perf_counter()
                model.fit(scale.transform(X[train]), y[train])
                seconds[kind].append(time.perf_counter() - start)
                epochs[kind].append(model.n_iter_)
                accuracy[kind].append(model.score(scale.transform(X[test]), y[test]))
    ours, theirs = np.array(accuracy[Ours]), np.array(accuracy[Theirs])
    difference = ours - theirs
    n = len(difference)
    spread = difference.std(ddof=1) * np.sqrt(1 / n + 1 / 4)  # folds share rows: 1 tests, 4 train
    noise = float(stats.t.ppf(0.975, n - 1) * spread)
    faster = ratio(np.array(seconds[Theirs]), np.array(seconds[Ours]))
    kept = abs(difference.mean()) <= max(noise, 1e-12) and faster.value >= 1
    mean = {kind: float(np.mean(epochs[kind])) for kind in epochs}
    line = (
        f"{name:14}{ours.mean():8.4f}{theirs.mean():14.4f}{difference.mean():+11.4f} ±{noise:.4f}"
        f"{1e3 * np.median(seconds[Ours]):10.0f}{1e3 * np.median(seconds[Theirs]):14.0f}"
        f"{mean[Ours]:8.0f}{mean[Theirs]:14.0f}   {faster}{'' if kept else '  (!)'}"
    )
    rows: list[Row] = [
        {
            "study": "estimator",
            "task": name,
            "dtype": "float64",
            "cores": 1,
            "engine": engine,
            "median": float(np.median(seconds[kind])),
            "samples": seconds[kind],
            "accuracy": accuracy[kind],
            "epochs": epochs[kind],
            "ratio": asdict(faster) if kind is Ours else None,
            "verdict": ("kept" if kept else "not kept") if kind is Ours else "base",
        }
        for engine, kind in (("tinygrad_cls", Ours), ("scikit-learn", Theirs))
    ]
    return kept, line, rows


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="each gives 5 folds (default: 3)")
    parser.add_argument("--data", nargs="*", choices=list(DATA), default=list(DATA))
    parser.add_argument("--max-iter", type=int, default=200, help="epochs at most (default: 200)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    arguments = parser.parse_args(argv)
    try:
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return run(arguments)
    except Unfair as error:
        print(f"No times: {error}", file=sys.stderr)
        return 1


def run(arguments: argparse.Namespace) -> int:
    """Print the tables."""
    kept: list[bool] = []
    rows: list[Row] = []
    for title, options in SETTINGS.items():
        worst = max(prove(name, options) for name in arguments.data)
        print(f"\n{title}; {arguments.seeds} seeds x 5 folds")
        print(f"Same work: from equal weights the losses of {EPOCHS} epochs agree to {worst:.0e}.")
        print(
            f"{'':14}{'accuracy':>8}{'scikit-learn':>14}{'difference':>19}{'fit, ms':>10}"
            f"{'scikit-learn':>14}{'epochs':>8}{'scikit-learn':>14}   times as fast [95 %]"
        )
        for name in arguments.data:
            all_options = options | {"max_iter": arguments.max_iter}
            good, line, found = compared(name, all_options, arguments.seeds)
            kept.append(good)
            rows += [row | {"task": f"{name}, {title}"} for row in found]
            print(line, flush=True)
    if arguments.json:
        document.write(arguments.json, environment.record(), rows)
    return int(not all(kept))


if __name__ == "__main__":
    sys.exit(main())

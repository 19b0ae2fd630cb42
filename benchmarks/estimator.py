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
from typing import Any

import numpy as np
from scipy import stats
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier as Theirs
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.harness import ratio
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


def compared(name: str, options: dict[str, Any], seeds: int) -> tuple[bool, str]:
    """A data set's line of the table, and whether it keeps the promises."""
    X, y = DATA[name](return_X_y=True)
    accuracy: dict[Any, list[float]] = {Ours: [], Theirs: []}
    seconds: dict[Any, list[float]] = {Ours: [], Theirs: []}
    for seed in range(seeds):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y)
        for number, (train, test) in enumerate(folds):
            scale = StandardScaler().fit(X[train])
            for kind in (Ours, Theirs) if number % 2 else (Theirs, Ours):
                model = kind(random_state=seed, **options)
                start = time.perf_counter()
                model.fit(scale.transform(X[train]), y[train])
                seconds[kind].append(time.perf_counter() - start)
                accuracy[kind].append(model.score(scale.transform(X[test]), y[test]))
    ours, theirs = np.array(accuracy[Ours]), np.array(accuracy[Theirs])
    difference = ours - theirs
    n = len(difference)
    spread = difference.std(ddof=1) * np.sqrt(1 / n + 1 / 4)  # folds share rows: 1 tests, 4 train
    noise = float(stats.t.ppf(0.975, n - 1) * spread)
    faster = ratio(np.array(seconds[Theirs]), np.array(seconds[Ours]))
    kept = abs(difference.mean()) <= max(noise, 1e-12) and faster.value >= 1
    return kept, (
        f"{name:14}{ours.mean():8.4f}{theirs.mean():14.4f}{difference.mean():+11.4f} ±{noise:.4f}"
        f"{1e3 * np.median(seconds[Ours]):10.0f}{1e3 * np.median(seconds[Theirs]):14.0f}"
        f"   {faster}{'' if kept else '  (!)'}"
    )


def main() -> int:
    """Exit status 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="each gives 5 folds (default: 3)")
    parser.add_argument("--data", nargs="*", choices=list(DATA), default=list(DATA))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # 200 epochs are the default of both
    everything = True
    with threadpool_limits(1):
        for title, options in SETTINGS.items():
            print(f"\n{title}; {arguments.seeds} seeds x 5 folds")
            print(
                f"{'':14}{'accuracy':>8}{'scikit-learn':>14}{'difference':>19}{'fit, ms':>10}"
                f"{'scikit-learn':>14}   times as fast [95 %]"
            )
            for name in arguments.data:
                kept, line = compared(name, options, arguments.seeds)
                everything &= kept
                print(line, flush=True)
    return int(not everything)


if __name__ == "__main__":
    sys.exit(main())

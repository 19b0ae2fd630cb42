"""The points of a run, split and ready to train on: five made ones, or the reader's own."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..experiments import DataError, Points, extra
from ..experiments.data import from_text
from .recipe import Recipe

ROWS, FEATURES, CLASSES = 5000, 16, 10
"""The most that a pasted CSV may have."""
REACH = 10
"""Pasted features beyond this are standardised."""
FEWEST = 5

NOISE = {
    "circles": (0.03, 0.5),
    "blobs": (1.5, 5.0),
    "moons": (0.1, 0.5),
    "xor": (0.05, 0.5),
    "spiral": (0.02, 0.3),
}
"""Of each set: a good noise, and the most that leaves something to see. Of blobs it is the
standard deviation of a blob."""


@dataclass(frozen=True, eq=False)
class Data:
    """Points in training and test set, float64, as the model sees them.

    notes: what was done to them that their owner should know.
    """

    features: tuple[str, ...]
    classes: tuple[str, ...]
    X_train: NDArray[np.float64]
    X_test: NDArray[np.float64]
    y_train: NDArray[np.int64]
    y_test: NDArray[np.int64]
    notes: tuple[str, ...] = ()
    scaled: bool = False

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """x0, x1, y0, y1 of the picture: all points with a margin.

        Both axes are equally long where the points were made, so that circles are round.
        """
        X = np.concatenate([self.X_train, self.X_test])[:, :2]
        low, high = X.min(axis=0), X.max(axis=0)
        half = (high - low) / 2
        if self.features == MADE:
            half[:] = half.max()
        half = 1.08 * half + (half == 0)
        middle = (low + high) / 2
        (x0, y0), (x1, y1) = (middle - half).tolist(), (middle + half).tolist()
        return x0, x1, y0, y1

    def on_plane(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points of the picture with all features: what is not drawn is at its mean."""
        X = np.tile(self.X_train.mean(axis=0), (len(xy), 1))
        X[:, :2] = xy
        return X


MADE = ("x₁", "x₂")


def load(recipe: Recipe, csv: str | None = None, name: str = "the CSV") -> Data:
    """The points of `recipe`, split as the tutorial splits. csv: the text if they are pasted.

    Raises DataError for a CSV that cannot be learned from.
    """
    with extra("play"):
        from sklearn.model_selection import train_test_split
    points = pasted(csv, name) if recipe.data == "csv" else made(recipe)
    X_train, X_test, y_train, y_test = train_test_split(
        points.X, points.y, test_size=recipe.test, random_state=recipe.data_seed
    )
    notes = []
    scaled = recipe.data == "csv" and bool(abs(points.X).max() > REACH)
    if scaled:
        far = points.features[int(abs(points.X).max(axis=0).argmax())]
        notes.append(
            f"{far} goes up to {abs(points.X).max():.4g}: every feature was standardised to mean 0 "
            "and standard deviation 1, as steps of a usual learning rate need it"
        )
        with np.errstate(all="ignore"):
            X_train, X_test = standardised(X_train, X_test)
    for X in (X_train, X_test):
        if not np.isfinite(X.astype(recipe.dtype)).all():
            raise DataError(f"{name}: some numbers are too large for {recipe.dtype}")
    if len(points.features) > 2:
        notes.append(
            f"all {len(points.features)} features are trained on; the picture shows "
            f"{points.features[0]} and {points.features[1]}, with the others at their mean"
        )
    missing = sorted(set(range(len(points.classes))) - set(y_train.tolist()))
    if missing:
        notes.append(f"no point of class {points.classes[missing[0]]} is in the training set")
    return Data(
        points.features, points.classes, X_train, X_test, y_train, y_test, tuple(notes), scaled
    )


def standardised(
    X_train: NDArray[np.float64], X_test: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean 0 and standard deviation 1 on the training set; a feature that never changes is 0."""
    mean, std = X_train.mean(axis=0), X_train.std(axis=0)
    std[std == 0] = 1
    return (X_train - mean) / std, (X_test - mean) / std


def pasted(csv: str | None, name: str = "the CSV") -> Points:
    """The points of pasted text. Raises DataError with one sentence for what cannot be used."""
    if csv is None or not csv.strip():
        raise DataError(f"{name} is empty: paste rows of two or more numbers and a class")
    lines = sum(bool(line.strip()) for line in csv.splitlines())
    if lines > ROWS + 1:  # before they are read: there may be millions
        raise DataError(f"{name} has {lines:,} lines: at most {ROWS:,} points can be used")
    points = from_text(csv.removeprefix("\ufeff"), name)
    if len(points.y) > ROWS:
        raise DataError(f"{name} has {len(points.y):,} points: at most {ROWS:,} can be used")
    if len(points.y) < FEWEST:
        raise DataError(f"{name} has {len(points.y)} points: at least {FEWEST} are needed")
    for what, found, most in (
        ("features", points.features, FEATURES),
        ("classes", points.classes, CLASSES),
    ):
        if len(found) > most:
            raise DataError(f"{name} has {len(found)} {what}: at most {most} can be shown")
    return points


# --- Points that are made -------------------------------------------------------------------------


def made(recipe: Recipe) -> Points:
    """One of the sets of NOISE."""
    samples, noise, seed = recipe.samples, recipe.noise, recipe.data_seed
    with extra("play"):
        from sklearn.datasets import make_blobs, make_circles, make_moons
    classes: tuple[str, ...]
    match recipe.data:
        case "circles":
            X, y = make_circles(n_samples=samples, noise=noise, random_state=seed)
            classes = ("outer circle", "inner circle")
        case "blobs":
            X, y = make_blobs(
                n_samples=samples, n_features=2, centers=4, cluster_std=noise, random_state=seed
            )
            classes = ("0", "1", "2", "3")
        case "moons":
            X, y = make_moons(n_samples=samples, noise=noise, random_state=seed)
            classes = ("upper moon", "lower moon")
        case other:
            make, classes = OWN[other]
            X, y = make(samples, noise, seed)
    return Points(X, y.astype(np.int64), MADE, classes)


def xor(samples: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four squares: class 1 where the coordinates have opposite signs."""
    random = np.random.default_rng(seed)
    X = random.uniform(-1, 1, (samples, 2))
    y = (X[:, 0] * X[:, 1] < 0).astype(int)
    return X + random.normal(0, noise, X.shape), y


def spiral(samples: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two arms that wind around each other."""
    random = np.random.default_rng(seed)
    y = np.arange(samples) % 2
    r = random.uniform(0.05, 1, samples)
    angle = 2.5 * np.pi * r + np.pi * y
    X = np.column_stack([r * np.sin(angle), r * np.cos(angle)])
    return X + random.normal(0, noise, X.shape), y


Make = Callable[[int, float, int], tuple[np.ndarray, np.ndarray]]
OWN: dict[str, tuple[Make, tuple[str, ...]]] = {
    "xor": (xor, ("equal signs", "opposite signs")),
    "spiral": (spiral, ("first arm", "second arm")),
}


def source(name: str) -> str:
    """The code of one of our own sets, for a script.

    >>> print(source("xor").splitlines()[0])
    def xor(samples: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """
    return inspect.getsource(OWN[name][0])

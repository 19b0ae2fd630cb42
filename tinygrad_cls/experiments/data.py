"""The tutorial's circles and blobs, and the reader's own points."""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import Tensor, dtype, from_numpy
from .extras import extra


class DataError(ValueError):
    """Points that cannot be learned from; the message says which and why."""


@dataclass(frozen=True, eq=False)
class Points:
    """Labelled points before they are split.

    X: (points, features) float64. y: (points,) int64, the number of the class, from 0.
    source: the file they come from, if any.
    """

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    features: tuple[str, ...]
    classes: tuple[str, ...]
    source: str = ""


class Split(NamedTuple):
    """Training and test set as tensors, in the order of `train_test_split`."""

    X_train: Tensor
    X_test: Tensor
    y_train: Tensor
    y_test: Tensor


def circles() -> Points:
    """1000 points on two noisy circles, one inside the other."""
    with extra():
        from sklearn.datasets import make_circles
    X, y = make_circles(n_samples=1000, noise=0.03, random_state=42)
    return Points(X, y, ("x₁", "x₂"), ("outer circle", "inner circle"))


def blobs() -> Points:
    """1000 points around four centres."""
    with extra():
        from sklearn.datasets import make_blobs
    X, y = make_blobs(n_samples=1000, n_features=2, centers=4, cluster_std=1.5, random_state=42)
    return Points(X, y, ("x₁", "x₂"), ("0", "1", "2", "3"))


def split(points: Points, X_type: dtype, y_type: dtype) -> Split:
    """Four fifths to train on, one fifth to test with, shuffled with seed 42."""
    with extra():
        from sklearn.model_selection import train_test_split
    if len(points.y) < 5:
        raise DataError(f"{len(points.y)} points are too few to split: at least 5 are needed")
    with np.errstate(over="ignore"):
        X = from_numpy(points.X).type(X_type)
    if not np.isfinite(X).all():
        raise DataError(f"some numbers are too large for {X_type}")
    y = from_numpy(points.y).type(y_type)
    return Split(*train_test_split(X, y, test_size=0.2, random_state=42))


def from_csv(path: str | Path) -> Points:
    """The points of a comma-separated file, as :func:`from_text` reads them.

    Raises DataError for everything that is not such a file, and OSError if it cannot be read.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not comma-separated text: {error}") from error
    return from_text(text, str(path))


def from_text(text: str, path: str) -> Points:
    r"""The points of comma-separated text: features, and the class in the last column.

    Tabs or semicolons may separate, too. A class is named by a number or by a word. The first line
    may name the columns. path: what messages call the text.

    >>> points = from_text("size;weight;animal\n1;2;cat\n3;4;dog\n5;6;cat\n7;8;dog\n", "pets")
    >>> points.features, points.classes, points.y.tolist()
    (('size', 'weight'), ('cat', 'dog'), [0, 1, 0, 1])
    """
    try:  # in a tie ";": the commas are decimal ones
        separator = max("\t;,", key=lambda mark: len(next(_rows(text, mark), (0, ""))[1]))
        rows = [*_rows(text, separator)]
    except csv.Error as error:
        raise DataError(f"{path} is not comma-separated text: {error}") from error
    header = rows.pop(0)[1] if rows and not any(_is_number(cell) for cell in rows[0][1]) else []
    if not rows:
        raise DataError(f"{path} holds no points")

    width = len(header) or len(rows[0][1])
    if width < 3:
        raise DataError(
            f"{path} has {width} column{'s' * (width > 1)}: "
            "at least two features and a class are needed, separated by commas, semicolons or tabs"
        )
    for line, row in rows:
        if len(row) != width:
            raise DataError(f"{path}, line {line}: {len(row)} columns where the first has {width}")

    X = np.array([[_feature(path, line, cell) for cell in row[:-1]] for line, row in rows])
    y, classes = _classes(path, [(line, row[-1]) for line, row in rows])
    features = header[:-1] or [f"x{i}" for i in range(1, width)]
    return Points(X, y, tuple(features), classes, source=Path(path).name)


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with its line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    for row in reader:
        if any(cells := [cell.strip() for cell in row]):
            yield reader.line_num, cells


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _plain(number: float) -> str:
    return str(int(number)) if number.is_integer() else str(number)


def _feature(path: str, line: int, cell: str) -> float:
    if not _is_number(cell):
        raise DataError(f"{path}, line {line}: {cell!r} is not a number")
    if not math.isfinite(value := float(cell)):
        raise DataError(f"{path}, line {line}: {cell!r} is not finite")
    return value


def _classes(path: str, labels: list[tuple[int, str]]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Number the classes from 0, in the order of their numbers or else of the alphabet."""
    for line, label in labels:
        if not label or (_is_number(label) and not math.isfinite(float(label))):
            raise DataError(f"{path}, line {line}: {label!r} names no class")
    names = [label for _, label in labels]
    numbers = [_is_number(name) for name in names]
    if any(numbers) and not all(numbers):
        line, word = labels[numbers.index(False)]
        raise DataError(f"{path}, line {line}: class {word!r} is a word where others are numbers")
    if all(numbers):
        names = [_plain(float(name)) for name in names]
    classes = sorted(set(names), key=float if all(numbers) else None)
    if len(classes) < 2:
        raise DataError(f"{path}: every point is of class {classes[0]!r}, two or more are needed")
    if 2 * len(classes) > len(names):
        raise DataError(
            f"{path}: {len(classes)} classes in {len(names)} points; is the last column the class?"
        )
    number = {name: i for i, name in enumerate(classes)}
    return np.array([number[name] for name in names]), tuple(classes)

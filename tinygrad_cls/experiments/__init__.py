"""The tutorial's three experiments: circles with and without ReLU, and four blobs.

Needs the extra `experiments` (scikit-learn for the points, matplotlib for the figures).
"""

from .catalogue import EXPERIMENTS, Experiment, Task
from .data import DataError, Points, Split, blobs, circles, from_csv, split
from .extras import MissingExtra, extra
from .training import History, Run, train

__all__ = [
    "EXPERIMENTS",
    "DataError",
    "Experiment",
    "History",
    "MissingExtra",
    "Points",
    "Run",
    "Split",
    "Task",
    "blobs",
    "circles",
    "extra",
    "from_csv",
    "split",
    "train",
]

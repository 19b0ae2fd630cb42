"""What stands around a model: the data and its batches."""

from . import data

__all__ = ["data"]

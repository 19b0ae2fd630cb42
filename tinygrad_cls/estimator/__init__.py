"""A scikit-learn classifier on this engine. Needs the extra `sklearn`."""

from ..experiments.extras import extra

with extra("sklearn"):
    import sklearn.base  # noqa: F401

from .classifier import MLPClassifier

__all__ = ["MLPClassifier"]

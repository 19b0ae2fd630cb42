"""One clear sentence when an optional package is missing."""

from collections.abc import Iterator
from contextlib import contextmanager


class MissingExtra(ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


@contextmanager
def extra(name: str = "experiments") -> Iterator[None]:
    """Imports in this block come with an extra of this package.

    >>> with extra():
    ...     import no_such_package
    Traceback (most recent call last):
        ...
    tinygrad_cls.experiments.extras.MissingExtra: no_such_package is not installed; \
run: pip install 'tinygrad_cls[experiments]'
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        package = str(missing.name).partition(".")[0]
        raise MissingExtra(
            f"{package} is not installed; run: pip install 'tinygrad_cls[{name}]'"
        ) from missing

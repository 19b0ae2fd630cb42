"""One number of two runs: where it is, what it is in both, and how far they may part."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Place:
    """One number of both runs.

    a, b: from equal inputs, so that one of them need not be what the run had by itself. ulp: their
    distance, in units in the last place of the coarser dtype. bound: how far rounding may take them
    apart, 0 if that is not known. module: the node's class. after: what was compared before it, and
    agreed. alike: how the two arrays are related.
    """

    epoch: int
    node: str
    index: tuple[int, ...]
    a: float
    b: float
    difference: float
    ulp: float
    bound: float
    module: str = ""
    after: str = ""
    alike: str = ""

    def __str__(self) -> str:
        index = f"[{','.join(map(str, self.index))}]" if self.index else ""
        module = f" ({self.module})" if self.module else ""
        return f"epoch {self.epoch}, {self.node}{index}{module}"

    @property
    def times(self) -> float:
        """The difference as a multiple of its bound."""
        if self.difference == 0:
            return 0.0
        return self.difference / self.bound if self.bound else inf

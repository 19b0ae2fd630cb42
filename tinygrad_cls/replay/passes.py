"""Rewritings of a recorded program that make it faster; each works alone, too."""

from __future__ import annotations

from collections.abc import Callable

from .copying import direct
from .folding import folded
from .memory import Program
from .tiling import tiled

__all__ = ["PASSES", "Program"]

PASSES: dict[str, Callable[[Program], None]] = {"folded": folded, "direct": direct, "tiled": tiled}
"""By name, in their order."""

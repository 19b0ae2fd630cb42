"""What a rule is: it is told what happens, and in the end what it found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from .report import Finding
from .scene import Leaf, Root, Scene


class Rule:
    """The base of all rules; each overrides what it wants to be told."""

    name: ClassVar[str]
    wants: ClassVar[tuple[Any, ...]] = ()  # the ops whose events it is told of

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def op(self, event: Any) -> None:
        """One of its ops was applied."""

    def every(self, event: Any) -> None:
        """Any op was applied."""

    def node(self, node: Any) -> None:
        """A backward pass is at a node of the graph."""

    def arrives(self, tensor: Any, leaf: Leaf) -> None:
        """A gradient is about to be added to a leaf's."""

    def called(self, root: Root, module: Any, y: Any) -> None:
        """The script called a module, which gave ``y``."""

    def findings(self) -> Iterator[Finding]:
        """What it found, at the end."""
        yield from ()

    def finding(self, at: tuple[str, int], what: str, fix: str, shown: str = "") -> Finding:
        """A finding at a line of the script."""
        return Finding(self.name, *at, what, fix, shown)

"""What was found, and how it prints."""

from __future__ import annotations

import linecache
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, overload

from ..callsite import Callsite

PAGE = 100
BOLD, DIM, RED, GREEN = "1", "2", "31", "32"


@dataclass(frozen=True)
class Finding:
    """One mistake: the rule, the user's line, what happened there, and the fix."""

    rule: str
    file: str
    line: int
    what: str
    fix: str
    shown: str = ""  # numbers to look at, laid out

    @property
    def text(self) -> str:
        """The line of the script."""
        return linecache.getline(self.file, self.line).strip()


@dataclass
class Report(Sequence[Finding]):
    """The findings of one run, in the order of the lines, and how the run ended."""

    script: str
    findings: list[Finding]
    passes: int  # backward passes
    ended: str = ""  # why, if not by itself
    failed: bool = False  # by an error, or with another status than 0

    @overload
    def __getitem__(self, index: int) -> Finding: ...

    @overload
    def __getitem__(self, index: slice) -> list[Finding]: ...

    def __getitem__(self, index: Any) -> Any:
        return self.findings[index]

    def __len__(self) -> int:
        return len(self.findings)

    def __bool__(self) -> bool:  # a report without findings is no failure to report
        return True

    @property
    def rules(self) -> list[str]:
        """The rules of the findings."""
        return [finding.rule for finding in self.findings]

    def __str__(self) -> str:
        return self.text()

    def text(self, colour: bool = False) -> str:
        """The report for a terminal."""
        return "\n".join(self._lines(colour))

    def _lines(self, colour: bool) -> Iterator[str]:
        def paint(text: str, code: str) -> str:
            return f"\x1b[{code}m{text}\x1b[0m" if colour else text

        for finding in self.findings:
            yield f"{paint(f'{near(finding.file)}:{finding.line}', BOLD)}  " + paint(
                finding.rule, RED
            )
            if finding.text:
                yield paint(f"    {finding.text}", DIM)
            yield from paragraph(finding.what)
            yield from (f"    {line}" for line in finding.shown.splitlines())
            first, *rest = paragraph(finding.fix, "  fix: ")
            yield paint(first, GREEN)
            yield from (paint(line, GREEN) for line in rest)
            yield ""
        if self.ended:
            yield from (paint(line, RED) for line in paragraph(self.ended, ""))
        yield self.summary()

    def summary(self) -> str:
        """The last line."""
        n = len(self.findings)
        found = f"{n} finding{'s' * (n != 1)}" if n else "no findings"
        if self.ended:
            found += " so far"
        return f"{near(self.script)}: {found} in {counted(self.passes, 'backward pass')}"

    def to_json(self) -> str:
        """All of it, for other programs."""
        from ..experiments.output import to_json

        return to_json(asdict(self))


def paragraph(text: str, start: str = "  ") -> list[str]:
    """Lines of the page's width."""
    return textwrap.wrap(
        text,
        PAGE,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def near(file: str) -> str:
    """A path from here, where that is shorter."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def counted(n: int, what: str) -> str:
    """``1 pass``, ``2 passes``."""
    return f"{n} {what}{'' if n == 1 else 'es' if what.endswith('s') else 's'}"


def place(called: Callsite) -> tuple[str, int]:
    """File and line of what ``callsite.caller`` found."""
    code, instruction = called
    lines = (n for start, stop, n in code.co_lines() if start <= instruction < stop)
    return code.co_filename, next((n for n in lines if n is not None), code.co_firstlineno)


def listed(names: Sequence[str], most: int = 4) -> str:
    """``a, b, c, d and 3 more``."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"

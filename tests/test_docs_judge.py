"""docs/judge.md shows what its examples print: each is run, and compared with the page, numbers
aside. ``python tests/test_docs_judge.py`` writes the page anew.
"""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from tinygrad_cls.judge.report import VERDICTS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "judge.md"
PAIR = re.compile(r"```python\n(.*?)```\n\n```\n(.*?)```\n", re.DOTALL)
BEFORE = "## Where two runs part first"  # torch is needed from there on: tests/test_judge_diff.py
AFTER = "## Ways in"


def examples(text: str) -> list[tuple[str, str]]:
    """The page's examples with their outputs, in order."""
    before, rest = text.split(BEFORE)
    return PAIR.findall(before) + PAIR.findall(rest.split(AFTER)[1])


def outputs(codes: list[str]) -> list[str]:
    """What each prints, one after the other in one namespace."""
    namespace: dict[str, Any] = {}
    found = []
    for code in codes:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        found.append(printed.getvalue())
    return found


def shape(text: str) -> list[str]:
    """The text without its numbers."""
    words = re.sub(r"[-+]?\d[\d.,]*(e[-+]?\d+)?|\b(inf|nan)\b", "#", text).split()
    return [word for word in words if word != "#"]


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str, str]]:
    shown = examples(PAGE.read_text(encoding="utf-8"))
    printed = outputs([code for code, _ in shown])
    return [(code, output, new) for (code, output), new in zip(shown, printed, strict=True)]


def test_the_page_shows_what_is_printed(pairs: list[tuple[str, str, str]]) -> None:
    for code, shown, printed in pairs:
        assert shape(shown) == shape(printed), code


def test_every_verdict_is_shown(pairs: list[tuple[str, str, str]]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    printed = "".join(new for _, _, new in pairs)
    for kind, verdict in VERDICTS.items():
        assert f"### {kind} ({verdict.level})" in text
        assert re.search(rf"^ {verdict.level} +{re.escape(kind)}: ", printed, re.MULTILINE), kind


def main() -> None:
    """Writes the outputs into the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEFORE)
    middle, after = rest.split(AFTER)
    printed = iter(outputs([code for code, _ in examples(text)]))

    def renewed(part: str) -> str:
        return PAIR.sub(lambda m: f"```python\n{m[1]}```\n\n```\n{next(printed)}```\n", part)

    PAGE.write_text(renewed(before) + BEFORE + middle + AFTER + renewed(after), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The lessons by their number."""

import json
from pathlib import Path
from typing import Any

from . import cells
from .catalogue import FOLDER, catalogue
from .running import WORDS, perform

FILES = dict(enumerate(sorted(FOLDER.glob("lesson_*.py")), 1))
"""The file of each lesson."""


def source(number: int, lang: str = "en") -> str:
    """A lesson's file: as it is, or with its prose and what it prints in another language.

    >>> print(source(1, "ko").splitlines()[1])
    1강: 스칼라 하나, 사슬 하나
    """
    if number not in FILES:
        raise ValueError(f"there are lessons 1 to {len(FILES)}, not {number}")
    words = catalogue(lang)
    text = FILES[number].read_text(encoding="utf-8")
    return cells.translated(text, words) if words else text


def mutant(number: int, lang: str = "en") -> str:
    """A lesson with the change made that its end proposes: one check must fail."""
    return cells.broken(source(number, lang))


def change(number: int, lang: str = "en") -> cells.Change:
    """The change that a lesson's end proposes."""
    return cells.change(source(number, lang))


def title(number: int, lang: str = "en") -> str:
    """What a lesson is called.

    >>> title(7)
    'Lesson 7: ReLU bends it'
    """
    return source(number, lang).splitlines()[1]


def messages() -> dict[str, str]:
    """Everything that is to be translated, with the file where it stands."""
    found = dict.fromkeys(WORDS.values(), "running.py")
    for path in FILES.values():
        for message in cells.messages(path.read_text(encoding="utf-8")):
            found.setdefault(message, path.name)
    return found


def run(
    number: int,
    lang: str = "en",
    *,
    broken: bool = False,
    figures: str | Path | None = None,
    color: bool = False,
) -> None:
    """Prints a lesson and runs it, cell by cell; `broken` with its change made.

    Raises Failed at the first check that fails. Figures are saved in the folder `figures`.
    """
    text = mutant(number, lang) if broken else source(number, lang)
    as_it_is = lang == "en" and not broken
    name = str(FILES[number]) if as_it_is else f"<{FILES[number].stem}, {lang}>"
    folder = None if figures is None else Path(figures)
    perform(text, name, catalogue(lang), stem=FILES[number].stem, figures=folder, color=color)


def recorded() -> dict[str, Any]:
    """PyTorch's losses for lesson 10: its version, the seed, and every how many epochs, from 1."""
    losses: dict[str, Any] = json.loads((FOLDER / "pytorch.json").read_text(encoding="utf-8"))
    return losses

"""The lessons, in each language from their one source, as folders that sphinx-gallery can run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from tinygrad_cls import lessons

TITLES = {
    "en": ("Lessons", "Twelve short programs, each with a check that holds and a way to break it."),
    "ko": (
        "수업",
        "짧은 프로그램 열두 개. 저마다 스스로를 검사하고, 일부러 망가뜨려 볼 수 있습니다.",
    ),
}


def thumbnail(file: Path) -> str:
    """Draws what stands for a lesson without a figure: a chain, there and back."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(4, 2.8))
    axes.set(xlim=(-0.6, 3.6), ylim=(-1.2, 1.2))
    axes.axis("off")
    for i, name in enumerate(("x", "·", "+", "L")):
        axes.text(i, 0, name, fontsize=22, ha="center", va="center", zorder=3)
        axes.scatter(i, 0, s=1500, color="#dcebf9", edgecolors="#0b5cad", zorder=2)
    for i in range(3):
        there = {"arrowstyle": "->", "connectionstyle": "arc3,rad=-0.5", "color": "#555555"}
        back = there | {"color": "#b3541e", "lw": 2}
        axes.annotate("", (i + 0.85, 0.3), (i + 0.15, 0.3), arrowprops=there)
        axes.annotate("", (i + 0.15, -0.3), (i + 0.85, -0.3), arrowprops=back)
    figure.savefig(file, metadata={"Software": None})
    plt.close(figure)
    return str(file)


def write(folder: Path) -> dict[str, str]:
    """Writes them below ``folder``; the folder of each language by its gallery's name."""
    found = {}
    for language, (title, about) in TITLES.items():
        its = folder / language
        its.mkdir(parents=True, exist_ok=True)
        files = {"GALLERY_HEADER.rst": f"{title}\n{'=' * 2 * len(title)}\n\n{about}\n"}
        suffix = "" if language == "en" else f"_{language}"  # one name twice confuses links
        for number, file in lessons.FILES.items():
            files[f"{file.stem}{suffix}.py"] = lessons.source(number, language)
        for old in its.iterdir():
            if old.name not in files:
                old.unlink()
        for name, text in files.items():
            if not (its / name).exists() or (its / name).read_text(encoding="utf-8") != text:
                (its / name).write_text(text, encoding="utf-8")
        found[f"lessons/{language}"] = str(its)
    return found


DOWNLOADS = re.compile(
    r"^    \.\. container:: sphx-glr-download sphx-glr-download-(jupyter|zip)\n\n.*\n", re.MULTILINE
)
NOTE = re.compile(r"^\.\. only:: html\n\n    \.\. note::\n(.*\n)*?(?=\.\. rst-class)", re.MULTILINE)


def tidied(_: Sphinx, name: str, source: list[str]) -> None:
    """Leaves of a lesson's page the lesson, and the program to download."""
    if name.startswith("lessons/"):
        source[0] = NOTE.sub("", DOWNLOADS.sub("", source[0]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Tidies the pages that sphinx-gallery writes."""
    app.connect("source-read", tidied)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

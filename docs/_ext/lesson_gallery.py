"""The lessons, in each language from their one source, as folders that sphinx-gallery can run."""

from __future__ import annotations

from pathlib import Path

from tinygrad_cls import lessons

TITLES = {
    "en": ("Lessons", "Twelve short programs, each with a check that holds and a way to break it."),
    "ko": ("수업", "짧은 프로그램 열두 개. 저마다 스스로를 검사하고, 일부러 망가뜨려 볼 수 있습니다."),
}


def write(folder: Path) -> dict[str, str]:
    """Writes them below ``folder``; the folder of each language by its gallery's name."""
    found = {}
    for language, (title, about) in TITLES.items():
        its = folder / language
        its.mkdir(parents=True, exist_ok=True)
        files = {"GALLERY_HEADER.rst": f"{title}\n{'=' * 2 * len(title)}\n\n{about}\n"}
        for number in lessons.numbers():
            name = f"lesson_{number:02}_{language}.py"  # one name twice would confuse links
            files[name] = lessons.source(number, language)
        for old in its.iterdir():
            if old.name not in files:
                old.unlink()
        for name, text in files.items():
            if not (its / name).exists() or (its / name).read_text(encoding="utf-8") != text:
                (its / name).write_text(text, encoding="utf-8")
        found[f"lessons/{language}"] = str(its)
    return found

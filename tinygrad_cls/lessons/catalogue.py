"""Message catalogues: the part of gettext's .po format that a text needs.

The files are read as they are, not compiled, so that a translator's change shows at once.
"""

import ast
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "ko")
ENTRY = re.compile(r'^(msgid|msgstr)? *(".*")$')


def parse(text: str) -> dict[str, str]:
    r"""Every msgid with its msgstr; the header, whose msgid is empty, is left out.

    >>> parse('msgid "layer"\nmsgstr ""\n"층"')
    {'layer': '층'}
    """
    pairs: list[dict[str, str]] = []
    key = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = ENTRY.match(line)
        if found is None or (not pairs and found[1] != "msgid"):
            raise ValueError(
                f"line {number} of the catalogue is no msgid, nor belongs to one: {line}"
            )
        key = found[1] or key
        if found[1] == "msgid":
            pairs.append({"msgid": "", "msgstr": ""})
        pairs[-1][key] += ast.literal_eval(found[2])
    messages = {pair["msgid"]: pair["msgstr"] for pair in pairs if pair["msgid"]}
    if len(messages) < sum(pair["msgid"] != "" for pair in pairs):
        raise ValueError("the catalogue has two entries with one msgid")
    return messages


@cache
def catalogue(lang: str) -> dict[str, str]:
    """The translations into a language; into English, the source, there are none."""
    if lang not in LANGUAGES:
        raise ValueError(f"the lessons are in {' and '.join(LANGUAGES)}, not in {lang!r}")
    if lang == "en":
        return {}
    return parse((FOLDER / f"{lang}.po").read_text(encoding="utf-8"))

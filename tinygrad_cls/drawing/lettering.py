"""Letters: how wide a text is, shortened to fit, and free of what could break out of a picture."""

from __future__ import annotations

import re
import unicodedata

# Widths of DejaVu Sans in hundredths of the font's size; Helvetica and Arial are a little narrower.
_WIDTHS = {
    letter: width
    for width, letters in {
        29: "ijl'IJ",
        34: " ,./:;\\|",
        36: "f-",
        40: "()[]t!r",
        46: '"·',
        50: "*_`",
        52: "szᵀ",
        55: "c?",
        59: "vxyLFkP",
        61: "TYaoe",
        64: "ESbdghnpqu$0123456789{}",
        69: "AVBRXZKC",
        78: "UHNDG&",
        82: "OQw",
        84: "#+<=>^~",
        86: "M",
        99: "Wm%@…",
    }.items()
    for letter in letters
}
# What XML forbids, halves of surrogate pairs, and marks that turn the direction of what follows.
_HARMFUL = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def plain(text: str) -> str:
    r"""One line without harmful characters; each of them becomes U+FFFD.

    >>> plain("a\tb\n c"), plain("x\0")
    ('a b c', 'x\ufffd')
    """
    return " ".join(_HARMFUL.sub("\ufffd", text).split())


def width(text: str, size: float) -> float:
    """An upper estimate of the width of ``text`` in a sans-serif font of ``size``.

    >>> width("ill", 10) < width("WWW", 10) < width("중앙값", 10)
    True
    """
    return sum(_width(letter) for letter in text) * size / 100


def _width(letter: str) -> int:
    known = _WIDTHS.get(letter)
    if known is not None:
        return known
    if unicodedata.combining(letter):
        return 0
    return 120 if unicodedata.east_asian_width(letter) in "WF" or ord(letter) > 0xFFFF else 84


def shorten(text: str, size: float, room: float) -> str:
    """``text``, cut in the middle where it doesn't fit.

    >>> shorten("encoder.layer_1.weight", 10, 100)
    'encoder....weight'
    """
    if width(text, size) <= room:
        return text
    room -= width("…", size)
    head = tail = 0
    for turn in range(len(text)):
        taken = text[head] if turn % 2 == 0 else text[-1 - tail]
        room -= width(taken, size)
        if room < 0:
            break
        head, tail = head + (turn % 2 == 0), tail + turn % 2
    return text[:head] + "…" + text[len(text) - tail :]

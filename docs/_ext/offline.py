"""What a built site would load from elsewhere: nothing.

``python docs/_ext/offline.py FOLDER`` reads the pages, styles, scripts and pictures under FOLDER,
prints what they load over the network, a line each, and then exits with 1. A link that a reader
may follow is fine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

ELSEWHERE = re.compile(r"\s*([a-z][a-z0-9+.-]*:)?//|\s*[a-z][a-z0-9+.-]*:", re.IGNORECASE)
HERE = re.compile(r"\s*(data|about|javascript|mailto):", re.IGNORECASE)
LOADING = {"src", "srcset", "imagesrcset", "poster", "background", "data", "manifest", "xlink:href"}
CSS = re.compile(r"""url\(\s*(['"]?)(.*?)\1\s*\)|@import\s*(['"])(.*?)\3""", re.DOTALL)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
JS = re.compile(r"""(['"`])((?:https?:|wss?:)?//[^'"`\s]+)""")
NAMESPACE = "http://www.w3.org/"  # the name of a vocabulary, which nobody loads


def outside(address: str) -> bool:
    """Whether it leaves the site."""
    return bool(ELSEWHERE.match(address)) and not HERE.match(address)


def of_style(text: str) -> Iterator[str]:
    """What a style sheet loads from elsewhere."""
    for match in CSS.finditer(COMMENT.sub("", text)):
        if outside(address := match[2] or match[4] or ""):
            yield address


def of_script(text: str) -> Iterator[str]:
    """Addresses in a script's strings: what it could load."""
    for match in JS.finditer(text):
        if not match[2].startswith(NAMESPACE):
            yield match[2]


class Page(HTMLParser):
    """Collects in ``found`` what a page, or an SVG, loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        for name, value in attrs:
            loads = name in LOADING or (name == "href" and tag != "a")
            parts = (value or "").split(",") if name.endswith("srcset") else [value or ""]
            if loads:
                self.found += [part.strip() for part in parts if outside(part)]
            elif name == "style" or "url(" in (value or ""):
                self.found += of_style(value or "")
            elif name == "content" and tag == "meta" and ";" in (value or ""):  # a refresh
                self.found += re.findall(r"(?i)url=\s*(\w+:\S+)", value or "")
            elif name.startswith("on"):
                self.found += of_script(value or "")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "style":
            self.found += of_style(data)
        elif self.inside == "script":
            self.found += of_script(data)


def of_page(text: str) -> Iterator[str]:
    """What a page or an SVG loads from elsewhere."""
    page = Page()
    page.feed(text)
    page.close()
    yield from page.found


READERS = {".html": of_page, ".svg": of_page, ".css": of_style, ".js": of_script, ".mjs": of_script}


def outside_loads(folder: Path) -> list[str]:
    """``file: address`` of all that the files under ``folder`` load from elsewhere."""
    found = []
    for file in sorted(folder.rglob("*")):
        if reader := READERS.get(file.suffix):
            text = file.read_text(encoding="utf-8")
            found += [f"{file.relative_to(folder)}: {address}" for address in reader(text)]
    return found


def main(arguments: list[str]) -> int:
    """Prints them; 1 if there are any, or no page at all."""
    folder = Path(arguments[0])
    if not any(folder.rglob("*.html")):
        print(f"{folder}: no page in it", file=sys.stderr)
        return 1
    found = outside_loads(folder)
    print("\n".join(found) or f"{folder}: loads nothing from elsewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

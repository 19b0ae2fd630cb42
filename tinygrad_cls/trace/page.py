"""The page that steps through a scene: one file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

FILES = files(__package__).joinpath("page_files")
BODY = "body { margin: 0; background: #fff; }\n"
START = """
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const root = document.getElementById("stepper");
mount(root, read("scene"), { strings: read("strings"), lang: document.documentElement.lang });
"""
NOSCRIPT = "This page needs JavaScript, which is inside of it."


@cache
def part(name: str) -> str:
    """A file of the page."""
    return FILES.joinpath(name).read_text(encoding="utf-8")


def strings() -> dict[str, dict[str, str]]:
    """The page's texts, by language.

    >>> sorted(strings())
    ['en', 'ko']
    """
    found: dict[str, dict[str, str]] = json.loads(part("strings.json"))
    return found


def page(scene: dict[str, Any], lang: str = "en") -> str:
    """A scene as a page of HTML that opens from a file, without a network.

    Its security policy lets run and shows what is in it by hash, and lets it load nothing.

    Raises:
        ValueError: the page has no such language.
    """
    if lang not in strings():
        raise ValueError(f"lang is {lang!r}: the page has {' and '.join(map(repr, strings()))}")
    style, script = BODY + part("stepper.css"), part("stepper.js") + START
    policy = (
        f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}'; "
        f"base-uri 'none'; form-action 'none'"
    )
    return Template(part("page.html")).substitute(
        lang=lang,
        policy=policy,
        title=html.escape(said(scene["title"] or {"key": "title"}, lang)),
        style=style,
        noscript=NOSCRIPT,
        scene=inert(scene),
        strings=inert(strings()),
        script=script,
    )


def said(text: str | dict[str, Any], lang: str) -> str:
    """A text of the scene in a language, as the page's own script says it.

    >>> said({"key": "count", "n": 2, "of": 3}, "en")
    '2 of 3'
    """
    if isinstance(text, str):
        return text
    return strings()[lang][text["key"]].format_map(text)


def digest(text: str) -> str:
    """How a policy names an inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def inert(data: Any) -> str:
    r"""JSON that can stand inside of a script element: it can't end it.

    >>> inert({"name": "</script>"})
    '{"name":"\\u003c/script>"}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def framed(trace: Any) -> str:
    """The page inside of a frame, for a notebook."""
    from .scene import scene

    whole = html.escape(page(scene(trace)))
    return (
        f'<iframe srcdoc="{whole}" sandbox="allow-scripts" width="100%" height="720" '
        f'frameborder="0" title="Backward, step by step"></iframe>'
    )

"""A lesson's file as cells of prose and code, and the file in another language.

Prose is a module's docstring or the comment after a line `# %%`: paragraphs, headings and indented
literal text, as sphinx-gallery reads them.
"""

import ast
import re
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MARK = "# %%"
WIDTH = 98
SPAN = re.compile(r"(``[^`]+``|\*\*[^*]+\*\*)(\w?)")
FIELD = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True)
class Cell:
    """A stretch of the file. `line` is where `text` begins, from 1; prose is without its `#`."""

    kind: str  # "docstring", "prose" or "code"
    text: str
    line: int


def cells(source: str) -> list[Cell]:
    r"""The cells of a lesson, in order; code that is blank is left out.

    >>> quotes = '"' * 3
    >>> for cell in cells(f"{quotes}\nTitle\n=====\n{quotes}\n\nx = 1\n\n# %%\n# Why?\n\nx += 1\n"):
    ...     print(cell)
    Cell(kind='docstring', text='Title\n=====', line=2)
    Cell(kind='code', text='x = 1', line=6)
    Cell(kind='prose', text='Why?', line=9)
    Cell(kind='code', text='x += 1', line=11)
    """
    lines = source.splitlines()
    end = lines.index('"""', 1)
    found = [Cell("docstring", "\n".join(lines[1:end]), 2)]
    kind, start = "code", end + 1
    for i in range(start, len(lines) + 1):
        inside = i < len(lines) and lines[i].startswith("#") and lines[i] != MARK
        if i == len(lines) or lines[i] == MARK or (kind == "prose" and not inside):
            found.append(_cell(kind, lines, start, i))
            kind = "prose" if i < len(lines) and lines[i] == MARK else "code"
            start = i + (kind == "prose")
    return [cell for cell in found if cell.text]


def _cell(kind: str, lines: list[str], start: int, end: int) -> Cell:
    while start < end and not lines[start].strip():
        start += 1
    text = "\n".join(lines[start:end]).rstrip()
    if kind == "prose":
        text = "\n".join(line[2:] for line in lines[start:end])
    return Cell(kind, text, start + 1)


# --- Prose ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """Of prose: a "title" (without its underline), a "paragraph" in one line, or "literal" text."""

    kind: str
    text: str


def blocks(prose: str) -> Iterator[Block]:
    r"""The blocks of a cell's prose.

    >>> list(blocks("A\nline::\n\n    x = 1"))
    [Block(kind='paragraph', text='A line::'), Block(kind='literal', text='    x = 1')]
    """
    for part in re.split(r"\n\n+", prose.strip("\n")):
        first, *rest = part.split("\n")
        if rest and set(rest[-1]) == {"="}:
            yield Block("title", first)
        elif first.startswith("    "):
            yield Block("literal", part)
        else:
            yield Block("paragraph", " ".join(part.split()))


def columns(text: str) -> int:
    """How wide it is on a terminal: Hangul takes two columns a letter.

    >>> columns("기울기 dW")
    9
    """
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, broken at spaces."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and columns(lines[-1]) + 1 + columns(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _prose(text: str, words: Mapping[str, str]) -> list[str]:
    """Prose in another language, in lines."""
    lines: list[str] = []
    for block in blocks(text):
        said = words.get(block.text, block.text)
        # reST ends code before a space or a full stop only; this space is not seen.
        said = SPAN.sub(lambda span: "\\ ".join(filter(None, span.groups())), said)
        match block.kind:
            case "title":
                lines += [said, "=" * columns(said)]
            case "literal":
                lines += block.text.split("\n")
            case _:
                lines += wrapped(said, WIDTH)
        lines.append("")
    return lines[:-1]


# --- Text in code ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A string in the code that a reader reads: what stands between its quotes, and where."""

    text: str
    line: int
    start: int  # in bytes of the line in UTF-8, as ast counts
    end: int


def texts(source: str) -> list[Text]:
    """What the code prints and what its asserts say, outside of figures."""
    lines = source.split("\n")
    found = []
    for node in _strings(ast.parse(source)):
        whole = lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()
        opening = re.match(r'f?"', whole)
        if node.lineno != node.end_lineno or opening is None:
            continue
        inner = whole[opening.end() : -1]
        words = FIELD.sub("", inner)
        if re.search(r"[a-z]{2}", words) and " " in words.strip():
            start = node.col_offset + len(opening[0])
            found.append(Text(inner, node.lineno, start, start + len(inner.encode())))
    return found


DRAWN = {"label", "title", "xlabel", "ylabel", "set_title"}
"""Figures stay in English: matplotlib's own font has no Hangul."""


def _strings(node: ast.AST) -> Iterator[ast.expr]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.keyword(arg=name) if name in DRAWN:
                continue
            case ast.Call(func=ast.Attribute(attr=name)) if name in DRAWN:
                continue
            case ast.JoinedStr() | ast.Constant(value=str()):
                yield child
            case _:
                yield from _strings(child)


# --- The whole file -------------------------------------------------------------------------------


def messages(source: str) -> list[str]:
    """Everything that is to be translated, in order."""
    prose = [cell.text for cell in cells(source) if cell.kind != "code"]
    found = [block.text for text in prose for block in blocks(text) if block.kind != "literal"]
    return list(dict.fromkeys(found + [text.text for text in texts(source)]))


def translated(source: str, words: Mapping[str, str]) -> str:
    """The lesson in the language of `words`; the code is the same but for the texts in it."""
    lines = source.split("\n")
    for text in reversed(texts(source)):
        line = lines[text.line - 1].encode()
        said = words.get(text.text, text.text).encode()
        lines[text.line - 1] = (line[: text.start] + said + line[text.end :]).decode()
    for cell in reversed(cells(source)):
        if cell.kind == "code":
            continue
        if cell.kind == "prose":
            prose = [f"# {line}".rstrip() for line in _prose(cell.text, words)]
        else:
            prose = [line.replace("\\", "\\\\") for line in _prose(cell.text, words)]
        lines[cell.line - 1 : cell.line + cell.text.count("\n")] = prose
    return "\n".join(lines)


@dataclass(frozen=True)
class Change:
    """How a lesson is broken: a line of its code, what to write there, and the check that fails."""

    old: str
    new: str
    check: str


def change(source: str) -> Change:
    """What the lesson's last cell says."""
    *_, told, lines = blocks(cells(source)[-1].text)
    old, new = textwrap.dedent(lines.text).split("\n")
    quoted = re.search('"(.+?)"', told.text)
    assert quoted is not None
    return Change(old.removeprefix("- "), new.removeprefix("+ "), quoted[1])


def broken(source: str) -> str:
    """The lesson with its change made."""
    made = change(source)
    pattern = rf"^( *){re.escape(made.old)}$"
    text, count = re.subn(pattern, lambda found: found[1] + made.new, source, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"the line to change stands {count} times in the lesson: {made.old}")
    return text

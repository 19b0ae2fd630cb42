"""The table of ops on a page: ``.. derivative-table::`` prints ops.TABLE, ``.. op-functions::`` the
functions that it gives to the package.

A formula is quoted as :mod:`tinygrad_cls.trace` quotes it; law, dtypes and what backward keeps are
asked of the op. A section is a comment ``# --- title ---`` of ops.py.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from itertools import chain, groupby
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from tinygrad_cls import methods, ops
from tinygrad_cls.composition import Composition
from tinygrad_cls.op import Op
from tinygrad_cls.trace.rules import rule

TITLE = re.compile(r"^# --- (.*?) -+$", re.MULTILINE)
HEADS = {"op and law": 19, "what it is": 25, "derivatives": 33, "kept for backward": 14, "types": 9}


class Row(NamedTuple):
    """An entry of the table, and the part of the file that it stands in."""

    name: str
    entry: Any
    section: str


class Derivative(NamedTuple):
    """What backward does to one input of an op."""

    input: str
    formula: str
    arrays: tuple[str, ...]  # kept whole
    others: tuple[str, ...]  # shapes, dtypes and static arguments


def rows() -> list[Row]:
    """Every entry of ops.TABLE, in the order of the file."""
    source = inspect.getsource(ops)
    titles = [(match.start(), match[1]) for match in TITLE.finditer(source)]
    found = []
    for name, entry in ops.TABLE.items():
        place = re.search(rf"^(def {name}\(|{name} = )", source, re.MULTILINE)
        assert place is not None, name
        section = [title for at, title in titles if at < place.start()][-1]
        found.append(Row(name, entry, section))
    return found


def derivatives(op: Op) -> list[Derivative]:
    """One for each input that the op can be differentiated by."""
    found = []
    for i in op.formulas:
        kept = op.memory((i,))
        others = [name if kind == "static" else f"{kind.removesuffix('s')} of {op.inputs[at]}"
                  for name, kind, at in kept.others]  # fmt: skip
        arrays = tuple(name for name, _ in kept.values)
        found.append(Derivative(op.inputs[i], rule(op, i).source, arrays, tuple(others)))
    return found


def signature(entry: Any) -> inspect.Signature:
    """The arguments of an entry as a function of tensors."""
    if isinstance(entry, Composition):
        return entry.__signature__
    kind = inspect.Parameter
    if entry.variadic:
        arguments, rest = [kind(entry.inputs[0], kind.VAR_POSITIONAL)], kind.KEYWORD_ONLY
    else:
        rest = kind.POSITIONAL_OR_KEYWORD
        arguments = [kind(name, rest) for name in entry.inputs]
    return inspect.Signature(
        [*arguments, *(kind(name, rest, default=value) for name, value in entry.static.items())]
    )


def code(text: str, *classes: str) -> nodes.literal:
    """Text as code."""
    return nodes.literal(text, text, classes=list(classes))


def prose(text: str) -> nodes.paragraph:
    """An op's doc: text, formulas, and names in single backticks."""
    parts = [code(part) if i % 2 else nodes.Text(part) for i, part in enumerate(text.split("`"))]
    return nodes.paragraph("", "", *parts)


def grey(text: str) -> nodes.inline:
    """Text of less weight."""
    return nodes.inline(text, text, classes=["grey"])


def listed(parts: Iterable[nodes.Node]) -> nodes.paragraph:
    """Words with commas between them."""
    line = nodes.paragraph()
    for part in parts:
        line += [nodes.Text(", "), part] if line.children else [part]
    return line


def cells(*contents: list[nodes.Node], names: tuple[str, ...] = ()) -> nodes.row:
    """A row of a table; the last cells have names for the style sheet."""
    row = nodes.row("", *(nodes.entry("", *content) for content in contents))
    for cell, name in zip(row.children[-len(names) :], names, strict=False):
        cell["classes"].append(name)
    return row


def table(heads: dict[str, int], lines: Iterable[list[nodes.row]]) -> nodes.table:
    """A table of rows, with a head and a width in percent for each column."""
    group = nodes.tgroup("", cols=len(heads))
    group += [nodes.colspec(colwidth=width) for width in heads.values()]
    head = cells(*([nodes.paragraph("", head)] for head in heads))
    group += [nodes.thead("", head), nodes.tbody("", *chain.from_iterable(lines))]
    return nodes.table("", group, classes=["derivatives", "colwidths-given"])


class DerivativeTable(SphinxDirective):
    """A section with a table for each part of ops.py."""

    def run(self) -> list[nodes.Node]:
        """Prints them all."""
        self.env.note_dependency(inspect.getfile(ops))
        return [self.section(*part) for part in groupby(rows(), lambda row: row.section)]

    def section(self, title: str, its: Iterable[Row]) -> nodes.section:
        """A heading and its table."""
        entries = list(its)
        if all(isinstance(row.entry, Composition) for row in entries):
            made = table(
                {"function": 20, "what it is": 80}, [self.composition(row) for row in entries]
            )
        else:
            made = table(HEADS, [self.op(row) for row in entries])
        title = title.partition(":")[0]  # of a long comment its first words
        heading = nodes.title("", title[0].upper() + title[1:])
        return nodes.section("", heading, made, ids=[nodes.make_id(title)])

    def op(self, row: Row) -> list[nodes.row]:
        """A row for each derivative of an op; the rest spans them."""
        law = nodes.paragraph("", "", code(row.entry.law.text, "law"))
        about = [self.named(row.name), law], [prose(row.entry.__doc__)]
        types = [nodes.paragraph("", row.entry.types)]
        its = derivatives(row.entry)
        if not its:
            none = [nodes.paragraph("", "", grey("not differentiable"))]
            return [cells(*about, none, [], types, names=("types",))]
        found = []
        for d in its:
            formula = [nodes.paragraph("", "", code(f"d_{d.input} = {d.formula}"))]
            kept = listed([*map(code, d.arrays), *map(grey, d.others)] or [grey("nothing")])
            found.append(cells(formula, [kept], names=("formula", "kept")))
        first, last = cells(*about).children, cells(types, names=("types",)).children
        for cell in (*first, *last) if len(its) > 1 else ():
            cell["morerows"] = len(its) - 1
        found[0][:] = [*first, *found[0].children, *last]
        return found

    def composition(self, row: Row) -> list[nodes.row]:
        """The row of a function that is made of ops."""
        text = inspect.cleandoc(row.entry.__doc__)
        return [cells([self.named(row.name)], self.parse_text_to_nodes(text))]

    def named(self, name: str) -> nodes.paragraph:
        """An entry's name, which ``:ref:`op-NAME``` leads to."""
        anchor = f"op-{name.replace('_', '-')}"
        domain, label = self.env.domains.standard_domain, f"op-{name.lower()}"
        domain.labels[label] = (self.env.docname, anchor, name)
        domain.anonlabels[label] = (self.env.docname, anchor)
        shown = nodes.literal(classes=["op"])
        for word in re.findall("[^_]+_?", name):  # a long name breaks between its words
            shown += [nodes.Text(word), nodes.raw("", "<wbr>", format="html")]
        return nodes.paragraph("", "", shown, ids=[anchor])


class OpFunctions(SphinxDirective):
    """The table's entries that are functions of the package, as the API reference has functions."""

    def run(self) -> list[nodes.Node]:
        """Writes a ``py:function`` for each."""
        lines = []
        for row in sorted(rows()):
            if row.name in ops.HELPERS:
                continue
            text = inspect.cleandoc(row.entry.__doc__)
            if isinstance(row.entry, Op):  # a formula, not reStructuredText
                text = plain(text)
            if getattr(row.entry, "formulas", None):
                text += f" (:ref:`Derivative <op-{row.name.lower()}>`)"
            lines += [f".. py:function:: {row.name}{signature(row.entry)}", ""]
            lines += [f"   {line}" for line in text.splitlines()] + [""]
        return self.parse_text_to_nodes("\n".join(lines))


def plain(text: str) -> str:
    """An op's doc, which is text and formulas, as reStructuredText."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def entry_of(what: str, obj: Any) -> Any:
    """The table's entry of a method of Tensor that the table provides."""
    provided = what == "method" and getattr(obj, "__module__", "") == methods.__name__
    return ops.TABLE.get(obj.__name__.removesuffix("_")) if provided else None


def method_signature(_: Any, what: str, __: str, obj: Any, *___: Any) -> tuple[str, str] | None:
    """Its arguments, where the method's own are ``(*args, **kwargs)``."""
    entry = entry_of(what, obj)
    if entry is None:
        return None
    first, *others = signature(entry).parameters.values()
    arguments = [first, *others] if first.kind == first.VAR_POSITIONAL else others
    return str(inspect.Signature(arguments)), ""


def method_doc(_: Any, what: str, __: str, obj: Any, ___: Any, lines: list[str]) -> None:
    """Its doc, which is a formula and no reStructuredText."""
    if isinstance(entry_of(what, obj), Op):
        lines[:] = map(plain, lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the directives."""
    app.setup_extension("sphinx.ext.autodoc")
    app.add_directive("derivative-table", DerivativeTable)
    app.add_directive("op-functions", OpFunctions)
    app.connect("autodoc-process-signature", method_signature)
    app.connect("autodoc-process-docstring", method_doc)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""A derivative of the table as text: as it is written, in symbols, and in words."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

from ..op import Op

# fmt: off
BINARY: dict[type[ast.AST], tuple[str, str, int]] = {
    ast.Add: (" + ", "plus", 1), ast.Sub: (" − ", "minus", 1),
    ast.Mult: (" ⊙ ", "times", 3), ast.Div: (" / ", "divided by", 3),
    ast.FloorDiv: (" // ", "divided, rounded down, by", 3), ast.Mod: (" % ", "modulo", 3),
    ast.Pow: ("^", "to the power of", 5),
    ast.BitAnd: (" and ", "and", 0), ast.BitOr: (" or ", "or", 0),
}
COMPARE: dict[type[ast.AST], tuple[str, str]] = {
    ast.Eq: (" = ", "equals"), ast.NotEq: (" ≠ ", "is not"), ast.Lt: (" < ", "is below"),
    ast.LtE: (" ≤ ", "is at most"), ast.Gt: (" > ", "is above"), ast.GtE: (" ≥ ", "is at least"),
}
# fmt: on
NOTHING: Mapping[str, Any] = {}
ATOM, PRODUCT, SUM = 9, 3, 1
ADJOINTS = "spread sum_to broadcast_to reshaped permuted getitem".split()
"""Their other arguments are shapes and axes."""


class Rule(NamedTuple):
    """``source``: the formula's text in the table, "product(g.T, x)"; ``symbols``: "dW = dyᵀ · x";
    ``words``: the same as a sentence.
    """

    source: str
    symbols: str
    words: str

    def __str__(self) -> str:
        return self.symbols


def rule(op: Op | None, slot: int, operands: Mapping[str, Any] | None = None) -> Rule:
    """The rule of ``op`` for its input ``slot``; with ``operands``, the branch that they take.

    >>> from tinygrad_cls import ops
    >>> rule(ops.affine, 1).symbols
    'dW = dyᵀ · x'
    >>> rule(ops.relu, 0).words
    'the cotangent where y is not 0, else 0'
    >>> rule(ops.add, 1).symbols, rule(ops.add, 1, {"alpha": 1}).symbols
    ('db = dy if alpha = 1 else dy ⊙ alpha', 'db = dy')
    """
    if op is None:
        words = "what the Function's own backward returns"
        return Rule("backward", "dx = backward(dy)", words)
    plain = (operands or {}).items()
    static = tuple((n, x) for n, x in plain if n in op.static and isinstance(x, int | float | str))
    slot = 0 if op.variadic else slot
    return _rule(op.formula(slot).function, op.inputs, op.inputs[slot], static)


@functools.lru_cache(maxsize=1024)
def _rule(
    function: Any, inputs: tuple[str, ...], name: str, static: tuple[tuple[str, Any], ...]
) -> Rule:
    body = expression(function)
    if body is None:
        return Rule("", f"d{name} = …", "a function whose source is not at hand")
    symbols = Symbols(inputs, dict(static)).of(body)
    words = Words(inputs, dict(static)).of(body)
    return Rule(ast.unparse(body), f"d{name} = {symbols}", words)


def expression(function: Any) -> ast.expr | None:
    """What a function of one expression returns; None where its source is not at hand."""
    code: CodeType | None = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return None
    tree = parsed(code.co_filename)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if code.co_firstlineno in (node.lineno, first) and isinstance(
                node.body[-1], ast.Return
            ):
                return node.body[-1].value
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno:
            here = [p for p in code.co_positions() if (None not in p and p[0] != p[1]) or p[3]]
            ends = [(p[1], p[3]) for p in here if p[1] is not None and p[3] is not None]
            body = node.body
            last = body.end_lineno, body.end_col_offset
            if ends and max(ends) == last:
                return body
    return None


@functools.lru_cache(maxsize=64)
def parsed(path: str) -> ast.Module | None:
    """A file's syntax tree; of a notebook's cell or a doctest, if Python keeps its lines."""
    import linecache

    text = "".join(linecache.getlines(path))
    if not text and Path(path).is_file():
        text = Path(path).read_text(encoding="utf-8")
    try:
        return ast.parse(text) if text else None
    except SyntaxError:
        return None


class Symbols:
    """Writes a formula as mathematics; ``dy`` is the incoming cotangent, · a matrix product, ⊙ one
    element by element.
    """

    g = "dy"
    times = " · "

    def __init__(self, inputs: tuple[str, ...], static: Mapping[str, Any] = NOTHING) -> None:
        self.inputs = inputs
        self.static = static

    def of(self, node: ast.expr) -> str:
        """A whole formula."""
        return self.put(node)[0]

    def put(self, node: ast.expr) -> tuple[str, int]:
        """An expression, and how tightly it holds together."""
        match node:
            case ast.Name(id="g"):
                return self.g, ATOM
            case ast.Name(id=name):
                return name.removesuffix("_shape"), ATOM
            case ast.Constant(value=value):
                return repr(value), ATOM
            case ast.Attribute(value=value, attr="T" | "mT"):
                return f"{self.inside(value, ATOM)}ᵀ", ATOM
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"−{self.inside(operand, PRODUCT)}", PRODUCT
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(left, op, right)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                sign = COMPARE[type(op)][0]
                return f"{self.inside(left, SUM)}{sign}{self.inside(right, SUM)}", 0
            case ast.IfExp(test=test, body=body, orelse=orelse):
                names = {n.id for n in ast.walk(test) if isinstance(n, ast.Name)}
                if names <= self.static.keys():
                    code = compile(ast.Expression(test), "<rule>", "eval")
                    return self.put(body if eval(code, {}, dict(self.static)) else orelse)
                return f"{self.inside(body, 1)} if {self.of(test)} else {self.inside(orelse, 1)}", 0
            case ast.Call(func=ast.Name(id=name), args=args):
                return self.call(name, args)
        return ast.unparse(node), ATOM

    def inside(self, node: ast.expr, tight: int) -> str:
        """In brackets if it holds together less than ``tight``."""
        text, holds = self.put(node)
        return text if holds >= tight else f"({text})"

    def binary(self, left: ast.expr, op: ast.operator, right: ast.expr) -> tuple[str, int]:
        """An infix operator."""
        sign, _, tight = BINARY[type(op)]
        if isinstance(op, ast.Mult) and isinstance(left, ast.Constant):
            sign = " "
        closer = ATOM if is_other(op, right) else tight
        return f"{self.inside(left, tight)}{sign}{self.inside(right, closer)}", tight

    def call(self, name: str, args: list[ast.expr]) -> tuple[str, int]:
        """A call of an op of the table."""
        a = [self.put(x)[0] for x in args]
        match name, args:
            case "product", [x, y]:
                return f"{self.inside(x, 4)}{self.times}{self.inside(y, 4)}", 4
            case "mT", [x]:
                return f"{self.inside(x, ATOM)}ᵀ", ATOM
            case "rows", _:
                return f"Σ_rows {a[0]}", 4
            case "sum", _:
                return f"Σ {self.inside(args[0], PRODUCT)}", 2
            case "exp", [x]:
                return f"e^{self.inside(x, ATOM)}", 5
            case "abs", _:
                return f"|{a[0]}|", ATOM
            case "count", _:
                return "n", ATOM
            case "ratio", [x, y]:
                return f"{self.inside(x, PRODUCT)} / {self.inside(y, ATOM)}", PRODUCT
            case "pow", [x, y]:
                return f"{self.inside(x, ATOM)}^{self.inside(y, ATOM)}", 5
            case "where_both" | "where", [_, _, _]:
                return f"{self.inside(args[1], 1)} where {a[0]}, else {a[2]}", 0
            case "masked_fill", [_, _, _]:
                return f"{self.inside(args[0], 1)}, but {a[2]} where {a[1]}", 0
            case "zeros_of", _:
                return "0", ATOM
            case "cast" | "clone", _:
                return self.put(args[0])
        shown = [x for x, node in zip(a, args, strict=True) if is_value(node, self.inputs)]
        shown = a[:1] if name in ADJOINTS else shown
        return f"{name}({', '.join(shown or a[:1])})", ATOM


def is_other(op: ast.operator, right: ast.expr) -> bool:
    """Whether ``right`` needs brackets after ``op``: a / (b / c), a * (b // c), a * (-b)."""
    if isinstance(right, ast.UnaryOp):
        return True
    if isinstance(right, ast.BinOp):
        same = isinstance(op, ast.Add | ast.Mult | ast.BitAnd | ast.BitOr)
        return not (same and type(right.op) is type(op)) and (
            BINARY[type(right.op)][2] <= BINARY[type(op)][2]
        )
    return False


def is_value(node: ast.expr, inputs: tuple[str, ...]) -> bool:
    """Whether an argument is more than a static one, such as dim or a shape."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return False
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return not names or bool(names & {"g", "y", "index", "mask", "condition", *inputs})


class Words(Symbols):
    """Writes a formula as a sentence."""

    g = "the cotangent"

    def put(self, node: ast.expr) -> tuple[str, int]:
        match node:
            case ast.Attribute(value=value, attr="T" | "mT"):
                return f"{self.of(value)} transposed", ATOM
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"minus {self.inside(operand, PRODUCT)}", PRODUCT
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return f"{self.of(left)} {COMPARE[type(op)][1]} {self.of(right)}", 0
        return super().put(node)

    def binary(self, left: ast.expr, op: ast.operator, right: ast.expr) -> tuple[str, int]:
        _, word, tight = BINARY[type(op)]
        closer = ATOM if is_other(op, right) else tight
        return f"{self.inside(left, tight)} {word} {self.inside(right, closer)}", tight

    def call(self, name: str, args: list[ast.expr]) -> tuple[str, int]:
        a = [self.of(x) for x in args]
        match name, args:
            case "broadcast_to", _:
                return f"{a[0]}, repeated over what was summed", 0
            case "product", [_, _]:
                return f"the matrix product of {a[0]} and {a[1]}", 4
            case "rows", _:
                return f"the sum over the rows of {a[0]}", 4
            case "sum", _:
                return f"the sum of {self.inside(args[0], PRODUCT)}", 2
            case "exp", _:
                return f"e to the power of {self.inside(args[0], ATOM)}", 5
            case "spread", _:
                return f"{a[0]}, repeated over what was summed", 0
            case "sum_to", _:
                return f"{a[0]}, summed over what was repeated", 0
            case "reshaped", _:
                return f"{a[0]} in the input's shape", 4
            case "permuted", _:
                return f"{a[0]}, its axes put back in order", 4
            case "put" | "put_along" | "nll_adjoint", _:
                return f"{a[0]}, at the places that were picked, and 0 elsewhere", 4
            case "getitem" | "take_along", _:
                return f"the input's part of {a[0]}", 4
            case "zeros_of", _:
                return "zero", ATOM
            case "pow", [x, y]:
                return f"{self.inside(x, ATOM)} to the power of {self.inside(y, ATOM)}", 5
            case "ratio", [x, y]:
                return f"{self.inside(x, PRODUCT)} divided by {self.inside(y, ATOM)}", PRODUCT
        return super().call(name, args)

"""docs/surface.md is what its command prints, and its proofs are proofs.

A proof is a test that compares with PyTorch. It counts for a name if it uses the name, and for an
option if it calls the name with it. What a test uses is read off its source: its own, that of the
constants and helpers of `tests` that it refers to, and of the snippets in their strings.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="compares with PyTorch")

from reference import proofs, surface  # noqa: E402
from reference.surface import PAGE, REQUIRED, Shared  # noqa: E402
from tinygrad_cls import ops  # noqa: E402

TESTS = Path(__file__).resolve().parent

# --- what a test uses -------------------------------------------------------------------------


SYNTAX = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv",
    ast.Mod: "mod", ast.Pow: "pow", ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor",
    ast.MatMult: "matmul", ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le",
    ast.Gt: "gt", ast.GtE: "ge", ast.USub: "neg", ast.UAdd: "pos", ast.Invert: "invert",
    ast.In: "contains", ast.NotIn: "contains",
}  # fmt: skip
"""The methods that operators call."""
BUILTINS = {
    "abs": "abs", "bin": "index", "bool": "bool", "dir": "dir", "float": "float",
    "format": "format", "hash": "hash", "hex": "index", "int": "int", "iter": "iter",
    "len": "len", "list": "iter", "range": "index", "repr": "repr", "str": "str",
}  # fmt: skip
"""The methods that functions call."""


class Use:
    """The names that some code mentions, and how it calls them."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.given: dict[str, set[str]] = {}  # keywords in calls of a name
        self.count: dict[str, int] = {}  # positional arguments in calls of a name, at most
        self.drawn: set[str] = set()  # words that may be keywords in a call with **,
        self.draws = False  # if there is one
        self.skips_without_torch = False

    def read(self, tree: ast.AST) -> None:
        for node in ast.walk(tree):
            self.see(node)

    def see(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                self.names.add(name)
            case ast.keyword(arg=str(name)):
                self.drawn.add(name)
            case ast.Constant(value=str(text)):
                self.text(text)
            case ast.Call():
                self.call(node)
        self.operators(node)

    def text(self, text: str) -> None:
        """A string: code, or words."""
        words = text.split()
        if all(map(str.isidentifier, words)):
            self.names.update(words)
            self.drawn.update(words)
            return
        for tree in snippets(text):
            self.read(tree)

    def call(self, node: ast.Call) -> None:
        self.draws |= any(k.arg is None for k in node.keywords)
        match node.func:
            case ast.Attribute(attr="importorskip"):
                self.skips_without_torch |= ast.unparse(node.args[0]) == "'torch'"
                return
            case ast.Name(id=name) | ast.Attribute(attr=name):
                pass
            case _:
                return
        if name in BUILTINS:
            self.names.add(f"__{BUILTINS[name]}__")
        placed = [a for a in node.args if not isinstance(a, ast.Starred)]
        self.count[name] = max(self.count.get(name, 0), len(placed))
        self.given.setdefault(name, set()).update(k.arg for k in node.keywords if k.arg)

    def operators(self, node: ast.AST) -> None:
        match node:
            case ast.BinOp(op=op) | ast.UnaryOp(op=op):
                names = [SYNTAX.get(type(op), ""), "r" + SYNTAX.get(type(op), "")]
            case ast.AugAssign(op=op):
                names = ["i" + SYNTAX[type(op)]]
            case ast.Compare(ops=several):
                names = [SYNTAX.get(type(op), "") for op in several]
            case ast.Subscript(ctx=ctx):
                names = [{ast.Load: "getitem", ast.Store: "setitem"}.get(type(ctx), "delitem")]
            case ast.For() | ast.comprehension() | ast.Starred():
                names = ["iter"]
            case ast.With():
                names = ["enter", "exit"]
            case ast.FormattedValue():
                names = ["format"]
            case ast.Attribute(value=ast.Name(id="operator"), attr=name):
                names = [name.strip("_"), "r" + name.strip("_")]
            case ast.Attribute(ctx=ast.Store()):
                names = ["setattr"]
            case ast.Attribute(ctx=ast.Del()):
                names = ["delattr"]
            case ast.Attribute(value=ast.Name(id="np")):
                names = ["array", "array_wrap"]
            case ast.Call(func=ast.Name() | ast.Call()) | ast.FunctionDef(decorator_list=[_, *_]):
                names = ["call"]
            case _:
                return
        self.names.update(f"__{name}__" for name in names)


def snippets(text: str) -> Iterator[ast.Module]:
    """What of a text is code; as in `parity.snippets`, `|` goes on with the line before."""
    for code in (re.sub(r"(?m)^\|", "", text), f"[{text}]"):
        try:
            yield ast.parse(code)
            return
        except (SyntaxError, ValueError):
            pass


Definition = tuple[str, ast.stmt]  # the file it stands in, and the statement


@cache
def source(file: str) -> str:
    return (TESTS / file).read_text(encoding="utf-8")


@cache
def definitions(file: str) -> dict[str, list[Definition]]:
    """What defines each name of a file in `tests`, in other files of `tests` too."""
    found: dict[str, list[Definition]] = {}
    for node in ast.parse(source(file)).body:
        names: list[str] = []
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case ast.ImportFrom(module=str(module)) if (TESTS / f"{module}.py").exists():
                for alias in node.names:
                    there = definitions(f"{module}.py").get(alias.name, [])
                    found.setdefault(alias.asname or alias.name, []).extend(there)
        for name in names:
            found.setdefault(name, []).append((file, node))
    return found


@cache
def use(test: str) -> Use:
    """What the test `test_x.py::test_y` uses. KeyError if there is no such test."""
    file, _, name = test.partition("::")
    waiting, result = [*definitions(file)[name]], Use()
    read: list[ast.stmt] = []
    while waiting:
        file, node = waiting.pop()
        if node in read:
            continue
        read.append(node)
        result.read(node)
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        names |= {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}  # fixtures
        waiting += [d for name in names for d in definitions(file).get(name, [])]
    return result


def exists(test: str) -> bool:
    """Whether there is a test of that name."""
    file, _, name = test.partition("::")
    if not (TESTS / file).exists() or not name.startswith("test_"):
        return False
    return any(isinstance(node, ast.FunctionDef) for _, node in definitions(file).get(name, []))


def compares(test: str) -> bool:
    """Whether a test compares with PyTorch: it's skipped where that is missing."""
    file, _, name = test.partition("::")
    (_, node), *_ = definitions(file)[name]
    marks = " ".join(map(ast.unparse, getattr(node, "decorator_list", [])))
    marks += " ".join(ast.unparse(mark) for _, mark in definitions(file).get("pytestmark", []))
    skipped = re.search(r'(?m)^(torch = )?pytest.importorskip\("torch"', source(file))
    marked = re.search(r"needs_torch|snippets\(", marks)
    return bool(skipped or marked or use(test).skips_without_torch)


def gives(use: Use, name: str, place: float, option: str) -> bool:
    """Whether a call of the name gives the option: by name, by place, or drawn with others."""
    if option in use.given.get(name, ()) or use.count.get(name, 0) > place:
        return True
    return use.draws and option in use.drawn and name in use.names


# --- what is wrong with a proof -------------------------------------------------------------------

# torch raises where it is built without CUDA, and would obey elsewhere
WITHOUT_TORCH = {"Tensor.cuda", "nn.Module.cuda", "cuda.synchronize"}


NEVER = float("inf")


def takes_by_place(function: Any, option: str) -> bool:
    """Whether an argument may be given without its name."""
    if isinstance(function, surface.Op):
        return True
    parameters = inspect.signature(function).parameters
    named = {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    return option in parameters and parameters[option].kind not in named


def complaints(shared: Shared, tests: Iterable[str]) -> Iterator[str]:
    """What is wrong with the proof of a name by some tests; the laws hold those of the table."""
    tests = list(tests)
    for test in tests:
        if not exists(test):
            yield f"{test} is no test"
            return
        if not compares(test) and shared.path not in WITHOUT_TORCH:
            yield f"{test} doesn't compare with PyTorch"
        if shared.name not in use(test).names:
            yield f"{test} doesn't use {shared.path}"
    op = surface.entry(shared)
    if op is None and not tests:
        yield f"{shared.path} has no proof"
    if shared.name.startswith("__"):
        return
    shown = set() if op is None else surface.shown_options(op)
    for position, (option, default) in enumerate(surface.parameters(shared).items()):
        if default == REQUIRED or option in shown:
            continue
        place = position if takes_by_place(op or shared.ours, option) else NEVER
        if not any(gives(use(test), shared.name, place, option) for test in tests):
            yield f"{shared.path}: no test gives {option}"


def unexplained(shared: Shared, reasons: Iterable[str]) -> Iterator[str]:
    """torch's options that are missing here for no reason."""
    taken = surface.parameters(shared)
    for option in surface.absent(shared):
        if option not in taken and option not in reasons:
            yield f"{shared.path}: {option} is missing, and no reason is given"


def every(kind: Any) -> list[str]:
    return [complaint for shared in surface.surface() for complaint in kind(shared)]


def proof(shared: Shared) -> list[str]:
    """Its own tests; an op's are those of any of its forms, a method's among them."""
    op = surface.entry(shared)
    if op is None:
        return surface.proof(shared)
    return [t for s in surface.surface() if surface.entry(s) is op for t in surface.proof(s)]


def test_every_name_and_option_is_proven() -> None:
    def judged(shared: Shared) -> Iterator[str]:
        op = surface.entry(shared)
        if op is None:
            yield from complaints(shared, surface.proof(shared))
        elif isinstance(shared.ours, surface.Op | surface.Composition):  # a method has no other
            named = Shared(shared.owner, op.name, shared.ours, shared.theirs)
            yield from complaints(named, dict.fromkeys(proof(shared)))

    assert every(judged) == []


def test_what_is_missing_has_a_reason() -> None:
    assert every(lambda shared: unexplained(shared, proofs.ABSENT)) == []


def test_no_proof_is_left_over() -> None:
    """Every name that stands in PROOFS is one that both packages have; so with the reasons."""
    paths = {(s.owner, s.name) for s in surface.surface()}
    listed = [
        (owner, name)
        for owner, tests in proofs.PROOFS.items()
        for names in tests.values()
        for name in names.split()
    ]
    assert [path for path in listed if path not in paths] == []
    assert [path for path in proofs.NOTES if path not in {s.path for s in surface.surface()}] == []
    absent = {name for s in surface.surface() for name in surface.absent(s)}
    assert [name for name in proofs.ABSENT if name not in absent] == []
    taken = {name for s in surface.surface() for name in surface.parameters(s)}
    assert [name for name in proofs.LESS if name not in taken] == []


def test_partial_has_a_reason() -> None:
    rows = [line for line in surface.page().splitlines() if line.startswith("| `")]
    partial = [row for row in rows if "partial" in row]
    assert partial
    for row in partial:
        for reason in row.rstrip(" |").split("partial")[1:]:
            assert re.match(r": [\w`].{4}", reason), row
            assert {*re.findall(r"^: `(\w+)`", reason)} <= proofs.LESS.keys(), row
    reasons = [*proofs.NOTES.values(), *proofs.LESS.values(), *proofs.ABSENT.values()]
    assert all(len(reason) > 5 for reason in reasons)


def test_what_is_only_here_is_named() -> None:
    here = {n for names in proofs.ONLY_HERE for n in names.split()}
    there = {n for n in surface.public(surface.tinygrad_cls) if not hasattr(torch, n)}
    assert there <= here
    for module in ("nn", "nn.functional", "nn.utils", "optim", "utils.data", "autograd"):
        ours, theirs = (surface.found(p, module) for p in (surface.tinygrad_cls, torch))
        assert [n for n in surface.public(ours) if not hasattr(theirs, n)] == []


def test_what_is_missing_is_refused() -> None:
    """An option that only torch has is a TypeError."""
    for shared in surface.surface():
        for option in {*surface.absent(shared)} - {*surface.parameters(shared)}:
            op = surface.entry(shared)
            if option in ("orig_func", "out") or shared.path == "Tensor.uniform_":
                continue
            if op is not None:
                x = surface.tinygrad_cls.ones(2, 2)
                given = [x] * sum(d == REQUIRED for d in surface.parameters(shared).values())
                with pytest.raises(TypeError):
                    op(*given, **{option: True})
            elif "like" in shared.name:
                with pytest.raises(TypeError):
                    shared.ours(surface.tinygrad_cls.ones(2), **{option: True})
            elif shared.path in ("Tensor.to", "nn.Module.to"):
                continue
            else:
                with pytest.raises(TypeError):
                    inspect.signature(shared.ours).bind_partial(**{option: True})


def test_the_laws_know_every_op() -> None:
    """So that "laws" is a proof: each entry has examples, and a twin in torch."""
    from laws import twins

    for shared in surface.surface():
        op = surface.entry(shared)
        if op is not None:
            assert op.name in ops.TABLE
            assert op.examples
            assert twins.twin(op.name) is not None


def test_the_page_is_what_the_command_prints() -> None:
    text = PAGE.read_text(encoding="utf-8")
    version = torch.__version__.split("+")[0]
    if f"with PyTorch {version}:" not in text:
        pytest.skip("the page was printed with another PyTorch")
    assert text == surface.page(), "run: python -m reference.surface --write"


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert surface.main([]) == 0
    assert capsys.readouterr().out == surface.page()


# --- the tests can fail ---------------------------------------------------------------------------


def a_function(end: Any, step: int = 1, *, nosuch: int = 0) -> None:
    """Stands for one of the package."""


@pytest.mark.parametrize(
    ("name", "ours", "tests", "complaint"),
    [
        ("nosuch", None, [], "has no proof"),
        ("arange", None, ["test_tensor.py::test_nosuch"], "is no test"),
        ("arange", None, ["test_nosuch.py::test_ranges"], "is no test"),
        ("arange", None, ["test_tensor.py::KINDS"], "is no test"),
        ("nosuch", None, ["test_tensor.py::test_ranges"], "doesn't use nosuch"),
        ("arange", None, ["test_house.py::test_one_version"], "doesn't compare"),
        ("arange", a_function, ["test_tensor.py::test_ranges"], "no test gives nosuch"),
    ],
)
def test_a_wrong_proof_is_found(name: str, ours: Any, tests: list[str], complaint: str) -> None:
    found = list(complaints(Shared("", name, ours, None), tests))
    assert any(complaint in line for line in found), found


def test_a_right_proof_is_passed() -> None:
    shared = next(s for s in surface.surface() if s.path == "arange")
    assert list(complaints(shared, ["test_tensor.py::test_ranges"])) != []  # device isn't given
    full = ["test_tensor.py::test_ranges", "test_tensor.py::test_no_other_device"]
    assert not any("gives" in line for line in complaints(shared, full))


def test_an_option_that_is_missing_without_a_reason_is_found() -> None:
    shared = next(s for s in surface.surface() if s.path == "arange")
    assert list(unexplained(shared, {"layout", "pin_memory", "out"})) == []
    assert len(list(unexplained(shared, {"layout", "out"}))) == 1


def test_what_a_call_gives() -> None:
    found = Use()
    found.read(ast.parse("f(1, 2, g=3); h(**kw); dict(mode=1); 'reduction'; |\n".replace("|", "")))
    assert gives(found, "f", 1, "second")
    assert not gives(found, "f", 2, "third")
    assert gives(found, "f", 9, "g")
    assert gives(found, "h", 9, "mode")
    assert gives(found, "h", 9, "reduction")
    assert not gives(found, "nosuch", 0, "mode")


def test_snippets_are_read() -> None:
    found = Use()
    found.text("x = torch.ones(2)\n|x.sum(dim=0)\n[x, x.T]")
    assert {"ones", "sum", "T"} <= found.names
    assert found.given["sum"] == {"dim"}


def test_operators_are_names() -> None:
    found = Use()
    found.read(ast.parse("a + b; a @ b; x[0] = -y; z *= 2; len(q); f'{a:.2f}'; not (a < b)"))
    expected = "add radd matmul setitem neg imul len format lt"
    assert {f"__{name}__" for name in expected.split()} <= found.names

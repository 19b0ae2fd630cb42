"""The house holds: a file imports only from a lower floor, the core needs NumPy alone, and the
text that a student reads stays short.

Every import of a file counts, those inside functions and under ``TYPE_CHECKING`` as well: a room
that may not know of another may not know of it late either.
"""

import ast
import graphlib
import io
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# From the ground up. A room is a file or a folder of the package; a room may import whatever
# stands on a line above its own, and a folder's files may import one another. Rooms on one line
# may not, save on the line of Tensor. No two modules import each other in a circle.
DOOR = "__init__"  # what `import tinygrad_cls` opens: for users, and for the rooms above it
FLOORS: list[tuple[str, str]] = [
    ("0", "callsite generators examples drawing"),
    ("0", "_state"),
    ("1", "errors"),
    ("1", "law kernels composition"),
    ("1", "definition"),
    ("1", "op"),
    ("2", "ops custom"),
    ("3", "chain_rule"),
    ("4", "dtypes formatting indexing nested stream surface tensor methods creation random cuda"),
    ("5", "judge"),
    ("5", "autograd"),
    ("5", "nn optim utils"),
    ("6", "replay serialize"),
    ("6", "_torch"),
    ("6", "trace"),
    ("front door", DOOR),
    ("7", "experiments"),
    ("7", "stepper explain lint lessons estimator sweep"),
    ("7", "playground scoreboard pytest_plugin"),
    ("8", "__main__"),
]
NEIGHBOURS = "4"  # the floor whose rooms may import one another
READ = ("_state.py", "op.py", "chain_rule.py")  # read first, in one go
READ_LINES = 400
HEAVY = {"torch", "sklearn", "scipy", "matplotlib", "joblib", "pandas"}

LINE = {room: n for n, (_, rooms) in enumerate(FLOORS) for room in rooms.split()}
ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "tinygrad_cls"


# --- What a file imports --------------------------------------------------------------------


@dataclass(frozen=True)
class Import:
    target: str  # as dotted as it can be told: "tinygrad_cls.nn.init", "numpy.random"
    line: int
    eager: bool  # runs when the file is imported, not later and not for the type checker only


def dotted(path: str) -> str:
    """``tinygrad_cls/nn/__init__.py`` is ``tinygrad_cls.nn``."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room(module: str) -> str:
    """``tinygrad_cls.nn.init`` lives in ``nn``, and the package itself is the front door."""
    return module.split(".")[1] if "." in module else DOOR


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).split(".")[-1] == "TYPE_CHECKING"


def nodes(tree: ast.AST, eager: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Every node below ``tree``, and whether it runs when the file is imported."""
    late = isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for child in ast.iter_child_nodes(tree):
        guarded = is_type_checking(tree) and child in tree.body
        runs = eager and not late and not guarded
        yield child, runs
        yield from nodes(child, runs)


def imports(path: str, tree: ast.AST, modules: set[str]) -> Iterator[Import]:
    here = dotted(path).split(".")
    package = here if path.endswith("/__init__.py") else here[:-1]
    for node, eager in nodes(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join(base + ([node.module] if node.module else []))
            inner = [f"{start}.{alias.name}" for alias in node.names]
            names = [name if name in modules else start for name in inner]
        elif isinstance(node, ast.Call) and is_dynamic(node):
            match node.args:
                case [ast.Constant(value=str(name)), *_] if not name.startswith("."):
                    names = [name]
        for name in names:
            yield Import(name, node.lineno, eager)


def is_dynamic(call: ast.Call) -> bool:
    return ast.unparse(call.func).split(".")[-1] in {"import_module", "__import__"}


# --- The laws -------------------------------------------------------------------------------


def violations(sources: dict[str, str]) -> list[str]:
    """What is wrong with the package whose files these are, a line each."""
    modules = {dotted(path) for path in sources}
    trees = {path: ast.parse(source) for path, source in sources.items()}
    found = []
    edges: dict[str, set[str]] = {}
    for path, tree in trees.items():
        module = dotted(path)
        if room(module) not in LINE:
            found.append(f"{path}: has no floor: add it to FLOORS in {Path(__file__).name}")
            continue
        found += [f"{path}:{n}: {what}" for n, what in bad_habits(tree)]
        its = list(imports(path, tree, modules))
        found += [f"{path}:{i.line}: {wrong}" for i in its if (wrong := judge(module, i))]
        edges[module] = {i.target for i in its if i.eager and i.target in modules}
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        found.append("imports in a circle: " + " -> ".join(error.args[1]))
    return found


def judge(module: str, imported: Import) -> str:
    """What is wrong with one import; nothing if it is right."""
    own, top = room(module), imported.target.split(".")[0]
    if top == PACKAGE:
        return judge_floor(own, room(imported.target))
    if top in {"reference", "benchmarks", "tests"}:
        return f"imports {top}, which is not in the wheel"
    if top == "torch":
        if own != "_torch":
            return "imports torch: only _torch.py may"
        return "imports torch at once: it must wait until it is asked" if imported.eager else ""
    below = LINE[own] <= LINE[DOOR]
    if below and imported.eager and top not in sys.stdlib_module_names | {"numpy"}:
        return f"imports {top} at once: up to the front door, NumPy alone is needed"
    return ""


def judge_floor(own: str, other: str) -> str:
    if other not in LINE:
        return f"imports {other}, which has no floor"
    neighbours = FLOORS[LINE[own]][0] == NEIGHBOURS
    if LINE[other] < LINE[own] or own == other or (neighbours and LINE[other] == LINE[own]):
        return ""
    names = [f"{room} (floor {FLOORS[LINE[room]][0]})" for room in (own, other)]
    return f"{names[0]} imports {names[1]}, which does not stand below it"


def bad_habits(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Star imports, names made up at run time, imports that nobody can follow."""
    for node, _ in nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            yield node.lineno, "a star import"
        if isinstance(node, ast.Call) and is_dynamic(node):
            match node.args:
                case [ast.Constant(value=str(name)), *_] if not name.startswith("."):
                    pass
                case _:
                    yield node.lineno, "imports what only the run time knows"
    for node in top_level(tree):
        names = []
        if isinstance(node, ast.FunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [ast.unparse(target) for target in node.targets]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
        if "__getattr__" in names and not only_raises(node):
            yield node.lineno, "a module __getattr__: typos would pass"


def only_raises(node: ast.AST) -> bool:
    """Whether it is a function that does nothing but raise: a ``__getattr__`` that finds words."""
    return isinstance(node, ast.FunctionDef) and isinstance(node.body[0], ast.Raise)


def top_level(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements that bind the module's names when it runs."""
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(tree) and node in tree.body:
            continue
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from top_level(node)


def code_lines(source: str) -> int:
    """How many lines hold code: neither docstrings nor comments nor blank lines."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout and token.string:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                lines.difference_update(range(node.lineno, node.end_lineno + 1))
    return len(lines)


# --- The house as it is ---------------------------------------------------------------------


def package_sources() -> dict[str, str]:
    files = sorted((ROOT / PACKAGE).rglob("*.py"))
    return {f.relative_to(ROOT).as_posix(): f.read_text(encoding="utf-8") for f in files}


def test_imports_go_downstairs() -> None:
    assert "\n".join(violations(package_sources())) == ""


def test_the_first_reading_is_short() -> None:
    sources = package_sources()
    counts = {name: code_lines(sources[f"{PACKAGE}/{name}"]) for name in READ}
    assert sum(counts.values()) < READ_LINES, counts


def test_import_needs_numpy_alone() -> None:
    script = f"import sys, {PACKAGE}; print(*{{name.split('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    assert not loaded & (HEAVY | {"reference", "benchmarks", "tests"})


# --- The checker can be made to fail --------------------------------------------------------

SOUND = {
    "tinygrad_cls/__init__.py": "from . import nn\nfrom ._torch import from_torch",
    "tinygrad_cls/__main__.py": "import tinygrad_cls as torch\nfrom .experiments import run",
    "tinygrad_cls/_state.py": "import threading",
    "tinygrad_cls/_torch.py": "def from_torch(m):\n    import torch\n    return torch",
    "tinygrad_cls/errors.py": "",
    "tinygrad_cls/kernels.py": "import numpy as np\nfrom .errors import explain",
    "tinygrad_cls/op.py": "from . import _state, errors, kernels",
    "tinygrad_cls/ops.py": "from tinygrad_cls.op import op",
    "tinygrad_cls/chain_rule.py": "from tinygrad_cls import ops",
    "tinygrad_cls/dtypes.py": "def cast():\n    from .tensor import Tensor",
    "tinygrad_cls/tensor.py": "from . import dtypes, chain_rule",
    "tinygrad_cls/nn/__init__.py": "from . import init\nfrom .module import Module",
    "tinygrad_cls/nn/init.py": "from ..tensor import Tensor",
    "tinygrad_cls/nn/module.py": "from .init import uniform_\nfrom ..nn import init",
    "tinygrad_cls/experiments/__init__.py": "import sklearn\nfrom tinygrad_cls import nn, Tensor",
}

PLANTED = {
    "upstairs": ("op.py", "from .ops import add", "does not stand below"),
    "upstairs by its full name": ("op.py", "import tinygrad_cls.tensor", "does not stand below"),
    "upstairs, late": ("ops.py", "def f():\n    from .tensor import Tensor", "not stand below"),
    "upstairs, as a type": (
        "chain_rule.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .tensor import Tensor",
        "does not stand below",
    ),
    "upstairs, two dots": ("nn/init.py", "from ..experiments import run", "does not stand below"),
    "upstairs, by a function": (
        "tensor.py",
        "from importlib import import_module\nimport_module('tinygrad_cls.nn')",
        "does not stand below",
    ),
    "next door": ("optim.py", "from .nn import Module", "does not stand below"),
    "wrong way on floor 1": ("errors.py", "from .op import op", "does not stand below"),
    "front door from below": ("nn/init.py", "import tinygrad_cls", "does not stand below"),
    "front door by a name": ("tensor.py", "from . import zeros", "does not stand below"),
    "no floor": ("cellar.py", "", "cellar.py: has no floor"),
    "no floor, a folder": ("cellar/wine.py", "", "cellar/wine.py: has no floor"),
    "circle": ("dtypes.py", "from .tensor import Tensor", "imports in a circle"),
    "torch": ("nn/init.py", "def f():\n    import torch.nn", "only _torch.py may"),
    "torch at once": ("_torch.py", "import torch", "must wait"),
    "not in the wheel": ("experiments/run.py", "from reference import train", "not in the wheel"),
    "more than NumPy": ("kernels.py", "from scipy import special", "NumPy alone"),
    "star": ("nn/init.py", "from ..tensor import *", "a star import"),
    "nobody can follow": ("ops.py", "__import__('tor' + 'ch')", "only the run time knows"),
    "module __getattr__": ("__init__.py", "def __getattr__(name): ...", "__getattr__"),
    "module __getattr__, hidden": (
        "__init__.py",
        "if not TYPE_CHECKING:\n    __getattr__ = None",
        "__getattr__",
    ),
}


def test_a_sound_house_is_passed() -> None:
    assert violations(SOUND) == []


@pytest.mark.parametrize(("name", "source", "complaint"), PLANTED.values(), ids=PLANTED)
def test_a_planted_violation_is_found(name: str, source: str, complaint: str) -> None:
    path = f"{PACKAGE}/{name}"
    found = violations(SOUND | {path: source})
    assert any(line.startswith(path) or "circle" in line for line in found), found
    assert complaint in "\n".join(found)


def test_a_module_may_say_what_it_lacks() -> None:
    source = "def __getattr__(name):\n    raise AttributeError(name)"
    assert violations(SOUND | {f"{PACKAGE}/nn/init.py": source}) == []


def test_a_class_may_have_getattr() -> None:
    source = "class Namespace:\n    def __getattr__(self, name): ..."
    assert violations(SOUND | {f"{PACKAGE}/nn/init.py": source}) == []


def test_code_lines_are_counted() -> None:
    source = '"""One.\n\nTwo."""\n\n# Three\nx = """a\nb"""\n\n\ndef f():  # yes\n    """No."""\n'
    assert code_lines(source) == 3
    assert code_lines(source + "    return (\n        1\n    )\n") == 6


# --- What goes with the code ----------------------------------------------------------------


def project_files() -> Iterator[Path]:
    """Every file that belongs to the project: as git says, or all but caches where it can't."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(git, cwd=ROOT, capture_output=True, check=True)
        files = [ROOT / name for name in done.stdout.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        files = []
        for folder, inner, names in os.walk(ROOT):
            skip = ("__pycache__", "out", "dist", "build")
            inner[:] = [d for d in inner if d not in skip and (d == ".ci" or d[0] != ".")]
            files += [Path(folder, name) for name in names]
    return (file for file in files if file.is_file())


def test_nothing_is_left_for_later() -> None:
    note = re.compile(rb"\b(TO" + rb"DO|FIX" + rb"ME|X" + rb"XX)\b")
    files = [f for f in project_files() if f.suffix != ".png"]  # whose bytes may spell anything
    assert Path(__file__) in files
    found = [str(f.relative_to(ROOT)) for f in files if note.search(f.read_bytes())]
    assert found == []


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_one_version() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert f'\n__version__ = "{version}"\n' in read(f"{PACKAGE}/__init__.py")
    assert f"\nversion: {version}\n" in read("CITATION.cff")
    assert f"\n## [{version}] - " in read("CHANGELOG.md")


def test_lower_bounds_are_those_tested() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    pins = read("constraints-lowest.txt").splitlines()
    extras = project["optional-dependencies"]
    names = ["experiments", "play", "safetensors", "sklearn", "sweep"]
    named = [one for name in names for one in extras[name] if not one.startswith(PACKAGE)]
    for requirement in project["dependencies"] + named:
        lowest = requirement.replace(">=", "==")
        assert {lowest, f"{lowest}.0"} & set(pins), requirement

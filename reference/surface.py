"""The names shared with PyTorch, their options and their proofs: `python -m reference.surface`.

Both packages are asked what they have, so the table can neither promise what isn't there nor leave
out what is. The proofs are tests, named in `reference/proofs.py`; `tests/test_surface.py` looks
whether these tests use the names and the options that they stand for.
"""

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

import tinygrad_cls
from tinygrad_cls import errors, ops
from tinygrad_cls.composition import Composition
from tinygrad_cls.op import Op

from . import proofs

PAGE = Path(__file__).resolve().parent.parent / "docs" / "surface.md"

MODULES = (
    "",
    "nn",
    "nn.functional",
    "nn.init",
    "nn.utils",
    "optim",
    "optim.lr_scheduler",
    "utils.data",
    "autograd",
    "autograd.functional",
    "cuda",
)

SGD = "torch.optim.SGD([torch.ones(1)])"
MADE = {
    "Generator": "torch.Generator()",
    "Size": "torch.Size()",
    "autograd.Function": "torch.autograd.Function",
    "device": "torch.device('cpu')",
    "dtype": "torch.float32",
    "finfo": "torch.finfo()",
    "iinfo": "torch.iinfo(torch.int32)",
    "nn.BCELoss": "nn.BCELoss(torch.ones(1))",
    "nn.BCEWithLogitsLoss": "nn.BCEWithLogitsLoss(torch.ones(1), pos_weight=torch.ones(1))",
    "nn.BatchNorm1d": "nn.BatchNorm1d(2)",
    "nn.CrossEntropyLoss": "nn.CrossEntropyLoss(torch.ones(1))",
    "nn.Linear": "nn.Linear(2, 1)",
    "nn.Module": "nn.Module()",
    "nn.NLLLoss": "nn.NLLLoss(torch.ones(1))",
    "optim.Adam": "torch.optim.Adam([torch.ones(1)])",
    "optim.Optimizer": "torch.optim.Optimizer([torch.ones(1)], {})",
    "optim.SGD": SGD,
    "optim.lr_scheduler.CosineAnnealingLR": f"torch.optim.lr_scheduler.CosineAnnealingLR({SGD}, 2)",
    "optim.lr_scheduler.ExponentialLR": f"torch.optim.lr_scheduler.ExponentialLR({SGD}, 0.5)",
    "optim.lr_scheduler.LRScheduler": f"torch.optim.lr_scheduler.ExponentialLR({SGD}, 0.5)",
    "optim.lr_scheduler.LambdaLR": f"torch.optim.lr_scheduler.LambdaLR({SGD}, float)",
    "optim.lr_scheduler.StepLR": f"torch.optim.lr_scheduler.StepLR({SGD}, 2)",
    "utils.data.BatchSampler": "torch.utils.data.BatchSampler([1], 1, False)",
    "utils.data.ConcatDataset": "torch.utils.data.ConcatDataset([[1]])",
    "utils.data.DataLoader": "torch.utils.data.DataLoader([1])",
    "utils.data.RandomSampler": "torch.utils.data.RandomSampler([1])",
    "utils.data.SequentialSampler": "torch.utils.data.SequentialSampler([1])",
    "utils.data.Subset": "torch.utils.data.Subset([1], [0])",
    "utils.data.SubsetRandomSampler": "torch.utils.data.SubsetRandomSampler([0])",
    "utils.data.TensorDataset": "torch.utils.data.TensorDataset(torch.ones(1))",
}  # fmt: skip
"""An object of each class that needs arguments: what it has, beside what its class has."""

UNNAMED = {
    "ctx": "context(torch)",
    "grad_fn": "(torch.ones(1, requires_grad=True) * 2).grad_fn",
    "handle": "torch.ones(1, requires_grad=True).register_hook(print)",
}
"""Objects without a public name: from a Function's forward, a tensor, a hook's registration."""
HANDED_OUT_BY = {"ctx": "autograd", "grad_fn": "autograd", "handle": "autograd"}

PLUMBING = {
    "__abstractmethods__", "__annotations__", "__class_getitem__", "__dict__", "__doc__",
    "__firstlineno__", "__getattr__", "__init__", "__init_subclass__", "__module__", "__new__",
    "__orig_bases__", "__parameters__", "__slots__", "__static_attributes__", "__weakref__",
    "__array_priority__", "__deepcopy__", "__getstate__", "__setstate__", "__reduce__",
    "__reduce_ex__",
}  # fmt: skip
"""Names that Python, copying and pickling ask for; what they do stands in other rows."""

NAMESAKES = {"trace": "records what a block computes; torch's is the sum of a matrix's diagonal"}
"""Names that both packages have for different things: the contract lists them as exceptions."""


# --- what both have -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shared:
    """A name that both packages have, and the two things that it names."""

    owner: str  # a module or class, such as "nn"; empty for the package itself
    name: str
    ours: Any
    theirs: Any

    @property
    def path(self) -> str:
        return f"{self.owner}.{self.name}" if self.owner else self.name


def found(package: ModuleType, path: str) -> Any:
    """What a dotted path names; the package itself for an empty one."""
    result: Any = package
    for name in filter(None, path.split(".")):
        result = getattr(result, name)
    return result


def public(module: ModuleType) -> set[str]:
    """The names that one of our modules offers."""
    if module is tinygrad_cls:
        return {*module.__all__, *(name for name in ops.TABLE if name not in ops.HELPERS)}
    names: Sequence[str] = getattr(module, "__all__", None) or [
        name
        for name, x in vars(module).items()
        if not name.startswith("_") and getattr(x, "__module__", None) == module.__name__
    ]
    return {*names}


@cache
def surface() -> tuple[Shared, ...]:
    """Every shared name: the modules', and after a class its members."""
    shared: list[Shared] = []
    for module in MODULES:
        ours, theirs = found(tinygrad_cls, module), found(torch, module)
        shared += [
            Shared(module, name, getattr(ours, name), getattr(theirs, name))
            for name in sorted(public(ours), key=lambda name: (name.lower(), name))
            if hasattr(theirs, name) and not isinstance(getattr(ours, name), ModuleType)
            if name not in NAMESAKES
        ]
    first = {id(s.ours): s.path for s in reversed(shared)}
    classes = {s.path: s.ours for s in shared if isinstance(s.ours, type)}
    result: list[Shared] = []
    for one in shared:
        result.append(one)
        if one.path in classes and one.path == first[id(one.ours)]:
            bases = {path: c for path, c in classes.items() if c in one.ours.__mro__[1:]}
            taken = {name for path, c in bases.items() for name in attributes(made(path, True, c))}
            result += members(one.path, one.ours, one.theirs, taken)
    for path, code in UNNAMED.items():
        result += members(path, of(tinygrad_cls, code), of(torch, code), set())
    return tuple(result)


def of(package: ModuleType, code: str) -> Any:
    """What a line of code makes with one of the packages."""
    return eval(code, {"torch": package, "nn": package.nn, "context": context})


def made(path: str, ours: bool, kind: Any) -> Any:
    """An object of the class, where MADE says how to get one; else the class."""
    return of(tinygrad_cls if ours else torch, MADE[path]) if path in MADE else kind


def context(package: Any) -> Any:
    """The `ctx` of a Function."""
    kept = []

    class Keep(package.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            kept.append(ctx)
            return x.clone()

    Keep.apply(package.ones(1, requires_grad=True))
    return kept[0]


def attributes(x: Any) -> set[str]:
    """The names that a class of ours defines, or an object has; no other package's."""
    kind = x if isinstance(x, type) else type(x)
    names = {n for c in kind.__mro__ if c.__module__.startswith("tinygrad_cls") for n in vars(c)}
    if x is not kind:
        names |= vars(x).keys() if hasattr(x, "__dict__") else set()
        names |= {n for kept in ("_parameters", "_buffers") for n in getattr(x, kept, ())}
    hidden = {n for n in names if n.startswith("_") and not n.endswith("__")}
    return names - hidden - PLUMBING


def members(path: str, ours: Any, theirs: Any, taken: set[str]) -> Iterator[Shared]:
    """What a class or object of ours shares with torch's, beside what its bases share."""
    ours, theirs = made(path, True, ours), made(path, False, theirs)
    there = {*dir(theirs)} | {*dir(type(theirs))}
    for name in sorted(attributes(ours) - taken, key=lambda name: (name.startswith("__"), name)):
        if name in there:
            yield Shared(path, name, member(ours, name), member(theirs, name))


def member(x: Any, name: str) -> Any:
    """The attribute as it stands in the class, not yet computed; else the object's."""
    return inspect.getattr_static(x if isinstance(x, type) else type(x), name, None) or getattr(
        x, name, None
    )


# --- what they take -------------------------------------------------------------------------------

OPEN = {
    "Tensor": "device=None",
    "Tensor.to": "dtype=None, device=None, non_blocking=False, copy=False",
    "empty_like": "dtype=None, device=None, requires_grad=False",
    "full_like": "fill_value, dtype=None, device=None, requires_grad=False",
    "nn.Module.to": "dtype=None, device=None, non_blocking=False",
    "ones_like": "dtype=None, device=None, requires_grad=False",
    "rand_like": "dtype=None, device=None, requires_grad=False, generator=None",
    "randn_like": "dtype=None, device=None, requires_grad=False, generator=None",
    "zeros_like": "dtype=None, device=None, requires_grad=False",
}
"""What stands behind `*args` and `**kwargs`."""

NOT_CALLED = ("dtype", "grad_fn.name")
"""What torch's user doesn't call with arguments."""

REQUIRED = ""
"""The default of an argument that has none."""


def entry(shared: Shared) -> Op | Composition | None:
    """The entry of the table that a function or method is, under whichever name."""
    if isinstance(shared.ours, Op | Composition):
        return shared.ours
    if shared.name.startswith("__"):
        return None
    maker = getattr(shared.ours, "__qualname__", "").partition(".<locals>")[0]
    if shared.owner == "Tensor" and maker in ("method", "in_place"):
        found: Op | Composition = ops.TABLE[shared.ours.__name__.removesuffix("_")]
        return found
    return None


def parameters(shared: Shared) -> dict[str, str]:
    """Our arguments and their defaults as text, REQUIRED where there is none."""
    if shared.path in NOT_CALLED:
        return {}
    op = entry(shared)
    if isinstance(op, Op):
        static = {n: default_of(x) for n, x in op.static.items()}
        out = {"out": "None"} if shared.owner != "Tensor" and takes_out(op) else {}
        return dict.fromkeys(op.inputs, REQUIRED) | static | out
    return signature(op or shared.ours, OPEN.get(shared.path, ""))


def takes_out(op: Op) -> bool:
    """Whether the kernel writes where the caller says."""
    return isinstance(op.kernel, np.ufunc) or "out" in inspect.signature(op.kernel).parameters


def default_of(value: Any) -> str:
    """A default as text."""
    if value is inspect.Parameter.empty:
        return REQUIRED
    return "the default one" if isinstance(value, tinygrad_cls.Generator) else repr(value)


def signature(x: Any, rest: str = "") -> dict[str, str]:
    """The arguments of a function, method or class, as `parameters` gives them."""
    if isinstance(x, staticmethod | classmethod):
        x = x.__func__
    if not callable(x) or isinstance(x, property):
        return {}
    try:
        found = inspect.signature(x).parameters
    except (TypeError, ValueError):
        return {}
    result = {}
    for p in found.values():
        if p.name in ("self", "cls", "ctx"):
            continue
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name in ("args", "kwargs", "options"):
            continue
        star = "*" if p.kind is p.VAR_POSITIONAL else "**" if p.kind is p.VAR_KEYWORD else ""
        result[star + p.name] = default_of(p.default)
    for part in filter(None, rest.split(", ")):
        name, _, default = part.partition("=")
        result[name] = default or REQUIRED
    if rest:
        result = dict(sorted(result.items(), key=lambda item: item[1] != REQUIRED))
    return result


@cache
def schemas() -> dict[str, list[Any]]:
    """The overloads of every function of torch that is written in C++, by name."""
    result: dict[str, list[Any]] = {}
    for schema in torch._C._jit_get_all_schemas():
        text = str(schema)  # named axes, and functions of TorchScript's lists
        if schema.name.startswith("aten::") and "Dimname" not in text and "[](a!)" not in text:
            result.setdefault(schema.name.removeprefix("aten::"), []).append(schema)
    return result


def options_of_torch(shared: Shared) -> list[str]:
    """torch's optional arguments: by Python's signature, else by the overloads in C++."""
    try:
        inspect.signature(shared.theirs)
        found = signature(shared.theirs)
    except (TypeError, ValueError):
        found = {}
        for schema in [] if isinstance(shared.theirs, type) else schemas().get(shared.name, []):
            if shared.owner == "Tensor" and [a.name for a in schema.arguments][:1] != ["self"]:
                continue
            for a in schema.arguments:
                optional = a.is_out or a.has_default_value() or a.kwarg_only
                found["out" if a.is_out else a.name] = "optional" if optional else REQUIRED
        if shared.owner == "Tensor":
            found.pop("out", None)
    return [name for name, default in found.items() if default != REQUIRED and name[0] not in "_*"]


def absent(shared: Shared) -> list[str]:
    """torch's options that ours hasn't."""
    if not callable(shared.theirs) or shared.name.startswith("__"):
        return []
    taken = {name.lstrip("*") for name in parameters(shared)} | {"self", "input"}
    return [name for name in options_of_torch(shared) if name not in taken]


# --- what it proves -------------------------------------------------------------------------------


def proof(shared: Shared) -> list[str]:
    """The tests that hold a name, `test_x.py::test_y`, in whichever module both have it."""
    paths = {(shared.owner, shared.name)}
    if shared.owner in MODULES and callable(shared.ours):
        paths |= {(s.owner, s.name) for s in surface() if s.ours is shared.ours}
    return [
        test
        for owner, tests in proofs.PROOFS.items()
        for test, names in tests.items()
        if any((owner, name) in paths for name in names.split())
    ]


def shown_options(op: Op | Composition) -> set[str]:
    """The arguments that the examples of an entry of the table give: the laws run on these."""
    inputs = [*op.inputs, *op.static] if isinstance(op, Op) else [*op.__signature__.parameters]
    result: set[str] = {"out"}  # tests/laws/test_out.py
    for text in op.examples:
        call = ast.parse(f"f({text})").body[0].value  # type: ignore[attr-defined]
        result.update(inputs[: len(call.args)], (k.arg for k in call.keywords))
    return result


# --- the page -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    names: tuple[str, ...]
    options: str = ""
    absent: tuple[str, ...] = ()
    proof: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        names = " ".join(f"`{name}`" for name in self.names)
        options = f"`{self.options}`" if self.options else ""
        missing = ", ".join(f"`{name}`" for name in self.absent)
        tests = ", ".join(map(short, self.proof))
        return f"| {names} | {options} | {missing} | {tests} | {self.note} |"


def short(test: str) -> str:
    """`tests/test_nn.py::test_repr` as it stands in a row."""
    return re.sub(r"test_(\w+)\.py::test_(\w+)", r"\1:\2", test)


def options(shared: Shared) -> str:
    """The arguments as a row shows them."""
    if shared.name.startswith("__"):
        return ""
    taken, op = parameters(shared), entry(shared)
    if op is not None:  # which takes its inputs by torch's names too
        own = dict(zip("b", errors.OWN_ALIASES.get(op.name, ()), strict=False))
        names = errors.TORCH_ARGUMENTS | own
        taken = {names.get(n, n): d for n, d in taken.items()}
    return ", ".join(n if d == REQUIRED else f"{n}={d}" for n, d in taken.items())


def note(paths: Iterable[str], names: Iterable[str]) -> str:
    """What a row says about its names, and which of its options mean less than torch's."""
    notes = [proofs.NOTES[path] for path in paths if path in proofs.NOTES]
    less = [name for name in names if name in proofs.LESS]
    if less:
        notes.append("partial: " + ", ".join(f"`{name}`" for name in less))
    return "; ".join(notes)


def op_rows() -> list[Row]:
    """A row for each entry of the table that torch has: function, method, in-place method."""
    forms: dict[str, list[Shared]] = {}
    for shared in surface():
        op = entry(shared)
        if op is not None:
            forms.setdefault(op.name, []).append(shared)
    return [op_row(shared) for _, shared in sorted(forms.items())]


def op_row(forms: Sequence[Shared]) -> Row:
    """The row of an op, of which `forms` are the names."""
    taken = parameters(forms[0])
    gone = {name for form in forms for name in absent(form)} - {*taken}
    return Row(
        tuple(map(name_of_form, forms)),
        options(forms[0]),
        tuple(sorted(gone)),
        ("laws", *dict.fromkeys(test for form in forms for test in proof(form))),
        note([form.path for form in forms], taken),
    )


def name_of_form(shared: Shared) -> str:
    """`exp`, `.exp()`, `F.exp`."""
    return {"": shared.name, "Tensor": f".{shared.name}()"}.get(shared.owner, f"F.{shared.name}")


def other_rows(owners: Sequence[str]) -> list[Row]:
    """The names of a module and its classes; members alike in all that a row says share one."""
    found: dict[Row, list[str]] = {}
    for shared in surface():
        if shared.owner not in owners or entry(shared) is not None:
            continue
        one = Row(
            () if alike(shared) else (shared.path,),
            options(shared),
            tuple(absent(shared)),
            tuple(proof(shared)),
            note([shared.path], parameters(shared)),
        )
        key = replace(one, names=(*one.names, shared.owner)) if alike(shared) else one
        found.setdefault(key, []).append(shared.path)
    return [replace(row, names=tuple(together(paths))) for row, paths in found.items()]


def alike(shared: Shared) -> bool:
    """Whether a name takes no options, so that names of one proof may share a row."""
    return all(d == REQUIRED for d in parameters(shared).values()) or shared.name.startswith("__")


def together(paths: Sequence[str]) -> list[str]:
    """Paths without what the section's title says, and the owner said once."""
    modules = sorted(filter(None, MODULES), key=len, reverse=True)
    module = next((m for m in modules if paths[0].startswith(f"{m}.")), "")
    first, *more = [path.removeprefix(f"{module}.") for path in paths]
    return [first, *(path[path.rfind(".", 1) :] if "." in path else path for path in more)]


HEAD = """| name | options | not here | proof | note |
|---|---|---|---|---|"""

INTRODUCTION = """# The surface shared with PyTorch

Every name that both packages have, its options, the options that only PyTorch has, and the proof:
the tests that compare it with PyTorch. `python -m reference.surface` asks both packages and prints
this page; `--write` updates it. It was printed with PyTorch {version}: {count} names.

`tests/test_surface.py` fails where a shared name has no proof, where a test that is named isn't
there, doesn't compare with PyTorch or doesn't use the name, where an option is given in none of
these tests, where an option of PyTorch's is missing without a reason, and where this page is not
what the command prints.

**Proof.** `nn:repr` is `test_repr` in `tests/test_nn.py`. `laws` are those of `tests/laws`, which
run on every entry of the table of ops, on examples that give all of its options (or the tests
beside `laws` do): value at ordinary and awkward numbers, gradient, second order, dtypes, shapes and
errors, methods and in-place methods, names of arguments, `out=`, stale values, against PyTorch or
against differences; and a derivative off by a thousandth fails them. `...:every_option` and the
other lattices draw the options together, 2000 examples a test with `make test-long`.

**Options.** An argument without a default is required. NumPy's `axis` and `keepdims` are taken
where PyTorch takes them. A tensor given as `out` must have the result's shape: it is not resized.
What a note calls partial, and the options under "not here", have their reasons at the
[end of the page](#reasons); [the contract](contract.md#known-exceptions) lists the exceptions to
"as in PyTorch"."""

END = """## Only here

{only}

## Not here

PyTorch has thousands of names more. This engine is for small classifiers: linear layers,
activations, `Dropout` and `BatchNorm1d`, trained by SGD or Adam on one CPU. What is for images,
sequences or language (convolutions, recurrent layers, attention, embeddings), for other devices and
many processes (CUDA, distributed, quantization, sparse and complex numbers, half precision beyond
float16), and for exporting (`jit`, `export`, `fx`) is left to PyTorch. A module asked
for such a name says so: `nn.Conv2d` is an AttributeError that names this page.

## Reasons

Options of PyTorch's that are not here; given, they are a TypeError:

| option | reason |
|---|---|
{absent}

Options that mean less here (partial):

| option | reason |
|---|---|
{less}
"""


def page() -> str:
    """The page as Markdown."""
    parts = [INTRODUCTION.format(version=torch.__version__.split("+")[0], count=len(surface()))]
    parts += section("`torch`, `Tensor`, `nn.functional` (F): ops", op_rows())
    owners = list(dict.fromkeys(s.owner for s in surface()))
    for module in MODULES:
        within = [o for o in owners if room(o) == module and o != "Tensor"]
        parts += section(f"`{f'torch.{module}'.rstrip('.')}`", other_rows(within))
        if not module:
            parts += section("`torch.Tensor`", other_rows(["Tensor"]))
    parts.append(
        END.format(
            only="\n".join(only_here()),
            absent="\n".join(f"| `{o}` | {why} |" for o, why in proofs.ABSENT.items()),
            less="\n".join(f"| `{o}` | {why} |" for o, why in proofs.LESS.items()),
        )
    )
    return "\n\n".join(parts)


def only_here() -> list[str]:
    """What this engine has beside torch's names."""
    return [
        f"- {', '.join(f'`{name}`' for name in names.split())}: {what}"
        for names, what in proofs.ONLY_HERE.items()
    ]


def room(owner: str) -> str:
    """The module that a name's owner is listed under."""
    if owner in HANDED_OUT_BY:
        return HANDED_OUT_BY[owner]
    return max((m for m in MODULES if f"{owner}.".startswith(f"{m}.") or not m), key=len)


def section(title: str, rows: Sequence[Row]) -> list[str]:
    """A headed table, if there are rows."""
    return [f"## {title}", "\n".join([HEAD, *map(str, rows)])] if rows else []


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0; SystemExit(2) for a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m reference.surface", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"update {PAGE.name}")
    if parser.parse_args(argv).write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

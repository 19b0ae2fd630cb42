"""``tinygrad-cls judge``: checks a gradient from the command line, or prints the scoreboard.

Exit status 0: passed; 1: failed; 2: not judged, or a wrong call.
"""

from __future__ import annotations

import argparse
import difflib
import html
import inspect
import os
import pkgutil
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import judge
from .._torch import pytorch
from ..experiments.extras import extra
from ..experiments.output import WrongCall, replacing
from ..judge import adapters, domains
from ..judge.strategies import arrays
from ..judge.subject import Subject, Unfit, title
from . import scoreboard

if TYPE_CHECKING:
    from ..judge.report import Report

STATUS = {"passed": 0, "failed": 1, "not judged": 2}
ADAPTERS: dict[str, Callable[[Any], Subject]] = {
    "torch": adapters.torch,
    "jax": adapters.jax,
    "autograd": adapters.autograd,
}
ENGINES = ("numpy", "tinygrad_cls", *ADAPTERS)
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<body style="font-family: sans-serif; margin: 2em">
{body}
</body>
</html>
"""
OF_A_CHECK = (
    "vjp", "shapes", "domain", "dtype", "against", "engine", "examples", "order", "seed", "probes",
    "html",
)  # fmt: skip
OF_THE_SCOREBOARD = ("figure", "only", "jobs")


def add_judge(add_parser: Callable[..., argparse.ArgumentParser]) -> None:
    """The command and its options."""
    command = add_parser(
        "judge",
        help="check a gradient, and say what is wrong with it",
        description="Check the gradient of a function at random inputs: print the verdict, the "
        "evidence and the diagnosis. Exit status 0: passed, 1: failed, 2: not judged or wrong "
        "call.",
        epilog="domains (one, or one for each input with ; between them):\n"
        + "".join(f"  {d.name:15}{d.meaning}\n" for d in domains.DOMAINS.values())
        + "  [-1, 1]        any interval; a round bracket leaves its end out\n"
        "\nexamples:\n"
        "  tinygrad-cls judge layers:softplus --vjp softplus_vjp --shapes 3,4\n"
        '  tinygrad-cls judge layers:scale --shapes "3,4; 4" --domain "real; positive"\n'
        "  tinygrad-cls judge layers:silu --shapes 5 --against torch --json report.json\n"
        "  tinygrad-cls judge --scoreboard --figure scoreboard.png\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=judge_command)
    add = command.add_argument_group("a function's gradient").add_argument
    add("function", nargs="?", metavar="MODULE:FUNCTION", help="such as package.module:function")
    add(
        "--vjp",
        metavar="NAME",
        help="backward of a function of NumPy arrays, vjp(g, *inputs): in the same module, or "
        "MODULE:NAME. Without it the function is one of Tensors, or of --engine",
    )
    add("--shapes", metavar="S", help='of the inputs: "3,4; 4; ()", where () is a number\'s')
    add("--domain", metavar="D", help="where the inputs come from (default: real; see below)")
    add("--dtype", choices=("float64", "float32"), help="(default: float64)")
    add("--against", metavar="NAME", help="compare with torch's function of that name, such as "
        "torch.nn.functional.gelu, or with the one of the same name: torch")  # fmt: skip
    add("--engine", choices=ENGINES, help="whose arrays the function takes (default: as told by "
        "the function and --vjp)")  # fmt: skip
    add(
        "--examples",
        type=count,
        metavar="N",
        help="search N more inputs for one where it fails, and shrink it (needs hypothesis)",
    )
    add("--order", type=int, choices=(1, 2), help="2: check the gradient of the gradient too")
    add("--seed", type=seed, metavar="N", help="of inputs and cotangents (default: 0)")
    add("--probes", type=count, metavar="N", help="random cotangents (default: 3)")
    add("--html", type=Path, metavar="FILE", help="write the report as a page")
    board = command.add_argument_group("the scoreboard").add_argument
    board(
        "--scoreboard",
        action="store_true",
        help="run the judge and its installed rivals over the bank of planted faults and correct "
        "functions; exit status 1 if the judge missed or blamed one",
    )
    board("--only", nargs="*", metavar="NAME", help="of the rivals, these (none: the judge alone)")
    board("--jobs", type=count, metavar="N", help="processes (default: 1, whose times are fairest)")
    board("--figure", type=Path, metavar="FILE", help="draw it as .png, .svg or .pdf")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the outcome as JSON")


def judge_command(arguments: argparse.Namespace) -> int:
    """Checks what was asked for; whatever cannot be read or written is found out before."""
    if arguments.scoreboard:
        refuse(arguments, ("function", *OF_A_CHECK), "belongs to a function, not to --scoreboard")
        return scoreboard_command(arguments)
    refuse(arguments, OF_THE_SCOREBOARD, "needs --scoreboard")
    if arguments.function is None:
        raise WrongCall("nothing to judge: name a function, MODULE:FUNCTION, or --scoreboard")
    return check_command(arguments)


def refuse(arguments: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    """WrongCall if one of the options was given."""
    for name in names:
        if getattr(arguments, name) is not None:
            raise WrongCall(f"{arguments.function if name == 'function' else f'--{name}'} {why}")


# --- one function ---------------------------------------------------------------------------------


def check_command(arguments: argparse.Namespace) -> int:
    """Judges one function."""
    try:
        f, inputs, options = asked(arguments)
    except (ImportError, ValueError) as error:
        raise WrongCall(error) from error
    with files(json=arguments.json, html=arguments.html) as paths, progress() as show:
        try:
            report = judge.check(f, *inputs, progress=show, **options)
        except (Unfit, ValueError) as error:
            raise WrongCall(error) from error
        if arguments.examples is None:
            report.reproduce = again(arguments)
        write(report, paths)
    print(report)
    return STATUS[report.verdict]


def asked(arguments: argparse.Namespace) -> tuple[Any, list[Any], dict[str, Any]]:
    """What is judged, at which inputs, and the options of the check."""
    importable()
    f = looked_up(arguments.function)
    inputs = inputs_of(arguments)
    fits(f, len(inputs))
    given = {name: getattr(arguments, name) for name in ("probes", "order", "examples")}
    options = {name: value for name, value in given.items() if value is not None}
    options["seed"] = arguments.seed or 0
    if arguments.vjp is not None:
        home = arguments.function.partition(":")[0]
        vjp = arguments.vjp if ":" in arguments.vjp else f"{home}:{arguments.vjp}"
        options["vjp"] = looked_up(vjp)
    if arguments.against is not None:
        options["against"] = twin(arguments.against, title(f))
    return of_engine(f, arguments), inputs, options


def importable() -> None:
    """Modules in the current directory can be imported, as by ``python -m``."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def looked_up(text: str) -> Any:
    """The function that ``package.module:function`` names."""
    module, _, name = text.partition(":")
    if not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
        raise WrongCall(f"{text!r} names no function: write package.module:function")
    try:
        home = pkgutil.resolve_name(f"{module}:")
    except ModuleNotFoundError as error:
        hint = "; name the module, not its file" if module.endswith(".py") else ""
        raise WrongCall(f"{module} cannot be imported: {error}{hint}") from error
    except (Exception, SystemExit) as error:
        raise WrongCall(f"importing {module} raised {type(error).__name__}: {error}") from error
    f = attribute(home, name)
    if f is None:
        near = difflib.get_close_matches(name, [n for n, x in vars(home).items() if callable(x)])
        hint = f": did you mean {near[0]}?" if near else ""
        raise WrongCall(f"{module} has no function {name!r}{hint}")
    if not callable(f):
        raise WrongCall(f"{text} is of type {type(f).__name__}, not a function")
    return f


def attribute(home: Any, dotted: str) -> Any:
    """``home.a.b``, or None if there isn't one."""
    for name in dotted.split("."):
        home = getattr(home, name, None)
    return home


def twin(text: str, name: str) -> Any:
    """torch's function: of the dotted name ``text``, or for ``torch`` that of the name ``name``."""
    torch = pytorch()
    if text == "torch":
        homes = (torch, torch.nn.functional, torch.special)
        found = [getattr(home, name) for home in homes if callable(getattr(home, name, None))]
        if not found:
            raise WrongCall(
                f"torch has no function named {name!r}: name the one you mean, for example "
                f"--against torch.nn.functional.softplus"
            )
        return found[0]
    first, _, rest = text.partition(".")
    f = attribute(torch, rest)
    if first != "torch" or not callable(f):
        raise WrongCall(f"--against {text}: torch has no such function")
    return f


def inputs_of(arguments: argparse.Namespace) -> list[Any]:
    """Arrays, or with --examples strategies that draw them."""
    if arguments.shapes is None:
        raise WrongCall('the shapes of the inputs are needed, for example --shapes "3,4; 4"')
    shapes = domains.shapes(arguments.shapes)
    each = domains.per_input(arguments.domain or "real", len(shapes))
    dtype = arguments.dtype or "float64"
    if arguments.examples is not None:
        return [arrays(shape, domain, dtype) for shape, domain in zip(shapes, each, strict=True)]
    rng = np.random.default_rng(arguments.seed or 0)
    return [
        domains.draw(rng, shape, domain, dtype) for shape, domain in zip(shapes, each, strict=True)
    ]


def of_engine(f: Any, arguments: argparse.Namespace) -> Any:
    """The function, or the subject that an adapter makes of another engine's."""
    engine = arguments.engine
    if engine == "numpy" and arguments.vjp is None:
        raise WrongCall("a function of NumPy arrays has no gradient of its own: give its --vjp")
    if engine not in {None, "numpy"} and arguments.vjp is not None:
        raise WrongCall(f"--vjp is for functions of NumPy arrays, not for --engine {engine}")
    return ADAPTERS[engine](f) if engine in ADAPTERS else f


def fits(f: Any, inputs: int) -> None:
    """WrongCall if the function can't be called with so many inputs."""
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # of a builtin: it will say so itself
        return
    try:
        signature.bind(*range(inputs))
    except TypeError as error:
        raise WrongCall(
            f"{title(f)}{signature} does not take the {inputs} input{'s' * (inputs != 1)} of "
            f"--shapes: {error}"
        ) from error


def again(arguments: argparse.Namespace) -> str:
    """The command that does the same once more."""
    words = ["python", "-m", "tinygrad_cls", "judge", arguments.function]
    for name in OF_A_CHECK:
        value = getattr(arguments, name)
        if value is not None and name != "html":
            words += [f"--{name}", str(value)]
    return shlex.join(words)


def write(report: Report, paths: dict[str, Path]) -> None:
    """The files that were asked for."""
    if "json" in paths:
        paths["json"].write_text(report.to_json() + "\n", encoding="utf-8")
    if "html" in paths:
        name = f"gradient check of {report.name}"
        page = PAGE.format(title=html.escape(name), body=report._repr_html_())
        paths["html"].write_text(page, encoding="utf-8")


# --- the scoreboard -------------------------------------------------------------------------------


def scoreboard_command(arguments: argparse.Namespace) -> int:
    """Runs everybody over the bank."""
    suffix = ""
    if arguments.figure is not None:
        with extra():
            from ..experiments.figures import FILE_TYPES, save
        suffix = arguments.figure.suffix[1:].lower()
        if suffix not in FILE_TYPES:
            raise WrongCall(f"--figure {arguments.figure}: the ending must be .png, .svg or .pdf")
    with files(json=arguments.json, figure=arguments.figure) as paths, progress() as show:
        try:
            more = {} if arguments.jobs is None else {"jobs": arguments.jobs}
            board = scoreboard(rivals=arguments.only, progress=show, **more)
        except ValueError as error:
            raise WrongCall(error) from error
        if "json" in paths:
            paths["json"].write_text(board.to_json() + "\n", encoding="utf-8")
        if "figure" in paths:
            save(board.figure(), paths["figure"], suffix)
    print(board.table())
    return 0 if board.perfect else 1


# --- both -----------------------------------------------------------------------------------------


@contextmanager
def files(**paths: Path | None) -> Iterator[dict[str, Path]]:
    """The files to write, each in its place only when all went well."""
    given = {name: path for name, path in paths.items() if path is not None}
    if len({path.resolve() for path in given.values()}) < len(given):
        raise WrongCall(f"{' and '.join(f'--{name}' for name in given)} must be different files")
    with ExitStack() as stack:
        yield {name: stack.enter_context(replacing(path)) for name, path in given.items()}


@contextmanager
def progress() -> Iterator[Callable[[str], None] | None]:
    """Shows a line on a terminal, which the next one takes the place of."""
    if not sys.stderr.isatty():
        yield None
        return
    erase = "\r\x1b[K"

    def show(line: str) -> None:
        width = shutil.get_terminal_size().columns
        print(erase + line[: width - 1], end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print(erase, end="", file=sys.stderr, flush=True)


def count(text: str) -> int:
    """A type for argparse."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def seed(text: str) -> int:
    """A type for argparse."""
    if not text.isdecimal() or int(text) >= 2**64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2**64 - 1")
    return int(text)

"""The documentation site, as far as it can be tested without building it: ``make docs`` does that.

Pages show what their examples print, and two pictures: each is made here and compared, numbers
aside. ``python tests/test_docs_site.py`` writes both anew.
"""

import contextlib
import doctest
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_docs_judge import shape

from tinygrad_cls import ops

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

from offline import outside_loads  # noqa: E402

# Code with the output below it; a command with its output in one block.
EXAMPLE = re.compile(
    r"```python\n(?P<code>[^`]*?)```\n\n```\n(?P<printed>.*?)```\n"
    r"|```console\n\$ (?P<command>.*?)\n(?P<said>.*?)```\n"
    r"|```python\n# (?P<file>\w+\.py)\n(?P<script>.*?)```\n",
    re.DOTALL,
)
PAGES = ["trace", "explain", "lint", "sweep", "estimator"]
OTHER_ENGINE = re.compile(r".*\btorch\b.*\n")  # is printed where PyTorch is
PROGRESS = re.compile(r"\d+ of \d+ runs, .* (left|taken)\n")  # depends on the clock
PICTURES = {"trace": {"trace.svg": True, "trace-open.svg": False}}  # collapsed?


def command(line: str) -> str:
    """What ``python -m tinygrad_cls ...`` prints, or any other command of the page."""
    from tinygrad_cls.__main__ import main

    program, *arguments = shlex.split(line)
    assert [program, *arguments[:2]] == ["python", "-m", "tinygrad_cls"], line
    said = io.StringIO()
    both = contextlib.redirect_stdout(said), contextlib.redirect_stderr(said)
    with both[0], both[1], contextlib.suppress(SystemExit):
        main(arguments[2:])
    return said.getvalue()


def made(name: str, folder: Path) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """The examples of a page: what it shows, and what is printed; and their namespace."""
    namespace: dict[str, Any] = {}
    found = []
    with contextlib.chdir(folder):
        for match in EXAMPLE.finditer((DOCS / f"{name}.md").read_text(encoding="utf-8")):
            if match["file"]:
                script = f"# {match['file']}\n{match['script']}"  # lines as on the page
                Path(match["file"]).write_text(script, encoding="utf-8")
            elif match["command"]:
                found.append((match["said"], command(match["command"])))
            else:
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    exec(match["code"], namespace)
                found.append((match["printed"], printed.getvalue()))
    return found, namespace


def pictures(name: str, namespace: dict[str, Any]) -> dict[str, str]:
    """The pictures of a page by their names."""
    its = PICTURES.get(name, {})
    return {file: namespace["t"].svg(collapse=collapse) for file, collapse in its.items()}


@pytest.mark.parametrize(
    "name", [pytest.param(p, marks=pytest.mark.needs_torch if p == "sweep" else ()) for p in PAGES]
)
def test_a_page_shows_what_is_printed(name: str, tmp_path: Path) -> None:
    found, namespace = made(name, tmp_path)
    assert found
    lacking = OTHER_ENGINE if importlib.util.find_spec("torch") is None else re.compile("(?!)")
    for shown, printed in found:
        both = [PROGRESS.sub("", lacking.sub("", text)) for text in (shown, printed)]
        assert shape(both[0]) == shape(both[1])
    for file, svg in pictures(name, namespace).items():
        assert (DOCS / "images" / file).read_text(encoding="utf-8") == svg


def test_every_rule_of_lint_is_told() -> None:
    from tinygrad_cls.lint.rules import RULES

    page = (DOCS / "lint.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert f"`{rule.name}`" in page


def test_the_playground_page_tells_the_limits() -> None:
    from tinygrad_cls.playground.recipe import LIMITS, from_hash

    page = (DOCS / "playground.md").read_text(encoding="utf-8")
    row = re.compile(r"^\| ([a-z ]+) \| ([\d.,]+(?: %)? \| [\d.,]+(?: %)?) \|$", re.MULTILINE)
    rows = dict(row.findall(page))
    for name, key, unit in [
        ("points", "samples", ""),
        ("noise", "noise", ""),
        ("test points", "test", " %"),
        ("hidden layers", "layers", ""),
        ("neurons in a layer", "units", ""),
        ("learning rate", "lr", ""),
        ("momentum", "momentum", ""),
    ]:
        scale = 100 if unit else 1
        shown = " | ".join(f"{limit * scale:,g}{unit}" for limit in LIMITS[key])
        assert rows[name] == shown
    (link,) = re.findall(r"^http://127.0.0.1:8517/#(.*)$", page, re.MULTILINE)
    recipe, notes = from_hash(link)
    assert (recipe.data, recipe.lr, notes) == ("xor", 1, [])


def test_internals_run() -> None:
    done = doctest.testfile(str(DOCS / "internals.md"), module_relative=False)
    assert done.attempted > 15
    assert done.failed == 0


@pytest.mark.parametrize(("page", "start"), [("speed", " +step, batch"), ("judge", "checker  ")])
def test_tables_are_those_of_the_readme(page: str, start: str) -> None:
    table = re.compile(rf"^```\n({start}.*?)```$", re.DOTALL | re.MULTILINE)
    shown = [table.findall(p.read_text("utf-8")) for p in (ROOT / "README.md", DOCS / f"{page}.md")]
    assert len(shown[0]) == 1
    assert shown[0] == shown[1]


# --- the table of derivatives --------------------------------------------------------------------


def test_the_derivative_table_has_every_op_once() -> None:
    pytest.importorskip("sphinx", reason="needs sphinx: pip install 'tinygrad_cls[docs]'")
    import derivatives

    rows = derivatives.rows()
    assert [row.name for row in rows] == list(ops.TABLE)
    assert len({row.section for row in rows}) > 5
    by_name = {row.name: row for row in rows}
    assert by_name["exp"].section == "exponentials and activations"
    affine = derivatives.derivatives(ops.affine)
    assert [(d.input, d.formula, d.arrays) for d in affine] == [
        ("x", "product(g, W)", ("W",)),
        ("W", "product(g.T, x)", ("x",)),
        ("b", "rows(g)", ()),
    ]
    assert derivatives.derivatives(ops.sum)[0].others == ("shape of x", "dim", "keepdim")
    for row in rows:
        for d in derivatives.derivatives(row.entry) if isinstance(row.entry, ops.Op) else ():
            assert d.formula, row.name  # found in the source
            assert set(d.arrays) <= {"y", *row.entry.inputs}


SMALL = """
project = "small"
extensions = ["mathml", "derivatives"]
html_math_renderer = "mathml"
html_theme = "basic"
"""
PAGE = """
Small
=====

Inline :math:`x^2`.

.. math:: \\frac{a}{b}

.. derivative-table::

.. op-functions::
"""


def test_a_page_is_built_with_formulas_and_the_table(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="needs sphinx: pip install 'tinygrad_cls[docs]'")
    pytest.importorskip("latex2mathml", reason="needs latex2mathml: .[docs]")
    (tmp_path / "conf.py").write_text(SMALL)
    (tmp_path / "index.rst").write_text(PAGE)
    out = tmp_path / "html"
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(tmp_path), str(out)]
    path = os.pathsep.join([str(DOCS / "_ext"), str(ROOT)])
    done = subprocess.run(
        build, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in page
    assert 'display="block"' in page
    assert "<mfrac>" in page
    anchors = re.findall(r'<p id="op-([\w-]+)"', page)
    assert anchors == [name.replace("_", "-") for name in ops.TABLE]
    assert "d_W = product(g.T, x)" in re.sub(r"<[^>]+>", "", page)
    assert re.findall(r'<dt [^>]*id="(\w+)"', page) == sorted(ops.TABLE.keys() - set(ops.HELPERS))
    assert outside_loads(out) == []


def test_no_extension_loads_from_elsewhere() -> None:
    conf = (DOCS / "conf.py").read_text(encoding="utf-8")
    assert 'html_math_renderer = "mathml"' in conf
    assert '"write_computation_times": False' in conf  # that page's scripts come from a CDN
    assert not re.search(r"mathjax|intersphinx|extlinks|https?://", conf)


# --- what loads from elsewhere, planted ----------------------------------------------------------

FAULTS = {
    "script": ("a.html", '<script src="https://cdn.example/x.js"></script>'),
    "script without a scheme": ("a.html", "<script src='//cdn.example/x.js'></script>"),
    "style": ("a.html", '<LINK REL="stylesheet" HREF="http://cdn.example/x.css">'),
    "preload": ("a.html", '<link rel="preconnect" href="https://fonts.example">'),
    "picture": ("a.html", '<img src="https://cdn.example/x.png">'),
    "one of several pictures": ("a.html", '<img srcset="a.png 1x, https://cdn.example/b.png 2x">'),
    "frame": ("a.html", '<iframe src="https://cdn.example/"></iframe>'),
    "video": ("a.html", '<video poster="https://cdn.example/x.png"></video>'),
    "base": ("a.html", '<base href="https://cdn.example/">'),
    "refresh": ("a.html", '<meta http-equiv="refresh" content="0; URL=https://cdn.example/">'),
    "style in a page": ("a.html", "<style>@import 'https://cdn.example/x.css';</style>"),
    "style of an element": ("a.html", '<p style="background: url(//cdn.example/x.png)">'),
    "script in a page": ("a.html", '<script>fetch("https://cdn.example/x.json")</script>'),
    "handler": ("a.html", "<p onclick=\"fetch('https://cdn.example/')\">"),
    "font": ("a.css", "@font-face { src: url( 'https://cdn.example/x.woff2' ) }"),
    "import": ("a.css", '@import "//cdn.example/x.css";'),
    "module": ("a.js", 'import x from "https://cdn.example/x.js";'),
    "socket": ("a.js", "new WebSocket(`wss://cdn.example/`)"),
    "picture in an SVG": ("a.svg", '<svg><image xlink:href="https://cdn.example/x.png"/></svg>'),
    "in an SVG's fill": ("a.svg", '<svg><rect fill="url(https://cdn.example/x.svg#g)"/></svg>'),
}
FINE = {
    "a.html": '<a href="https://example.org/">a link</a> <img src="x.png"> <img src="data:,x">'
    '<svg xmlns="http://www.w3.org/2000/svg"><use href="#a"/></svg><p>see https://example.org</p>',
    "a.css": "/* url(https://cdn.example/x) */ a { background: url(x.png), url('data:,<svg>') }",
    "a.js": '// as in https://example.org\nconst svg = "http://www.w3.org/2000/svg"; load("x.js");',
}


@pytest.mark.parametrize(("file", "text"), FAULTS.values(), ids=FAULTS)
def test_a_load_from_elsewhere_is_found(file: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / file).write_text(text)
    (found,) = outside_loads(tmp_path)
    assert found.startswith(f"below/{file}: ")
    assert "example" in found


def test_what_stays_here_is_fine(tmp_path: Path) -> None:
    for file, text in FINE.items():
        (tmp_path / file).write_text(text)
    assert outside_loads(tmp_path) == []


def test_the_command_says_what_it_found(tmp_path: Path) -> None:
    run = [sys.executable, str(DOCS / "_ext" / "offline.py"), str(tmp_path)]
    empty = subprocess.run(run, capture_output=True, text=True, check=False)
    (tmp_path / "a.html").write_text(FAULTS["script"][1])
    faulty = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (empty.returncode, faulty.returncode) == (1, 1)
    assert "no page" in empty.stderr
    assert "a.html: https://cdn.example/x.js" in faulty.stdout


def main() -> None:
    """Writes outputs and pictures into the pages."""
    import tempfile

    for name in PAGES:
        page = DOCS / f"{name}.md"
        with tempfile.TemporaryDirectory() as folder:
            found, namespace = made(name, Path(folder))
        new = iter(printed for _, printed in found)

        def renewed(match: re.Match[str]) -> str:
            if match["file"]:
                return match[0]
            if match["command"]:
                return f"```console\n$ {match['command']}\n{next(new)}```\n"  # noqa: B023
            return f"```python\n{match['code']}```\n\n```\n{next(new)}```\n"  # noqa: B023

        page.write_text(EXAMPLE.sub(renewed, page.read_text(encoding="utf-8")), encoding="utf-8")
        for file, svg in pictures(name, namespace).items():
            (DOCS / "images" / file).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()

"""The pytest plugin in a project of its own: the fixture, ``--judge``, workers of pytest-xdist."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_cls.judge.report import Finding, Report
from tinygrad_cls.pytest_plugin import Check, Judge, Summary

ROOT = Path(__file__).resolve().parent.parent
LAYERS = """
import numpy as np


def softplus(x):
    return np.logaddexp(0, x)


def right(g, x):
    return (g / (1 + np.exp(-x)),)


def wrong(g, x):
    return (1.001 * g / (1 + np.exp(-x)),)


def root(x):
    return np.sqrt(x)
"""
TESTS = """
import numpy as np
import pytest

import tinygrad_cls
from layers import right, root, softplus, wrong

x = np.array([-1.0, 0.5, 2.0])


def test_right(judge):
    report = judge(softplus, x, vjp=right, name="softly")
    assert report.passed


def test_wrong(judge):
    judge(softplus, x, vjp=wrong)
    raise AssertionError("never comes here")


def test_not_judged(judge):
    judge(root, -x[1:], vjp=right)


@pytest.fixture
def layer(judge):
    layer = tinygrad_cls.nn.Linear(2, 3)
    judge.module(layer, tinygrad_cls.ones(4, 2))
    return layer


def test_several(judge, layer):
    judge(softplus, x, vjp=right, seed=1)
    judge(softplus, x, vjp=right, seed=2)


def test_without_a_check():
    pass
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minimal project that knows of tinygrad_cls only that it is installed."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "layers.py").write_text(LAYERS)
    (folder / "test_layers.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return folder


def outcome(project: Path, *options: str) -> tuple[int, str]:
    """Exit status and output of pytest there."""
    command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        command,
        cwd=project,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def section(out: str, title: str) -> str:
    """The lines below a title."""
    after = out.partition(f" {title} =")[2]
    lines = itertools.takewhile(lambda line: line[:3] != "===", after.splitlines()[1:])
    return "\n".join(lines).strip()


def test_it_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["entry-points"]["pytest11"]
    installed = {e.name: e.value for e in entry_points(group="pytest11") if "tinygrad" in e.name}
    assert installed == declared, "install the package once more: pip install -e ."


def test_failures_are_reports(project: Path) -> None:
    status, out = outcome(project)
    assert status == 1
    assert "2 failed, 3 passed" in out
    failures = section(out, "FAILURES")
    assert failures.count("gradient check  ") == 2
    assert "FAIL   wrong gradient: d out / d x[" in failures
    assert "looks like: yours = 1.001 x the gradient" in failures
    assert "UNSURE not judged" in failures
    assert "not judged, and so not passed" in failures
    assert "Traceback" not in failures
    assert "pytest_plugin" not in failures
    assert "gradient checks" not in out


SHOWN = re.compile(r"(\d) checks?: (.*); slowest: \w+, [\d.e-]+ s \(test_layers.py::test_\w+\)$")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_judge_shows_every_report(project: Path, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist")
    status, out = outcome(project, "--judge", *workers)
    assert status == 1
    shown = section(out, "gradient checks")
    assert shown.count("gradient check  ") == 6
    assert shown.count("test_layers.py::test_several\n") == 3
    assert "gradient check  softly " in shown
    assert " PASS   " in shown
    table = SHOWN.search(shown)
    assert table
    assert table.groups() == ("6", "4 passed, 1 failed, 1 not judged")


def test_no_check_at_all(project: Path) -> None:
    status, out = outcome(project, "--judge", "-k", "without")
    assert status == 0
    assert section(out, "gradient checks") == "no gradient was checked"


def test_junit_can_hold_the_reports(project: Path) -> None:
    status, _ = outcome(project, "--judge", "-k", "right", "--junitxml=out.xml")
    assert status == 0
    assert 'name="tinygrad_cls.judge"' in (project / "out.xml").read_text()


def test_it_can_be_left_out(project: Path) -> None:
    status, out = outcome(project, "-p", "no:tinygrad_cls")
    assert status == 1
    assert "1 passed, 4 errors" in out
    assert "fixture 'judge' not found" in out


def test_the_fixture_is_documented(project: Path) -> None:
    status, out = outcome(project, "--fixtures", "-q")
    assert status == 0
    assert "judge -- " in out
    assert "Checks a gradient, and fails the test with the report" in out


# --- in this process ------------------------------------------------------------------------------


def test_the_fixture_here(judge: Judge) -> None:
    report = judge(np.sin, np.array([0.3, 2.0]), vjp=lambda g, x: (g * np.cos(x),))
    assert report.verdict == "passed"
    with pytest.raises(pytest.fail.Exception, match="FAIL   wrong gradient: d out / d"):
        judge(np.sin, np.array([0.3, 2.0]), vjp=lambda g, x: (-g * np.cos(x),))


def test_a_wrong_call_is_an_error_of_its_own(judge: Judge) -> None:
    with pytest.raises(TypeError, match="input 0 is 'text'"):
        judge(np.sin, "text", vjp=lambda g, x: (g,))


FINDINGS = {"passed": (), "failed": ("wrong rule",), "not judged": ("not judged",)}


@pytest.mark.parametrize("verdict", FINDINGS)
@pytest.mark.parametrize("name", ["check", "check_module", "check_loss", "check_optimizer"])
def test_each_check_settles_its_test(
    name: str, verdict: str, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def stub(*args: Any, **options: Any) -> Report:
        calls.append((args, options))
        return Report("it", findings=tuple(Finding(kind, "says why") for kind in FINDINGS[verdict]))

    monkeypatch.setattr(f"tinygrad_cls.judge.{name}", stub)
    ask = judge if name == "check" else getattr(judge, name.removeprefix("check_"))
    if verdict == "passed":
        assert ask("subject", 1, seed=2).passed
    else:
        with pytest.raises(pytest.fail.Exception, match="says why"):
            ask("subject", 1, seed=2)
    assert calls == [(("subject", 1), {"seed": 2})]


def test_the_table() -> None:
    summary = Summary()
    assert summary.table() == "no gradient was checked"
    summary.checks = [
        ("a.py::b", Check("f", "passed", 0.25, "")),
        ("c", Check("g", "failed", 3, "")),
    ]
    said = "2 checks: 1 passed, 1 failed, 0 not judged; slowest: g, 3 s (c)"
    assert summary.table() == said

"""Tries what ``make wheel`` built, where nothing else is: ``python .ci/try_dist.py dist``.

The wheel must hold ``tinygrad_cls`` alone, import with NumPy alone, train and teach without
PyTorch, judge; the unpacked sdist must hold every file that its tests ask for.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


LAYERS = """
def square(x):
    return x * x


def slope(g, x):
    return 2 * g * x
"""
SCRIPT = """
import tinygrad_cls as tg

w = tg.ones(2, requires_grad=True)
optimizer = tg.optim.SGD([w], lr=0.1)
for _ in range(3):
    loss = (w * w).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
TESTS = """
import numpy as np
import pytest
from layers import slope, square


def test_square(judge):
    assert judge(square, np.linspace(-2, 2, 5), vjp=slope).passed


def test_a_wrong_slope_fails_its_test(judge):
    with pytest.raises(pytest.fail.Exception, match="1/2"):
        judge(square, np.linspace(-2, 2, 5), vjp=lambda g, x: g * x)
"""


def say(text: str) -> None:
    """Print at once, so that the lines of the commands below stand after it."""
    print(f"--- {text}", flush=True)


def run(*command: str | Path, cwd: Path) -> None:
    """Run a command that must succeed and that knows nothing of the checkout."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, cwd=cwd, env=env, check=True)


def try_wheel(wheel: Path, room: Path) -> None:
    """Look into the wheel, install it in an empty environment and train there."""
    say(f"{wheel.name}: holds the package alone")
    names = zipfile.ZipFile(wheel).namelist()
    strays = [n for n in names if not n.startswith(("tinygrad_cls/", "tinygrad_cls-"))]
    assert not strays, f"the wheel must hold tinygrad_cls alone, and holds {strays}"
    assert "tinygrad_cls/py.typed" in names, "the wheel must say that it is typed: py.typed"

    say("imports with NumPy alone")
    env, away = room / "env", room / "away"
    away.mkdir()
    run(sys.executable, "-m", "venv", "--without-pip", env, cwd=room)
    python = env / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    install = (*pip, "install", "--quiet", "--constraint", ROOT / "constraints-dev.txt")
    run(*install, wheel, cwd=away)
    run(python, "-W", "error", "-c", "import tinygrad_cls", cwd=away)
    run(env / "bin" / "tinygrad-cls", "--help", cwd=away)

    say("trains with the experiments extra, without PyTorch")
    run(*install, f"{wheel}[experiments]", cwd=away)
    no_torch = "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is not None)"
    run(python, "-c", no_torch, cwd=away)
    run(python, "-m", "tinygrad_cls", "train", "circles-relu", "--epochs", "100", cwd=away)

    say("teaches: a lesson, a page that steps through backward, an explanation, a lint")
    classroom = (python, "-m", "tinygrad_cls")
    run(*classroom, "lesson", "7", "--lang", "ko", cwd=away)
    for experiment in ("circles-relu", "circles-linear", "blobs"):
        run(*classroom, "step", experiment, "--epoch", "5", "--html", "step.html", cwd=away)
        assert (away / "step.html").stat().st_size < 1e6, "the page must stay below 1 MB"
    run(*classroom, "explain", "bce", "--x=-40,1000", "--t", "1,1", cwd=away)
    (away / "script.py").write_text(SCRIPT, encoding="utf-8")
    run(*classroom, "lint", "script.py", cwd=away)

    say("says what the playground needs, and serves it once that is there")
    play = (*classroom, "play", "--port", "0", "--no-browser")
    refused = subprocess.run(play, cwd=away, capture_output=True, text=True, check=False)
    assert refused.returncode == 2, refused
    assert refused.stderr.count("\n") == 1, refused.stderr
    assert "pip install 'tinygrad_cls[play]'" in refused.stderr, refused.stderr
    run(*install, f"{wheel}[play]", cwd=away)
    with subprocess.Popen(play, cwd=away, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        print(said, end="")
        page = said.split(" at ")[1].split()[0]
        for name in ("", "static/main.js", "static/stepper.js"):
            with urllib.request.urlopen(page + name) as answer:
                assert answer.status == 200, name
        server.send_signal(signal.SIGINT)
        print(server.stdout.read(), end="")
    assert server.returncode == 0, f"Ctrl-C must end it well, not with {server.returncode}"

    say("judges a function from the command line, and in the tests of a project of its own")
    (away / "layers.py").write_text(LAYERS, encoding="utf-8")
    (away / "test_layers.py").write_text(TESTS, encoding="utf-8")
    judge = (python, "-m", "tinygrad_cls", "judge", "layers:square", "--shapes", "3,4")
    run(*judge, "--vjp", "slope", cwd=away)
    run(*install, "pytest", f"{wheel}[judge]", cwd=away)
    run(python, "-W", "error", "-m", "pytest", "-q", "--judge", cwd=away)


def try_sdist(sdist: Path, room: Path) -> None:
    """Unpack the sdist, collect all tests there and run those that look at the files."""
    say(f"{sdist.name}: holds its tests and what they read")
    shutil.unpack_archive(sdist, room)
    root = room / sdist.name.removesuffix(".tar.gz")
    pytest = (sys.executable, "-m", "pytest", "-q")
    run(*pytest, "--collect-only", "-qq", cwd=root)
    run(*pytest, "tests/test_house.py", cwd=root)


def main(dist: Path) -> None:
    """Try the one wheel and the one sdist in ``dist``."""
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        try_wheel(wheel, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        try_sdist(sdist, Path(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())

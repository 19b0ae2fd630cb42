"""A script that makes every call of the tutorial prints the same bytes on both engines.

Record tests/data/tutorial.txt, PyTorch's output, anew with ``python tests/test_tutorial.py``.
"""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SCRIPT = TESTS / "tutorial.py"
RECORDED = TESTS / "data" / "tutorial.txt"
# The contract with PyTorch holds for its CPU kernels on x86-64; elsewhere single digits may differ.
x86_64 = pytest.mark.skipif(
    platform.machine().lower() not in {"x86_64", "amd64"}, reason="judged on x86-64"
)


def ported(source: str) -> str:
    """The script with this engine in the place of torch, in the marked lines alone."""
    lines = source.splitlines(keepends=True)
    for i, line in enumerate(lines):
        if line.endswith("# engine\n"):
            lines[i] = line.replace("import torch ", "import tinygrad_cls as torch ").replace(
                "from torch ", "from tinygrad_cls "
            )
    return "".join(lines)


def start(script: Path) -> subprocess.Popen[str]:
    """The running script: one thread, no display, every warning shown."""
    environment = {
        name: value for name, value in os.environ.items() if "DISPLAY" not in name
    } | {
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
        "PYTHONPATH": str(TESTS.parent), "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip
    command = [sys.executable, "-W", "always:::__main__", script]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    # said by matplotlib once in a home
    return out, errors.replace(
        "Matplotlib is building the font cache; this may take a moment.\n", ""
    )


def epoch_lines(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith("Epoch: ")]


@pytest.fixture
def port(tmp_path: Path) -> Path:
    pytest.importorskip("sklearn", reason="needs the extra `experiments`")
    pytest.importorskip("matplotlib", reason="needs the extra `experiments`")
    path = tmp_path / "ported.py"
    path.write_text(ported(SCRIPT.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def test_only_the_imports_differ() -> None:
    original = SCRIPT.read_text(encoding="utf-8")
    pairs = zip(original.splitlines(), ported(original).splitlines(), strict=True)
    assert [pair for pair in pairs if pair[0] != pair[1]] == [
        ("import torch  # engine", "import tinygrad_cls as torch  # engine"),
        ("from torch import nn  # engine", "from tinygrad_cls import nn  # engine"),
    ]
    assert not re.search(r"^\s*(import|from) torch", ported(original), re.MULTILINE)


@x86_64
def test_the_engine_prints_the_recorded_epochs(port: Path) -> None:
    out, errors = finish(start(port))
    assert errors == ""
    recorded = RECORDED.read_text(encoding="utf-8")
    assert len(epoch_lines(recorded)) == 40
    assert epoch_lines(out) == epoch_lines(recorded)


@pytest.mark.needs_torch
@x86_64
def test_both_engines_print_the_same_bytes(port: Path) -> None:
    theirs, ours = start(SCRIPT), start(port)
    expected, _ = finish(theirs)
    out, errors = finish(ours)
    assert out == expected
    assert errors == ""
    assert epoch_lines(expected) == epoch_lines(RECORDED.read_text(encoding="utf-8"))


if __name__ == "__main__":
    RECORDED.parent.mkdir(exist_ok=True)
    RECORDED.write_text(finish(start(SCRIPT))[0], encoding="utf-8")

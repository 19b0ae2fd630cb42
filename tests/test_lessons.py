"""The lessons: each passes, its change makes the check fail that it names, and the Korean texts
are complete and say the same code, numbers and links.

`python tests/test_lessons.py --record` records PyTorch's losses for lesson 10 anew.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cls import lessons
from tinygrad_cls.experiments import EXPERIMENTS
from tinygrad_cls.lessons import catalogue, cells, command

NUMBERS = list(lessons.FILES)
KOREAN = catalogue.catalogue("ko")
RECORD = {"experiment": "circles-relu", "seed": 1, "every": 100}


# --- They run -------------------------------------------------------------------------------------


def test_there_are_twelve():
    assert list(range(1, 13)) == NUMBERS
    for number, path in lessons.FILES.items():
        assert path.name.startswith(f"lesson_{number:02}_")
        assert lessons.title(number).startswith(f"Lesson {number}: ")
        assert lessons.title(number, "ko").startswith(f"{number}강: ")


@pytest.mark.parametrize("number", NUMBERS)
def test_passes(number, capsys):
    lessons.run(number)
    printed = capsys.readouterr().out
    assert printed.startswith(lessons.title(number))
    assert "\n  | " in printed, "it prints something"
    assert len(lessons.source(number).splitlines()) < 80


@pytest.mark.parametrize("number", NUMBERS)
def test_its_change_is_noticed(number, capsys):
    with pytest.raises(lessons.Failed) as caught:
        lessons.run(number, broken=True)
    assert caught.value.check == lessons.change(number).check
    assert caught.value.line.startswith("assert ")


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("lang", lessons.LANGUAGES)
def test_names_a_check_of_its_own(number, lang):
    tree = ast.parse(lessons.source(number, lang))
    checks = [node.msg.value for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert checks.count(lessons.change(number, lang).check) == 1
    assert len(set(checks)) == len(checks)


@pytest.mark.parametrize("number", [3, 8])
def test_is_a_script(number, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", lessons.FILES[number]],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parent.parent), "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_code_has_no_comments():
    # They would stay English.
    for number in NUMBERS:
        code = [c.text for c in cells.cells(lessons.source(number)) if c.kind == "code"]
        assert "#" not in re.sub(r'"[^"\n]*"', "", "\n".join(code))


def test_links_lead_somewhere():
    recipe = pytest.importorskip("tinygrad_cls.playground.recipe")
    found = [text for message in lessons.messages() for text in message.split()]
    links = [text for text in found if text.startswith("http")]
    assert len(links) >= 5
    for link in links:
        address, _, fragment = link.partition("#")
        assert address == "http://127.0.0.1:8517/"
        assert recipe.from_hash(fragment)[1] == []
    stepped = [
        found[i + 1] for i, text in enumerate(found) if text == "step" and "-m" in found[i - 2]
    ]
    assert set(stepped) == set(EXPERIMENTS)


# --- Korean ---------------------------------------------------------------------------------------


def test_every_text_has_a_translation_and_no_translation_is_left_over():
    assert list(KOREAN) == list(lessons.messages())


def kept(text: str) -> list[list[str]]:
    """What a translation keeps: code, links, fields, and numbers outside of these.

    Numbers of one digit may be words in one of the languages.
    """
    found = []
    for pattern in (r"``[^`]+``", r"http\S+", r"\{[^{}]*\}", r"\d[\d.]*\d"):
        found.append(sorted(re.findall(pattern, text)))
        text = re.sub(pattern, " ", text)
    return found


@pytest.mark.parametrize("english", KOREAN)
def test_a_translation_says_the_same(english):
    korean = KOREAN[english]
    assert re.search("[가-힣]", korean)
    assert kept(korean) == kept(english)
    assert korean.endswith("::") == english.endswith("::")
    assert korean.count("**") == english.count("**")


@pytest.mark.parametrize("number", NUMBERS)
def test_the_code_is_the_same(number):
    trees = [ast.parse(lessons.source(number, lang)) for lang in lessons.LANGUAGES]
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
        if isinstance(node, ast.JoinedStr):  # a translation may order the fields anew
            node.values.sort(key=ast.dump)
            node.values = [v for v in node.values if not isinstance(v, ast.Constant)]
    assert ast.dump(trees[0]) == ast.dump(trees[1])


def test_korean_reads_well_on_a_terminal(capsys):
    lessons.run(2, "ko")
    printed = capsys.readouterr().out
    assert printed.startswith("2강: ")
    assert "\n  | 두 번째 역전파 뒤에는: tensor(12.)\n" in printed
    assert "\\" not in printed
    assert "``" not in printed
    prose = [line for line in printed.splitlines() if line[:2] != "  "]
    assert max(map(cells.columns, prose)) <= 80


def test_code_in_korean_is_followed_by_what_rest_needs():
    assert cells.translated('"""\nA\n=\n"""\n\n# %%\n# ``x`` is.\n', {"``x`` is.": "``x``는."}) == (
        '"""\nA\n=\n"""\n\n# %%\n# ``x``\\ 는.\n'
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('msgid "a"\nmsgstr "b"\nplain', "line 3"),
        ('msgid "a"\nmsgstr "b"\nmsgid "a"\nmsgstr "c"', "two entries"),
        ('msgstr "b"', "line 1"),
    ],
)
def test_a_wrong_catalogue(text, wrong):
    with pytest.raises(ValueError, match=wrong):
        catalogue.parse(text)


def test_a_change_that_fits_nowhere():
    source = lessons.source(1).replace("1 - y * y", "1.0 - y * y", 1)
    with pytest.raises(ValueError, match="stands 0 times"):
        cells.broken(source)


# --- The command ----------------------------------------------------------------------------------


def call(*words: str) -> int:
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_lesson(parser.add_subparsers().add_parser)
    arguments = parser.parse_args(["lesson", *words])
    return arguments.command(arguments)


def test_command_lists(capsys):
    assert call("--lang", "ko") == 0
    assert capsys.readouterr().out.splitlines()[6] == "7강: ReLU가 선을 꺾는다"


def test_command_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("6", "--figures", "new/folder") == 0
    printed = capsys.readouterr().out
    assert printed.endswith("Now break it: python -m tinygrad_cls lesson 6 --break\n")
    figure = Path("new/folder/lesson_06_straight_line_1.png")
    assert str(figure) in printed
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_command_breaks(capsys):
    assert call("1", "--break", "--lang", "ko") == 1
    printed = capsys.readouterr().out
    assert printed.startswith("바꾼 줄: return Number(y, [(self, 1 - y)])\n")
    assert '"역전파는 밀어 본 결과와 일치한다" 검사가 예정대로 실패했습니다' in printed


def test_command_prints_the_source(capsys):
    assert call("5", "--source") == 0
    assert capsys.readouterr().out == lessons.FILES[5].read_text(encoding="utf-8")
    assert call("5", "--source", "--break") == 0
    assert capsys.readouterr().out == lessons.mutant(5)


@pytest.mark.parametrize("wrong", ["0", "13", "-1", "one", "1.5"])
def test_wrong_number(wrong, capsys):
    with pytest.raises((argparse.ArgumentError, SystemExit)) as caught:
        call(wrong)
    if isinstance(caught.value, argparse.ArgumentError):
        assert str(caught.value).endswith("is no lesson: there are 1 to 12")


def test_wrong_arguments_from_python():
    with pytest.raises(ValueError, match="there are lessons 1 to 12, not 13"):
        lessons.source(13)
    with pytest.raises(ValueError, match="in en and ko, not in 'fr'"):
        lessons.source(1, "fr")


# --- PyTorch's record -----------------------------------------------------------------------------


def pytorch(dtype: str, epochs: int | None = None) -> list[float]:
    from reference.training import repeatable, train

    with repeatable():
        run = train(
            EXPERIMENTS[RECORD["experiment"]], dtype=dtype, seed=RECORD["seed"], epochs=epochs
        )
    return run.curves["loss"][:: RECORD["every"]].tolist()


@pytest.mark.needs_torch
def test_the_record_is_pytorchs():
    recorded = lessons.recorded()
    assert {name: recorded[name] for name in RECORD} == RECORD
    assert len(recorded["float32"]) == len(recorded["float64"]) == 20
    now = pytorch("float64", 301)
    np.testing.assert_allclose(recorded["float64"][:4], now, rtol=1e-12)  # 1e-8 at the end
    np.testing.assert_allclose(recorded["float32"][:4], now, rtol=1e-6)


def record() -> None:
    import torch

    found = {"version": torch.__version__.partition("+")[0], **RECORD}
    found |= {dtype: pytorch(dtype) for dtype in ("float32", "float64")}
    path = Path(lessons.__file__).with_name("pytorch.json")
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["--record"]:
    record()

"""Who else is made of the sweep's parts: the judge's scoreboard, and the contract over seeds."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("joblib", reason="needs the extra `sweep`")

from tinygrad_cls.scoreboard import bank, run, scoreboard
from tinygrad_cls.sweep.pool import Done, Pool

FAULTS = dict(list(bank.FAULTS.items())[:4])
CORRECT = dict(list(bank.CORRECT.items())[:3])


def told(board: run.Scoreboard) -> list[list[tuple[str, str, str]]]:
    return [[(o.case, o.verdict, o.said) for o in row.outcomes] for row in board.rows]


def test_a_scoreboard_by_two_processes_is_the_same() -> None:
    lines: list[str] = []
    one = scoreboard(["dezero"], None, FAULTS, CORRECT)
    two = scoreboard(["dezero"], lines.append, FAULTS, CORRECT, jobs=2)
    assert told(one) == told(two)
    assert [row.name for row in two.rows] == ["judge", "dezero"]
    assert len(lines) == 14
    assert lines[-1].startswith("14 of 14: ")


def test_a_case_that_kills_its_worker_counts_against_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def do(pool: Pool, work: Any, tasks: dict[str, Any]) -> list[Done]:
        return [Done(key, error="its worker died 4 times") for key in tasks]

    monkeypatch.setattr(Pool, "do", do)
    board = scoreboard(["dezero"], None, FAULTS, CORRECT, jobs=2)
    assert [row.caught() for row in board.rows] == [(0, 4), (4, 4)]
    assert [row.blamed() for row in board.rows] == [(3, 3), (3, 3)]
    assert not board.perfect


def test_the_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.sweep import main

    main(["--rounds", "1", "--runs", "6", "--epochs", "3", "--no-dask"])  # too few to judge
    *_, serial, loky = capsys.readouterr().out.splitlines()
    assert serial.startswith("18 runs, serial: ")
    assert loky.startswith("18 runs, loky: ")
    assert loky.endswith("the same bits")


# --- python -m reference --seeds ------------------------------------------------------------------


@pytest.mark.needs_torch
def test_the_contract_over_seeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from reference.__main__ import main

    call = ["--experiments", "blobs", "--dtype", "float64", "--epochs", "11", "--jobs", "1"]
    file = tmp_path / "seeds.json"
    asked = [*call, "--seeds", "0-1", "--out", str(tmp_path), "--json", str(file)]
    assert main(asked) == 0
    out, err = capsys.readouterr()
    assert "2 of 2 seeds" in err
    assert out.splitlines()[-1] == "Contract kept for 2 seeds: 8 of 8 rows met"
    (row,) = [line for line in out.splitlines() if "loss, whole run" in line]
    assert row.split()[3:6] == ["2", "of", "2"]
    assert [result["seed"] for result in json.loads(file.read_text("utf-8"))] == [0, 1]
    assert main(asked) == 0  # nothing is left to do
    assert capsys.readouterr().out == out
    with pytest.raises(SystemExit, match="2"):
        main([*call, "--seeds", "0-2", "--out", str(tmp_path)])
    assert "with seeds 0-1 instead of 0-2" in capsys.readouterr().err


@pytest.mark.needs_torch
def test_a_seed_that_breaks_the_contract_is_told() -> None:
    from reference import seeds

    def result(seed: int, met: bool) -> dict[str, Any]:
        row = {
            "experiment": "blobs", "dtype": "float64", "quantity": "loss, whole run",
            "unit": "relative", "measured": 1e-3 if not met else 1e-12, "allowed": 1e-8,
            "itself": 0.0, "met": met, "broken_at": None if met else "epoch 7, loss: ours 1",
        }  # fmt: skip
        return {"seed": seed, "rows": [row]}

    results = [result(3, True), result(5, False)]
    text = "\n".join(seeds.lines(results))
    assert "1 of 2" in text
    assert "seed 5, first beyond: epoch 7, loss: ours 1" in text
    assert seeds.conclusion(results) == "Contract BROKEN: 1 of 2 rows not met"
    failed = [*results, {"seed": 6, "error": "MemoryError"}]
    assert "seed 6 failed: MemoryError" in "\n".join(seeds.lines(failed))
    assert seeds.conclusion(failed) == "1 of 3 seeds failed"

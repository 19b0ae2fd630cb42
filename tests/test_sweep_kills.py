"""Whatever is killed, and at whatever moment: in the end every run is there once, bit for bit what
an undisturbed sweep holds.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("joblib", reason="needs the extra `sweep`")
pytest.importorskip("matplotlib", reason="needs the extra `sweep`")

from test_sweep import lines

from tinygrad_cls.__main__ import main
from tinygrad_cls.sweep import Pool, PoolError, Sweep, pool, sweep

WHAT = Sweep("blobs", seeds=range(60), lr=[0.1], hidden=[8], epochs=4)
CALL = ["sweep", "blobs", "--seeds", "0-59", "--epochs", "4", "--out"]
ROOT = Path(__file__).resolve().parent.parent

# Imports everything once, and then does a command in a child for each line it reads, which it
# kills after so many seconds: 20 starts of Python would take a minute.
KILLER = """
import os, signal, sys, time
from sklearn import datasets, model_selection
import joblib, matplotlib.figure, threadpoolctl
from tinygrad_cls.__main__ import main
for line in sys.stdin:
    seconds, *call = line.split()
    child = os.fork()
    if not child:
        os._exit(main(call))
    time.sleep(float(seconds))
    os.kill(child, signal.SIGKILL)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("undisturbed") / "s"
    sweep(WHAT, folder, Pool("serial"))
    return lines(folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_the_command_killed_at_20_moments(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    out, mark = tmp_path / "s", f"sweep_test_{os.getpid()}"
    rng = random.Random(20)
    moments = [(rng.uniform(0.01, 0.25), "serial") for _ in range(15)]
    moments += [(rng.uniform(0.2, 2.0), "loky") for _ in range(5)]
    rng.shuffle(moments)
    killer = subprocess.Popen(
        [sys.executable, "-c", KILLER], cwd=ROOT, text=True, env=os.environ | {"MARK": mark},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    killed, counts = 0, [0]
    with killer:
        assert killer.stdin is not None
        assert killer.stdout is not None
        for seconds, backend in moments:
            more = f"--backend {backend} --jobs 2"
            killer.stdin.write(f"{seconds} {' '.join(CALL)} {out} {more}\n")
            killer.stdin.flush()
            killed += int(killer.stdout.readline()) == signal.SIGKILL
            path = out / "runs.jsonl"
            counts.append(path.read_bytes().count(b"\n") if path.exists() else 0)
        killer.stdin.close()
    assert killed >= 15  # the others came too late
    assert counts == sorted(counts)  # no finished run is lost
    assert main([*CALL, str(out), "--backend", "serial"]) == 0
    assert lines(out) == undisturbed
    assert not left_over(mark)


def left_over(mark: str) -> list[str]:
    """The processes with this mark that are still there after some seconds, where that shows."""
    end = time.monotonic() + 8
    while time.monotonic() < end:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark.encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        if not found:
            return []
        time.sleep(0.2)
    return found


def test_two_commands_into_one_folder(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "s"
    call = [sys.executable, "-m", "tinygrad_cls", *CALL, str(out), "--backend", "serial"]
    both = [
        subprocess.Popen(
            call, cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert 0 in [process.returncode for process in both]
    for process, err in zip(both, said, strict=True):  # or it came when the other had finished
        refused = "another command is writing to" in err.splitlines()[-1]
        assert process.returncode == (2 if refused else 0)
    assert lines(out) == undisturbed


# --- Dask -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes of one thread each, and a scheduler in this process."""
    distributed = pytest.importorskip("distributed", reason="needs the extra `dask`")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs="CRITICAL"
    ) as cluster:
        yield cluster


def test_dask_gives_the_same_bits(
    cluster: Any, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    address = cluster.scheduler_address
    assert main([*CALL, str(tmp_path / "s"), "--backend", "dask", "--address", address]) == 0
    assert lines(tmp_path / "s") == undisturbed


def test_a_dask_worker_killed_in_the_middle(
    cluster: Any, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    killed = []

    def tell(done: Any) -> None:
        told.append(done)
        if len(told) == 20:
            worker = next(iter(cluster.workers.values()))
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    told: list[Any] = []
    sweep(WHAT, tmp_path / "s", Pool("dask", address=cluster.scheduler_address), tell=tell)
    assert killed
    assert lines(tmp_path / "s") == undisturbed


def test_the_scheduler_killed_in_the_middle(
    undisturbed: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed", reason="needs the extra `dask`")
    scheduler = [sys.executable, "-m", "dask", "scheduler"]
    worker = [sys.executable, "-m", "dask", "worker", "--nthreads", "1", "--no-dashboard"]
    file = tmp_path / "scheduler.json"
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": ROOT}
    first = subprocess.Popen(
        [*scheduler, "--port", "0", "--no-dashboard", "--scheduler-file", str(file)], **quiet
    )
    others = [
        subprocess.Popen([*worker, "--no-nanny", "--scheduler-file", str(file)], **quiet)
        for _ in range(2)
    ]
    try:
        end = time.monotonic() + 20
        while not file.exists() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.2)
        address = json.loads(file.read_text())["address"]
        out = tmp_path / "s"

        def kill() -> None:
            path = out / "runs.jsonl"
            while not path.exists() or path.read_bytes().count(b"\n") < 10:
                time.sleep(0.005)
            first.kill()

        threading.Thread(target=kill, daemon=True).start()
        assert main([*CALL, str(out), "--backend", "dask", "--address", address]) == 2
    finally:
        for process in (first, *others):
            process.kill()
            process.wait()
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith(f"tinygrad-cls: error: the Dask scheduler {address} is gone")
    there = lines(out)
    assert 10 <= len(there) < 60
    assert main([*CALL, str(out), "--backend", "serial"]) == 0
    assert lines(out) == undisturbed
    assert list(lines(out))[: len(there)] == list(there)


def test_an_unreachable_scheduler(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="needs the extra `dask`")
    monkeypatch.setattr(pool, "CONNECT", 0.5)
    for address in ("127.0.0.1:1", "nonsense", "tcp://[", "http://127.0.0.1:1"):
        call = [*CALL, str(tmp_path / "s"), "--backend", "dask", "--address", address]
        assert main(call) == 2
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(f"tinygrad-cls: error: no Dask scheduler answers at {address}")


# --- Ray ------------------------------------------------------------------------------------------


def test_ray_gives_the_same_bits(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    out = tmp_path / "s"
    call = [sys.executable, "-m", "tinygrad_cls", *CALL, str(out), "--backend", "ray"]
    subprocess.run([*call, "--jobs", "2"], cwd=ROOT, check=True, capture_output=True)
    assert lines(out) == undisturbed


def test_an_unreachable_ray_cluster(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra `ray`")
    with pytest.raises(PoolError, match="no Ray cluster answers at nowhere"):
        list(Pool("ray", address="nowhere").do(abs, {"a": 1}))

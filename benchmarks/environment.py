"""Where a measurement is made: on one core, with one thread, and with a record of the rest."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

ASKED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}


def pin() -> None:
    """Stay on one core, and start this program again unless it was started with one thread.

    Libraries read these variables when they are loaded: setting them later is too late.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if any(os.environ.get(name) != value for name, value in ASKED.items()):
        command = [sys.executable, *sys.orig_argv[1:]]
        raise SystemExit(subprocess.call(command, env=os.environ | ASKED))


def threads() -> dict[str, int]:
    """Return the threads of every pool as measured, and of the whole process where Linux tells."""
    found = {
        f"{pool['internal_api']} {pool['version'] or ''}".strip(): int(pool["num_threads"])
        for pool in threadpool_info()
    }
    alive = Path("/proc/self/task")
    return found | ({"process": len(list(alive.iterdir()))} if alive.exists() else {})


def record() -> dict[str, Any]:
    """Return the machine, the versions and the moment."""
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _output("git", "describe", "--always", "--dirty"),
        "cpu": _cpu(),
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "cores": os.cpu_count(),
        "cores used": sorted(affinity(0)) if affinity else None,
        "load average": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "torch": metadata.version("torch"),
        "threads": threads(),
    }


def _cpu() -> str:
    for line in (_text("/proc/cpuinfo") or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _output(*command: str) -> str | None:
    try:
        return subprocess.check_output(
            command, cwd=Path(__file__).parent, stderr=subprocess.DEVNULL, text=True
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return None

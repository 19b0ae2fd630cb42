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

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
ASKED = dict.fromkeys(POOLS, "1") | {"PYTHONHASHSEED": "0"}
PACKAGES = ("torch", "jax", "jaxlib", "autograd", "mygrad", "scikit-learn")


def usable() -> list[int]:
    """Return the cores that this process may use, or all where the system does not tell."""
    affinity = getattr(os, "sched_getaffinity", None)
    return sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))


ALL = usable()  # before pin()


def pin() -> None:
    """Stay on one core, and start this program again unless it was started with one thread.

    Libraries read these variables when they are loaded: setting them later is too late.
    """
    if any(os.environ.get(name) != value for name, value in ASKED.items()):
        command, asked = [sys.executable, *sys.orig_argv[1:]], os.environ | ASKED
        if os.name == "posix":
            os.execve(command[0], command, asked)
        raise SystemExit(subprocess.call(command, env=asked))
    stay_on(ALL[-1:])


def stay_on(cores: list[int]) -> None:
    """Use these cores alone, where the system can be told."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(cores))


def threads() -> dict[str, int]:
    """Return the threads of every pool as measured, and of the whole process where Linux tells."""
    found = {
        f"{pool['internal_api']} {pool['version'] or ''}".strip(): int(pool["num_threads"])
        for pool in threadpool_info()
    }
    if torch := sys.modules.get("torch"):
        found["torch"] = torch.get_num_threads()
    alive = Path("/proc/self/task")
    return found | ({"process": len(list(alive.iterdir()))} if alive.exists() else {})


def record() -> dict[str, Any]:
    """Return the machine, the versions and the moment."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _output("git", "describe", "--always", "--dirty"),
        "cpu": _cpu(),
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "cores": os.cpu_count(),
        "cores used": usable(),
        "load average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        **{name: _version(name) for name in PACKAGES},
        "threads": threads(),
    }


def show(found: dict[str, Any]) -> None:
    """Print the record."""
    print("\nEnvironment, as measured")
    for name, value in found.items():
        print(f"  {name:22}  {value}")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


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

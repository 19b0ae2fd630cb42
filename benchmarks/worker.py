"""A process for one engine: it runs a block when told, and otherwise waits at a pipe.

Two pools of spinning threads in one process, or beside each other, slow each other down. So each
engine has a process of its own, and while one runs its block the threads of all others sleep.
"""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.cases import Adapter, Work
from benchmarks.harness import Session, run, sample
from benchmarks.tasks import Array

CALM = 0.05  # seconds without a tick of the processor's clock: the threads sleep


class Worker:
    """The near end: a session whose steps are taken in the other process."""

    def __init__(self, name: str, cores: list[int]) -> None:
        self.name = name
        own = environment.usable()
        environment.stay_on(cores)  # before the child starts: OpenBLAS counts them when loaded
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | dict.fromkeys(environment.POOLS, str(len(cores))),
            cwd=Path(__file__).parent.parent,
        )
        environment.stay_on(own)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self.process.stdin, self.process.stdout:
            if pipe:
                pipe.close()
        self.process.wait()

    def call(self, method: str, *arguments: Any) -> Any:
        """Have a method of ``Desk`` called over there; its exceptions are raised here."""
        assert self.process.stdin
        assert self.process.stdout
        pickle.dump((method, arguments), self.process.stdin)
        self.process.stdin.flush()
        fine, value = pickle.load(self.process.stdout)
        if not fine:
            raise value
        return value

    def reset(self) -> None:
        """Go back to the initial weights."""
        self.call("reset")

    def step(self) -> Any:
        """Take one step."""
        return self.run(1)[0]

    def run(self, steps: int) -> list[Any]:
        """Take so many steps."""
        read: list[Any] = self.call("run", steps)
        return read

    def state(self) -> Mapping[str, Array]:
        """Return copies of every parameter and gradient."""
        found: Mapping[str, Array] = self.call("state")
        return found

    def block(self, steps: int, samples: int) -> tuple[list[float], float]:
        """Return samples, and how many cores were busy; return when the threads sleep again."""
        found: tuple[list[float], float] = self.call("block", steps, samples)
        for _ in range(20):
            worked = self._worked()
            time.sleep(CALM)
            if self._worked() == worked:
                break
        return found

    def _worked(self) -> list[str]:
        """Return the processor's time of the process, where Linux tells."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        return stat.read_text().rpartition(")")[2].split()[11:13] if stat.exists() else []


class Desk:
    """The far end."""

    def __init__(self, name: str) -> None:
        from benchmarks.engines import ENGINES

        self.engine: Adapter = next(engine for engine in ENGINES if engine.name == name)
        self.session: Session

    def load(self, task: Work) -> float:
        """Load a task; return the seconds until its first step was done."""
        self.engine.load()
        start = time.perf_counter()
        self.session = self.engine(task)
        self.session.step()
        return time.perf_counter() - start

    def reset(self) -> None:
        self.session.reset()

    def run(self, steps: int) -> list[Any]:
        return run(self.session, steps)

    def state(self) -> Mapping[str, Array]:
        return self.session.state()

    def block(self, steps: int, samples: int) -> tuple[list[float], float]:
        """Return samples after one that is thrown away, and how many cores were busy."""
        sample(self.session, steps)
        start, worked = time.perf_counter(), time.process_time()
        found = [sample(self.session, steps) for _ in range(samples)]
        return found, (time.process_time() - worked) / (time.perf_counter() - start)

    def threads(self) -> dict[str, int]:
        return environment.threads()


def main(name: str) -> None:
    """Answer calls from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the answers
    desk = Desk(name)
    while True:
        try:
            method, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = True, getattr(desk, method)(*arguments)
        except Exception as error:  # noqa: BLE001 - the near end raises it
            answer = False, error
        answers.write(packed(answer))
        answers.flush()


def packed(answer: tuple[bool, Any]) -> bytes:
    """Pickle an answer; an exception that cannot be, goes as its text."""
    try:
        return pickle.dumps(answer)
    except Exception:  # noqa: BLE001 - pickle passes on whatever the object raises
        return pickle.dumps((False, RuntimeError(f"{type(answer[1]).__name__}: {answer[1]}")))


if __name__ == "__main__":
    main(sys.argv[1])

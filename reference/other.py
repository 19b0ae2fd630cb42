"""PyTorch on its default kernels: how far PyTorch is from itself.

PyTorch's CPU kernels come in several instruction sets and one is chosen when it is loaded.
`default` does without AVX2 and AVX512 and so rounds differently. Neither result is the wrong one.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tinygrad_cls.experiments import EXPERIMENTS

from .compare import Setting
from .record import Record
from .training import draw, repeatable, train


@contextmanager
def default_kernels(settings: Iterable[Setting]) -> Iterator[Iterator[Record]]:
    """A record for each of `settings`, in their order, trained in a process in the background.

    Training starts from the weights that this process draws, as the other runs do.
    """
    wanted = [(s.experiment.name, s.dtype, s.seed, s.epochs) for s in settings]
    with TemporaryDirectory() as folder:
        for i, (name, dtype, seed, _) in enumerate(wanted):
            start: dict[str, Any] = {**draw(EXPERIMENTS[name], dtype, seed)}
            np.savez(Path(folder, f"start{i}.npz"), **start)
        process = subprocess.Popen(
            [sys.executable, "-m", "reference.other", folder, json.dumps(wanted)],
            cwd=Path(__file__).parents[1],
            env=os.environ | {"ATEN_CPU_CAPABILITY": "default"},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the process in front, which ends this one
        )
        with process:
            try:
                yield _records(process)
            finally:
                process.kill()


def _records(process: subprocess.Popen[str]) -> Iterator[Record]:
    assert process.stdout is not None
    for path in process.stdout:
        yield Record.load(Path(path.strip()))
    raise RuntimeError("PyTorch on its default kernels ended early; its error is printed above")


def main(folder: str, wanted: str) -> None:
    """Train on the kernels this process was started with, and print a file name for each run."""
    with repeatable():
        for i, (name, dtype, seed, epochs) in enumerate(json.loads(wanted)):
            with np.load(Path(folder, f"start{i}.npz")) as start:
                record = train(
                    EXPERIMENTS[name], dtype=dtype, seed=seed, epochs=epochs, start=dict(start)
                )
            record.save(path := Path(folder, f"{i}.npz"))
            print(path, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What the playground shows where PyTorch is missing: its presets as torch trains them.

`python -m reference.playground` writes the file; `tests/test_playground_session.py` compares it
with what torch computes now.
"""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tinygrad_cls._torch import to_torch
from tinygrad_cls.experiments import EXPERIMENTS
from tinygrad_cls.playground import model
from tinygrad_cls.playground.data import load
from tinygrad_cls.playground.recipe import PRESETS
from tinygrad_cls.playground.reference import EVERY, RECORDED, live

from .record import Arrays
from .training import repeatable


def record(name: str) -> Arrays:
    """Loss of every step of a preset; weights and gradients after every 100th."""
    recipe = PRESETS[name]
    data = load(recipe)
    start = to_torch(model.build(recipe, len(data.features), len(data.classes)))
    with repeatable():
        rows = [*islice(live(torch, recipe, start, data), EXPERIMENTS[name].epochs)]
    states = [row.state for row in rows[EVERY - 1 :: EVERY] if row.state]
    weights, gradients = map(np.stack, zip(*states, strict=True))
    losses = np.array([row.loss for row in rows], dtype=np.float32)
    return {"loss": losses, "weights": weights, "gradients": gradients}


def write(path: Path = RECORDED) -> None:
    """All presets in one file; equal numbers give equal bytes."""
    arrays: Any = {f"{name}/{what}": a for name in PRESETS for what, a in record(name).items()}
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    write()
    print(RECORDED)

"""PyTorch beside the run: live where torch is installed, else recorded for the presets.

Both start from the same weights and take the same batches, so that what differs is rounding. How
much of that is allowed over a whole run is the contract's (docs/contract.md), which judges the
loss; parameters and gradients follow from it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _torch, nn
from ..experiments.contract import LOSS_FLOAT32, LOSS_FLOAT64, LOSS_FLOAT64_ANY_RUN
from .data import Data
from .recipe import PRESETS, Recipe

Array = NDArray[Any]

RECORDED = Path(__file__).with_name("recorded.npz")
EVERY = 100
"""Steps between two recorded states of weights and gradients."""
SECONDS = 0.1
"""What torch gets in one frame to catch up."""


def tolerance(recipe: Recipe) -> tuple[float | None, str]:
    """How far the losses may be apart, relatively, and why that far; None if nothing says so."""
    name = next((n for n, preset in PRESETS.items() if preset == recipe), None)
    if recipe.dtype == "float64":
        if replace(recipe, dtype="float32") in PRESETS.values():
            return LOSS_FLOAT64, "float64 curves of the tutorial's runs agree to 12 digits"
        return LOSS_FLOAT64_ANY_RUN, "float64 curves agree to 8 digits, whatever the run"
    if name is not None:
        return LOSS_FLOAT32[name], "measured for this run: float32 roundings, and what they grow to"
    return None, "float32 curves are judged for the presets alone: any run may amplify a rounding"


class Row(NamedTuple):
    """Torch's side of a step: its loss, and weights and gradients where they are known."""

    loss: float
    state: tuple[Array, Array] | None


class Reference:
    """Torch's run of the same recipe. kind: "live", "recorded" or "none"; why: a sentence."""

    def __init__(self, recipe: Recipe, model: nn.Sequential, data: Data) -> None:
        self.tolerance, self.tolerance_why = tolerance(recipe)
        self._rows: Iterator[Row] = iter(())
        self._losses = array("d")
        self._now: tuple[Array, Array] | None = None
        self._ended = False  # a recording has
        name = next((n for n, preset in PRESETS.items() if preset == recipe), None)
        try:
            torch = _torch.pytorch()
        except (ImportError, OSError) as missing:  # OSError: a library of its own is missing
            if name is None:
                self.kind, self.why = "none", f"{missing}; without it only the presets are recorded"
            else:
                self.kind = "recorded"
                self._rows = recorded(name)
                self.why = f"{missing}; these are the numbers that it gave when they were recorded"
        else:
            self.kind = "live"
            self.why = f"torch {torch.__version__} does each step beside ours, from equal weights"
            self._rows = live(torch, recipe, _torch.to_torch(model), data)

    def compare(
        self, step: int, losses: Sequence[float], weights: Array, gradients: Array,
        since: int | None = None, seconds: float = SECONDS,
    ) -> dict[str, Any] | None:  # fmt: skip
        """Catch up with our `step`, and tell what torch's steps after `since` were.

        losses, weights, gradients: ours. None where there is nothing to compare with.
        """
        if self.kind == "none":
            return None
        since = len(self._losses) if since is None else since
        start = perf_counter()
        while len(self._losses) < step and perf_counter() - start < seconds:
            if (row := next(self._rows, None)) is None:
                self._ended = True
                break
            self._losses.append(row.loss)
            self._now = row.state
        done = len(self._losses)
        new = slice(since, done)
        theirs = np.array(self._losses[new])
        ours = np.array(losses[new])
        found: dict[str, Any] = {
            "step": list(range(new.start + 1, done + 1)),
            "loss": theirs.tolist(),
            "loss_difference": (abs(ours - theirs) / np.fmax(abs(theirs), 1e-300)).tolist(),
            "at": None,
            "parameter_difference": None,
            "gradient_difference": None,
            "behind": 0 if self._ended else step - done,
        }
        if self._now is not None and done == step:
            found["at"] = step
            found["parameter_difference"] = _apart(weights, self._now[0])
            found["gradient_difference"] = _apart(gradients, self._now[1])
        return found


def _apart(ours: Array, theirs: Array) -> float:
    """The largest difference, relative to the largest entry."""
    return float(abs(ours.astype(np.float64) - theirs).max() / max(abs(theirs).max(), 1e-300))


def live(torch: Any, recipe: Recipe, model: Any, data: Data) -> Iterator[Row]:
    """PyTorch's own steps, one at a time."""
    kind = getattr(torch, recipe.dtype)
    binary = recipe.loss == "bce"
    X = torch.from_numpy(data.X_train).type(kind)
    y = torch.from_numpy(data.y_train).type(kind if binary else torch.int64)
    loss_fn = torch.nn.BCEWithLogitsLoss() if binary else torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.lr, momentum=recipe.momentum)
    batches = _batches(torch, recipe, X, y)

    def loss_of(x: Any, t: Any) -> Any:
        logits = model(x)
        return loss_fn(logits.squeeze(dim=1) if binary else logits, t)

    while True:
        x, t = next(batches)
        loss = loss_of(x, t)
        shown = loss
        if recipe.batch:
            with torch.inference_mode():
                shown = loss_of(X, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        parameters = list(model.parameters())
        yield Row(shown.item(), (_flat(parameters), _flat([p.grad for p in parameters])))


def _batches(torch: Any, recipe: Recipe, X: Any, y: Any) -> Iterator[Any]:
    if not recipe.batch:
        while True:
            yield X, y
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(X, y),
        batch_size=recipe.batch,
        shuffle=True,
        generator=torch.Generator().manual_seed(recipe.seed),
    )
    while True:
        yield from loader


def _flat(tensors: list[Any]) -> Array:
    return np.concatenate([t.detach().numpy().ravel() for t in tensors])


def recorded(name: str) -> Iterator[Row]:
    """A preset's steps as torch did them once; weights and gradients every 100th step."""
    with np.load(RECORDED) as arrays:
        losses, weights, gradients = (
            arrays[f"{name}/{what}"] for what in ("loss", "weights", "gradients")
        )
    for step, loss in enumerate(losses.tolist(), 1):
        i, rest = divmod(step, EVERY)
        yield Row(loss, None if rest else (weights[i - 1], gradients[i - 1]))

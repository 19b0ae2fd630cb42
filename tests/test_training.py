"""Training runs of both engines agree, over seeds, sizes, depths, learning rates and both losses.

In float64 the whole loss curve is judged. In float32 a curve says little: a spike amplifies
rounding, and PyTorch parts from itself between its kernels. There every step is judged from equal
weights, by the bound that reference/rounding.py derives from the number of operations.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cls as tg

UNIT = 2.0**-24


@dataclass(frozen=True)
class Setting:
    """A small classification problem, a stack of Linear layers, and how it is trained."""

    seed: int
    rows: int
    features: int
    hidden: tuple[int, ...]
    classes: int  # 1: a logit and BCEWithLogitsLoss; else CrossEntropyLoss
    relu: bool
    lr: float

    def data(self, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """Clouds that overlap, so that the loss stays away from 0, where its digits end."""
        rng = np.random.default_rng(self.seed)
        y = rng.integers(0, max(self.classes, 2), self.rows)
        X = rng.normal(size=(self.rows, self.features))
        X += 0.7 * rng.normal(size=(max(self.classes, 2), self.features))[y]
        return X.astype(dtype), y if self.classes > 1 else y.astype(dtype)

    def model(self, engine: Any, dtype: str) -> Any:
        engine.manual_seed(self.seed)
        sizes = (self.features, *self.hidden, self.classes)
        layers: list[Any] = []
        for i, o in pairwise(sizes):
            layers += [engine.nn.Linear(i, o, dtype=getattr(engine, dtype)), engine.nn.ReLU()]
        layers = layers[:-1] if self.relu else layers[::2]
        return engine.nn.Sequential(*layers)

    def loss(self, engine: Any, model: Any, X: Any, y: Any) -> Any:
        if self.classes > 1:
            return engine.nn.CrossEntropyLoss()(model(X), y)
        return engine.nn.BCEWithLogitsLoss()(model(X).squeeze(1), y)


@dataclass
class Course:
    """What a training run did: the weights before each step, the gradients there, the losses."""

    weights: list[list[np.ndarray]]
    gradients: list[list[np.ndarray]]
    losses: np.ndarray


def arrays(tensors: Any) -> list[np.ndarray]:
    return [t.detach().numpy().copy() for t in tensors]


def course(engine: Any, setting: Setting, dtype: str, steps: int) -> Course:
    X, y = map(engine.from_numpy, setting.data(dtype))
    model = setting.model(engine, dtype)
    optimizer = engine.optim.SGD(model.parameters(), lr=setting.lr)
    weights, gradients, losses = [], [], []
    for _ in range(steps):
        weights.append(arrays(model.parameters()))
        loss = setting.loss(engine, model, X, y)
        optimizer.zero_grad()
        loss.backward()
        gradients.append(arrays(p.grad for p in model.parameters()))
        losses.append(loss.item())
        optimizer.step()
    return Course(weights, gradients, np.array(losses))


settings = st.builds(
    Setting,
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(10, 120),
    features=st.integers(1, 6),
    hidden=st.lists(st.integers(1, 16), max_size=4).map(tuple),
    classes=st.integers(1, 5),
    relu=st.booleans(),
    lr=st.sampled_from([0.01, 0.03, 0.1]),  # below 2 / curvature: beyond it descent is chaotic
)


@pytest.mark.needs_torch
@given(settings, st.sampled_from([20, 60, 120]))
def test_float64_curves_agree(setting: Setting, steps: int) -> None:
    import torch

    ours, theirs = (course(engine, setting, "float64", steps) for engine in (tg, torch))
    for mine, other in zip(ours.weights[0], theirs.weights[0], strict=True):
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-8, atol=0)
    for mine, other in zip(ours.gradients[0], theirs.gradients[0], strict=True):
        scale = np.abs(other).max(initial=0)
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-10 * scale)


@pytest.mark.needs_torch
@given(settings)
def test_float32_steps_from_equal_weights_agree(setting: Setting) -> None:
    """Both engines within the rounding of one step, at weights along PyTorch's own course."""
    import torch

    theirs = course(torch, setting, "float32", 30)
    for mine, other in zip(
        arrays(setting.model(tg, "float32").parameters()), theirs.weights[0], strict=True
    ):
        np.testing.assert_array_equal(mine, other)
    for at in (0, 1, 10, 29):
        ours = gradients_at(setting, theirs.weights[at])
        assert beyond_rounding(setting, theirs, at, ours) == 0


def gradients_at(setting: Setting, weights: list[np.ndarray]) -> list[np.ndarray]:
    """This engine's gradients at the given weights."""
    model = setting.model(tg, "float32")
    for p, w in zip(model.parameters(), weights, strict=True):
        p.data = tg.tensor(w)
    setting.loss(tg, model, *map(tg.from_numpy, setting.data("float32"))).backward()
    return arrays(p.grad for p in model.parameters())


def beyond_rounding(setting: Setting, theirs: Course, at: int, gradients: list[np.ndarray]) -> int:
    """How many entries are further from torch's than both engines' rounding allows."""
    rounding = pytest.importorskip("reference.rounding", reason="needs the repository")
    bounds = rounding.gradient_rounding(
        theirs.weights[at], *setting.data("float32"),
        relu=setting.relu, integer_targets=setting.classes > 1, u=UNIT,
    )  # fmt: skip
    count = 0
    for mine, other, bound in zip(gradients, theirs.gradients[at], bounds, strict=True):
        count += int((np.abs(mine.astype(np.float64) - other) > 2 * bound.error).sum())
    return count


@pytest.mark.needs_torch
@pytest.mark.parametrize("classes", [1, 4])
def test_a_gradient_off_by_a_thousandth_is_noticed(classes: int) -> None:
    import torch

    setting = Setting(1, 100, 2, (10, 10), classes, relu=True, lr=0.1)
    theirs = course(torch, setting, "float32", 1)
    ours = gradients_at(setting, theirs.weights[0])
    assert beyond_rounding(setting, theirs, 0, ours) == 0
    for i, g in enumerate(ours):
        wrong = [*ours[:i], g * np.float32(1.001), *ours[i + 1 :]]
        assert beyond_rounding(setting, theirs, 0, wrong) > 0


@pytest.mark.needs_torch
@given(settings)
def test_float32_updates_from_equal_gradients_are_equal(setting: Setting) -> None:
    """What is left of a step once the gradients are the same: the optimizer, bit by bit."""
    import torch

    theirs = course(torch, setting, "float32", 3)
    model = setting.model(tg, "float32")
    optimizer = tg.optim.SGD(model.parameters(), lr=setting.lr)
    for gradients, weights in zip(theirs.gradients, theirs.weights[1:], strict=False):
        for p, g in zip(model.parameters(), gradients, strict=True):
            p.grad = tg.tensor(g)
        optimizer.step()
        for p, w in zip(model.parameters(), weights, strict=True):
            np.testing.assert_array_equal(p.detach().numpy(), w)


@given(settings)
def test_the_loss_decreases(setting: Setting) -> None:
    """Gradient descent with a small rate goes downhill: by lr |g|^2 to first order."""
    slope = sum(float((g**2).sum()) for g in course(tg, setting, "float64", 1).gradients[0])
    small = replace(setting, lr=1e-3 / max(slope, 1))
    before, after = course(tg, small, "float64", 2).losses
    np.testing.assert_allclose(before - after, small.lr * slope, rtol=0.2, atol=1e-12)
    losses = course(tg, replace(setting, lr=0.01), "float32", 100).losses
    assert losses[-1] <= losses[0] * (1 + 1e-5)


@given(settings)
def test_a_run_repeats_itself(setting: Setting) -> None:
    once, again = (course(tg, setting, "float32", 5) for _ in range(2))
    np.testing.assert_array_equal(once.losses, again.losses)
    for mine, other in zip(once.weights[-1], again.weights[-1], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_curve_of_pytorch() -> None:
    """Printed by PyTorch 2.13 in float64: every tenth of 50 losses."""
    binary = Setting(7, 60, 2, (8, 8), 1, relu=True, lr=0.3)
    many = Setting(7, 60, 3, (8,), 4, relu=True, lr=0.3)
    for setting, expected in (
        (binary, [0.6859383749454383, 0.6807215239345878, 0.6766633993552691,
                  0.673437891895667, 0.6707121831429012]),
        (many, [1.410536716099123, 1.2400260794599745, 1.1621458773220754,
                1.1162762501831078, 1.086592640075635]),
    ):  # fmt: skip
        losses = course(tg, setting, "float64", 50).losses[::10]
        np.testing.assert_allclose(losses, expected, rtol=1e-12)

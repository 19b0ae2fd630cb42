"""check_optimizer: right optimizers pass, planted mistakes are found and named."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cls as tg
from tinygrad_cls.judge.hints import HINTS
from tinygrad_cls.judge.rules.bench import Bench
from tinygrad_cls.judge.rules.optimizers import check_optimizer
from tinygrad_cls.judge.rules.rounding import Rounded
from tinygrad_cls.judge.rules.step_rules import OPTIONS, RULES
from tinygrad_cls.judge.rules.step_variants import TWISTED, VARIANTS, changes, run

# --- right ones pass ------------------------------------------------------------------------------

SGD = {
    "lr": st.sampled_from([0.1, 7.7, 1e-3, 1.0, 0.0]),
    "momentum": st.sampled_from([0.9, 0.0, 1.5]),
    "dampening": st.sampled_from([0.0, 0.25, 1.0]),
    "weight_decay": st.sampled_from([0.01, 0.0, 3.0]),
    "nesterov": st.booleans(),
    "maximize": st.booleans(),
}
ADAM = {
    "lr": st.sampled_from([1e-3, 0.1, 0.0]),
    "betas": st.sampled_from([(0.9, 0.999), (0.3, 0.5), (0.1, 0.0), (0.0, 0.9)]),
    "eps": st.sampled_from([1e-8, 1e-3, 0.5]),
    "weight_decay": st.sampled_from([0.0, 0.01, 1.0]),
    "amsgrad": st.booleans(),
    "maximize": st.booleans(),
    "decoupled_weight_decay": st.booleans(),
}
COMMON = {
    "dtype": st.sampled_from(["float64", "float32", "float16"]),
    "steps": st.integers(1, 15),
    "seed": st.integers(0, 2**32 - 1),
    "shapes": st.lists(
        st.sampled_from([(), (3,), (2, 2), (0,), (1, 3), (3,)]), min_size=1, max_size=4
    ),
}


def sound(options: dict[str, Any]) -> dict[str, Any]:
    """Nesterov's conditions met, and no float16 where it overflows or its squares vanish."""
    if options.get("nesterov"):
        options |= {"momentum": options.get("momentum") or 0.9, "dampening": 0.0}
    steep = any(options.get(name, 0) > 1 for name in ("lr", "momentum", "weight_decay"))
    if options["dtype"] == "float16" and (steep or "betas" in options or "eps" in options):
        options["dtype"] = "float32"
    return options


def lattice(own: dict[str, Any]) -> Any:
    """Every option with every other."""
    return st.fixed_dictionaries(COMMON, optional=own).map(sound)


@given(lattice(SGD))
def test_sgd_passes(options: dict[str, Any]) -> None:
    report = check_optimizer(tg.optim.SGD, **options)
    assert report, report


@given(lattice(ADAM))
def test_adam_passes(options: dict[str, Any]) -> None:
    if options["dtype"] == "float16":
        options["dtype"] = "float32"
    report = check_optimizer(tg.optim.Adam, **options)
    assert report, report


@pytest.mark.needs_torch
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
@given(st.data())
def test_torch_passes(name: str, data: st.DataObject) -> None:
    import torch

    own = SGD if name == "SGD" else ADAM
    if name == "AdamW":
        own = {k: v for k, v in ADAM.items() if k != "decoupled_weight_decay"}
    options = data.draw(lattice(own))
    if options["dtype"] == "float16":
        options["dtype"] = "float32"
    report = check_optimizer(getattr(torch.optim, name), **options)
    assert report, report


def test_ways_in() -> None:
    quick = partial(tg.optim.SGD, lr=0.5, momentum=0.5)
    assert check_optimizer(quick)
    assert not check_optimizer(quick, momentum=0.6, rule="sgd", lr=0.1, nesterov=False).hints
    assert check_optimizer(lambda params: tg.optim.Adam(params, lr=0.1, amsgrad=True))
    assert check_optimizer(lambda params, lr: tg.optim.SGD(params, lr=lr), lr=0.3)
    assert check_optimizer(tg.optim.SGD, lr=tg.tensor(0.25), foreach=True)


class Lion:
    """Written against no rule of ours: the sign of a mean."""

    def __init__(self, params: Any, lr: float = 0.1, beta: float = 0.9) -> None:
        self.params, self.lr, self.beta = params, lr, beta
        self.means = [tg.zeros_like(p.detach()) for p in params]

    def step(self) -> None:
        for p, m in zip(self.params, self.means, strict=True):
            if p.grad is not None:
                m.mul_(self.beta).add_(p.grad * (1 - self.beta))
                p.data = p.data - self.lr * m.sign()


def lion(p: Any, g: Any, state: Any, lr: float = 0.1, beta: float = 0.9) -> Any:
    m = beta * state.get("m", 0.0) + (1 - beta) * g
    return p - lr * np.sign(m), {"m": m}


def test_a_rule_of_ones_own() -> None:
    assert check_optimizer(Lion, lion, lr=0.2)  # np.sign has no error analysis
    report = check_optimizer(Lion, lambda p, g, s, lr: lion(p, g, s, lr=-lr), lr=0.2)
    assert report.hints == ("learning rate",)
    assert "lr = -0.2" in str(report)


# --- mistakes are found ---------------------------------------------------------------------------


class Wrong:
    """An optimizer of arrays behind our tensors, for mistakes to be planted in."""

    def __init__(self, params: Any, **o: Any) -> None:
        self.params, self.o = list(params), o
        self.state: list[dict[str, Any]] = [{} for _ in self.params]
        self.calls = 0

    def step(self) -> None:
        self.calls += 1
        for p, state in zip(self.params, self.state, strict=True):
            if p.grad is not None:
                p.data = tg.tensor(self.new(p.detach().numpy().copy(), p.grad.numpy(), state))

    def new(self, p: Any, g: Any, state: Any) -> Any:
        raise NotImplementedError


class WrongSGD(Wrong):
    """Right, if nothing is changed."""

    def new(self, p: Any, g: Any, state: Any) -> Any:
        o = self.o
        g = self.turn(g) if o.get("maximize") else g
        g = g + self.decay(p)
        if o.get("momentum"):
            state["b"] = self.buffer(g, state)
            g = self.look(g, state["b"])
        return p - self.rate() * g

    def turn(self, g: Any) -> Any:
        return -g

    def decay(self, p: Any) -> Any:
        return self.o.get("weight_decay", 0) * p

    def buffer(self, g: Any, state: Any) -> Any:
        return (
            self.o["momentum"] * state["b"] + (1 - self.o.get("dampening", 0)) * g if state else g
        )

    def look(self, g: Any, b: Any) -> Any:
        return g + self.o["momentum"] * b if self.o.get("nesterov") else b

    def rate(self) -> float:
        return float(self.o["lr"])


class WrongAdam(Wrong):
    """Right, if nothing is changed."""

    def new(self, p: Any, g: Any, state: Any) -> Any:
        o = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0} | self.o
        (b1, b2), lr = o["betas"], o["lr"]
        state["t"] = t = state.get("t", 0) + 1
        g = g + o["weight_decay"] * p
        state["m"] = m = b1 * state.get("m", 0) + (1 - b1) * g
        state["v"] = v = b2 * state.get("v", 0) + (1 - b2) * g * g
        return p - lr * self.move(m, v, *self.corrections(b1, b2, t), o["eps"])

    def corrections(self, b1: float, b2: float, t: int) -> tuple[float, float]:
        return 1 - b1**t, 1 - b2**t

    def move(self, m: Any, v: Any, c1: float, c2: float, eps: float) -> Any:
        return m / c1 / (np.sqrt(v / c2) + eps)


FAULTS: dict[str, tuple[Any, str, str, dict[str, Any]]] = {}


def planted(rule: str, hint: str, **options: Any) -> Any:
    def add(make: Any) -> Any:
        FAULTS[make.__name__] = (make, rule, hint, {"lr": 0.1} | options)
        return make

    return add


@planted("sgd", "momentum", momentum=0.9, dampening=0.5)
class DampensTheFirstStep(WrongSGD):
    def buffer(self, g: Any, state: Any) -> Any:
        return self.o["momentum"] * state.get("b", 0) + (1 - self.o["dampening"]) * g


@planted("sgd", "momentum", momentum=0.9)
class MeanForSum(WrongSGD):
    def buffer(self, g: Any, state: Any) -> Any:
        return 0.9 * state.get("b", 0) + 0.1 * g


@planted("sgd", "momentum", momentum=0.9)
class NoMomentum(WrongSGD):
    def look(self, g: Any, b: Any) -> Any:
        return g


@planted("sgd", "momentum", momentum=0.9, nesterov=True)
class NesterovFromTheBuffer(WrongSGD):
    def look(self, g: Any, b: Any) -> Any:
        return b + 0.9 * b


@planted("sgd", "momentum", momentum=0.9, nesterov=True)
class NesterovIgnored(WrongSGD):
    def look(self, g: Any, b: Any) -> Any:
        return b


@planted("sgd", "weight decay", weight_decay=0.1, momentum=0.9)
class NoDecay(WrongSGD):
    def decay(self, p: Any) -> Any:
        return 0


@planted("sgd", "weight decay", weight_decay=0.1)
class GrowsWeights(WrongSGD):
    def decay(self, p: Any) -> Any:
        return -0.1 * p


@planted("sgd", "weight decay", weight_decay=0.1, momentum=0.9)
class DecoupledDecay(WrongSGD):
    def new(self, p: Any, g: Any, state: Any) -> Any:
        return super().new(p, g, state) - 0.1 * 0.1 * p

    def decay(self, p: Any) -> Any:
        return 0


@planted("sgd", "weight decay", weight_decay=0.1)
class DecayWithoutRate(WrongSGD):
    def new(self, p: Any, g: Any, state: Any) -> Any:
        return super().new(p, g, state) - 0.1 * p

    def decay(self, p: Any) -> Any:
        return 0


@planted("sgd", "learning rate", momentum=0.8)
class RateTwice(WrongSGD):
    def buffer(self, g: Any, state: Any) -> Any:
        return super().buffer(self.o["lr"] * g, state)


@planted("sgd", "learning rate")
class RateFalls(WrongSGD):
    def rate(self) -> float:
        return float(self.o["lr"]) / self.calls


@planted("sgd", "learning rate")
class RateOfItsOwn(WrongSGD):
    def rate(self) -> float:
        return 0.07


@planted("sgd", "maximize", maximize=True)
class MaximizeIgnored(WrongSGD):
    def turn(self, g: Any) -> Any:
        return g


@planted("sgd", "weight decay", maximize=True, weight_decay=0.1)
class MaximizeTurnsDecay(WrongSGD):
    def decay(self, p: Any) -> Any:
        return -0.1 * p


@planted("sgd", "skipped parameter", momentum=0.9)
class CoastsWithoutGradient(WrongSGD):
    def step(self) -> None:
        for p in self.params:
            p.grad = tg.zeros_like(p.detach()) if p.grad is None else p.grad
        super().step()


@planted("sgd", "skipped parameter", momentum=0.9)
class ZerosAreNone(WrongSGD):
    def step(self) -> None:
        for p in self.params:
            p.grad = None if p.grad is None or not p.grad.any() else p.grad
        super().step()


@planted("sgd", "skipped parameter")
class RaisesWithoutGradient(WrongSGD):
    def step(self) -> None:
        for p, state in zip(self.params, self.state, strict=True):
            p.data = tg.tensor(self.new(p.detach().numpy(), p.grad.numpy(), state))


@planted("sgd", "shared state", momentum=0.9)
class SharesState(WrongSGD):
    def __init__(self, params: Any, **o: Any) -> None:
        super().__init__(params, **o)
        self.state = [self.state[len(p.shape) - 1] for p in self.params]


@planted("sgd", "zero")
class MovesACopy(WrongSGD):
    def step(self) -> None:
        for p in self.params:
            if p.grad is not None:
                p.detach().clone().sub_(self.o["lr"] * p.grad)


@planted("sgd", "mutates cotangent", weight_decay=0.1)
class WritesGradients(WrongSGD):
    def decay(self, p: Any) -> Any:
        return 0

    def new(self, p: Any, g: Any, state: Any) -> Any:
        g += 0.1 * p
        return super().new(p, g, state)


@planted("sgd", "shared buffer", momentum=0.9)
class KeepsGradients(WrongSGD):
    def new(self, p: Any, g: Any, state: Any) -> Any:
        if "b" in state:
            state["b"] *= 0.9
            state["b"] += g
        else:
            state["b"] = g
        return p - 0.1 * state["b"]


@planted("adam", "bias correction")
class NoCorrection(WrongAdam):
    def corrections(self, b1: float, b2: float, t: int) -> tuple[float, float]:
        return 1, 1


@planted("adam", "bias correction")
class NoSecondCorrection(WrongAdam):
    def corrections(self, b1: float, b2: float, t: int) -> tuple[float, float]:
        return 1 - b1**t, 1


@planted("adam", "bias correction")
class CorrectionAhead(WrongAdam):
    def corrections(self, b1: float, b2: float, t: int) -> tuple[float, float]:
        return 1 - b1 ** (t + 1), 1 - b2 ** (t + 1)


@planted("adam", "bias correction")
class CountsCalls(WrongAdam):
    def corrections(self, b1: float, b2: float, t: int) -> tuple[float, float]:
        return 1 - b1**self.calls, 1 - b2**self.calls


@planted("adam", "epsilon", eps=1e-3)
class EpsInside(WrongAdam):
    def move(self, m: Any, v: Any, c1: float, c2: float, eps: float) -> Any:
        return m / c1 / np.sqrt(v / c2 + eps)


@planted("adam", "epsilon", eps=1e-3)
class EpsBefore(WrongAdam):
    def move(self, m: Any, v: Any, c1: float, c2: float, eps: float) -> Any:
        return m / c1 / ((np.sqrt(v) + eps) / c2**0.5)


@planted("adam", "amsgrad", amsgrad=True, betas=(0.9, 0.9))
class NoAmsgrad(WrongAdam):
    pass


@planted("adam", "weight decay", weight_decay=0.1)
class Decouples(WrongAdam):
    def new(self, p: Any, g: Any, state: Any) -> Any:
        self.o["weight_decay"] = 0.0
        return super().new(p, g, state) - 0.1 * 0.1 * p


@planted("adam", "weight decay", weight_decay=0.1, decoupled_weight_decay=True)
class Couples(WrongAdam):
    pass


@planted("adam", "maximize", maximize=True)
class AdamDescends(WrongAdam):
    pass


@planted("adam", "neighbour")
class FollowsSGD(WrongSGD):
    pass


@planted("adam", "bias correction", weight_decay=0.1)
class TwoMistakes(WrongAdam):
    def new(self, p: Any, g: Any, state: Any) -> Any:
        self.o["weight_decay"] = 0.0
        return super().new(p, g, state)

    def corrections(self, b1: float, b2: float, t: int) -> tuple[float, float]:
        return 1, 1


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FAULTS)
def test_mistake_is_named(name: str, dtype: str) -> None:
    make, rule, hint, options = FAULTS[name]
    report = check_optimizer(make, rule, dtype=dtype, **options)
    assert report.verdict == "failed", report
    assert report.failures[0].hint == hint, report


@pytest.mark.parametrize("make", [WrongSGD, WrongAdam])
def test_the_base_of_the_mistakes_is_right(make: Any) -> None:
    rule = make.__name__.removeprefix("Wrong").lower()
    report = check_optimizer(make, rule, lr=0.1, weight_decay=0.1, seed=3)
    assert report, report


def test_two_mistakes_are_both_named() -> None:
    make, rule, _, options = FAULTS["TwoMistakes"]
    text = str(check_optimizer(make, rule, **options))
    assert "no bias correction and weight decay left out" in text


def test_a_small_mistake_is_found() -> None:
    """A relative error of 1e-6 in the update, in float64."""

    def off(params: Any, grads: Any, state: Any) -> None:
        for p, g in zip(params, grads, strict=True):
            if g is not None:
                p[...] -= 1e-3 * (1 + 1e-6) * g

    report = check_optimizer(off, "sgd", lr=1e-3)
    assert report.failures[0].hint == "learning rate"
    assert not check_optimizer(lambda params, grads, state: off(params, grads, state), "sgd")


def test_what_changes_by_chance_is_found() -> None:
    rng = np.random.default_rng(0)

    def noisy(params: Any, grads: Any, state: Any) -> None:
        for p, g in zip(params, grads, strict=True):
            if g is not None:
                p[...] -= 0.1 * g * rng.normal()

    kinds = [f.kind for f in check_optimizer(noisy, "sgd", lr=0.1).failures]
    assert kinds == ["wrong rule", "not repeatable"]


def test_dtype_is_kept() -> None:
    def narrow(params: Any, grads: Any, state: Any) -> Any:
        return [
            p if g is None else (p - 0.1 * g).astype(np.float32)
            for p, g in zip(params, grads, strict=True)
        ]

    report = check_optimizer(narrow, "sgd", lr=0.1)
    assert [f.kind for f in report.failures] == ["wrong rule", "wrong dtype"]


# --- the judge's own parts ------------------------------------------------------------------------


def test_hints_are_known() -> None:
    used = {v.hint for variants in VARIANTS.values() for v in variants}
    used |= {hint for *_, hint, _ in FAULTS.values()}
    assert used <= set(HINTS)


@pytest.mark.parametrize("rule", TWISTED)
@np.errstate(all="ignore")  # a bias correction that starts at t = 0 divides by zero
def test_twisted_rules_without_mistakes_are_the_rules(rule: str) -> None:
    rng = np.random.default_rng(1)
    params = [rng.normal(size=3), rng.normal(size=2)]
    gradients = [[rng.normal(size=3), None if t == 2 else rng.normal(size=2)] for t in range(6)]
    gradients[4][0] *= 0
    options = OPTIONS[rule] | {"weight_decay": 0.1, "maximize": True}
    options |= (
        {"momentum": 0.9, "nesterov": True} if rule == "sgd" else {"amsgrad": True, "eps": 1e-3}
    )
    right = run(RULES[rule], options, params, gradients)
    twisted = run(TWISTED[rule], options, params, gradients)
    for row, other in zip(right, twisted, strict=True):
        for p, q in zip(row, other, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-13)
    # and every mistake makes a difference
    for (variant, *more), changed in changes(rule, options):
        if not more and variant.hint != "shared state":
            wrong = run(TWISTED[rule], changed, params, gradients)
            pairs = zip(right[-1], wrong[-1], strict=True)
            assert not all(np.allclose(p, q, rtol=1e-9, atol=0) for p, q in pairs), variant


def test_rounded_numbers_bound_what_rounding_does() -> None:
    """Against the same formula in float32."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1000)).astype(np.float32)
    for formula in (
        lambda a, b: a * b + a - b,
        lambda a, b: a / (np.sqrt(b * b) + np.float32(1e-3)),
        lambda a, b: np.sqrt(abs(a * a - b * b)),
        lambda a, b: np.maximum(a + b, a * b) ** 2,
    ):
        zero = np.zeros(1000)
        y = formula(Rounded(a, zero, 2.0**-24), Rounded(b, zero, 2.0**-24))
        off = np.abs(formula(a, b) - y.value)
        assert (off <= y.bound * 1.001).all()
        assert off.max() > 0.01 * y.bound.max()  # and is not much too wide


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((3,), {}, "make is an int"),
        ((tg.optim.SGD, "rmsprop"), {}, "unknown rule 'rmsprop'"),
        ((tg.optim.SGD,), {"steps": 0}, "steps is 0"),
        ((tg.optim.SGD,), {"shapes": []}, "shapes is \\[\\]"),
        ((tg.optim.SGD,), {"shapes": 3}, "shapes is 3"),
        ((tg.optim.SGD,), {"dtype": "int64"}, "dtype is 'int64'"),
        ((tg.optim.SGD,), {"engine": "jax"}, "unknown engine 'jax'"),
        ((tg.optim.SGD,), {"lr": -1.0}, "SGD\\(params, lr=-1.0\\) raised ValueError: Invalid"),
        ((tg.optim.SGD,), {"beta": 1}, "raised TypeError"),
        ((lambda params: None,), {}, "which has no step\\(\\)"),
        (
            (lambda params: tg.optim.SGD(params),),
            {"speed": 1},
            "the rule sgd has no option 'speed'",
        ),
        ((Lion,), {}, "which rule is Lion to follow"),
    ],
)
def test_bad_input(arguments: Any, options: Any, text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text) as caught:
        check_optimizer(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_a_step_that_raises_is_a_verdict() -> None:
    class Broken(WrongSGD):
        def step(self) -> None:
            raise RuntimeError("no luck")

    report = check_optimizer(Broken, "sgd", lr=0.1)
    assert report.verdict == "failed"
    assert "step 1 raises RuntimeError: no luck" in str(report)


def test_a_step_of_another_shape_is_a_verdict() -> None:
    report = check_optimizer(lambda params, grads, state: [np.ones(7)] * 3, "sgd", lr=0.1)
    assert "p[0] has the shape (7,) after the step" in str(report)


@pytest.mark.needs_torch
def test_torchs_classes_need_torchs_parameters() -> None:
    import torch

    def make(params: Any) -> Any:
        return torch.optim.SGD(params, lr=0.1)

    assert check_optimizer(make, engine="torch")
    with pytest.raises(TypeError, match="need engine='torch'"):
        check_optimizer(make)
    assert Bench(torch.optim.SGD, "torch", {"lr": 0.1}).build([np.ones(2)]).params[0].is_leaf

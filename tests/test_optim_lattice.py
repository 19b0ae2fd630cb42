"""Every option of the optimizers with every other, and schedulers in chains, against torch.

A `Case` says what to build and what to do with it; `run` does that on an engine, `judge` compares
what came of it on both, errors included. `judge` takes the engine's class as an argument, so that
test_wrong_options.py can give it a wrong one.
"""

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from parity import Outcome, compare, outcome, pytorch
from test_optim import x86_64_linux

import tinygrad_cls as tg

pytestmark = [pytest.mark.needs_torch, x86_64_linux]


@dataclass
class Case:
    """``groups`` holds shapes and a group's own options, ``steps`` what happens in each step."""

    options: dict[str, Any]
    groups: list[tuple[list[tuple[int, ...]], dict[str, Any]]]
    steps: list[dict[str, Any]]
    form: str = "groups"
    dtype: str = "float32"
    seed: int = 0


def made(engine: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Options with tensors of the engine for arrays."""

    def tensor(x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(tensor, x))
        return engine.tensor(x.tolist(), dtype=engine.float32) if isinstance(x, np.ndarray) else x

    return {name: tensor(value) for name, value in options.items()}


def build(engine: Any, make: Any, case: Case, groups: list[list[Any]]) -> Any:
    """The optimizer, its parameters given in one of the ways there are."""
    dicts = [
        {"params": params, **made(engine, own)}
        for params, (_, own) in zip(groups, case.groups, strict=True)
    ]
    options = made(engine, case.options)
    if case.form == "groups":
        return make(dicts, **options)
    if case.form == "list":
        optimizer = make(groups[0], **options)
    elif case.form == "names":
        optimizer = make([(f"p{i}", p) for i, p in enumerate(groups[0])], **options)
        for i, group in enumerate(dicts):
            group["params"] = [(f"p{i}.{j}", p) for j, p in enumerate(group["params"])]
    else:
        optimizer = make(iter(groups[0]), **options)
    for group in dicts[1:]:
        optimizer.add_param_group(group)
    return optimizer


def run(engine: Any, make: Any, case: Case) -> dict[str, Any]:
    """Values, state and texts after the case's steps."""
    rng = np.random.default_rng(case.seed)

    def draw(shape: tuple[int, ...]) -> Any:
        return engine.tensor(rng.normal(size=shape).astype(case.dtype))

    groups = [[engine.nn.Parameter(draw(shape)) for shape in shapes] for shapes, _ in case.groups]
    optimizer = build(engine, make, case, groups)
    returned, largest = [], 1.0
    for step in case.steps:
        for group in optimizer.param_groups:
            group.update(made(engine, step["change"]))
        params = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [
            {"g": draw, "0": engine.zeros, "-": lambda _: None}[kind](tuple(p.shape))
            for p, kind in zip(params, step["gradients"], strict=False)
        ]

        def closure(params: Any = params, gradients: Any = gradients) -> Any:
            for p, g in zip(params, gradients, strict=True):
                p.grad = None if g is None else g.to(p.dtype)
            return engine.is_grad_enabled()

        if step["closure"]:
            returned.append(optimizer.step(closure))
        else:
            closure()
            returned.append(optimizer.step())
        for p in params:
            values = [p.detach(), *optimizer.state[p].values()] if p in optimizer.state else [p]
            largest = max([largest, *(float(v.detach().abs().sum()) for v in values)])
        if step["then"] == "load":
            saved = copy.deepcopy(optimizer.state_dict())
            groups = [group["params"] for group in optimizer.param_groups]
            optimizer = build(engine, make, case, groups)
            optimizer.load_state_dict(saved)
        elif step["then"] == "pickle":
            optimizer = pickle.loads(pickle.dumps(optimizer))
        elif step["then"] == "copy":
            optimizer = copy.deepcopy(optimizer)
    values = [p for group in optimizer.param_groups for p in group["params"]]
    return {
        "values": values,
        "state": optimizer.state_dict(),
        "text": repr(optimizer).partition(" ")[2],
        "returned": returned,
        "largest": largest,
    }


def judge(make: Any, case: Case) -> None:
    """AssertionError unless ``make``, an optimizer of the engine, does what torch's does."""
    torch = pytorch()
    ours = outcome(tg, partial(run, make=make, case=case))
    base = next(c for c in make.__mro__ if hasattr(torch.optim, c.__name__))
    theirs = outcome(torch, partial(run, make=getattr(torch.optim, base.__name__), case=case))
    if ours.error or theirs.error:
        compare(ours, theirs)
        return
    size = float(theirs.value.pop("largest")["array"])
    ours.value.pop("largest")
    near = 0.0
    if not bits(base.__name__, case):
        # Roundings of the largest number at hand: a handful a step, and each step's are multiplied
        # by a momentum of up to 1.5 in the next. A tensor lr is a float32, which torch's fused
        # kernel divides elsewhere.
        eps = np.finfo("float32" if is_fused(case) and case.dtype == "float64" else case.dtype).eps
        near = 16 * 2.0 ** len(case.steps) * size * float(eps)
    alike(ours.value, theirs.value, "", near)
    if base is tg.optim.Adam and not is_fused(case) and not any(every(case, "weight_decay")):
        # no gradient depends on a square root: the moments have torch's bits
        alike(ours.value["state"], theirs.value["state"], "state", 0.0)
    compare(Outcome(warned=ours.warned), Outcome(warned=theirs.warned))


# Not drawn: float16 with torch's fused kernel, whose results are wrong, and float16 in Adam, whose
# squares underflow, so that the roundings are as large as the numbers.


def bits(name: str, case: Case) -> bool:
    """Whether torch's bits are promised: not in float16, where torch rounds after every op, nor
    for its fused kernels, which part from its others, nor for the square root in Adam.
    """
    return name == "SGD" and case.dtype != "float16" and not is_fused(case)


def is_fused(case: Case) -> bool:
    return bool(case.options.get("fused"))


def every(case: Case, option: str) -> list[Any]:
    """The numbers that an option is anywhere in a case."""
    places = [case.options, *(own for _, own in case.groups), *(s["change"] for s in case.steps)]
    found = [place.get(option) for place in places]
    return [float(np.max(x)) for x in found if isinstance(x, int | float | np.ndarray)]


def alike(ours: Any, theirs: Any, where: str, near: float) -> None:
    """AssertionError unless two values, as seen, are the same or, numbers, nearly so."""
    if isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype, where
        if near:
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=near, err_msg=where)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=where)
            assert ours.tobytes() == theirs.tobytes() or np.isnan(ours).any(), f"{where}: zeros"
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for name in theirs:
            alike(ours[name], theirs[name], f"{where}.{name}", near)
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            alike(a, b, f"{where}[{i}]", near)
    else:
        assert ours == theirs, f"{where}: ours {ours!r}, torch's {theirs!r}"


# --- The lattice ----------------------------------------------------------------------------------


def number(*values: float) -> st.SearchStrategy[Any]:
    """One of the numbers, now and then as a tensor with one element."""
    arrays = [np.full(shape, value, np.float32) for value in values[:2] for shape in ((), (1,))]
    return st.sampled_from([*values, *values, *arrays])


KERNELS = {
    "foreach": st.sampled_from([None, False, True]),
    "fused": st.sampled_from([None, False, None, True]),
}
SGD = {
    "lr": number(0.1, 7.7, 1e-3, 1, 0),
    "momentum": st.sampled_from([0.9, 0, 1.5]),
    "dampening": st.sampled_from([0, 0.25, 1]),
    "weight_decay": st.sampled_from([0.01, 0, 3.0]),
    "nesterov": st.booleans(),
    "maximize": st.booleans(),
    **KERNELS,
}
ADAM = {
    "lr": number(1e-3, 0.1, 0),
    # not a first one of 0, where the sign of torch's zeros depends on their place in memory
    "betas": st.sampled_from([(0.9, 0.999), (0.3, 0.5), (0.1, 0.0), (0.5, 0.999)]),
    "eps": st.sampled_from([1e-8, 1e-3, 0.5]),
    "weight_decay": st.sampled_from([0, 0.01, 1.0]),
    "amsgrad": st.booleans(),
    "maximize": st.booleans(),
    "decoupled_weight_decay": st.booleans(),
    **KERNELS,
}
WRONG = [
    {"lr": -0.1},
    {"lr": np.ones(2)},
    {"lr": "fast"},
    {"lr": None},
    {"weight_decay": -1},
    {"foreach": True, "fused": True},
    {"learning_rate": 0.1},
]
WRONG_SGD = [
    *WRONG,
    {"momentum": -0.5},
    {"nesterov": True, "momentum": 0},
    {"nesterov": True, "dampening": 0.5},
    {"betas": 1},
]
WRONG_ADAM = [
    *WRONG,
    {"eps": -1},
    {"betas": (1.0, 0.9)},
    {"betas": (0.5, -0.1)},
    {"betas": (0, 0.9)},
    {"betas": (0.5,)},
    {"betas": (np.array(0.5), 0.9)},
    {"betas": (np.array([0.5, 0.5]), np.array(0.5))},
    {"betas": (np.array(0.5), np.array(0.5)), "foreach": True},
    {"capturable": True},
]


@st.composite
def cases(
    draw: Any, lattice: dict[str, Any], wrong: list[dict[str, Any]], later: set[str], dtypes: str
) -> Case:
    """A case of an optimizer: options in the constructor, in groups, and changed ``later``."""
    options = draw(st.fixed_dictionaries({}, optional=lattice))
    if options.get("nesterov") and draw(st.integers(0, 5)):  # most are sound
        options |= {"momentum": 0.9, "dampening": 0}
    if options.get("foreach") and options.get("fused") and draw(st.integers(0, 5)):
        options["foreach"] = False
    if not draw(st.integers(0, 7)):
        options |= draw(st.sampled_from(wrong))
    # a gradient, zeros, or None, which torch's fused SGD does not survive in the first step
    kinds = "g0" if options.get("fused") else "g0-"
    shapes = st.lists(
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), min_size=1, max_size=3
    )
    own = {name: lattice[name] for name in ("lr", "weight_decay", "maximize", *sorted(later))}
    own |= {"note": st.just("kept")}
    groups = st.tuples(shapes, st.fixed_dictionaries({}, optional=own))
    steps = st.fixed_dictionaries({
        "gradients": st.text(kinds, min_size=9, max_size=9),
        "closure": st.booleans(),
        "change": st.fixed_dictionaries({}, optional={name: lattice[name] for name in later}),
        "then": st.sampled_from(["", "", "", "load", "pickle", "copy"]),
    })  # fmt: skip
    case = Case(
        options,
        draw(st.lists(groups, min_size=1, max_size=3)),
        draw(st.lists(steps, min_size=1, max_size=5)),
        draw(st.sampled_from(["groups", "list", "names", "iterator"])),
        draw(st.sampled_from(dtypes.split())),
        draw(st.integers(0, 2**32 - 1)),
    )
    steep = any(x > 1 for name in ("lr", "momentum", "weight_decay") for x in every(case, name))
    if is_fused(case) or steep:  # float16 would overflow
        case.dtype = case.dtype.replace("16", "32")
    return case


sgd_cases = cases(SGD, WRONG_SGD, {"momentum", "nesterov", "dampening"}, "float32 float64 float16")
adam_cases = cases(ADAM, WRONG_ADAM, {"eps"}, "float32 float64")


@given(sgd_cases)
def test_sgd(case: Case) -> None:
    judge(tg.optim.SGD, case)


@given(adam_cases)
def test_adam(case: Case) -> None:
    judge(tg.optim.Adam, case)


# --- Schedulers -----------------------------------------------------------------------------------


class Warmup:
    """A callable object: its attributes are part of a LambdaLR's state."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def __call__(self, epoch: int) -> float:
        return min(1.0, (epoch + 1) / self.epochs)


@dataclass
class Schedule:
    """Chained schedulers, by name and arguments, and what is called: see `follow`."""

    rates: list[Any]
    schedulers: list[tuple[str, dict[str, Any]]]
    calls: list[Any]
    initial: bool = False


def follow(engine: Any, schedule: Schedule, module: Any) -> list[Any]:
    """Every rate that the optimizer has, and the schedulers' states."""

    def start(rates: list[Any]) -> tuple[Any, list[Any]]:
        groups = [made(engine, {"params": engine.zeros(1), "lr": rate}) for rate in rates]
        if schedule.initial:
            groups = [group | {"initial_lr": group["lr"]} for group in groups]
        optimizer = engine.optim.SGD(groups)
        return optimizer, [
            getattr(module, name)(optimizer, **options) for name, options in schedule.schedulers
        ]

    optimizer, schedulers = start(schedule.rates)
    seen: list[Any] = []
    for call in schedule.calls:
        if call == "optimizer":
            optimizer.step()
        elif call == "schedulers":
            for scheduler in schedulers:
                scheduler.step()
        elif call == "get_lr":
            seen.append(schedulers[0].get_lr())
        elif call == "load":
            saved, states = (
                optimizer.state_dict(),
                [copy.deepcopy(s.state_dict()) for s in schedulers],
            )
            optimizer, schedulers = start(schedule.rates)
            optimizer.load_state_dict(saved)
            for scheduler, state in zip(schedulers, states, strict=True):
                scheduler.load_state_dict(state)
        elif call == "override":
            optimizer.step = lambda: None
        else:
            schedulers[-1].step(call)
        seen.append([group["lr"] for group in optimizer.param_groups])
        seen.append([s.get_last_lr() for s in schedulers])
    return [seen, [s.state_dict() for s in schedulers], repr(optimizer)]


def judge_schedule(module: Any, schedule: Schedule) -> None:
    """AssertionError unless every rate of ``module``'s schedulers is torch's, to the bit."""
    torch = pytorch()
    theirs = outcome(torch, partial(follow, schedule=schedule, module=torch.optim.lr_scheduler))
    ours = outcome(tg, partial(follow, schedule=schedule, module=module))
    compare(ours, theirs)
    if not theirs.error:
        alike(ours.value, theirs.value, "", 0.0)


GAMMA = st.sampled_from([0.1, 0.5, 0.9, 1.0, 0, 2])
LAST = {"last_epoch": st.sampled_from([-1, -1, -1, 0, 1, 5])}
LAMBDAS: list[Callable[[int], float]] = [
    lambda epoch: 0.95**epoch,
    lambda epoch: 1 / (1 + epoch),
    Warmup(3),
]
SCHEDULERS = {
    "StepLR": ({"step_size": st.integers(0, 4)}, {"gamma": GAMMA}),
    "ExponentialLR": ({"gamma": GAMMA}, {}),
    "CosineAnnealingLR": ({"T_max": st.integers(0, 4)}, {"eta_min": st.sampled_from([0, 1e-3])}),
    "LambdaLR": (
        {
            "lr_lambda": st.sampled_from(LAMBDAS)
            | st.lists(st.sampled_from(LAMBDAS), min_size=1, max_size=2)
        },
        {},
    ),
}


@st.composite
def schedules(draw: Any) -> Schedule:
    rates = draw(st.lists(number(0.1, 1.0, 3e-4), min_size=1, max_size=2))
    names = draw(st.lists(st.sampled_from(list(SCHEDULERS)), min_size=1, max_size=3))
    schedulers = [
        (
            name,
            draw(st.fixed_dictionaries(SCHEDULERS[name][0], optional=SCHEDULERS[name][1] | LAST)),
        )
        for name in names
    ]
    common = ["optimizer", "schedulers"] * 4
    calls = st.sampled_from([*common, "get_lr", "load", "override", 0, 3])
    listed = draw(st.lists(calls, min_size=1, max_size=8))
    if draw(st.booleans()):
        listed = ["optimizer", "schedulers"] * len(listed)
    return Schedule(rates, schedulers, listed, draw(st.booleans()))


@given(schedules())
def test_schedulers(schedule: Schedule) -> None:
    judge_schedule(tg.optim.lr_scheduler, schedule)

"""What goes wrong with recorded functions elsewhere: nothing may be silently stale.

Each test calls a function eagerly and compiled, side by side: results, gradients, parameters,
optimizer state and the position of the random stream must be the same bits in the recording and in
every replay. What can't be replayed is recorded again, or refused with an error that says why.
"""

import copy
import functools
import io
import itertools
import pickle
import random
import re
import threading
import types
import warnings
import weakref
from collections import OrderedDict, deque, namedtuple
from contextlib import nullcontext
from types import SimpleNamespace as World

import numpy as np
import pytest
from replaying import ALL, EXACT, Twins, flat, same

import tinygrad_cls as tg
from tinygrad_cls import nn

RATE = 2.0
"""A global number."""
CONFIG = {"scale": 2.0}


@pytest.fixture(params=[EXACT, ALL], ids=["exact", "all passes"], autouse=True)
def passes(request, monkeypatch):
    """What the twins are compiled with."""
    monkeypatch.setattr(Twins, "passes", request.param)
    return request.param


def build(model=None, optimizer="SGD", **options):
    """A classifier and its optimizer."""
    layers = [nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)] if model is None else model()
    m = nn.Sequential(*layers)
    options = {"lr": 0.1} | options
    return World(model=m, optimizer=getattr(tg.optim, optimizer)(m.parameters(), **options))


def training(w, loss=None):
    """A step of training."""
    loss = loss or nn.CrossEntropyLoss()

    def step(x, y):
        error = loss(w.model(x), y)
        w.optimizer.zero_grad()
        error.backward()
        w.optimizer.step()
        return error

    return step


def batch(n=4, classes=2):
    return tg.randn(n, 3), tg.randint(classes, (n,))


def train(twins, steps=3, n=4):
    for _ in range(steps):
        twins.call(*batch(n))


def weight(*shape):
    """A world with a parameter."""
    return lambda: World(w=tg.randn(*(shape or (3,)), requires_grad=True))


def refused(function, *args, match="compile: "):
    with pytest.raises(RuntimeError, match=match) as caught:
        tg.compile(function)(*args)
    return str(caught.value)


# --- frozen constants and branches ---------------------------------------------------------------


def test_number_of_the_enclosing_function():
    def step(w):
        scale = 2.0

        def f(x):
            return (x * scale).sum()

        def change(to):
            nonlocal scale
            scale = to

        w.change = change
        return f

    twins = Twins(World, step)
    for scale in (2.0, 3.0, 3.0, -0.0, 0.0, float("nan"), 2, True):
        twins.change(lambda w, s=scale: w.change(s))
        for _ in range(2):
            twins.call(tg.randn(3))


def test_global_number(monkeypatch):
    twins = Twins(World, lambda _: lambda x: x * RATE + CONFIG["scale"])
    for rate, scale in ((1.0, 1.0), (2.0, 1.0), (2.0, 5.0)):
        monkeypatch.setitem(globals(), "RATE", rate)
        monkeypatch.setitem(CONFIG, "scale", scale)
        for _ in range(3):
            twins.call(tg.ones(2))
    assert twins.recordings == 3


def test_key_of_a_dict():
    def step(w):
        w.config = {"relu": True}
        return lambda x: x.relu() if "relu" in w.config else x.tanh()

    twins = Twins(World, step)
    twins.call(tg.randn(3))
    twins.change(lambda w: (w.config.pop("relu"), w.config.update(tanh=True)))
    twins.call(tg.randn(3))


def test_default_argument():
    def step(w):
        def f(x, factors=[2.0], shift=1.0):  # noqa: B006  (the footgun)
            return x * factors[0] + shift

        w.f = f
        return f

    twins = Twins(World, step)
    twins.call(tg.ones(2))
    twins.change(lambda w: w.f.__defaults__[0].__setitem__(0, 5.0))
    twins.call(tg.ones(2))
    twins.change(lambda w: setattr(w.f, "__defaults__", ([7.0], 0.5)))
    twins.call(tg.ones(2))


@pytest.mark.parametrize("kind", [list, deque, tuple, set, frozenset, bytearray])
def test_item_of_a_container(kind):
    twins = Twins(lambda: World(numbers=kind([2, 3])), lambda w: lambda x: x * sum(w.numbers))
    for numbers in ([2, 3], [2, 3], [4, 3], [4]):
        twins.change(lambda w, n=numbers: setattr(w, "numbers", kind(n)))
        for _ in range(2):
            twins.call(tg.ones(2))


def test_container_changed_in_place():
    twins = Twins(
        lambda: World(a=[1], b={"k": 1}, c=deque([1]), d=bytearray([1]), e={1}),
        lambda w: lambda x: x * sum(map(sum, (w.a, w.b.values(), w.c, w.d, w.e))),
    )
    twins.call(tg.ones(2))
    for change in (
        lambda w: w.a.append(2),
        lambda w: w.b.update(k=7),
        lambda w: w.c.append(5),
        lambda w: w.d.append(9),
        lambda w: w.e.add(4),
    ):
        twins.change(change)
        twins.call(tg.ones(2))
        twins.call(tg.ones(2))


class Config:
    """A configuration with all kinds of attributes."""

    shared = 1.0
    __slots__ = ("__dict__", "slotted")

    @property
    def computed(self):
        return self.slotted * RATE


def test_attributes_of_an_object(monkeypatch):
    def build():
        config = Config()
        config.slotted, config.own = 2.0, 3.0
        return World(config=config)

    twins = Twins(build, lambda w: lambda x: x * w.config.own + w.config.computed - w.config.shared)
    twins.call(tg.ones(2))
    twins.change(lambda w: setattr(w.config, "own", 4.0))
    twins.call(tg.ones(2))
    twins.change(lambda w: setattr(w.config, "slotted", 5.0))
    twins.call(tg.ones(2))
    monkeypatch.setattr(Config, "shared", 6.0)
    twins.call(tg.ones(2))
    monkeypatch.setitem(globals(), "RATE", 7.0)
    twins.call(tg.ones(2))
    twins.call(tg.ones(2))
    assert twins.recordings == 5


def test_variable_of_another_module(monkeypatch):
    module = types.ModuleType("settings_of_a_test")
    module.inner = types.ModuleType("settings_of_a_test.inner")
    module.scale, module.inner.scale = 2.0, 3.0
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
    monkeypatch.setitem(globals(), "settings", module)

    def step(_):
        def f(x):
            import settings_of_a_test

            return x * settings_of_a_test.scale + settings.inner.scale  # noqa: F821

        return f

    twins = Twins(World, step)
    twins.call(tg.ones(2))
    module.scale = 4.0
    twins.call(tg.ones(2))
    module.inner.scale = 5.0
    twins.call(tg.ones(2))


def helper(x):
    return x * CONFIG["scale"]


def test_what_a_called_function_sees(monkeypatch):
    twins = Twins(World, lambda _: lambda x: helper(x))
    twins.call(tg.ones(2))
    monkeypatch.setitem(CONFIG, "scale", 9.0)
    twins.call(tg.ones(2))
    monkeypatch.setitem(globals(), "helper", lambda x: x - 1)
    twins.call(tg.ones(2))


def test_attribute_of_a_tensor():
    def step(w):
        w.w.factor = 2.0
        return lambda: (w.w * w.w.factor).sum()

    twins = Twins(weight(), step)
    twins.call()
    twins.change(lambda w: setattr(w.w, "factor", 3.0))
    twins.call()


def test_function_that_changes_what_it_sees():
    """It is recorded in every call: nothing is stale, and a warning says why it is slow."""

    def step(w):
        def f(x):
            w.calls += 1
            return x * w.calls

        return f

    twins = Twins(lambda: World(calls=0), step)
    for _ in range(7):
        twins.call(tg.ones(2))
    with pytest.warns(UserWarning, match="8 times in 8 calls: the function itself") as caught:
        twins.call(tg.ones(2))
    twins.call(tg.ones(2))
    assert twins.recordings == 9
    assert caught[0].filename.endswith("replaying.py")


def test_appending_to_a_list_outside():
    def step(w):
        append = w.losses.append
        return lambda x: append(x.sum())

    twins = Twins(lambda: World(losses=[]), step)
    for _ in range(3):
        twins.call(tg.randn(3))


# --- optimizers ----------------------------------------------------------------------------------

OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01, "maximize": True}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1, "betas": (0.4, 0.9)}),
    ("Adam", {"decoupled_weight_decay": True, "weight_decay": 0.01}),
    ("Adam", {"maximize": True, "eps": 1e-3}),
]
each_optimizer = pytest.mark.parametrize(("name", "options"), OPTIMIZERS)


@each_optimizer
def test_optimizer(name, options):
    twins = Twins(lambda: build(optimizer=name, **options), training)
    train(twins, 5)
    assert twins.recordings <= 2  # state grows in the first step


@each_optimizer
def test_learning_rate(name, options):
    """It is live: a change takes no new recording."""
    twins = Twins(lambda: build(optimizer=name, **options), training)
    train(twins)
    before = twins.recordings
    for rate in (0.2, 0.3, 0.0):
        twins.change(lambda w, r=rate: w.optimizer.param_groups[0].update(lr=r))
        train(twins, 2)
    assert twins.recordings == before


def test_learning_rate_of_a_scheduler():
    twins = Twins(lambda: build(momentum=0.9), training)
    schedulers = [tg.optim.lr_scheduler.ExponentialLR(w.optimizer, 0.5) for w in twins.worlds]
    for _ in range(5):
        train(twins, 1)
        for scheduler in schedulers:
            scheduler.step()
    assert twins.recordings == 2


def test_scheduler_that_the_function_can_see():
    def world():
        w = build(momentum=0.9)
        w.scheduler = tg.optim.lr_scheduler.StepLR(w.optimizer, 2, 0.5)
        return w

    twins = Twins(world, training)
    for _ in range(6):
        train(twins, 1)
        twins.change(lambda w: w.scheduler.step())
    assert twins.recordings == 2

    twins = Twins(world, lambda w: lambda x: x * w.scheduler.last_epoch)
    for _ in range(3):
        twins.change(lambda w: (w.optimizer.step(), w.scheduler.step()))
        twins.call(tg.ones(2))


def test_scheduler_made_later():
    twins = Twins(build, training)
    train(twins)
    schedulers = [tg.optim.lr_scheduler.ExponentialLR(w.optimizer, 0.5) for w in twins.worlds]
    train(twins)
    for scheduler in schedulers:
        scheduler.step()  # and does not warn that the optimizer has made no step
    train(twins)


def test_scheduler_inside():
    def step(w):
        one = training(w)
        w.scheduler = tg.optim.lr_scheduler.ExponentialLR(w.optimizer, 0.5)
        return lambda x, y: (one(x, y), w.scheduler.step())

    train(Twins(build, step), 4)


def test_learning_rate_as_a_tensor():
    def world():
        w = build(lr=tg.tensor(0.1))
        w.lr = w.optimizer.param_groups[0]["lr"]
        return w

    twins = Twins(world, training)
    train(twins)
    twins.change(lambda w: w.lr.fill_(0.5))
    train(twins)
    assert twins.recordings == 1


def test_learning_rate_that_the_function_reads():
    def step(w):
        def f(x):
            loss = (w.model(x) ** 2).sum()
            w.optimizer.zero_grad()
            loss.backward()
            with tg.no_grad():
                for group in w.optimizer.param_groups:
                    for p in group["params"]:
                        p.sub_(group["lr"] * p.grad)
            return loss

        return f

    twins = Twins(build, step)
    for rate in (0.1, 0.2, 0.2, 0.3):
        twins.change(lambda w, r=rate: w.optimizer.param_groups[0].update(lr=r))
        twins.call(tg.randn(4, 3))


class Descent(tg.optim.Optimizer):
    """An optimizer of the user's own."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @tg.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.state[p]["steps"] = self.state[p].get("steps", 0) + 1
                    p.add_(p.grad, alpha=-group["lr"] / self.state[p]["steps"])


def test_optimizer_of_the_users_own():
    def world():
        model = nn.Sequential(nn.Linear(3, 2))
        return World(model=model, optimizer=Descent(model.parameters(), 0.1))

    twins = Twins(world, training)
    train(twins)
    twins.change(lambda w: w.optimizer.param_groups[0].update(lr=0.5))
    train(twins)


@pytest.mark.parametrize(
    "change",
    [
        {"momentum": 0.5}, {"weight_decay": 0.5}, {"dampening": 0.5}, {"maximize": True},
        {"nesterov": True},
    ],
)  # fmt: skip
def test_option_of_an_optimizer(change):
    twins = Twins(lambda: build(momentum=0.9), training)
    train(twins)
    twins.change(lambda w: w.optimizer.param_groups[0].update(change))
    train(twins)


def test_group_added():
    def world():
        w = build()
        w.extra = tg.ones(2, requires_grad=True)
        return w

    def step(w):
        def f(x):
            loss = (w.model(x) * w.extra).sum()
            w.optimizer.zero_grad()
            loss.backward()
            w.optimizer.step()
            return loss

        return f

    twins = Twins(world, step)
    for _ in range(3):
        twins.change(lambda w: setattr(w.extra, "grad", None))
        twins.call(tg.randn(4, 3))
    twins.change(lambda w: w.optimizer.add_param_group({"params": [w.extra], "lr": 0.5}))
    for _ in range(3):
        twins.call(tg.randn(4, 3))


@each_optimizer
def test_state_of_an_optimizer_saved_and_loaded(name, options):
    twins = Twins(lambda: build(optimizer=name, **options), training)
    train(twins)
    saved = [copy.deepcopy((w.model.state_dict(), w.optimizer.state_dict())) for w in twins.worlds]
    train(twins)
    for w, (model, optimizer) in zip(twins.worlds, saved, strict=True):
        w.model.load_state_dict(model)
        w.optimizer.load_state_dict(optimizer)
    train(twins)


def test_two_steps_in_one_call():
    """The second step of Adam counts on from the first."""

    def step(w):
        one = training(w)

        def f(x, y):
            return one(x, y), one(x, y)

        return f

    train(Twins(lambda: build(optimizer="Adam"), step), 4)


def test_count_of_steps_written_to():
    """Parameters that have made different numbers of steps are no longer updated together."""
    twins = Twins(lambda: build(optimizer="Adam"), training)
    train(twins)
    twins.change(lambda w: w.optimizer.state[w.model[0].weight]["step"].fill_(20))
    train(twins)


def test_step_without_backward():
    """A gradient that is set where there was none is seen."""
    twins = Twins(
        lambda: World(
            a=(a := tg.ones(2, requires_grad=True)),
            b=(b := tg.ones(2, requires_grad=True)),
            optimizer=tg.optim.SGD([a, b], lr=0.1),
        ),
        lambda w: w.optimizer.step,
    )
    twins.change(lambda w: setattr(w.a, "grad", tg.ones(2)))
    for _ in range(3):
        twins.call()
    twins.change(lambda w: setattr(w.b, "grad", tg.ones(2)))
    for _ in range(3):
        twins.call()


def test_large_parameters_in_every_layout():
    def world():
        tall = tg.randn(150, 200).T
        tall.requires_grad_()
        w = World(w=tall, v=tg.randn(200, 150, requires_grad=True))
        w.optimizer = tg.optim.SGD([w.w, w.v], lr=0.1, momentum=0.9)
        return w

    def step(w):
        def f(x):
            loss = (x @ (w.w * w.v)).sum()
            w.optimizer.zero_grad()
            loss.backward()
            w.optimizer.step()
            return loss

        return f

    twins = Twins(world, step)
    for _ in range(4):
        twins.call(tg.randn(2, 200))


def test_closure_of_a_step():
    def step(w):
        loss = nn.CrossEntropyLoss()

        def f(x, y):
            def closure():
                w.optimizer.zero_grad()
                error = loss(w.model(x), y)
                error.backward()
                return error

            return w.optimizer.step(closure)

        return f

    train(Twins(lambda: build(momentum=0.5), step), 4)


# --- parameters, modules, hooks ------------------------------------------------------------------


def test_parameter_rebound():
    twins = Twins(build, training)
    train(twins)

    def change(w):
        w.model[0].weight = nn.Parameter(tg.ones(5, 3))

    twins.change(change)  # the optimizer goes on with the old one, as in eager mode
    train(twins)


def test_state_dict_loaded():
    twins = Twins(build, training)
    train(twins)
    other = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).state_dict()
    before = twins.recordings
    twins.change(lambda w: w.model.load_state_dict(other))
    train(twins)
    assert twins.recordings == before  # it is written to the same memory


def test_data_rebound():
    twins = Twins(build, training)
    train(twins)
    twins.change(lambda w: setattr(w.model[0].weight, "data", tg.ones(5, 3)))
    train(twins)


def test_data_rebound_inside():
    w = World(w=tg.ones(2))

    def f():
        w.w.data = tg.zeros(2)

    refused(f)


def test_parameter_written_outside():
    twins = Twins(build, training)
    train(twins)
    with tg.no_grad():
        twins.change(lambda w: w.model[0].weight.mul_(2))
    train(twins)
    twins.change(lambda w: w.model[0].bias.detach().numpy().__setitem__(0, 7.0))
    train(twins)
    assert twins.recordings == 1


def test_dtype_of_the_model():
    twins = Twins(build, lambda w: lambda x: w.model(x.to(w.model[0].weight.dtype)))
    for change in (lambda w: w.model, lambda w: w.model.double(), lambda w: w.model.half()):
        twins.change(change)
        for _ in range(3):
            twins.call(tg.randn(4, 3))
    assert twins.recordings == 3


def test_requires_grad_of_a_parameter():
    twins = Twins(build, training)
    train(twins)
    twins.change(lambda w: w.model[0].requires_grad_(False))
    train(twins)
    twins.change(lambda w: w.model[0].requires_grad_(True))
    train(twins)


def test_layer_added_and_taken_out():
    twins = Twins(build, training)
    train(twins)
    twins.change(lambda w: w.model.append(nn.Tanh()))
    train(twins)
    twins.change(lambda w: w.model.__setitem__(1, nn.Sigmoid()))
    train(twins)


def test_forward_replaced():
    twins = Twins(build, training)
    train(twins)
    twins.change(lambda w: setattr(w.model[1], "forward", lambda x: x.tanh()))
    train(twins)


def test_tensor_hook():
    twins = Twins(weight(), lambda w: lambda x: (w.w * x).sum().backward())
    handles = []

    def step():
        twins.change(lambda w: setattr(w.w, "grad", None))
        twins.call(tg.randn(3))

    for change in (
        lambda w: None,
        lambda w: handles.append(w.w.register_hook(lambda g: g * 2)),
        lambda w: handles.append(w.w.register_hook(lambda g: g + 1)),
        lambda w: handles.pop(0).remove(),
    ):
        twins.change(change)
        for _ in range(3):
            step()
    assert twins.recordings == 4


@pytest.mark.parametrize(
    "register",
    [
        lambda m: m.register_forward_hook(lambda m, x, y: y * 2),
        lambda m: m.register_forward_pre_hook(lambda m, x: (x[0] + 1,)),
        lambda m: m.register_full_backward_hook(lambda m, gx, gy: (gx[0] * 3,)),
        lambda m: m.register_full_backward_pre_hook(lambda m, gy: (gy[0] * 3,)),
    ],
)
def test_module_hook(register):
    twins = Twins(build, training)
    train(twins)
    handles = [register(w.model[2]) for w in twins.worlds]
    train(twins)
    for handle in handles:
        handle.remove()
    train(twins)


def test_hook_inside():
    def step(w):
        def f(x):
            y = w.w * x
            y.register_hook(lambda g: g * 2)
            y.sum().backward()

        return f

    twins = Twins(weight(), step)
    for _ in range(3):
        twins.call(tg.randn(3))


def with_dropout():
    return [nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.4), nn.ReLU(), nn.Linear(8, 2)]


def test_train_and_eval_outside():
    twins = Twins(lambda: build(with_dropout), lambda w: lambda x: w.model(x))
    for _ in range(3):
        for mode in (True, False):
            twins.change(lambda w, m=mode: w.model.train(m))
            twins.call(tg.randn(6, 3))
    assert twins.recordings == 2


def test_train_and_eval_inside():
    def step(w):
        def f(x):
            w.model.eval()
            with tg.no_grad():
                calm = w.model(x)
            w.model.train()
            return calm, w.model(x)

        return f

    twins = Twins(lambda: build(with_dropout), step)
    for _ in range(3):
        twins.call(tg.randn(6, 3))
    assert twins.recordings == 1
    twins.change(lambda w: w.model.eval())
    for _ in range(3):
        twins.call(tg.randn(6, 3))


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics(momentum):
    def layers():
        return [nn.Linear(3, 8), nn.BatchNorm1d(8, momentum=momentum), nn.Linear(8, 2)]

    twins = Twins(lambda: build(layers), training)
    train(twins, 4)
    twins.change(lambda w: w.model[1].reset_running_stats())
    train(twins, 3)
    assert twins.recordings == 1


# --- memory: results, arguments, aliases ---------------------------------------------------------


def test_results_stay():
    """What a caller holds is not overwritten by the next call."""
    w = tg.randn(3, requires_grad=True)

    @tg.compile
    def f(x):
        h = w * x
        h.sum().backward()
        return h, h.T, [h[1:]], {"first": h[0]}, w.grad

    held = []
    for _ in range(4):
        w.grad = None
        result = f(tg.randn(3))
        held.append((result, copy.deepcopy([r.detach().numpy() for r in flat(result)]), w.grad))
    for result, values, _ in held:
        for t, a in zip(flat(result), values, strict=True):
            assert t.detach().numpy().tobytes() == a.tobytes()
    assert len({id(g) for *_, g in held}) == 4
    assert all(result[-1] is g for result, _, g in held)


def test_result_written_to_by_the_caller():
    twins = Twins(weight(), lambda w: lambda: w.w.detach() * 2)
    for _ in range(3):
        twins.call().zero_()


def test_gradient_held_by_the_caller():
    w = tg.ones(2, requires_grad=True)
    step = tg.compile(lambda x: (w * x).sum().backward())
    held = []
    for i in range(4):
        w.grad = None
        step(tg.full((2,), float(i)))
        held.append(w.grad)
    assert [g.tolist() for g in held] == [[float(i)] * 2 for i in range(4)]


def test_same_tensor_twice():
    def f(x, y):
        loss = (x * y).sum()
        loss.backward()
        return loss, x.grad, y.grad

    compiled = tg.compile(f, passes=())
    for _ in range(3):
        a, b = tg.randn(3, requires_grad=True), tg.randn(3, requires_grad=True)
        for args in ((a, b), (a, a)):
            results = []
            for function in (f, compiled):
                a.grad = b.grad = None
                results.append(function(*args))
            same(*results)
    assert compiled.recordings == 2


def test_views_as_arguments():
    twins = Twins(World, lambda _: lambda x, y: x * 2 + y)
    memory = tg.randn(6)
    for _ in range(3):
        twins.call(memory[:4], memory[2:])
        memory.mul_(2)


def test_arguments_in_any_layout():
    twins = Twins(World, lambda _: lambda x: (x.exp().sum(0), x.sum(), x.mean(1)))
    for _ in range(2):
        x = tg.randn(40, 30)
        for view in (x, x.T, x[:, ::2], x[::2], x[:1].expand(40, 30)):
            twins.call(view)


def test_argument_that_is_a_parameter():
    def step(w):
        def f(x):
            w.w.grad = None
            (x * w.w).sum().backward()
            return x

        return f

    w = World(w=tg.randn(3, requires_grad=True))
    other = tg.randn(3, requires_grad=True)
    compiled, eager = tg.compile(step(w), passes=()), step(w)
    for x in (w.w, other, w.w, other, w.w, w.w):
        other.grad = None
        assert eager(x) is x
        expected = copy.deepcopy((w.w.grad, other.grad))
        other.grad = None
        assert compiled(x) is x
        same((w.w.grad, other.grad), expected)
    assert compiled.recordings == 2


def test_argument_in_memory_that_is_written_to():
    w = tg.ones(3)

    def f(x):
        w.add_(1)
        return w + x

    step = tg.compile(f)
    for _ in range(3):
        step(tg.ones(3))
    for alias in (w.detach(), w[:3], tg.from_numpy(w.numpy())):
        with pytest.raises(RuntimeError, match=r"shares memory with a tensor .* clone\(\)"):
            step(alias)
    assert w.tolist() == [4.0] * 3
    refused(f, w.detach(), match="shares memory")


def test_writing_to_an_argument():
    def f(x):
        x += 1
        return x

    text = refused(f, tg.ones(2))
    assert "test_replay_footguns.py, line" in text
    assert "x += 1" in text
    refused(lambda x: x[0].zero_(), tg.ones(2), match="writes to its argument")
    refused(nn.ReLU(inplace=True), tg.ones(2), match="writes to its argument")


def test_argument_with_hooks_or_changed_flags():
    x = tg.ones(2, requires_grad=True)
    f = tg.compile(lambda x: (x * 2).sum().backward())
    f(x)
    x.grad = None
    x.register_hook(lambda g: g * 5)
    with pytest.raises(RuntimeError, match="has hooks"):
        f(x)
    refused(lambda x: x.requires_grad_() * 2, tg.ones(2), match="changes requires_grad")
    leaf = tg.ones(2, requires_grad=True)
    refused(lambda x: x.register_hook(print) and None, leaf, match="the hooks of its argument")


def test_argument_with_a_graph():
    x = tg.ones(2, requires_grad=True) * 2
    refused(lambda x: x.sum(), x, match="detach")
    w = World(x=x)
    refused(lambda: w.x.sum(), match="before the compiled function was called")
    with tg.no_grad():
        assert tg.compile(lambda x: x.sum())(x).item() == 4
        assert tg.compile(lambda: w.x.sum())().item() == 4


def test_gradient_of_an_argument():
    def f(x):
        (x**3).sum().backward()
        return x.grad

    twins = Twins(World, lambda _: f)
    for _ in range(3):
        twins.call(tg.randn(3, requires_grad=True))
    x = tg.ones(2, requires_grad=True)
    assert twins.compiled(x) is x.grad
    with pytest.raises(RuntimeError, match="has a gradient"):
        twins.compiled(x)


def test_results_fed_back():
    twins = Twins(weight(3, 3), lambda w: lambda h: (h @ w.w.detach()).tanh())
    h = tg.randn(2, 3)
    for _ in range(5):
        h = twins.call(h)
    assert twins.recordings == 1


def test_result_with_a_graph_fed_back():
    w = tg.ones(2, requires_grad=True)
    f = tg.compile(lambda x: x * w)
    y = f(tg.ones(2))
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"detach\(\) it"):
            f(y)
        y = f(y.detach())


def test_backward_outside():
    w = tg.ones(2, requires_grad=True)
    f = tg.compile(lambda x: (x * w).sum())
    for _ in range(3):
        y = f(tg.ones(2))
        assert y.requires_grad
        assert y.grad_fn.name() == "SumBackward0"
        with pytest.raises(RuntimeError, match=r"Call backward\(\) inside"):
            y.backward()
    assert w.grad is None


Pair = namedtuple("Pair", "first second")


def test_structures():
    def f(pair, options, *rest, last=None, factor=1):
        h = pair.first * options["a"][0] * factor
        return (
            Pair(h, None), [h.sum(), 3], {"x": h, "n": 1.5}, h.max(0), pair.first.shape,
            OrderedDict(y=last), (), rest[0] if rest else "none",
        )  # fmt: skip

    twins = Twins(World, lambda _: f)
    for _ in range(3):
        t = tg.randn(2, 3)
        twins.call(Pair(t, "b"), {"a": [tg.randn(3)]}, last=t)
        twins.call(Pair(t, "b"), {"a": (tg.randn(3),)}, t, last=None)
        twins.call(Pair(t, "b"), {"a": (tg.randn(3),)}, tg.randn(1), factor=2)
    assert twins.recordings == 3


def test_plain_arguments():
    twins = Twins(World, lambda _: lambda x, n: x * n)
    for n in (0.0, -0.0, 1, True, 1.0, np.float32(1), float("nan"), float("inf")):
        for _ in range(2):
            twins.call(tg.ones(2), n)
    assert twins.recordings == 8


def test_objects_as_arguments():
    def f(model, x):
        return model(x)

    models = [nn.Linear(3, 2) for _ in range(2)]
    compiled = tg.compile(f, passes=())
    for _ in range(3):
        for model in models:
            x = tg.randn(4, 3)
            same(compiled(model, x).detach(), f(model, x).detach())
    assert compiled.recordings == 2


def test_result_that_is_no_new_tensor():
    w = World(w=tg.ones(4, requires_grad=True), b=tg.ones(4))

    @tg.compile
    def f(x):
        return x, w.w, w.b, w.b[1:], w.b.detach(), x[1:], w

    for i in range(4):
        x = tg.ones(3)
        results = f(x)
        assert results[0] is x
        assert results[1] is w.w
        assert results[2] is w.b
        assert results[6] is w
        w.b[1] = i
        assert results[3][0] == i
        assert results[4][1] == i
        assert results[5].tolist() == [1.0, 1.0]


def test_result_of_another_kind():
    class Result:
        pass

    refused(lambda x: Result(), tg.ones(2), match="returns a Result")
    refused(lambda x: (i for i in x), tg.ones(2), match="returns a generator")
    refused(lambda x: np.ones(2), tg.ones(2), match="returns a ndarray")
    refused(lambda x: {x}, tg.ones(2), match="returns a set")


def test_leaves_made_inside():
    def f(x):
        w = tg.ones(3, requires_grad=True)
        h = w * x
        h.retain_grad()
        h.sum().backward()
        return w, h, w.grad

    twins = Twins(World, lambda _: f)
    for _ in range(3):
        twins.call(tg.randn(3))


def test_tensors_made_inside():
    def f(x):
        a, b = tg.zeros(3), tg.arange(3.0)
        a += x
        b[1] = 7.0
        b[x > 0] = 5.0
        c = tg.tensor([1.0, 2.0, 3.0])
        d = c.clone()
        d[0:2] *= x[0]
        e = tg.tensor([x.shape[0], 2])
        return a, b, c, d, e, tg.full_like(x, 3), c

    twins = Twins(World, lambda _: f)
    for _ in range(3):
        for t in twins.call(tg.randn(3)):
            t.zero_()


def test_views_and_writes_inside():
    def step(w):
        def f(x):
            h = w.w * x
            with tg.no_grad():
                w.b.copy_(x[0])
                w.b[1:] += 2
                v = w.b.view(1, 3)
                v *= 3
                w.b[[0, 2]] = x[1, :2]
            h.relu_()
            h = h.view(-1).clone()
            h[0] = 0.0
            (h * 2).sum().backward()
            return h, v.sum(), w.b.T

        return f

    twins = Twins(lambda: World(w=tg.randn(3, requires_grad=True), b=tg.zeros(3)), step)
    for _ in range(4):
        twins.change(lambda w: setattr(w.w, "grad", None))
        twins.call(tg.randn(2, 3))
    assert twins.recordings == 1


def test_copy_of_a_tensor_inside():
    def f(x):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tg.tensor(x), tg.tensor(x, dtype=tg.float64), tg.as_tensor(x), x.clone()

    twins = Twins(World, lambda _: f)
    for _ in range(3):
        twins.call(tg.randn(3))
    refused(lambda x: tg.tensor([x, x]), tg.tensor(1.0))
    refused(lambda x: tg.FloatTensor(x), tg.ones(2))
    refused(lambda x: copy.deepcopy(x) + 1, tg.ones(2))
    refused(lambda x: copy.deepcopy(x), tg.ones(2))


def test_tensors_as_indices():
    def f(x, i, mask):
        y = x.clone()
        y[i] = 0.0
        y[mask] += 1
        return x[i], x[:, i], x[i, 1], x.gather(1, i[None]), tg.where(mask, x, 0), y

    twins = Twins(World, lambda _: f)
    for _ in range(3):
        x = tg.randn(4, 4)
        twins.call(x, tg.randint(4, (3,)), x > 0)
    assert twins.recordings == 1
    refused(lambda x, i: x.index_select(0, i), tg.ones(2, 2), tg.tensor([0]))
    refused(lambda x, i: x.clone().__setitem__((i, 1), 0), tg.ones(2, 2), tg.tensor([0]))
    refused(lambda x, i: x[i], tg.ones(2, 2), tg.tensor(0))


def test_shape_that_depends_on_values():
    compiled = tg.compile(lambda x: (x[x > 0], tg.nonzero(x)))
    x = tg.tensor([1.0, -1.0, 2.0])
    for _ in range(3):
        assert compiled(x)[0].tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="outside the compiled function"):
        compiled(tg.ones(3))
    one_hot = tg.compile(lambda t: nn.functional.one_hot(t))
    one_hot(tg.tensor([0, 2]))
    for wrong in ([0, 0], [0, 5]):
        with pytest.raises(RuntimeError, match="one_hot"):
            one_hot(tg.tensor(wrong))


# --- NumPy ---------------------------------------------------------------------------------------


def test_numpy_memory_outside():
    arrays = [np.arange(3.0), np.arange(3.0)]
    given = iter(arrays)
    twins = Twins(lambda: World(t=tg.from_numpy(next(given))), lambda w: lambda x: x * w.t)
    for i in range(4):
        for array in arrays:
            array[1] = i
        twins.call(tg.ones(3, dtype=tg.float64))
    assert twins.recordings == 1


@pytest.mark.needs_torch
def test_torch_memory_outside():
    torch = pytest.importorskip("torch")

    def world():
        theirs = torch.zeros(3)
        return World(theirs=theirs.numpy(), t=tg.from_numpy(theirs.numpy()), torch=theirs)

    twins = Twins(world, lambda w: lambda x, t=None: x * w.t)
    for i in range(3):
        twins.change(lambda w, i=i: w.torch.fill_(i))
        twins.call(tg.ones(3))


def test_numpy_array_in_an_op():
    twins = Twins(
        lambda: World(array=np.ones(3, np.float32)),
        lambda w: lambda x: (x * w.array, tg.tensor(w.array), x + float(w.array.sum())),
    )
    for change in (None, lambda w: w.array.__setitem__(0, 5), lambda w: w.array.__imul__(2)):
        if change:
            twins.change(change)
        for _ in range(2):
            twins.call(tg.ones(3))
    assert twins.recordings == 3


def test_numpy_array_as_an_argument():
    assert "from_numpy" in refused(lambda x: tg.ones(2) * x, np.ones(2))
    compiled = tg.compile(lambda x: x + 1)
    compiled(tg.ones(2))
    with pytest.raises(RuntimeError, match="NumPy array"):
        compiled(np.ones(2))


# --- random numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: tg.rand(3),
        lambda x: tg.rand(3, dtype=tg.float64),
        lambda x: tg.randn(5),
        lambda x: tg.randn(33),
        lambda x: tg.randn_like(x),
        lambda x: tg.randint(10, (4,)),
        lambda x: tg.randint(2, 9, (4,), dtype=tg.float32),
        lambda x: tg.randperm(7, dtype=tg.int32),
        lambda x: x[tg.randperm(4)],
        lambda x: tg.bernoulli(x.sigmoid()),
        lambda x: tg.empty(3).uniform_(-1, 1),
        lambda x: tg.empty(4, 3).T.normal_(),
        lambda x: nn.functional.dropout(x, 0.3),
        lambda x: nn.functional.dropout(x.T, 0.3),
        lambda x: nn.functional.dropout(x * 1, 0.3, inplace=True),
        lambda x: nn.functional.dropout(x, 1.0),
        lambda x: nn.init.xavier_normal_(tg.empty(3, 4)),
        lambda x: nn.Linear(3, 2)(x),
        lambda x: tg.rand(3, generator=tg.Generator().manual_seed(5)),
        lambda x: tg.rand(3, generator=tg.Generator()),
        lambda x: (tg.manual_seed(3), tg.rand(3))[1],
    ],
)
def test_random_numbers(draw):
    twins = Twins(World, lambda _: lambda x: draw(x))
    for _ in range(4):
        twins.call(tg.randn(4, 3))
    assert twins.recordings == 1


def test_generator_outside():
    def step(w):
        generator = tg.Generator().manual_seed(1)
        w.seed = generator.manual_seed
        return lambda: tg.randn(3, generator=generator)

    twins = Twins(World, step)
    for _ in range(3):
        twins.call()
    twins.change(lambda w: w.seed(5) and None)
    for _ in range(3):
        twins.call()


def test_random_numbers_of_others():
    refused(lambda x: x * random.random(), tg.ones(2), match="random numbers")
    refused(lambda x: x * np.random.rand(), tg.ones(2), match="random numbers")
    rng, dice = np.random.default_rng(0), random.Random(0)
    refused(lambda x: x * rng.random(), tg.ones(2), match="rng is a Generator")
    refused(lambda x: x * dice.random(), tg.ones(2), match="dice is a Random")
    refused(lambda x: x * tg.initial_seed(), tg.ones(2))


def test_iterators():
    numbers = itertools.count()
    refused(lambda x: x * next(numbers), tg.ones(2), match="numbers is a count")
    generator = (tg.ones(2) for _ in range(3))
    refused(lambda: next(generator), match="generator is a generator")
    refused(lambda it: next(it), iter([tg.ones(2)]), match="iterator")


# --- looking at values ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "look",
    [
        lambda x: bool(x.sum() > 0),
        lambda x: 1 if x.sum() else 0,
        lambda x: not x.sum(),
        lambda x: x.sum().item(),
        lambda x: float(x.sum()),
        lambda x: int(x.sum()),
        lambda x: x.tolist(),
        lambda x: x.numpy(),
        lambda x: np.asarray(x),
        lambda x: np.exp(x),
        lambda x: print(x),
        lambda x: f"{x}",
        lambda x: f"{x.sum():.2f}",
        lambda x: repr(x),
        lambda x: str(x),
        lambda x: range(x.long().sum()),
        lambda x: [1, 2, 3][x.long().sum() * 0],
        lambda x: x[x.long().sum() * 0],
        lambda x: x.sum() in [tg.tensor(1.0), tg.tensor(2.0)],
        lambda x: tg.equal(x, x),
        lambda x: tg.allclose(x, x),
        lambda x: max(x, key=lambda t: t),
        lambda x: pickle.dumps(x),
        lambda x: tg.save(x, io.BytesIO()),
    ],
)
def test_looking_at_a_value(look):
    text = refused(look, tg.ones(2))
    assert re.search(r"test_replay_footguns\.py, line \d+, in <lambda>", text)
    x = tg.ones(2)
    look(x)  # what was refused left nothing behind: outside it is allowed


def test_branch_on_a_value_of_a_parameter():
    w = tg.ones(2, requires_grad=True)

    def f():
        if w.sum() > 0:
            return w * 2
        return w

    assert "if w.sum() > 0" in refused(f)


# --- modes ---------------------------------------------------------------------------------------


def test_grad_mode_outside():
    twins = Twins(build, lambda w: lambda x: w.model(x))
    for _ in range(3):
        for mode in (tg.no_grad, tg.enable_grad, tg.inference_mode):
            with mode():
                y = twins.call(tg.randn(4, 3))
                assert y.requires_grad == (mode is tg.enable_grad)
                assert y.is_inference() == (mode is tg.inference_mode)
    assert twins.recordings == 3


def test_grad_mode_inside():
    def step(w):
        def f(x):
            with tg.no_grad():
                a = w.model(x)
                with tg.enable_grad():
                    b = w.model(x)
            with tg.inference_mode():
                c = w.model(x)
            return a, b, c, c.is_inference()

        return f

    twins = Twins(build, step)
    for _ in range(3):
        twins.call(tg.randn(4, 3))


def test_grad_mode_left_behind():
    f = tg.compile(lambda x: (tg.set_grad_enabled(False), x * 2)[1])
    for _ in range(3):
        f(tg.ones(2))
        assert not tg.is_grad_enabled()
        tg.set_grad_enabled(True)


def test_default_dtype():
    twins = Twins(World, lambda _: lambda: tg.ones(2) * 0.1)
    try:
        for kind in (tg.float32, tg.float64, tg.float32):
            tg.set_default_dtype(kind)
            assert twins.call().dtype is kind
    finally:
        tg.set_default_dtype(tg.float32)


def test_shapes_and_dtypes():
    twins = Twins(build, training)
    for n in (4, 7, 4, 1, 7):
        train(twins, 2, n)
    assert twins.recordings == 3
    twins = Twins(World, lambda _: lambda x: x.sum(0) / 2)
    for dtype in (tg.float32, tg.float64, tg.int64, tg.float16, tg.bool):
        for _ in range(2):
            twins.call(tg.ones(3, 2).to(dtype))
    for shape in ((0, 2), (1,), (2, 0), (2, 1, 3)):
        for _ in range(2):
            twins.call(tg.ones(shape))


def test_many_shapes():
    """Old plans are dropped, a warning says that none is ever replayed, and then most calls are
    eager.
    """
    f = tg.compile(lambda x: x.sum())
    for n in range(2000):
        with pytest.warns(match="other shapes or arguments") if n == 7 else nullcontext():
            assert f(tg.ones(n)).item() == n
    assert f.recordings == 8 + 11  # and after 1, 2, 4, ... 1024 more calls
    assert sum(map(len, f._plans.values())) == 16
    for _ in range(3):  # a shape that has a plan is replayed
        f(tg.ones(7 + 1024))
    assert f.recordings == 8 + 11


def test_half_of_the_calls_in_vain():
    """Replays in between do not hide that recording takes longer than it saves."""
    f = tg.compile(lambda x, n: x * n)
    for i in range(24):
        with pytest.warns(match="recorded 13 times in 24 calls") if i == 23 else nullcontext():
            assert f(tg.ones(2), i * (i % 2)).tolist() == [i * (i % 2)] * 2
    for i in range(200):
        f(tg.ones(2), 1000 + i)
    assert f.recordings < 24


def test_anomaly_mode():
    f = tg.compile(lambda x: x * 2)
    with pytest.warns(match="Anomaly Detection"), tg.autograd.detect_anomaly():
        f(tg.ones(2))
    assert f.recordings == 0

    def inside(x):
        with tg.autograd.detect_anomaly():
            return x * 2

    with pytest.warns(match="Anomaly Detection"):
        refused(inside, tg.ones(2), match="detect_anomaly")
    assert f(tg.ones(2)).tolist() == [2.0, 2.0]


# --- gradients -----------------------------------------------------------------------------------


def accumulating(w):
    def f(x):
        loss = (w.w * x).sum() ** 2
        loss.backward()
        return loss

    return f


def test_accumulation():
    twins = Twins(weight(), accumulating)
    for _ in range(5):
        twins.call(tg.randn(3))
    assert twins.recordings == 2  # without and with a gradient
    twins.change(lambda w: setattr(w.w, "grad", None))
    for _ in range(3):
        twins.call(tg.randn(3))
    twins.change(lambda w: w.w.grad.zero_())
    for _ in range(3):
        twins.call(tg.randn(3))
    twins.change(lambda w: setattr(w.w, "grad", tg.ones(3)))
    for _ in range(3):
        twins.call(tg.randn(3))


def test_gradient_of_one_zero():
    """A gradient that is 0 is one nevertheless."""
    twins = Twins(weight(1), lambda w: lambda x: (w.w * x).sum().backward())
    for x in (0.0, 0.0, 3.0, 2.0):
        twins.call(tg.full((1,), x))


@pytest.mark.parametrize("to_none", [True, False])
def test_zero_grad(to_none):
    def step(w):
        def f(x, y):
            w.optimizer.zero_grad(set_to_none=to_none)
            loss = nn.functional.cross_entropy(w.model(x), y)
            loss.backward()
            w.optimizer.step()
            return loss

        return f

    train(Twins(build, step), 5)
    train(Twins(lambda: build(momentum=0.9), step), 5)


def test_zero_grad_last():
    def step(w):
        def f(x, y):
            loss = nn.functional.cross_entropy(w.model(x), y)
            loss.backward()
            w.optimizer.step()
            w.model.zero_grad()
            return loss

        return f

    train(Twins(build, step), 4)


def test_branch_on_a_gradient():
    def step(w):
        return lambda x: x if w.w.grad is None else x * w.w.grad

    twins = Twins(weight(), step)
    for grad in (None, tg.ones(3), tg.zeros(3), None):
        twins.change(lambda w, g=grad: setattr(w.w, "grad", copy.deepcopy(g)))
        for _ in range(2):
            twins.call(tg.randn(3))


def test_clipped_gradients():
    def step(w):
        def f(x, y):
            w.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(w.model(x), y)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(w.model.parameters(), 0.1)
            nn.utils.clip_grad_value_(w.model.parameters(), 0.01)
            w.optimizer.step()
            return loss, norm

        return f

    train(Twins(build, step), 4)


def test_retained_graph():
    def step(w):
        def f(x):
            w.w.grad = None
            y = (w.w * x).tanh().sum()
            y.backward(retain_graph=True)
            y.backward()
            return y

        return f

    twins = Twins(weight(), step)
    for _ in range(3):
        twins.call(tg.randn(3))


def test_double_backward():
    def step(w):
        def f(x):
            y = ((w.w * x) ** 3).sum()
            (g,) = tg.autograd.grad(y, w.w, create_graph=True)
            w.w.grad = None
            (g**2).sum().backward()
            return y, g.detach()

        return f

    twins = Twins(weight(), step)
    for _ in range(3):
        twins.call(tg.randn(3))


def test_autograd_grad():
    def step(w):
        def f(x):
            a = tg.ones(3, requires_grad=True)
            ga, gw = tg.autograd.grad((a + w.w).sum() + (a * x).sum(), (a, w.w))
            gw *= 2
            g, h = tg.autograd.grad((a + w.w).sum(), (a, w.w))
            g *= 3
            return ga, gw, g, h

        return f

    twins = Twins(weight(), step)
    for _ in range(3):
        twins.call(tg.randn(3))


@tg.op("(...),(...)->(...)", d_a=lambda g, a, y: g * a / y, d_b=lambda g, b, y: g * b / y)
def hypot(a, b):
    """The hypotenuse."""
    return np.hypot(a, b)


class Cube(tg.autograd.Function):
    """With a backward of its own."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Ends(tg.autograd.Function):
    """With two results."""

    @staticmethod
    def forward(ctx, x):
        return x[:1].clone(), x[1:].clone()

    @staticmethod
    def backward(ctx, first, rest):
        return tg.cat([first * 2, rest])


@pytest.mark.parametrize(
    "function", [lambda w, x: hypot(w, x), lambda w, x: Cube.apply(w * x), lambda w, x: sum(
        part.sum() for part in Ends.apply(w * x))],
)  # fmt: skip
def test_ops_of_the_users_own(function):
    def step(w):
        def f(x):
            w.w.grad = None
            y = function(w.w, x).sum()
            y.backward()
            return y

        return f

    twins = Twins(weight(), step)
    for _ in range(3):
        twins.call(tg.randn(3))
    assert twins.recordings == 1


# --- losses --------------------------------------------------------------------------------------

F = nn.functional


def labels(n=6, classes=3):
    return tg.randint(classes, (n,))


def ignoring(n=6):
    t = labels(n)
    t[tg.rand(n) < 0.4] = -100
    return t


def probabilities():
    return tg.randn(6, 3).softmax(1)


LOSSES = [
    (F.mse_loss, lambda: tg.randn(6, 3), {}),
    (F.l1_loss, lambda: tg.randn(6, 3), {"reduction": "sum"}),
    (F.smooth_l1_loss, lambda: tg.randn(6, 3), {"beta": 0.5}),
    (F.binary_cross_entropy_with_logits, lambda: tg.rand(6, 3).round(), {}),
    (F.binary_cross_entropy_with_logits, lambda: tg.rand(6, 3), {"reduction": "sum"}),
    (F.binary_cross_entropy_with_logits, lambda: tg.rand(6, 3), {"pos_weight": tg.rand(3)}),
    (F.binary_cross_entropy_with_logits, lambda: tg.rand(6, 3), {"weight": tg.rand(3)}),
    (lambda x, t: F.binary_cross_entropy(x.sigmoid(), t), lambda: tg.rand(6, 3), {}),
    (F.cross_entropy, labels, {}),
    (F.cross_entropy, labels, {"weight": tg.rand(3), "reduction": "sum"}),
    (F.cross_entropy, ignoring, {}),
    (F.cross_entropy, ignoring, {"weight": tg.rand(3), "label_smoothing": 0.2}),
    (F.cross_entropy, ignoring, {"label_smoothing": 0.2}),
    (F.cross_entropy, ignoring, {"label_smoothing": 0.2, "reduction": "sum"}),
    (F.cross_entropy, labels, {"ignore_index": 1}),
    (F.cross_entropy, probabilities, {"weight": tg.rand(3), "label_smoothing": 0.2}),
    (F.cross_entropy, lambda: labels().to(tg.uint8), {}),
    (lambda x, t, **o: F.nll_loss(F.log_softmax(x, 1), t, **o), ignoring, {"weight": tg.rand(3)}),
]


@pytest.mark.parametrize(("loss", "targets", "options"), LOSSES)
def test_losses(loss, targets, options):
    def step(w):
        def f(x, t):
            w.w.grad = None
            y = loss(x * w.w, t, **options)
            y.sum().backward()
            return y

        return f

    twins = Twins(weight(3), step)
    for _ in range(4):
        twins.call(tg.randn(6, 3), targets())
    assert twins.recordings == 1


def test_layer_norm_by_hand_and_activations():
    layers = [
        nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Sigmoid(), nn.LeakyReLU(0.1),
        nn.LogSigmoid(), nn.Softplus(), nn.Softmax(1), nn.LogSoftmax(1), nn.Flatten(),
        nn.Identity(), nn.Linear(4, 2),
    ]  # fmt: skip
    train(Twins(lambda: build(lambda: copy.deepcopy(layers)), training), 4)


# --- larger programs -----------------------------------------------------------------------------


def test_state_of_a_recurrent_net():
    def world():
        w = World(u=tg.randn(4, 5, requires_grad=True), v=tg.randn(5, 5, requires_grad=True))
        w.h, w.optimizer = tg.zeros(2, 5), tg.optim.SGD([w.u, w.v], lr=0.1, momentum=0.5)
        return w

    def step(w):
        def f(x):
            h = w.h
            for part in x:
                h = (part @ w.u + h @ w.v).tanh()
            loss = (h**2).mean()
            w.optimizer.zero_grad()
            loss.backward()
            w.optimizer.step()
            with tg.no_grad():
                w.h.copy_(h)
            return loss

        return f

    twins = Twins(world, step)
    for _ in range(4):
        twins.call(tg.randn(3, 2, 4))


def test_average_of_weights_and_micro_batches():
    def world():
        w = build(lambda: [nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1)], "Adam")
        w.average = copy.deepcopy(w.model)
        return w

    def step(w):
        def f(x):
            w.optimizer.zero_grad()
            total = 0
            for part in x.split(10):
                loss = w.model(part).square().mean() / 4
                loss.backward()
                total = total + loss.detach()
            w.optimizer.step()
            with tg.no_grad():
                pairs = zip(w.model.parameters(), w.average.parameters(), strict=True)
                for p, average in pairs:
                    average.mul_(0.9).add_(p, alpha=0.1)
            return total, w.average(x)

        return f

    twins = Twins(world, step)
    for _ in range(4):
        twins.call(tg.randn(40, 3))


def test_two_models_against_each_other():
    def world():
        w = World(maker=nn.Linear(3, 4), judge=nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 1)))
        w.first = tg.optim.Adam(w.maker.parameters(), lr=0.01)
        w.second = tg.optim.SGD(w.judge.parameters(), lr=0.1, momentum=0.9)
        return w

    def step(w):
        def f(x):
            fake = w.maker(tg.randn(6, 3))
            found = x.detach().requires_grad_()
            (slope,) = tg.autograd.grad(w.judge(found).sum(), found, create_graph=True)
            w.second.zero_grad()
            loss = w.judge(fake.detach()).mean() - w.judge(x).mean()
            (loss + ((slope.norm(dim=1) - 1) ** 2).mean()).backward()
            w.second.step()
            w.first.zero_grad()
            other = -w.judge(fake).mean()
            other.backward()
            w.first.step()
            return loss, other

        return f

    twins = Twins(world, step)
    for _ in range(4):
        twins.call(tg.randn(6, 4))


def test_gradients_passed_around():
    def step(w):
        def f(x):
            w.a.grad = w.b.grad = None
            (w.a * w.b * x).sum().backward()
            w.a.grad, w.b.grad = w.b.grad, w.a.grad * 2
            w.c.grad = x
            return w.a.grad

        return f

    def world():
        return World(**{name: tg.randn(3, requires_grad=True) for name in "abc"})

    twins = Twins(world, step)
    for _ in range(4):
        twins.call(tg.randn(3))


def test_writes_through_views():
    def step(w):
        def f(x):
            view = w.b[1:3]
            with tg.no_grad():
                w.b.add_(x)
                total = view.sum()
                view.mul_(2)
                w.b[0], w.b[1] = w.b[1].clone(), w.b[0].clone()
            return total, w.b * 1, view, tg.add(x, 1, out=w.c) is w.c

        return f

    twins = Twins(lambda: World(b=tg.zeros(4), c=tg.zeros(4)), step)
    for _ in range(4):
        twins.call(tg.randn(4))


# --- exceptions ----------------------------------------------------------------------------------


def snapshot(w):
    values = {name: t.clone() for name, t in w.model.state_dict().items()}
    state = copy.deepcopy(w.optimizer.state_dict())
    grads = [p.grad for p in w.model.parameters()]
    return values, state, grads, [copy.deepcopy(g) for g in grads]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_exception_halfway(optimizer):
    """A label out of range: all that lies outside is as before the call."""
    twins = Twins(lambda: build(with_dropout, optimizer), training)
    w = twins.worlds[1]
    for _ in range(4):
        twins.compiled(*batch())
    for wrong in (-1, 2, 99):
        before = snapshot(w)
        x, y = batch()
        y[2] = wrong
        with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
            twins.compiled(x, y)
        after = snapshot(w)
        same(before[:2], after[:2])
        assert all(a is b for a, b in zip(before[2], after[2], strict=True))
        same(before[3], after[3])
        before = twins.recordings
        twins.compiled(*batch())
        assert twins.recordings == before


def test_exception_after_an_accumulation():
    w = World(w=tg.ones(3, requires_grad=True))

    @tg.compile
    def f(x, i):
        (w.w * x).sum().backward()
        return x.gather(0, i)

    for _ in range(3):
        f(tg.ones(3), tg.tensor([1]))
    before, held = w.w.grad.tolist(), w.w.grad
    with pytest.raises(RuntimeError, match="out of bounds"):
        f(tg.ones(3), tg.tensor([3]))
    assert w.w.grad is held
    assert held.tolist() == before


def test_exception_of_the_function():
    def f(x):
        if x.shape[0] == 2:
            raise KeyError("two")
        return x * 2

    compiled = tg.compile(f)
    compiled(tg.ones(3))
    for _ in range(2):
        with pytest.raises(KeyError, match="two"):
            compiled(tg.ones(2))
    assert compiled(tg.ones(3)).tolist() == [2.0] * 3
    tg.ones(2).tolist()  # nothing is recorded any more


def test_probabilities_out_of_range():
    f = tg.compile(F.binary_cross_entropy)
    for _ in range(3):
        f(tg.rand(3), tg.rand(3))
    with pytest.raises(RuntimeError, match="all elements of input should be between 0 and 1"):
        f(tg.rand(3) + 2, tg.rand(3))


# --- threads, nesting, methods, saving -----------------------------------------------------------


def test_two_threads():
    w = World(w=tg.ones(50, requires_grad=True))

    @tg.compile
    def f(x):
        w.w.grad = None
        y = (w.w * x).sum()
        y.backward()
        return y, w.w.grad

    failures = []

    def work(k):
        for _ in range(200):
            y, g = f(tg.full((50,), float(k)))
            if y.item() != 50 * k or g.tolist() != [k] * 50:
                failures.append((k, y, g))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_grad_mode_of_another_thread():
    f = tg.compile(lambda x: x * tg.ones(2, requires_grad=True))
    found = []
    with tg.no_grad():
        f(tg.ones(2))
        thread = threading.Thread(target=lambda: found.append(f(tg.ones(2)).requires_grad))
        thread.start()
        thread.join()
        assert not f(tg.ones(2)).requires_grad
    assert found == [True]


def test_nested():
    def step(w):
        inner = tg.compile(lambda x: w.w * x * w.k)
        w.inner = [inner]
        return tg.compile(lambda x: inner(x).sum() + inner(x * 2).sum())

    twins = Twins(lambda: World(w=tg.randn(3, requires_grad=True), k=2.0), lambda w: step(w))
    for k in (2.0, 3.0):
        twins.change(lambda w, k=k: setattr(w, "k", k))
        for _ in range(3):
            x = tg.randn(3)
            same(
                twins.compiled(x).detach(),
                (twins.worlds[1].w * x * k).sum().detach()
                + (twins.worlds[1].w * (x * 2) * k).sum().detach(),
            )
    assert twins.recordings == 2
    assert twins.worlds[1].inner[0].recordings == 0


class Trainer:
    """With a compiled method."""

    def __init__(self, scale):
        self.scale = scale

    @tg.compile
    def step(self, x):
        """What it does."""
        return x * self.scale

    @classmethod
    def twice(cls, x):
        return x * 2


def test_method():
    trainers, before = [Trainer(2.0), Trainer(3.0)], Trainer.step.recordings
    for _ in range(3):
        for t in trainers:
            assert t.step(tg.ones(2)).tolist() == [t.scale] * 2
    assert Trainer.step.recordings == before + 2
    trainers[0].scale = 5.0
    assert trainers[0].step(tg.ones(2)).tolist() == [5.0] * 2
    assert Trainer.step.__doc__ == "What it does."
    bound = tg.compile(trainers[1].step)
    assert [bound(tg.ones(1)).item() for _ in range(3)] == [3.0] * 3
    other = tg.compile(Trainer.twice)
    assert [other(tg.ones(1)).item() for _ in range(3)] == [2.0] * 3


def test_module():
    model = nn.Linear(3, 2)
    compiled = tg.compile(model)
    for _ in range(3):
        x = tg.randn(4, 3)
        same(compiled(x).detach(), model(x).detach())
    assert compiled.recordings == 1


def test_saved_and_loaded_between_calls(tmp_path):
    twins = Twins(lambda: build(momentum=0.9), training)
    train(twins)
    for i, w in enumerate(twins.worlds):
        tg.save({"m": w.model.state_dict(), "o": w.optimizer.state_dict()}, tmp_path / f"{i}.pt")
    train(twins)
    for i, w in enumerate(twins.worlds):
        loaded = tg.load(tmp_path / f"{i}.pt")
        w.model.load_state_dict(loaded["m"])
        w.optimizer.load_state_dict(loaded["o"])
    train(twins)
    twins.change(lambda w: w.__dict__.update(copy.deepcopy(vars(w))))
    train(twins)
    twins.change(lambda w: w.__dict__.update(pickle.loads(pickle.dumps(vars(w)))))
    train(twins)


def test_wrong_uses():
    with pytest.raises(TypeError, match="takes a function"):
        tg.compile(3)
    with pytest.raises(ValueError, match="no pass"):
        tg.compile(lambda: 1, passes=["nonsense"])
    assert tg.compile(passes=())(lambda x: x)(3) == 3


class Scaled:
    """With methods that have no self."""

    @staticmethod
    def static(x):
        return x * RATE

    @classmethod
    def of_class(cls, x):
        return x * RATE


class ScaledFunction(tg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * RATE

    @staticmethod
    def backward(ctx, g):
        return g * RATE


class ScaledModule(nn.Module):
    @staticmethod
    def scale(x):
        return x * RATE

    def forward(self, x):
        return self.scale(x)


@functools.wraps(np.sum)
def named_like_a_librarys(x):
    return x * RATE


def product(x):
    return x * RATE


@functools.wraps(product)
def wrapper(x):
    return wrapper.__wrapped__(x)


class Several:
    @functools.singledispatchmethod
    def scale(self, x):
        return x * RATE


@pytest.mark.parametrize(
    "function",
    [
        Scaled.static,
        Scaled.of_class,
        lambda x: Scaled.static(x),
        lambda x: Scaled().of_class(x),
        lambda x: ScaledFunction.apply(x),
        ScaledFunction.apply,
        ScaledModule(),
        lambda x: named_like_a_librarys(x),
        lambda x: wrapper(x),
        lambda x: Several().scale(x),
        lambda x: x * globals()["RATE"],
    ],
)
def test_global_of_what_is_called(function, monkeypatch):
    compiled = tg.compile(function)
    for rate in (2.0, 2.0, 3.0, 3.0, 5.0):
        monkeypatch.setitem(globals(), "RATE", rate)
        assert compiled(tg.ones(2)).tolist() == [rate] * 2


SETTINGS = types.ModuleType("settings_of_two_functions")


@pytest.mark.parametrize("held", [False, True])
def test_module_that_two_functions_ask(held):
    vars(SETTINGS).update(scale=2.0, shift=1.0, offset=0.0)
    own = SETTINGS
    if held:
        first = lambda x: x * own.scale + getattr(own, "offset")  # noqa: B009, E731
        compiled = tg.compile(lambda x: first(x) + own.shift)
    else:
        first = lambda x: x * SETTINGS.scale + getattr(SETTINGS, "offset")  # noqa: B009, E731
        compiled = tg.compile(lambda x: first(x) + SETTINGS.shift)
    for name in ("scale", "shift", "offset"):
        compiled(tg.ones(2))
        setattr(SETTINGS, name, 7.0)
        assert compiled(tg.ones(2)).tolist() == (first(tg.ones(2)) + SETTINGS.shift).tolist()


KEY = "lr"


@pytest.mark.parametrize(
    "read",
    [
        lambda o: o.param_groups[0][KEY],
        lambda o: getattr(o, "param_groups")[0][KEY],  # noqa: B009
        lambda o: o.defaults[KEY],
        lambda o: o.state_dict()["param_groups"][0][KEY],
    ],
)
def test_options_that_the_function_reads(read):
    p = tg.ones(2, requires_grad=True)
    o = tg.optim.SGD([p], lr=0.5)
    compiled = tg.compile(lambda x: x * read(o))
    for rate in (0.5, 0.25, 0.25, 2.0):
        o.param_groups[0]["lr"] = o.defaults["lr"] = rate
        assert compiled(tg.ones(2)).tolist() == [rate] * 2


class Steady(tg.optim.SGD):
    """Whose options are the user's, as is what it does with them."""

    scale = 1.0

    def step(self, closure=None):
        for group in map(vars, self.param_sets()):
            self.p.sub_(self.p.grad * group["rate"])

    def param_sets(self):
        return [World(rate=next(iter(self.chosen)))]


def test_attributes_of_an_optimizer_of_the_users_own():
    o = Steady([tg.ones(1, requires_grad=True)], lr=0.1)
    o.p, o.chosen = o.param_groups[0]["params"][0].detach(), [1.0]
    o.p.grad = tg.ones(1)
    compiled = tg.compile(o.step)
    for rate, left in ((1.0, 0.0), (1.0, -1.0), (2.0, -3.0), (2.0, -5.0)):
        o.chosen[0] = rate
        compiled()
        assert o.p.item() == left


@pytest.mark.parametrize(
    "read",
    [
        lambda s: s._last_lr[0],
        lambda s: s._step_count,
        lambda s: s.state_dict()["last_epoch"],
        lambda s: vars(s)["last_epoch"],
        lambda s: getattr(s, "last_epoch"),  # noqa: B009
    ],
)
def test_scheduler_that_the_function_reads(read):
    o = tg.optim.SGD([tg.ones(2, requires_grad=True)], lr=1.0)
    s = tg.optim.lr_scheduler.ExponentialLR(o, 0.5)
    compiled = tg.compile(lambda x: x * read(s))
    for _ in range(3):
        for _ in range(2):
            assert compiled(tg.ones(2)).tolist() == [read(s)] * 2
        o.step()
        s.step()


@functools.lru_cache
def noise():
    return tg.randn(2)


def test_cache():
    refused(lambda: noise(), match="noise is a cache: what it keeps can't be recorded; take the")
    refused(functools.cache(lambda x: x), tg.ones(2), match="is a cache")


class Slotted:
    __slots__ = ("__private", "late")

    def set(self, x):
        self.__private = x

    def get(self, x):
        return x * self.__private + getattr(self, "late", 0.0)


class OneSlot:
    __slots__ = "only"  # noqa: PLC0205


def test_slots():
    s = Slotted()
    s.set(2.0)
    compiled = tg.compile(lambda x: s.get(x))
    assert [compiled(tg.ones(1)).item() for _ in range(3)] == [2.0] * 3
    assert compiled.recordings == 1
    s.set(3.0)
    assert compiled(tg.ones(1)).item() == 3
    s.late = 4.0
    assert compiled(tg.ones(1)).item() == 7
    del s.late
    assert compiled(tg.ones(1)).item() == 3
    one = OneSlot()
    one.only = 2.0
    compiled = tg.compile(lambda x: x * one.only)
    for one.only in (2.0, 3.0):
        assert compiled(tg.ones(1)).item() == one.only


def test_renamed_modules():
    heads = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    compiled = tg.compile(lambda x: heads["a"](x))
    x = tg.ones(2)
    assert compiled(x).tolist() == x.relu().tolist()
    a, b = heads["a"], heads["b"]
    heads.clear()
    heads.update({"b": a, "a": b})
    assert compiled(x).tolist() == x.tanh().tolist()


def test_weak_mapping():
    key, weak = Scaled(), weakref.WeakKeyDictionary()
    weak[key] = 2.0
    compiled = tg.compile(lambda x: x * weak[key])
    for rate in (2.0, 2.0, 3.0):
        weak[key] = rate
        assert compiled(tg.ones(1)).item() == rate


def test_deep_or_opaque():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    refused(lambda x: x * len(deep), tg.ones(2), match="is nested too deeply to be looked through")
    while deep:
        deep = deep[0]
    weakref_of = weakref.ref(thing := Scaled())
    compiled = tg.compile(lambda x: x * weakref_of().scale)
    for thing.scale in (2.0, 3.0):
        assert compiled(tg.ones(1)).item() == thing.scale

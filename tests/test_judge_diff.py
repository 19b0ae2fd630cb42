"""judge.diff finds the first node at which two runs part, and blames no rounding."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinygrad_cls
from tinygrad_cls import nn, ops
from tinygrad_cls.judge.divergence import VERDICTS, Divergence, diff

ROWS = 60
BACKWARDS = list(range(ROWS))[::-1]
DTYPES = ["float32", "float64"]


@pytest.fixture
def pytorch() -> ModuleType:
    return pytest.importorskip("torch", reason="compares with PyTorch")


def layers(torch: Any) -> list[Any]:
    nn = torch.nn
    return [nn.Linear(3, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 3)]


def train(
    watch: Any,
    torch: Any,
    dtype: str = "float32",
    *,
    epochs: int = 10,
    lr: float = 0.1,
    layers: Callable[[Any], list[Any]] = layers,
    before: Callable[[int, Any, Any], Any] = lambda epoch, X, y: (X, y),
    between: Callable[[int, Any], None] = lambda epoch, model: None,
    zero_grad: Callable[[int], bool] = lambda epoch: True,
    optimizer: str = "SGD",
    options: dict[str, Any] | None = None,
    compiled: bool = False,
    seed: int = 3,
) -> Iterator[Any]:
    """A training that can be spoilt: ``before`` changes the data, ``between`` the gradients."""
    rng = np.random.default_rng(0)
    kind = getattr(torch, dtype)
    X = torch.from_numpy(rng.standard_normal((ROWS, 3)) * 2).to(kind)
    y = torch.from_numpy(rng.integers(0, 3, ROWS))
    torch.manual_seed(seed)
    model = torch.nn.Sequential(*layers(torch)).to(kind)
    watch(model)
    loss_fn = torch.nn.CrossEntropyLoss()
    update = getattr(torch.optim, optimizer)(model.parameters(), lr=lr, **(options or {}))

    def step(X: Any, y: Any, zero: bool, epoch: int) -> Any:
        if zero:
            update.zero_grad()
        loss = loss_fn(model(X), y)
        loss.backward()
        between(epoch, model)
        update.step()
        return loss

    run = tinygrad_cls.compile(lambda: step(X, y, True, 0)) if compiled else None
    for epoch in range(1, epochs + 1):
        yield run() if run else step(*before(epoch, X, y), zero_grad(epoch), epoch)


def run(*args: Any, **options: Any) -> Callable[[Any], Iterator[Any]]:
    return lambda watch: train(watch, *args, **options)


ours = partial(run, tinygrad_cls)


def both_ways(a: Any, b: Any, **options: Any) -> list[Divergence]:
    return [diff(a, b, names=("a", "b"), **options), diff(b, a, names=("b", "a"), **options)]


# --- What is right agrees -------------------------------------------------------------------------


def test_a_run_equals_itself() -> None:
    found = diff(ours(), ours())
    assert (found.verdict, found.epochs, bool(found)) == ("equal", 10, True)
    assert found.place is found.first_bit is None
    assert found.compared > 10 * 20


CLEAN: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum": {"options": {"momentum": 0.9, "weight_decay": 0.01}},
    "adam": {"optimizer": "Adam", "lr": 0.01},
    "batch norm": {
        "layers": lambda torch: [
            *layers(torch)[:3],
            torch.nn.BatchNorm1d(10),
            torch.nn.Linear(10, 3),
        ]
    },
    "dropout": {
        "layers": lambda torch: [
            torch.nn.Linear(3, 40),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(40, 3),
        ]
    },
}


@pytest.mark.needs_torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CLEAN)
def test_both_engines(pytorch: ModuleType, name: str, dtype: str) -> None:
    options = {"epochs": 25, **CLEAN[name]}
    found = diff(ours(dtype, **options), run(pytorch, dtype, **options))
    assert found, str(found)
    assert found.untested == ()
    assert found.verdict == "explained by rounding"
    assert found.place is not None
    assert 0 < found.place.times < 0.5
    assert found.epochs == 25


@pytest.mark.parametrize("name", CLEAN)
def test_both_dtypes(name: str) -> None:
    narrow, wide = (ours(dtype, epochs=25, **CLEAN[name]) for dtype in DTYPES)
    for found in both_ways(narrow, wide):
        assert found.verdict == "explained by rounding", str(found)


def test_eager_and_replay() -> None:
    for found in both_ways(ours(epochs=25), ours(epochs=25, compiled=True)):
        assert found, str(found)
        assert "shows none" in found.untested[0]


class Functional(nn.Module):
    """Its kinks are between its nodes, where no value can be taken over."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 20), nn.Linear(20, 20)
        self.last = nn.Linear(20, 1)

    def forward(self, x: Any) -> Any:
        relu = tinygrad_cls.relu
        return self.last(relu(self.second(relu(self.first(x)))))


def chaotic(watch: Any, dtype: str, wrong_at: int = 0) -> Iterator[Any]:
    rng = np.random.default_rng(1)
    kind = getattr(tinygrad_cls, dtype)
    X = tinygrad_cls.from_numpy(rng.standard_normal((100, 2))).to(kind)
    y = (X.prod(dim=1, keepdim=True) > 0).to(kind)
    tinygrad_cls.manual_seed(0)
    model = Functional().to(kind)
    watch(model)
    optimizer = tinygrad_cls.optim.SGD(model.parameters(), lr=4.0)
    for epoch in range(1, 81):
        loss = nn.functional.binary_cross_entropy_with_logits(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        if epoch == wrong_at:
            model.second.weight.grad.mul_(1.001)
        optimizer.step()
        yield loss


def test_chaos_is_told_from_a_fault() -> None:
    """The weights part by 10 % of their size, and rounding explains it; a late fault shows."""
    narrow, wide = partial(chaotic, dtype="float32"), partial(chaotic, dtype="float64")
    found = diff(narrow, wide)
    assert found.verdict == "explained by rounding", str(found)
    sizes, epochs = zip(*found.growth, strict=True)
    assert list(sizes) == sorted(sizes)
    assert list(epochs) == sorted(epochs)
    assert found.growth[-1][0] >= 0.01
    assert epochs[-1] > 50
    assert f"{sizes[-1]:.0e} at epoch {epochs[-1]}" in str(found)

    found = diff(narrow, partial(chaotic, dtype="float64", wrong_at=70))
    assert found.verdict == "parts"
    assert found.place is not None
    assert (found.place.epoch, found.place.node) == (70, "the gradient of second.weight")
    assert "b is 1.001" in found.place.alike


# --- What is wrong is named -----------------------------------------------------------------------


def wrong_gradient(epoch: int, model: Any) -> None:
    if epoch == 7:
        model[2].weight.grad.mul_(1.001)


def another_relu(torch: Any) -> list[Any]:
    made = layers(torch)
    made[3] = torch.nn.LeakyReLU(1e-3)
    return made


def no_bias_added(torch: Any) -> list[Any]:
    made = layers(torch)
    made[2].forward = lambda x: x @ made[2].weight.T
    return made


def zeroed(epoch: int, model: Any) -> None:
    if epoch == 2:
        model[2].weight.grad.zero_()


def transposed(epoch: int, model: Any) -> None:
    if epoch == 2:
        model[2].weight.grad = model[2].weight.grad.T.clone()


def shuffled(epoch: int, X: Any, y: Any) -> Any:
    return (X[BACKWARDS], y[BACKWARDS]) if epoch == 3 else (X, y)


def other_targets(epoch: int, X: Any, y: Any) -> Any:
    return (X, y[BACKWARDS]) if epoch == 3 else (X, y)


FAULTS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "gradient": ({"between": wrong_gradient}, 7, "the gradient of 2.weight", "times a in every"),
    "zeroed": ({"between": zeroed}, 2, "the gradient of 2.weight", "is 0 everywhere"),
    "transposed": ({"between": transposed}, 2, "the gradient of 2.weight", "is the transpose of"),
    "relu": ({"layers": another_relu}, 1, "3", ""),
    "bias": ({"layers": no_bias_added}, 1, "2", "same in every row"),
    "zero_grad": (
        {"zero_grad": lambda epoch: epoch == 1}, 2, "the gradient of 4.bias", "zero_grad() missing",
    ),
    "shuffled": ({"before": shuffled}, 3, "the input of 0", "same rows, in another order"),
    "targets": ({"before": other_targets}, 3, "loss", ""),
    "learning rate": ({"lr": 0.101}, 1, "0.weight after the step", "another learning rate?"),
    "momentum": ({"options": {"momentum": 0.01}}, 2, "0.weight after the step", ""),
}  # fmt: skip


@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("float64",) * 2, tuple(DTYPES)])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str, dtypes: tuple[str, str]) -> None:
    options, epoch, node, alike = FAULTS[fault]
    for found in both_ways(ours(dtypes[0]), ours(dtypes[1], **options)):
        assert found.verdict == "parts", str(found)
        assert not found
        place = found.place
        assert place is not None
        assert (place.epoch, place.node) == (epoch, node), str(found)
        assert place.times > 1
        assert place.difference > place.bound
        assert abs(place.a - place.b) == place.difference
        assert alike in place.alike
        assert place.after
        if fault == "relu":
            assert place.module in {"ReLU, in b LeakyReLU", "LeakyReLU, in b ReLU"}
        assert str(place) in str(found)


@pytest.mark.needs_torch
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_another_engine(pytorch: ModuleType, fault: str) -> None:
    options, epoch, node, _ = FAULTS[fault]
    for a, b in (
        (ours("float32"), run(pytorch, "float32", **options)),
        (ours("float32", **options), run(pytorch, "float64")),
    ):
        place = diff(a, b).place
        assert place is not None
        assert (place.epoch, place.node) == (epoch, node)


def test_a_learning_rate_off_by_a_millionth() -> None:
    good, off = (ours("float64", lr=lr) for lr in (0.1, 0.1000001))
    for found in both_ways(good, off):
        assert found.verdict == "parts"
        assert found.place is not None
        assert found.place.epoch == 1
        assert found.place.node == "0.weight after the step"
    assert "0.999999 times the step of a" in found.place.alike
    # In float32 each step is off by less than one rounding of the weight that it is added to.
    assert diff(*(ours("float32", lr=lr) for lr in (0.1, 0.1000001)))


@pytest.mark.parametrize(
    ("op", "factor", "node"),
    [
        ("relu", 1.001, "the gradient by the output of 2"),
        ("nll", 1 + 1e-6, "the gradient by the output of 4"),
    ],
)
def test_a_wrong_derivative(
    op: str, factor: float, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run on the CPU in float64: nothing else is wrong with it."""
    entry = getattr(ops, op)
    formula = entry.formulas[0]
    right = formula.on_arrays

    def spoilt(watch: Any) -> Iterator[Any]:
        epochs = train(watch, tinygrad_cls, "float64")
        while True:
            with monkeypatch.context() as patch:
                patch.setattr(formula, "on_arrays", lambda *a: right(*a) * factor)
                try:
                    loss = next(epochs)
                except StopIteration:
                    return
            yield loss

    found = diff(ours("float64"), spoilt)
    assert found.place is not None
    assert (found.place.epoch, found.place.node) == (1, node), str(found)
    assert "times a in every entry" in found.place.alike


def test_a_replay_that_is_wrong() -> None:
    found = diff(ours(), ours(compiled=True, lr=0.102))
    assert found.verdict == "parts"
    assert found.place is not None
    assert str(found.place).startswith("epoch 1, 0.weight after the step[")


# --- Nan, structure, names ------------------------------------------------------------------------


def nan_at_4(epoch: int, model: Any) -> None:
    if epoch == 4:
        model[0].weight.grad[1, 2] = math.nan


def test_nan_in_one_run() -> None:
    for found in both_ways(ours(), ours(between=nan_at_4)):
        assert found.verdict == "not finite"
        assert not found
        assert str(found.place) == "epoch 4, the gradient of 0.weight[1,2]"
        assert found.place is not None
        assert {math.isnan(found.place.a), math.isnan(found.place.b)} == {True, False}
        json.loads(found.to_json())


def test_nan_in_both_runs() -> None:
    for other in ("float32", "float64"):
        found = diff(ours(between=nan_at_4), ours(other, between=nan_at_4))
        assert found.verdict == "not finite"
        assert not found
        assert str(found.place) == "epoch 4, the gradient of 0.weight[1,2]"


def without_bias(torch: Any) -> list[Any]:
    made = layers(torch)
    made[2] = torch.nn.Linear(10, 10, bias=False)
    return made


def wider(torch: Any) -> list[Any]:
    nn = torch.nn
    return [nn.Linear(3, 11), nn.ReLU(), nn.Linear(11, 10), nn.ReLU(), nn.Linear(10, 3)]


def fewer(epoch: int, X: Any, y: Any) -> Any:
    return (X[:50], y[:50]) if epoch == 2 else (X, y)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"layers": without_bias},
            "epoch 1: a has the parameter or buffer 2.bias, which b has not",
        ),
        (
            {"layers": wider},
            "epoch 1: 0.weight at the start has shape (10, 3) in a and (11, 3) in b",
        ),
        ({"before": fewer}, "epoch 2: the input of 0 has shape (60, 3) in a and (50, 3) in b"),
        ({"epochs": 8}, "epoch 9: b has ended, a goes on"),
    ],
)
def test_another_structure(options: dict[str, Any], text: str) -> None:
    found = diff(ours(), ours(**options))
    assert (found.verdict, found.text) == ("different structure", text)
    assert not found
    assert text in str(found)


def test_a_fault_before_the_end_of_one_run() -> None:
    assert diff(ours(), ours(epochs=8, between=wrong_gradient)).verdict == "parts"
    assert diff(ours(), ours("float64", epochs=8)).verdict == "different structure"


def renamed(torch: Any) -> list[Any]:
    return [torch.nn.Sequential(*layers(torch))]


def test_names_may_differ_where_shapes_agree() -> None:
    assert diff(ours(), ours(layers=renamed)).verdict == "equal"
    for found in both_ways(ours(), ours(layers=lambda t: [t.nn.Sequential(*another_relu(t))])):
        assert found.place is not None
        assert found.place.node in {"3 (in b: 0.3)", "0.3 (in b: 3)"}


# --- The call -------------------------------------------------------------------------------------


def test_runs_do_not_disturb_each_other() -> None:
    """Neither by random numbers nor by the default dtype, and what was outside comes back."""

    def drawing(watch: Any, seed: int | None) -> Iterator[Any]:
        if seed is not None:
            tinygrad_cls.manual_seed(seed)
        tinygrad_cls.set_default_dtype(tinygrad_cls.float64)
        model = nn.Linear(2, 1)
        watch(model)
        for _ in range(3):
            loss = model(tinygrad_cls.randn(5, 2) + float(np.random.standard_normal())).sum()
            model.zero_grad()
            loss.backward()
            yield {"loss": loss, "drawn": tinygrad_cls.rand(1).item()}

    state = tinygrad_cls.get_rng_state()
    for seed in (0, None):
        again = partial(drawing, seed=seed)
        assert diff(again, again).verdict == "equal"
    assert not diff(lambda w: drawing(w, 0), lambda w: drawing(w, 1))
    assert (tinygrad_cls.get_rng_state() == state).all()
    assert tinygrad_cls.get_default_dtype() is tinygrad_cls.float32


def test_hooks_are_taken_off() -> None:
    models = []

    def keeping(watch: Any) -> Iterator[Any]:
        models.append(nn.Linear(2, 1))
        watch(models[-1])
        yield models[-1](tinygrad_cls.ones(1, 2)).sum()

    diff(keeping, keeping)
    seen: list[int] = []
    for model in models:
        model.register_forward_hook(lambda *_: seen.append(1))
        hooks = model._Hooked__hooks
        assert len(hooks.forward) == 1
        assert not hooks.forward_pre


def test_several_models_and_values() -> None:
    def two(watch: Any, off: float) -> Iterator[Any]:
        tinygrad_cls.manual_seed(0)
        first, second = nn.Linear(2, 3), nn.Linear(3, 1)
        watch(first, "encoder")
        watch(second, "decoder")
        for epoch in range(2):
            y = second(first(tinygrad_cls.ones(4, 2)))
            y.sum().backward()
            yield {"loss": y.sum().item(), "score": np.float64(epoch + off)}

    assert diff(lambda w: two(w, 0), lambda w: two(w, 0)).verdict == "equal"
    found = diff(lambda w: two(w, 0), lambda w: two(w, 0.1))
    assert str(found.place) == "epoch 1, score"
    assert found.place is not None
    assert found.place.after == "encoder.bias after the step" or "decoder" in found.place.after


def test_epochs_names_and_progress() -> None:
    told: list[str] = []
    found = diff(
        ours(), ours(between=wrong_gradient), names=("good", "bad"), epochs=6, progress=told.append
    )
    assert (found.verdict, found.epochs) == ("equal", 6)
    assert found.a == "good (tinygrad_cls, float32)"
    assert told == ["good and bad as they are"]


def test_a_coarser_unit_explains_more() -> None:
    runs = ours(), ours(between=wrong_gradient)
    assert not diff(*runs)
    assert diff(*runs, unit=2.0**-11)  # as of TF32


def test_json_has_all() -> None:
    for found in (diff(ours(), ours("float64")), diff(ours(), ours(between=wrong_gradient))):
        data = json.loads(found.to_json())
        assert data["verdict"] in VERDICTS
        assert data["agree"] is bool(found)
        assert data["place"]["node"] == found.place.node  # type: ignore[union-attr]
        assert data["first_bit"]["epoch"] == 1 or data["first_bit"]["epoch"] == 7


def test_what_is_no_run() -> None:
    def plain(watch: Any) -> None: ...

    def blind(watch: Any) -> Iterator[Any]:
        yield 1.0

    def twice(watch: Any) -> Iterator[Any]:
        watch(nn.Linear(1, 1))
        watch(nn.Linear(1, 1))
        yield 0.0

    def silent(watch: Any) -> Iterator[Any]:
        watch(nn.Linear(1, 1))
        yield from ()

    with pytest.raises(TypeError, match=r"a run is a generator, and <function .*yield loss"):
        diff(plain, plain)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"watched no model with parameters: call watch\(model\)"):
        diff(blind, blind)
    with pytest.raises(ValueError, match="ended before their first yield"):
        diff(silent, silent)
    with pytest.raises(ValueError, match=r"two of bias: give each model a name, watch\(model, "):
        diff(twice, twice)
    with pytest.raises(TypeError, match="int is not a module"):
        diff(lambda w: iter([w(3)]), blind)


def test_a_run_that_is_another_the_second_time() -> None:
    counter = iter(range(100))

    def changing(watch: Any) -> Iterator[Any]:
        extra = next(counter) > 0
        for loss in train(watch, tinygrad_cls):
            yield {"loss": loss} | ({"more": 1.0} if extra else {})

    with pytest.raises(ValueError, match=r"run again, a run does something else: .* has more, "):
        diff(changing, ours("float64"))


def test_an_error_of_a_run_is_its_own() -> None:
    def failing(epoch: int, model: Any) -> None:
        if epoch == 2:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        diff(ours(between=failing), ours())


# --- python -m reference --------------------------------------------------------------------------


@pytest.fixture
def reference(pytorch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line, with PyTorch's own kernels for the other ones."""
    for extra in ("sklearn", "matplotlib"):
        pytest.importorskip(extra, reason="needs the extra `experiments`")
    from reference import __main__, training

    @contextmanager
    def same_kernels(settings: Any) -> Iterator[Any]:
        yield (training.train(s.experiment, dtype=s.dtype, epochs=s.epochs) for s in settings)

    monkeypatch.setattr("reference.other.default_kernels", same_kernels)
    return __main__


def told(tmp_path: Path, command: Any, *options: str) -> tuple[int, list[list[dict[str, Any]]]]:
    """The exit status, and the first divergences of each comparison."""
    file = tmp_path / "report.json"
    arguments = ["--device", "cpu", "--experiments", "blobs", "--epochs", "11", *options]
    status = command.main([*arguments, "--out", str(tmp_path), "--json", str(file)])
    comparisons = json.loads(file.read_text())["comparisons"]
    return status, [comparison["first_divergence"] for comparison in comparisons]


@pytest.mark.needs_torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["circles-linear", "circles-relu", "blobs"])
def test_the_tutorials_runs(reference: Any, name: str, dtype: str) -> None:
    """Ours against PyTorch's, and replayed against eager."""
    from reference.compare import Setting
    from reference.divergence import first_divergences
    from tinygrad_cls.experiments import EXPERIMENTS

    found = first_divergences(Setting(EXPERIMENTS[name], dtype, epochs=30))
    assert [one.verdict for one in found] == ["explained by rounding"] * 2, str(found[-1])
    assert all(one.epochs == 30 for one in found)
    assert [bool(one.untested) for one in found] == [False, True]


@pytest.mark.needs_torch
def test_a_kept_contract_needs_no_diff(reference: Any, tmp_path: Path) -> None:
    assert told(tmp_path, reference) == (0, [[], []])


@pytest.mark.needs_torch
@pytest.mark.parametrize("options", [[], ["--eager"]])
def test_a_broken_contract_names_the_node(
    reference: Any,
    options: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    formula = ops.affine.formulas[1]  # the derivative by W
    right = formula.function
    monkeypatch.setattr(formula, "function", lambda *values: right(*values) * 1.001)
    status, found = told(tmp_path, reference, *options)
    assert status == 1
    node = "the gradient of linear_layer_stack.4.weight"
    for (one,) in found:
        assert (one["verdict"], one["place"]["epoch"], one["place"]["node"]) == ("parts", 1, node)
        assert "b is 0.99900" in one["place"]["alike"]
    printed = capsys.readouterr().out
    assert printed.count(f"epoch 1, {node}[") == 2
    assert printed.index("Measured: the largest") < printed.index(node)


@pytest.mark.needs_torch
def test_a_fault_around_the_steps(
    reference: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from reference import engine

    steps = engine.steps

    def off(*arguments: Any, **options: Any) -> Any:
        result = steps(*arguments, **options)
        result.gradients["linear_layer_stack.4.bias"] *= 1.001
        return result

    monkeypatch.setattr(engine, "steps", off)
    status, found = told(tmp_path, reference, "--dtype", "float32")
    assert status == 1
    ((eager, replayed),) = found
    assert eager["verdict"] == replayed["verdict"] == "explained by rounding"
    assert replayed["a"] == "ours, replayed (tinygrad_cls, float32)"
    assert "From equal inputs the engines agree in every step" in capsys.readouterr().out

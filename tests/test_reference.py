"""The comparison with PyTorch passes what is right, and each of its rows can be made to fail."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="compares with PyTorch")
pytest.importorskip("sklearn", reason="needs the extra `experiments`")
pytest.importorskip("matplotlib", reason="needs the extra `experiments`")

import torch

import tinygrad_cls
from reference import __main__ as command_line
from reference import engine, report, training
from reference.compare import Comparison, Setting, compare
from reference.contract import judge, loss_bound
from reference.other import default_kernels
from reference.record import Record
from reference.rounding import gradient_rounding
from tinygrad_cls.experiments import EXPERIMENTS

EPOCHS = 21


@pytest.fixture(scope="module")
def comparisons() -> dict[tuple[str, str], Comparison]:
    """Short, and with PyTorch's own kernels for the other ones."""
    result = {}
    for name, experiment in EXPERIMENTS.items():
        for dtype in ("float32", "float64"):
            with training.repeatable():
                other = training.train(experiment, dtype=dtype, epochs=EPOCHS)
            setting = Setting(experiment, dtype, epochs=EPOCHS)
            result[name, dtype] = compare(setting, iter([other]))
    return result


@pytest.fixture
def blobs(comparisons: dict[tuple[str, str], Comparison]) -> Comparison:
    return copy.deepcopy(comparisons["blobs", "float32"])


def broken(comparison: Comparison) -> set[str]:
    return {row.quantity for row in judge(comparison).broken}


# --- What is right passes -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_engine_keeps_the_contract(
    comparisons: dict[tuple[str, str], Comparison], name: str, dtype: str
) -> None:
    verdict = judge(comparisons[name, dtype])
    assert [row.broken_at for row in verdict.broken] == []
    assert verdict.judged == {"float32": 5, "float64": 4}[dtype]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_pytorch_equals_itself(comparisons: dict[tuple[str, str], Comparison], name: str) -> None:
    rows = judge(comparisons[name, "float32"]).rows
    assert {row.itself for row in rows} == {0}


# --- What is wrong fails --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dtype", "factor"),
    [
        ("circles-linear", "float64", 1 + 1e-6),
        ("circles-relu", "float64", 1 + 1e-6),
        ("circles-relu", "float32", np.nan),
        ("blobs", "float64", 1 + 1e-6),
        ("blobs", "float32", 1.001),
    ],
)
def test_a_wrong_gradient_of_any_parameter(
    comparisons: dict[tuple[str, str], Comparison], name: str, dtype: str, factor: float
) -> None:
    for parameter in comparisons[name, dtype].steps.gradients:
        comparison = copy.deepcopy(comparisons[name, dtype])
        comparison.steps.gradients[parameter] *= factor
        verdict = judge(comparison)
        assert [row.quantity for row in verdict.broken] == ["gradients, from equal weights"]
        assert f"gradient of {parameter}[" in str(verdict.broken[0].broken_at)


def test_one_wrong_entry_is_named(comparisons: dict[tuple[str, str], Comparison]) -> None:
    comparison = copy.deepcopy(comparisons["circles-linear", "float64"])
    comparison.steps.gradients["layer_2.weight"][1, 4, 1] += 1e-6
    (row,) = judge(comparison).broken
    assert str(row.broken_at).startswith("epoch 11, gradient of layer_2.weight[4,1]: ours ")
    assert row.measured > 1e-7


def _line(c: Comparison) -> None:
    c.ours.lines[0] = c.ours.lines[0].replace("Loss: 0.6", "Loss: 0.5")


def _initial(c: Comparison) -> None:
    bias = c.ours.initial["linear_layer_stack.2.bias"]
    bias[3] = np.nextafter(bias[3], np.float32(9))


def _loss(c: Comparison) -> None:
    c.ours.curves["loss"][7] *= 1 + 2e-5


def _test_loss(c: Comparison) -> None:
    c.ours.curves["test_loss"][-1] = np.nan


def _step(c: Comparison) -> None:
    c.steps.parameters["linear_layer_stack.0.weight"][0, 2, 1] *= 1 + 1e-5


@pytest.mark.parametrize(
    ("spoil", "quantity", "place"),
    [
        (_line, "printed lines", "ours 'Epoch: 10 | Loss: 0.5"),
        (_initial, "initial weights", "epoch 0, linear_layer_stack.2.bias[3]"),
        (_loss, "loss, whole run", "epoch 8, loss"),
        (_test_loss, "loss, whole run", "epoch 21, test loss"),
        (_step, "one step, from equal weights", "epoch 1, linear_layer_stack.0.weight[2,1]"),
    ],
)
def test_each_row_can_fail(
    blobs: Comparison, spoil: Callable[[Comparison], None], quantity: str, place: str
) -> None:
    spoil(blobs)
    (row,) = judge(blobs).broken
    assert row.quantity == quantity
    assert str(row.broken_at).startswith(place)
    printed = "\n".join(report.contract([(blobs, judge(blobs))]))
    assert f"first beyond: {place}" in printed
    assert "BROKEN, 1 of 5 rows" in report.conclusion([(blobs, judge(blobs))])


def test_a_float64_loss_beyond_its_bound(
    comparisons: dict[tuple[str, str], Comparison],
) -> None:
    comparison = copy.deepcopy(comparisons["circles-relu", "float64"])
    comparison.ours.curves["loss"][3] *= 1 + 1e-11
    assert broken(comparison) == {"loss, whole run"}


def test_what_is_not_judged(blobs: Comparison) -> None:
    _line(blobs)
    _loss(blobs)
    for spoiled in ({"seed": 43}, {"device": torch.device("cuda")}):
        blobs.setting = replace(blobs.setting, **spoiled)
        assert broken(blobs) == set()
    float64 = Setting(EXPERIMENTS["blobs"], "float64", seed=43, epochs=EPOCHS)
    assert (loss_bound(float64), loss_bound(replace(float64, seed=42))) == (1e-8, 1e-12)
    assert loss_bound(replace(float64, dtype="float32")) is None


# --- The bounds are derived, and hold -------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_rounding_stays_within_its_bound(classes: int, seed: int) -> None:
    """float32 against float64 from the same weights; half the nets have a ReLU exactly at 0."""
    binary = classes == 2
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(60, 3, generator=generator) * 10.0 ** (seed - 2)
    y = torch.randint(classes, (60,), generator=generator)
    nn = torch.nn
    net = nn.Sequential(nn.Linear(3, 7), nn.ReLU(), nn.Linear(7, 1 if binary else classes))
    if seed % 2:
        net[0].bias.data = -(X[5] @ net[0].weight.data.T)

    def gradients(dtype: torch.dtype) -> list[np.ndarray]:
        model = copy.deepcopy(net).to(dtype)
        z = model(X.to(dtype))
        if binary:
            loss = nn.functional.binary_cross_entropy_with_logits(z[:, 0], y.to(dtype))
        else:
            loss = nn.functional.cross_entropy(z, y)
        loss.backward()
        return [p.grad.numpy() for p in model.parameters()]

    bounds = gradient_rounding(
        [p.detach().numpy() for p in net.parameters()],
        X.numpy(),
        y.numpy(),
        relu=True,
        integer_targets=not binary,
        u=2.0**-24,
    )
    for narrow, wide, bound in zip(
        gradients(torch.float32), gradients(torch.float64), bounds, strict=True
    ):
        assert (abs(narrow - wide) <= bound.error).all()
        assert abs(wide).max() <= bound.scale * (1 + 1e-12)


# --- Running it -----------------------------------------------------------------------------------


def test_weights_start_where_told() -> None:
    start = training.draw(EXPERIMENTS["blobs"], "float32", 1)
    with training.repeatable():
        record = training.train(EXPERIMENTS["blobs"], epochs=1, start=start)
    for name, value in start.items():
        np.testing.assert_array_equal(record.parameters[name][0], value)
        assert (record.initial[name] != value).any()


@pytest.mark.parametrize("eager", [False, True])
def test_both_halves_are_replayed_unless_eager(
    eager: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []

    def compile(function: Callable[[], object]) -> object:
        compiled.append(real(function))
        return compiled[-1]

    real = tinygrad_cls.compile
    monkeypatch.setattr(tinygrad_cls, "compile", compile)
    monkeypatch.setattr("tinygrad_cls.experiments.training.compile", compile)
    setting = Setting(EXPERIMENTS["blobs"], epochs=EPOCHS, eager=eager)
    comparison = compare(setting, iter([training.train(EXPERIMENTS["blobs"], epochs=EPOCHS)]))
    assert broken(comparison) == set()
    # A whole epoch changes from training to evaluation, a step from equal weights does not.
    assert [step.recordings for step in compiled] == ([] if eager else [2, 1])
    assert ("eager" in report.title(setting)) is eager
    (told,) = report.as_json(setting, [(comparison, judge(comparison))])["comparisons"]
    assert told["eager"] is eager


def test_records_are_saved_and_loaded(tmp_path: Path) -> None:
    record = training.train(EXPERIMENTS["blobs"], epochs=2)
    record.save(tmp_path / "record.npz")
    loaded = Record.load(tmp_path / "record.npz")
    assert loaded.lines == record.lines
    for group in ("initial", "curves", "parameters", "gradients"):
        a, b = getattr(loaded, group), getattr(record, group)
        assert list(a) == list(b)
        assert all((a[name] == b[name]).all() for name in b)


def test_repeatable_gives_the_settings_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("medium")
    with training.repeatable():
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (1, "highest")
    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (2, "medium")
    torch.set_num_threads(before)
    torch.set_float32_matmul_precision("highest")


def test_default_kernels_run_beside() -> None:
    settings = [Setting(EXPERIMENTS["blobs"], dtype, epochs=2) for dtype in ("float32", "float64")]
    with default_kernels(settings) as records:
        found = [next(records) for _ in settings]
    for setting, record in zip(settings, found, strict=True):
        start = training.draw(setting.experiment, setting.dtype, 42)
        assert all((record.parameters[name][0] == value).all() for name, value in start.items())
        assert len(record.curves["loss"]) == 2


def test_lines_show_where_they_differ(blobs: Comparison) -> None:
    assert list(report.lines(blobs))[-1] == "  3/3 lines identical"
    assert all(line.startswith("      =  Epoch") for line in list(report.lines(blobs))[1:-1])
    _line(blobs)
    _, ours, theirs, mark, *_, count = report.lines(blobs)
    column = mark.index("^")
    assert (ours[:column][9:], ours[column], theirs[column]) == (theirs[:column][9:], "5", "6")
    assert count == "  2/3 lines identical"


@pytest.fixture
def same_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the process in the background; it has a test of its own."""

    class Here:
        def __init__(self, settings: list[Setting]) -> None:
            self.settings = settings

        def __enter__(self) -> Iterator[Record]:
            return (
                training.train(s.experiment, dtype=s.dtype, seed=s.seed, epochs=s.epochs)
                for s in self.settings
            )

        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr("reference.other.default_kernels", Here)


@pytest.mark.usefixtures("same_kernels")
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, file = tmp_path / "out", tmp_path / "report.json"
    brief = ["--device", "cpu", "--epochs", "12", "--out", str(out), "--json", str(file)]
    assert command_line.main(brief) == 0
    printed = capsys.readouterr().out
    assert "4/4 lines identical\nContract kept: 27 of 27 rows met\n" in printed
    assert {path.name for path in out.iterdir()} == {
        "data.png",
        "loss-curves.png",
        "circles-linear.png",
        "circles-relu.png",
        "blobs.png",
        "linear-against-relu.png",
    }
    comparisons = json.loads(file.read_text())["comparisons"]
    assert len(comparisons) == 6
    assert {row["met"] for c in comparisons for row in c["rows"]} == {True, None}


@pytest.mark.usefixtures("same_kernels")
def test_a_broken_contract_is_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = engine.steps

    def off(*arguments: object, **options: object) -> object:
        result = steps(*arguments, **options)
        result.gradients["linear_layer_stack.4.bias"] *= 1.001
        return result

    monkeypatch.setattr(engine, "steps", off)
    arguments = ["--experiments", "blobs", "--epochs", "3", "--out", str(tmp_path)]
    assert command_line.main(arguments) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        "Contract BROKEN, 2 of 9 rows not met: blobs float32: gradients, from equal weights; "
        "blobs float64: gradients, from equal weights"
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--device", "tpu"], "invalid choice: 'tpu'"),
        (["--epochs", "0"], "'0' is not a whole number above 0"),
        (["--seed", str(2**64)], "is not a whole number of 64 bits"),
        (["--experiments", "spirals"], "invalid choice: 'spirals'"),
        (["--json", "/no/where.json"], "cannot be written"),
        pytest.param(
            ["--device", "cuda"],
            "finds no CUDA device",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is one"),
        ),
    ],
)
def test_a_wrong_call_is_status_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command_line.main([*arguments, "--out", str(tmp_path)])
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("reference: error: ")
    assert complaint in err
    assert err.count("\n") == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_on_cuda(name: str) -> None:
    experiment = EXPERIMENTS[name]
    setting = Setting(experiment, epochs=EPOCHS, device=torch.device("cuda"))
    comparison = compare(setting, iter([training.train(experiment, epochs=EPOCHS)]))
    assert broken(comparison) == set()

"""A session trains to the tutorial's bits and shows what is there; scripts print its numbers."""

import contextlib
import csv
import io
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra `play`")

import tinygrad_cls as tg
from tinygrad_cls import _torch
from tinygrad_cls.experiments import EXPERIMENTS, train
from tinygrad_cls.playground import reference as references
from tinygrad_cls.playground.data import MADE, load, standardised
from tinygrad_cls.playground.export import scripts
from tinygrad_cls.playground.recipe import PRESETS, Layer, Recipe, RecipeError, from_json
from tinygrad_cls.playground.session import PARTS, Session
from tinygrad_cls.playground.views import MAP, cells, formula, zero_line

CURVES = ("loss", "acc", "test_loss", "test_acc")
CSV = "a,b,c,k\n" + "".join(
    f"{i * 37 % 101},{i * i % 53},{i % 7},{'abc'[i * i % 53 // 18]}\n" for i in range(150)
)


def recipe(**given: Any) -> Recipe:
    made, notes = from_json({"v": 1, **given})
    assert notes == []
    return made


def layers(*pairs: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"units": units, "activation": activation} for units, activation in pairs]


SMALL = recipe(samples=100, layers=layers((5, "relu"), (4, "tanh")))
BATCHES = recipe(data="moons", samples=60, batch=7, momentum=0.9, layers=layers((6, "relu")))
DIVERGES = recipe(samples=100, lr=100, layers=layers((10, "none"), (10, "none"), (10, "none")))


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise ImportError("torch is not installed; run: pip install 'tinygrad_cls[reference]'")

    monkeypatch.setattr(_torch, "pytorch", missing)


# --- Training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_the_tutorials_runs(name: str, no_torch: None) -> None:
    session, run = Session(PRESETS[name]), None
    new = session.advance(60, ()).new
    run = train(EXPERIMENTS[name], epochs=60, show=lambda line: None)
    for curve in CURVES:
        assert new[curve] == getattr(run.history, curve)
    for ours, theirs in zip(session.parameters.values(), run.model.parameters(), strict=True):
        assert np.array_equal(ours.detach(), theirs.detach())
    assert session.data.classes == run.points.classes


@pytest.mark.parametrize("made", [SMALL, BATCHES], ids=["at once", "in batches"])
def test_steps_do_not_depend_on_how_they_are_asked_for(made: Recipe, no_torch: None) -> None:
    whole, parts = Session(made), Session(made)
    curves = whole.advance(25, ()).new
    for k in (1, 0, 7, 2, 15):
        end = parts.advance(k)
    assert parts.advance(0, (), since=0).new == curves
    assert parts.advance(0, (), since=23).new == {n: c[23:] for n, c in curves.items()}
    assert end.new["step"] == [*range(11, 26)]
    assert curves["loss"][-1] < curves["loss"][0]
    parts.reset()
    assert parts.advance(0).state == "ready"
    assert parts.advance(25, ()).new == curves


def test_time_ends_a_call_early(no_torch: None) -> None:
    snapshot = Session(SMALL).advance(10**6, (), seconds=0.05)
    assert 0 < snapshot.step < 10**6
    assert snapshot.us_per_step is not None
    assert snapshot.us_per_step > 1


def test_threads_do_not_matter(no_torch: None) -> None:
    """Recorded in one thread and replayed in others, while another session trains."""
    expected = [Session(made).advance(30, ()).new for made in (SMALL, BATCHES)]
    sessions = [Session(made) for made in (SMALL, BATCHES)]
    failures: list[Exception] = []

    def work(session: Session) -> None:
        try:
            with tg.no_grad():  # a mode of this thread alone: the next one has its own
                pass
            for _ in range(5):
                session.advance(1)
        except Exception as error:
            failures.append(error)

    found = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(3):
            threads = [threading.Thread(target=work, args=(s,)) for s in sessions * 2]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(found)
    assert failures == []
    assert [s.advance(0, (), since=0).new for s in sessions] == expected


def test_drawing_weights_leaves_the_generator_alone(no_torch: None) -> None:
    tg.manual_seed(1)
    expected = tg.rand(3)
    tg.manual_seed(1)
    Session(BATCHES).advance(3, ())
    assert tg.equal(tg.rand(3), expected)


@pytest.mark.parametrize("init", ["xavier", "he", "zeros"])
def test_initial_weights(init: str, no_torch: None) -> None:
    parameters = Session(replace(SMALL, init=init)).parameters
    assert not any(parameters[name].any() for name in parameters if name.endswith("bias"))
    weight = parameters["layer_1.weight"].detach().numpy()
    bound = {"xavier": (6 / 7) ** 0.5, "he": 3**0.5, "zeros": 0}[init]
    assert bound / 2 <= abs(weight).max() <= bound


# --- Diverged -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_diverged_run_says_when_and_why(dtype: str, no_torch: None) -> None:
    session = Session(replace(DIVERGES, dtype=dtype))
    snapshot = session.advance(200)
    n = snapshot.step
    assert snapshot.state == "diverged"
    assert snapshot.message.startswith(f"diverged at step {n}: ")
    assert "with a learning rate of 100 each step overshoots" in snapshot.message
    assert not np.isfinite([snapshot.new[curve][-1] for curve in ("loss", "test_loss")]).all()
    assert np.isfinite(snapshot.new["loss"][:-1]).all()
    before = Session(replace(DIVERGES, dtype=dtype)).advance(n - 1)
    for name, array in before.arrays.items():
        assert np.array_equal(snapshot.arrays[name], array), name
    assert snapshot.norms == before.norms
    assert session.advance(5).step == n
    session.reset()
    assert session.advance(1).state == "running"


def test_momentum_is_blamed_where_it_is_extreme(no_torch: None) -> None:
    steep = replace(DIVERGES, momentum=0.999)
    assert (
        "momentum 0.999 makes steps up to 1000 times as long" in Session(steep).advance(99).message
    )


# --- Looking --------------------------------------------------------------------------------------


def by_hand(session: Session, X: Any) -> list[np.ndarray]:
    """The layers in NumPy."""
    x, found = np.asarray(X, dtype=session.recipe.dtype), []
    shown = [*session.recipe.layers, Layer(1, "none")]
    for i, (_, activation) in enumerate(shown, 1):
        W, b = (session.parameters[f"layer_{i}.{n}"].detach().numpy() for n in ("weight", "bias"))
        x = x @ W.T + b
        x = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "none": lambda z: z}[activation](
            x
        )
        found.append(x)
    return found


def test_a_snapshot_shows_the_network(no_torch: None) -> None:
    session = Session(SMALL)
    snapshot = session.advance(9)
    a, data = snapshot.arrays, session.data
    *_, z = by_hand(session, cells(data.extent, MAP))
    assert np.allclose(a["map"][0].ravel(), 1 / (1 + np.exp(-z[:, 0])), atol=1e-6)
    x0, x1, y0, y1 = data.extent
    top_left = [x0 + (x1 - x0) / MAP / 2, y1 - (y1 - y0) / MAP / 2]
    assert session.probabilities(top_left)[1] == pytest.approx(a["map"][0, 0, 0], abs=1e-6)
    assert sum(session.probabilities(top_left)) == pytest.approx(1)

    hidden = np.concatenate(by_hand(session, cells(data.extent, 24))[:-1], axis=1).T
    low, high = a["neuron_range"].T[:, :, None]
    shown = low + (high - low) / 255 * a["neurons"].reshape(9, -1)
    assert np.allclose(shown, hidden, atol=float((high - low).max()) / 500)
    assert (low[:5] == 0).all()
    assert (low[5:] == -high[5:]).all()
    on = np.concatenate(by_hand(session, data.X_train)[:-1], axis=1) > 0
    assert a["active"].tolist() == on.sum(axis=0).tolist()
    assert snapshot.dead == [[0, i] for i in range(5) if not on[:, i].any()]

    X, y = np.concatenate([data.X_train, data.X_test]), np.append(data.y_train, data.y_test)
    assert np.array_equal(a["wrong"], (by_hand(session, X)[-1][:, 0] > 0) != y)
    weights = [p.detach().numpy().ravel() for p in session.parameters.values()]
    assert np.array_equal(a["weights"], np.concatenate(weights))
    gradients = [p.grad.numpy().ravel() for p in session.parameters.values()]
    assert np.array_equal(a["gradients"], np.concatenate(gradients))
    assert [norm["name"] for norm in snapshot.norms] == ["layer_1", "layer_2", "layer_3"]
    last = np.concatenate(gradients[-2:])
    assert snapshot.norms[-1]["gradient"] == pytest.approx(np.linalg.norm(last))
    before = np.concatenate(weights[-2:]) + SMALL.lr * last
    ratio = SMALL.lr * np.linalg.norm(last) / np.linalg.norm(before)
    assert snapshot.norms[-1]["update_ratio"] == pytest.approx(ratio, rel=1e-4)


def test_classes_and_no_hidden_layer(no_torch: None) -> None:
    session = Session(recipe(data="blobs", noise=1.5, samples=80, layers=[]))
    assert session.notes == ["bce tells two classes apart and there are 4: cross_entropy is used"]
    snapshot = session.advance(3)
    assert snapshot.arrays["map"].shape == (4, MAP, MAP)
    assert np.allclose(snapshot.arrays["map"].sum(axis=0), 1)
    assert snapshot.arrays["neurons"].shape == (0, 24, 24)
    assert session.advance(1, {"points"}).arrays.keys() == {"wrong"}
    assert session.advance(1, ()).arrays == {}


def test_dead_units_are_told(no_torch: None) -> None:
    snapshot = Session(replace(SMALL, init="zeros")).advance(2)
    assert snapshot.dead == [[0, i] for i in range(5)]  # tanh does not die
    assert snapshot.arrays["active"][:5].tolist() == [0] * 5
    assert snapshot.norms[0]["update_ratio"] is None


def test_a_neurons_formula_and_line(no_torch: None) -> None:
    session = Session(SMALL)
    session.advance(5)
    data = session.data
    found = session.neuron(0, 1)
    W, b = (session.parameters[f"layer_1.{n}"].detach().numpy()[1] for n in ("weight", "bias"))
    assert found["terms"] == [
        {"input": name, "weight": float(w)} for name, w in zip(MADE, W, strict=True)
    ]
    assert (found["bias"], found["activation"]) == (float(b), "relu")
    ends = np.array(found["segments"]).reshape(-1, 2)
    assert len(ends) > 20
    assert abs(ends @ W + b).max() < 1e-5
    assert found["active"] == int((data.X_train.astype("f4") @ W + b > 0).sum())
    assert found["of"] == len(data.y_train)
    deeper = [session.neuron(1, unit) for unit in range(4)]
    assert [term["input"] for term in deeper[0]["terms"]] == [f"h1.{i}" for i in range(1, 6)]
    ends = [np.array(neuron["segments"]).reshape(-1, 2) for neuron in deeper]
    assert sum(map(len, ends)) > 20
    for unit, at in enumerate(ends):
        assert abs(by_hand(session, at)[1][:, unit]).max(initial=0) < 0.01
    assert session.neuron(2, 0)["activation"] == "none"
    for layer, unit in ((3, 0), (-1, 0), (0, 5), (2, 1)):
        with pytest.raises(RecipeError, match=f"there is no unit {unit} in layer {layer}"):
            session.neuron(layer, unit)


def test_formulas() -> None:
    assert formula([0.0, -1.25e-7], ["a", "b"], -3, "none") == "0 a − 1.25e-07 b − 3"
    assert formula([-1.0], ["a"], 0, "tanh") == "tanh(−1 a + 0)"
    assert zero_line(np.ones((5, 5)), (0, 1, 0, 1)) == []


def test_backward_of_some_points(no_torch: None) -> None:
    session, other = Session(SMALL), Session(SMALL)
    for each in (session, other):
        each.advance(3)
    traced = session.trace_backward([5, 0, 5])
    assert session.advance(3).new == other.advance(3).new
    other.reset()
    other.advance(3)
    model = other.model
    model.zero_grad()
    X, y = (np.asarray(a)[[5, 0, 5]] for a in (other.data.X_train, other.data.y_train))
    logits = model(tg.from_numpy(X).float()).squeeze(dim=1)
    tg.nn.BCEWithLogitsLoss()(logits, tg.from_numpy(y).float()).backward()
    arrived = {value.name: value.id for value in traced.values}
    got = {g.value: g.after for g in traced.gradients}
    for name, p in model.named_parameters():
        assert np.array_equal(
            got[arrived[f"model.{name}" if f"model.{name}" in arrived else name]], p.grad
        )
    assert {"X", "y", "logits", "loss"} <= arrived.keys()
    for wrong, why in (
        ([], "1 to 16 points"),
        ([0] * 17, "not 17"),
        ([80], "point 80: they are 0"),
    ):
        with pytest.raises(RecipeError, match=why):
            session.trace_backward(wrong)


# --- The reference --------------------------------------------------------------------------------


def caught_up(session: Session) -> dict[str, Any]:
    for _ in range(200):
        found = session.advance(0, {"reference"}, reference_since=0).reference
        assert found is not None
        if found["behind"] == 0:
            return found
    raise AssertionError("torch does not catch up")


VARIETY = {
    "at once": replace(SMALL, dtype="float64"),
    "batches": replace(BATCHES, dtype="float64"),
    "four classes": recipe(
        data="blobs", noise=1.5, samples=80, loss="cross_entropy", init="he", dtype="float64",
        layers=layers((6, "leaky_relu"), (5, "sigmoid")),
    ),
    "a csv": recipe(data="csv", loss="cross_entropy", init="xavier", dtype="float64"),
}  # fmt: skip


@pytest.mark.needs_torch
@pytest.mark.parametrize("made", VARIETY.values(), ids=VARIETY)
def test_torch_does_the_same_steps(made: Recipe) -> None:
    session = Session(made, CSV)
    session.advance(30, ())
    found = caught_up(session)
    assert session.reference.kind == "live"
    assert session.reference.tolerance == 1e-8
    assert found["step"] == [*range(1, 31)]
    assert max(found["loss_difference"]) < 1e-12
    assert found["at"] == 30
    assert found["parameter_difference"] < 1e-12
    assert found["gradient_difference"] < 1e-10
    with tg.no_grad():
        session.parameters["layer_1.weight"].mul_(1.001)  # the comparison can fail
    session.advance(3, ())
    assert caught_up(session)["loss_difference"][-1] > 1e-8


@pytest.mark.needs_torch
def test_torch_in_small_portions() -> None:
    session = Session(SMALL)
    first = session.advance(5).reference
    assert first is not None
    later = session.advance(2).reference
    assert later is not None
    assert first["step"] + later["step"] == [*range(1, 8 - later["behind"])]


@pytest.mark.needs_torch
def test_a_diverged_run_stops_torch_too() -> None:
    session = Session(DIVERGES)
    n = session.advance(99).step
    assert caught_up(session)["step"] == [*range(1, n)]


@pytest.mark.needs_torch
@pytest.mark.parametrize("name", PRESETS)
def test_the_recorded_numbers_are_torchs(name: str) -> None:
    from reference.playground import record

    file = dict(np.load(references.RECORDED))
    now = record(name)
    steps, every = EXPERIMENTS[name].epochs, references.EVERY
    assert file[f"{name}/loss"].shape == (steps,)
    assert file[f"{name}/weights"].shape[0] == file[f"{name}/gradients"].shape[0] == steps // every
    bound = references.LOSS_FLOAT32[name]
    assert np.allclose(file[f"{name}/loss"], now["loss"], rtol=bound, atol=0)
    for what in ("weights", "gradients"):
        assert file[f"{name}/{what}"].dtype == np.float32
        early = file[f"{name}/{what}"][0], now[what][0]
        assert np.allclose(*early, rtol=1e-4, atol=1e-6)


def test_the_tolerances_are_the_contracts() -> None:
    wide = replace(PRESETS["blobs"], dtype="float64")
    assert references.tolerance(PRESETS["circles-relu"])[0] == 1e-3
    assert references.tolerance(wide)[0] == 1e-12
    assert references.tolerance(replace(wide, seed=1))[0] == 1e-8
    assert references.tolerance(replace(PRESETS["blobs"], seed=1))[0] is None


def test_without_torch_presets_are_recorded(no_torch: None) -> None:
    session = Session(PRESETS["blobs"])
    kind, why = session.reference.kind, session.reference.why
    assert kind == "recorded"
    assert why.startswith("torch is not installed; run: pip install 'tinygrad_cls[reference]'")
    session.advance(100, ())
    found = caught_up(session)
    assert found["at"] == 100
    assert max(found["loss_difference"]) <= references.LOSS_FLOAT32["blobs"]
    assert found["parameter_difference"] < 1e-4
    after = session.advance(7, {"reference"}).reference
    assert after is not None
    # Nothing more will come: a page that waited for it would ask for ever.
    assert (after["step"], after["behind"], after["at"]) == ([], 0, None)


def test_without_torch_other_runs_have_no_reference(no_torch: None) -> None:
    session = Session(SMALL)
    assert session.reference.kind == "none"
    assert session.reference.why.endswith("without it only the presets are recorded")
    assert session.advance(2).reference is None


# --- Scripts --------------------------------------------------------------------------------------

EXPORTS = {
    "preset 2": (PRESETS["circles-relu"], 130, None),
    "preset 3": (PRESETS["blobs"], 40, None),
    "batches": (replace(BATCHES, init="he"), 41, None),
    "zeros": (replace(SMALL, init="zeros", layers=()), 9, None),
    "spiral": (recipe(data="spiral", samples=60, noise=0.02, init="xavier"), 23, None),
    "xor": (
        recipe(data="xor", dtype="float64", layers=layers((3, "leaky_relu"), (3, "sigmoid"))),
        12,
        None,
    ),
    "csv": (recipe(data="csv", batch=16), 30, CSV),
}


@pytest.fixture
def generator() -> Iterator[None]:
    """Scripts seed the default one."""
    found = tg.get_rng_state()
    yield
    tg.set_rng_state(found)


def lines_of(script: str) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(script, "script.py", "exec"), {"__name__": "__main__"})
    return out.getvalue().splitlines()


def page(session: Session, steps: int) -> list[str]:
    new = session.advance(steps, ()).new
    every = max(1, steps // 20)
    rows = zip(new["step"], *(new[curve] for curve in CURVES), strict=True)
    return [
        f"Step: {step} | Loss: {loss:.5f}, Accuracy: {acc:.2f}% | "
        f"Test loss: {test_loss:.5f}, Test accuracy: {test_acc:.2f}%"
        for step, loss, acc, test_loss, test_acc in rows
        if step % every == 0 or step == steps
    ]


@pytest.mark.usefixtures("generator", "no_torch")
@pytest.mark.parametrize(("made", "steps", "points"), EXPORTS.values(), ids=EXPORTS)
def test_our_script_prints_the_pages_numbers(made: Recipe, steps: int, points: str | None) -> None:
    script = scripts(made, steps, points)["tinygrad_cls"]
    assert lines_of(script) == page(Session(made, points), steps)


@pytest.mark.usefixtures("generator", "no_torch")
def test_our_script_does_the_whole_of_preset_2() -> None:
    """Whose loss has a spike that would make one rounding more or less visible."""
    made = PRESETS["circles-relu"]
    assert lines_of(scripts(made, 2000)["tinygrad_cls"]) == page(Session(made), 2000)


@pytest.mark.needs_torch
@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize(("made", "steps", "points"), EXPORTS.values(), ids=EXPORTS)
def test_torchs_script_prints_the_pages_numbers(
    made: Recipe, steps: int, points: str | None
) -> None:
    script = scripts(made, steps, points)["pytorch"]
    assert "tinygrad_cls as" not in script
    for theirs, ours in zip(lines_of(script), page(Session(made, points), steps), strict=True):
        theirs_numbers, our_numbers = (
            [float(word.strip(",%")) for word in line.split() if word[0].isdigit()]
            for line in (theirs, ours)
        )
        assert theirs_numbers == pytest.approx(our_numbers, rel=1e-3, abs=2e-5)


def test_a_script_holds_no_text_of_the_reader(no_torch: None) -> None:
    out = io.StringIO()
    rows = [[0.1 * i, -0.2 * i, ("'''\"\"\"+evil()", "\\")[i % 2]] for i in range(20)]
    csv.writer(out).writerows([["x\nimport evil", 'evil"""', "k"], *rows])
    assert load(recipe(data="csv"), out.getvalue()).features[0] == "x\nimport evil"
    for script in scripts(recipe(data="csv"), 5, out.getvalue()).values():
        assert "evil" not in script
        compile(script, "script.py", "exec")


def test_a_standardised_csv() -> None:
    X = np.array([[0.0, 5.0], [4.0, 5.0]])
    train_set, test_set = standardised(X, np.array([[2.0, 6.0]]))
    assert train_set.tolist() == [[-1, 0], [1, 0]]
    assert test_set.tolist() == [[0, 1]]
    assert set(PARTS) == {"map", "neurons", "weights", "points", "reference"}

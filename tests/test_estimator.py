"""MLPClassifier: scikit-learn's whole contract, and the numbers of a training loop by hand."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_blobs, make_circles
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tinygrad_cls as tg
from tinygrad_cls import nn
from tinygrad_cls.estimator import MLPClassifier

CIRCLES = make_circles(120, noise=0.05, random_state=0)
BLOBS = make_blobs(150, centers=4, random_state=1)
ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fitted(X=CIRCLES[0], y=CIRCLES[1], **options):
    options = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 3} | options
    return MLPClassifier(**options).fit(X, y)


# --- the contract -----------------------------------------------------------------------------

CHECKS = """
import collections, warnings
from unittest import SkipTest
from sklearn.utils import estimator_checks
from tinygrad_cls.estimator import MLPClassifier
warnings.simplefilter("ignore")
if hasattr(estimator_checks, "estimator_checks_generator"):
    found = estimator_checks.check_estimator(MLPClassifier(), on_skip=None, on_fail=None)
else:  # scikit-learn 1.5 stops at the first that fails
    found = []
    for model, check in estimator_checks.check_estimator(MLPClassifier(), generate_only=True):
        one = {"check_name": check.func.__name__, "status": "passed", "exception": None}
        try:
            check(model)
        except SkipTest as skip:
            one |= {"status": "skipped", "exception": skip}
        found.append(one)
for one in found:
    if one["status"] != "passed":
        print(one["check_name"], one["status"], one["exception"])
print(dict(collections.Counter(one["status"] for one in found)))
"""


def test_check_estimator(capsys) -> None:
    """Every check passes. SCIPY_ARRAY_API lets run the one that is skipped without."""
    pytest.importorskip("pandas", reason="some checks need pandas")
    env = os.environ | {"SCIPY_ARRAY_API": "1"}
    command = [sys.executable, "-c", CHECKS]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with capsys.disabled():
        print(f"\ncheck_estimator(MLPClassifier()): {done.stdout.strip()}")
    assert done.stdout.startswith("{'passed': "), done.stdout
    assert done.stdout.count(":") == 1
    assert int(done.stdout.split(": ")[1].strip("}\n")) > 45


def test_it_lives_in_scikit_learn() -> None:
    X, y = load_iris(return_X_y=True)
    model = MLPClassifier((10,), max_iter=30, learning_rate_init=0.05, random_state=0)
    chain = make_pipeline(StandardScaler(), model)
    assert cross_val_score(chain, X, y, cv=3).mean() > 0.9
    search = GridSearchCV(chain, {"mlpclassifier__hidden_layer_sizes": [(4,), (8, 8)]}, cv=2)
    assert search.fit(X, y).best_score_ > 0.85
    calibrated = CalibratedClassifierCV(chain, cv=2).fit(X, y)
    assert np.allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    shown = DecisionBoundaryDisplay.from_estimator(fitted(), CIRCLES[0], grid_resolution=5)
    assert shown.response.shape == (5, 5)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_goes_on(twin) -> None:
    """Same predictions, and from there the same training; the two don't share their weights."""
    model = fitted(warm_start=True, shuffle=False)
    other = twin(model)
    assert np.array_equal(model.predict_proba(CIRCLES[0]), other.predict_proba(CIRCLES[0]))
    before = model.coefs_[0].copy()
    other.fit(*CIRCLES)
    assert np.array_equal(model.coefs_[0], before)
    model.fit(*CIRCLES)
    assert np.allclose(model.coefs_[0], other.coefs_[0], rtol=1e-12)  # eager or replayed: rounding
    assert not hasattr(clone(model), "classes_")


def test_data_frames() -> None:
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(CIRCLES[0], columns=["width", "height"])
    model = fitted(X, CIRCLES[1])
    assert model.feature_names_in_.tolist() == ["width", "height"]
    assert np.array_equal(model.predict(X), fitted().predict(CIRCLES[0]))
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X.rename(columns={"width": "w"}))


# --- the numbers ------------------------------------------------------------------------------


def by_hand(X, y, *, seed, epochs, lr, outputs, kind=tg.float64, optimizer=None):
    tg.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, outputs)).to(kind)
    optimizer = optimizer or tg.optim.Adam(model.parameters(), lr=lr)
    X = tg.from_numpy(X).to(kind)
    losses = []
    for _ in range(epochs):
        z = model(X)
        if outputs == 1:
            loss = nn.functional.binary_cross_entropy_with_logits(
                z.squeeze(1), tg.from_numpy(y).to(kind)
            )
        else:
            loss = nn.functional.cross_entropy(z, tg.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


@pytest.mark.parametrize(("data", "outputs"), [(CIRCLES, 1), (BLOBS, 4)])
def test_a_loop_by_hand_gives_the_same(data, outputs) -> None:
    """From PyTorch's weights of the seed; the update rounds otherwise than Adam's."""
    X, y = data
    model = fitted(X, y, alpha=0, shuffle=False, batch_size=len(X), learning_rate_init=0.01, tol=0)
    other, losses = by_hand(X, y, seed=3, epochs=20, lr=0.01, outputs=outputs)
    assert np.allclose(model.loss_curve_, losses, rtol=1e-12)
    assert np.allclose(model.coefs_[0], other[0].weight.detach().numpy().T, rtol=1e-9)
    z = other(tg.from_numpy(X)).detach().numpy()
    assert np.allclose(model.decision_function(X), z.squeeze(), rtol=1e-9)


@pytest.mark.needs_torch
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_is_torchs(momentum, nesterov) -> None:
    import torch

    X, y = BLOBS
    model = fitted(X, y, solver="sgd", momentum=momentum, nesterovs_momentum=nesterov, alpha=0.3,
                   learning_rate_init=0.01, shuffle=False, batch_size=len(X), tol=0)  # fmt: skip
    torch.manual_seed(3)
    twin = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    twin.double()
    weights = [p for p in twin.parameters() if p.ndim == 2]
    groups = [{"params": weights, "weight_decay": 0.3 / len(X)},
              {"params": [p for p in twin.parameters() if p.ndim == 1]}]  # fmt: skip
    sgd = torch.optim.SGD(groups, lr=0.01, momentum=momentum, nesterov=nesterov and momentum > 0)
    for loss_here in model.loss_curve_:
        loss = torch.nn.functional.cross_entropy(twin(torch.tensor(X)), torch.tensor(y))
        penalty = 0.15 / len(X) * sum((w**2).sum() for w in weights)
        assert loss_here == pytest.approx((loss + penalty).item(), rel=1e-12)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    assert np.allclose(model.coefs_[1], twin[2].weight.detach().numpy().T, rtol=1e-9)


@pytest.mark.needs_torch
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_to_torch_predicts_the_same(activation, kind) -> None:
    import torch

    X, y = BLOBS[0].astype(kind), BLOBS[1]
    model = fitted(X, y, activation=activation)
    with torch.no_grad():
        z = model.to_torch()(torch.tensor(X)).numpy()
    assert z.dtype == kind
    assert repr(model.to_torch()) == repr(model.module_)
    close = {"rtol": 1e-5, "atol": 1e-5} if kind == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    assert np.allclose(model.decision_function(X), z, **close)
    assert np.array_equal(model.predict(X), model.classes_[z.argmax(axis=1)])


def test_weights_stand_for_copies_of_rows() -> None:
    X, y = CIRCLES
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 4, len(y))
    copies = fitted(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert not np.allclose(copies.loss_curve_, fitted(X, y).loss_curve_, rtol=1e-4)
    weighted = MLPClassifier((8,), max_iter=20, random_state=3)
    weighted.fit(X, y, sample_weight=weight)
    assert np.allclose(copies.loss_curve_, weighted.loss_curve_, rtol=1e-9)
    assert np.allclose(copies.score_curve_, weighted.score_curve_)


def test_class_weights_multiply_sample_weights() -> None:
    X, y = CIRCLES
    both = np.where(y == 1, 3.0, 1.0)
    given = fitted(class_weight={1: 3.0})
    assert np.allclose(
        given.loss_curve_,
        MLPClassifier((8,), max_iter=20, random_state=3).fit(X, y, both).loss_curve_,
    )
    few = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:6]]
    plain, balanced = (
        fitted(X[few], y[few], class_weight=w, max_iter=300, learning_rate_init=0.01)
        for w in (None, "balanced")
    )
    assert balanced.predict(X).mean() > plain.predict(X).mean()


def test_labels_probabilities_and_shapes() -> None:
    X, y = BLOBS
    names = np.array(["ant", "bee", "cow", "dog"])[y]
    model = fitted(X, names)
    p = model.predict_proba(X)
    assert model.classes_.tolist() == ["ant", "bee", "cow", "dog"]
    assert np.allclose(p.sum(axis=1), 1)
    assert np.array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    assert np.allclose(model.predict_log_proba(X), np.log(p))
    assert [W.shape for W in model.coefs_] == [(2, 8), (8, 4)]
    assert [b.shape for b in model.intercepts_] == [(8,), (4,)]
    binary = fitted()
    assert binary.decision_function(X).shape == (150,)
    assert np.array_equal(binary.decision_function(X) > 0, binary.predict(X) == 1)


def test_both_curves_with_early_stopping() -> None:
    model = fitted(early_stopping=True, max_iter=400, learning_rate_init=0.02, n_iter_no_change=5)
    assert model.n_iter_ < 400
    assert len(model.loss_curve_) == len(model.score_curve_) == model.n_iter_
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    rights = np.array(model.validation_scores_) * 12  # of 12 rows held out
    assert np.array_equal(rights, rights.round())
    assert fitted().validation_loss_curve_ is None


def test_it_stops_when_nothing_improves() -> None:
    model = fitted(tol=10.0, n_iter_no_change=4)
    assert model.n_iter_ == 6
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
        fitted(max_iter=3)


def test_partial_fit() -> None:
    X, y = BLOBS
    model = MLPClassifier((8,), random_state=0, learning_rate_init=0.01)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        model.partial_fit(X, y)
    for start in range(0, 150, 50):
        model.partial_fit(X[start : start + 50], y[start : start + 50], classes=[0, 1, 2, 3])
    assert model.n_iter_ == 3
    with pytest.raises(ValueError, match=r"new labels \[7\]"):
        model.partial_fit(X, np.full(150, 7))
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(X, y, classes=[0, 1])


def test_warm_start_goes_on() -> None:
    once = fitted(shuffle=False, tol=0, max_iter=40)
    twice = fitted(shuffle=False, tol=0, warm_start=True)
    twice.fit(*CIRCLES)
    assert twice.n_iter_ == 40
    assert np.allclose(once.loss_curve_, twice.loss_curve_, rtol=1e-9)


def test_early_stopping_may_begin_later_and_holds_out_the_same_rows() -> None:
    model = fitted(warm_start=True)
    for _ in range(2):
        model.set_params(early_stopping=True, learning_rate_init=1e-9).fit(*CIRCLES)
    assert len(model.loss_curve_) == model.n_iter_
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == model.n_iter_ - 20
    assert np.ptp(model.validation_loss_curve_) < 1e-6


@pytest.mark.parametrize("changed", [{"hidden_layer_sizes": (3,)}, {"activation": "tanh"}])
def test_a_network_keeps_its_shape(changed) -> None:
    model = fitted(warm_start=True).set_params(**changed)
    for again in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"goes on with hidden_layer_sizes=\[8\].*start anew"):
            again(*CIRCLES)
    assert repr(model.set_params(warm_start=False).fit(*CIRCLES).module_).count("Linear") == 2


@pytest.mark.parametrize("kinds", [(np.float32, np.float64), (np.float64, np.float32)])
def test_a_network_keeps_its_dtype(kinds) -> None:
    X, y = CIRCLES
    model = fitted(X.astype(kinds[0]), y, warm_start=True)
    model.partial_fit(X.astype(kinds[1]), y).fit(X.astype(kinds[1]), y)
    assert model.coefs_[0].dtype == model.decision_function(X).dtype == kinds[0]


def test_log_probabilities_stay_finite() -> None:
    for X, y in (CIRCLES, BLOBS):
        model = fitted(X, y)
        found = model.predict_log_proba(1e5 * X)
        assert np.isfinite(found).all()
        assert found.min() < -1000
        assert np.allclose(model.predict_proba(1e5 * X).sum(axis=1), 1)


def test_a_file_mapped_into_memory_goes_on(tmp_path) -> None:
    model = fitted()
    joblib.dump(model, tmp_path / "model")
    other = joblib.load(tmp_path / "model", mmap_mode="r")
    assert np.array_equal(model.predict_proba(CIRCLES[0]), other.predict_proba(CIRCLES[0]))
    assert other.partial_fit(*CIRCLES).n_iter_ == 21


def test_a_large_batch_is_told_once() -> None:
    with pytest.warns(UserWarning, match="batch_size=500 is larger than the 120 rows") as found:
        fitted(batch_size=500)
    assert len([w for w in found if "batch_size" in str(w.message)]) == 1


# --- neighbours -------------------------------------------------------------------------------


def test_nobody_else_is_disturbed() -> None:
    """The caller's random numbers, default dtype and modes stay as they are, and don't count."""
    expected = fitted().loss_curve_
    tg.manual_seed(5)
    tg.set_default_dtype(tg.float64)
    try:
        state = tg.get_rng_state()
        with tg.no_grad():
            found = fitted().loss_curve_
        with tg.inference_mode():
            assert fitted().loss_curve_ == found
        assert tg.equal(tg.get_rng_state(), state)
    finally:
        tg.set_default_dtype(tg.float32)
    assert np.allclose(found, expected, rtol=1e-12)


def test_threads() -> None:
    expected = fitted().loss_curve_
    found = []
    threads = [threading.Thread(target=lambda: found.append(fitted())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.allclose(m.loss_curve_, expected, rtol=1e-12) for m in found)


# --- bad input --------------------------------------------------------------------------------

BAD = {
    "activation": ({"activation": "swish"}, "'activation' parameter"),
    "layers": ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes must be > 0"),
    "rate": ({"learning_rate_init": -1.0}, "'learning_rate_init' parameter"),
    "momentum": ({"momentum": 2.0}, "'momentum' parameter"),
    "class weight": ({"class_weight": {9: 1.0}}, r"class_weight names \[9\]"),
    "validation": ({"early_stopping": True, "validation_fraction": 1.5}, "'validation_fraction'"),
}


@pytest.mark.parametrize(("options", "text"), BAD.values(), ids=BAD)
def test_bad_options(options, text) -> None:
    with pytest.raises(ValueError, match=text):
        fitted(**options)


def test_bad_data() -> None:
    X, y = CIRCLES
    with pytest.raises(ValueError, match="contains only one class: 1"):
        fitted(X, np.ones_like(y))
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        fitted(csr_array(X), y)
    with pytest.raises(ValueError, match="NaN"):
        fitted(np.where(X > 0, np.nan, X), y)
    with pytest.raises(ValueError, match="egative"):
        MLPClassifier().fit(X, y, sample_weight=-np.ones(len(y)))
    with pytest.raises(ValueError, match="non-zero"):
        MLPClassifier().fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(NotFittedError):
        MLPClassifier().predict(X)
    with pytest.raises(ValueError, match=r"non-finite.*learning_rate_init"):
        fitted(1e200 * X, y, solver="sgd", learning_rate_init=1e200)
    with pytest.raises(ValueError, match=r"non-finite.*loss of [\d.]+\."):
        fitted(1e3 * X, y, solver="sgd", learning_rate_init=1e308, max_iter=1)
    with pytest.raises(ValueError, match="class_weight must not be negative: the least is -1"):
        fitted(X, y, class_weight={0: -1})
    with pytest.raises(ValueError, match="held out, must contain at least one non-zero"):
        MLPClassifier(early_stopping=True).fit(X, y, sample_weight=np.eye(len(y))[0])
    with pytest.raises(ValueError, match="early_stopping"):
        MLPClassifier(early_stopping=True).partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="balanced"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1])


# --- beside scikit-learn's --------------------------------------------------------------------


def test_the_comparison_runs(tmp_path, capsys) -> None:
    pytest.importorskip("threadpoolctl")
    from benchmarks import document, estimator

    file = tmp_path / "rows.json"
    asked = ["--seeds", "1", "--data", "iris", "wine", "--max-iter", "20", "--json", str(file)]
    assert estimator.main(asked) in {0, 1}  # whether times are kept is not asked of a busy machine
    shown = capsys.readouterr().out
    assert shown.count("Same work: from equal weights the losses of 5 epochs agree to") == 2
    assert shown.index("Same work") < shown.index("\niris ") < shown.index("\nwine ")
    rows = document.read(file)["rows"]
    assert len(rows) == 8
    assert all(len(row["samples"]) == len(row["accuracy"]) == 5 for row in rows)


def test_other_work_is_found(monkeypatch, capsys) -> None:
    from benchmarks import estimator

    monkeypatch.setattr(
        "tinygrad_cls.estimator.network.Trainer._sgd",
        lambda self, g, options: np.subtract(self.vector, 0.1001 * g, out=self.vector),
    )
    assert estimator.main(["--seeds", "1", "--data", "iris"]) == 1
    told = capsys.readouterr()
    assert "No times: iris: our losses are [" in told.err
    assert "sgd, rate 0.1; 1 seeds" not in told.out

"""NumPy, scikit-learn and matplotlib take tensors as they take arrays."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from parity import check, snippets

import tinygrad_cls as tg
from tinygrad_cls.surface import OWN

DATA = """
rng = np.random.default_rng(0)
X = torch.tensor(rng.normal(size=(40, 2)), dtype=torch.float32)
y = torch.tensor(rng.integers(0, 2, 40))
z = torch.tensor(rng.integers(0, 2, 40))
p = torch.tensor(rng.uniform(0.01, 0.99, 40), dtype=torch.float32)
G = torch.tensor(rng.uniform(size=(4, 5)), dtype=torch.float32)
a, b = torch.arange(5.0), torch.arange(4.0)
"""


def table(**snippets: str) -> Any:
    return pytest.mark.parametrize("code", snippets.values(), ids=snippets)


# --- NumPy: as on an array ------------------------------------------------------------------------

NUMPY = {
    "asarray": "np.asarray(X)",
    "asarray dtype": "np.asarray(X, dtype=np.float64)",
    "array": "np.array(X)",
    "array of integers": "np.array(y)",
    "array of booleans": "np.asarray(y > 0)",
    "array of a list": "np.array([X[0], X[1]])",
    "array of numbers": "np.array([p[0], p[1]]), np.array([y[0], y[1]]), np.array(p[0])",
    "array of nested lists": "np.array([[p[0]], [p[1]]])",
    "mean": "np.mean(X)",
    "mean over an axis": "np.mean(X, axis=0), np.mean(X, axis=1, keepdims=True)",
    "sum": "np.sum(X)",
    "sum over an axis": "np.sum(X, axis=0), np.sum(X, axis=-1, keepdims=True)",
    "sum of equals": "np.sum(y == z)",
    "max": "np.max(X)",
    "min": "np.min(X)",
    "prod": "np.prod(p[:5])",
    "argmax": "np.argmax(X), np.argmax(X, axis=0), np.argmin(X, axis=1)",
    "all": "np.all(X > -9), np.any(X > 9)",
    "round": "np.round(X)",
    "concatenate": "np.concatenate([X, X])",
    "concatenate along": "np.concatenate([X, X], axis=1)",
    "stack": "np.stack([p, p]), np.vstack([X, X]), np.hstack([X, X])",
    "columns": "np.c_[X, y], np.r_[p, p]",
    "where": "np.where(X > 0, X, 0)",
    "where numbers": "np.where(X > 0, 1, 0)",
    "where indices": "np.where(y)[0]",
    "clip": "np.clip(X, -0.5, 0.5)",
    "functions": "np.exp(X), np.sqrt(p), np.log(p), np.abs(X), np.floor(X), np.sign(X)",
    "two tensors": "np.add(X, X), np.multiply(X, X), np.maximum(X, 0), np.power(p, 2)",
    "comparison": "np.greater(X, 0)",
    "isnan": "np.isnan(X), np.isfinite(X)",
    "logical": "np.logical_and(y, z)",
    "close": "np.allclose(X, X), np.array_equal(X, X), np.isclose(p, p)",
    "unique": "np.unique(y), np.unique(y, return_counts=True)[1]",
    "bincount": "np.bincount(y)",
    "histogram": "np.histogram(p, bins=4)",
    "sort": "np.sort(p), np.argsort(p), np.sort(X, axis=0)",
    "cumsum": "np.cumsum(p)",
    "products": "np.dot(X.T, X), np.matmul(X.T, X), np.outer(p, p), np.einsum('ij,ij->', X, X)",
    "linear algebra": "np.linalg.norm(X), np.linalg.inv(X.T @ X)",
    "quantiles": "np.median(p), np.percentile(p, 30), np.quantile(p, 0.7)",
    "shape functions": "np.shape(X), np.ndim(X), len(X)",
    "reshaping": "np.reshape(X, (2, 40)), np.transpose(X), np.ravel(X), np.squeeze(X[None])",
    "repeating": "np.tile(p[:2], 2), np.repeat(p[:2], 2), np.pad(p[:2], 1)",
    "grids": "np.meshgrid(a, b)[0], np.linspace(X.min(), X.max(), 5)",
    "index by a tensor": "np.eye(2)[y], np.arange(40)[y > 0], np.ones(5)[y[0]]",
    "range": "np.arange(y.max() + 1), list(range(y.max() + 1))",
    "correlation": "np.corrcoef(X[:, 0], X[:, 1]), np.cov(X.T)",
    "average": "np.average(p, weights=p)",
    "copy": "np.copy(X), np.copyto(np.zeros((40, 2)), X)",
    "reduce": "np.add.reduce(X)",
    "isin": "np.isin(y, [1])",
    "count_nonzero": "np.count_nonzero(y)",
    "transposed": "np.asarray(X.T), np.asarray(X[::2]), np.asarray(X.T[0])",
    "python": "max(p), min(p), sum(p), sorted(p[:4]), abs(X[0])",
}


def as_arrays(x: Any) -> Iterator[np.ndarray]:
    if isinstance(x, tuple | list):
        for part in x:
            yield from as_arrays(part)
    elif x is not None:
        yield np.asarray(x)


@pytest.mark.parametrize("code", NUMPY.values(), ids=NUMPY)
def test_numpy_functions(code: str) -> None:
    names: dict[str, Any] = {"torch": tg, "np": np}
    exec(DATA, names)
    tensors = eval(code, names)
    arrays = {n: x.numpy() if isinstance(x, tg.Tensor) else x for n, x in names.items()}
    expected = eval(code, arrays)
    for ours, theirs in zip(as_arrays(tensors), as_arrays(expected), strict=True):
        assert ours.shape == theirs.shape
        # a ufunc of a tensor gives a tensor, and as with torch it has truth values as uint8
        assert ours.dtype == theirs.dtype or (ours.dtype, theirs.dtype) == (np.uint8, np.bool_)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("function", [np.std, np.var])
def test_spread_is_numpys_or_refused(function: Any) -> None:
    """NumPy divides by n, torch by n - 1: a silent mixture would be wrong."""
    x = tg.arange(6.0).reshape(2, 3)
    try:
        spread = function(x, axis=0)
    except TypeError:
        return
    np.testing.assert_allclose(np.asarray(spread), function(x.numpy(), axis=0), rtol=1e-6)


@pytest.mark.needs_torch
@table(
    ufunc_gives_a_tensor="np.exp(X), np.add(X, 1), np.exp(y)",
    truth_values="np.greater(X, 0), np.isnan(X)",
    tensor_times_array="X[0] * np.ones(2), X + np.zeros((40, 2)), X / np.float64(2)",
    array_times_tensor="np.ones(2) * X[0]",
    array_plus_tensor="np.zeros((40, 2)) + X",
    array_minus_equal="c = np.zeros((40, 2)); c -= X; c",
    numpy_scalar_on_the_left="np.float64(2) * X[0]",
    numpy_scalar_on_the_right="X[0] * np.float64(2), X[0] * np.float32(2), X[0] * np.int64(2)",
    scalar_tensor="np.float64(2) + float(p[0]), int(y[0]) + np.int64(2)",
    matmul="X.T @ X.numpy()",
    numpy_matmul="X.T.numpy() @ X.numpy()",
    gradient_needed="np.asarray(torch.ones(2, requires_grad=True))",
    gradient_needed_ufunc="np.exp(torch.ones(2, requires_grad=True))",
    gradient_needed_concatenate="np.concatenate([torch.ones(2, requires_grad=True)])",
    gradient_needed_numpy="(torch.ones(2, requires_grad=True) * 2).numpy()",
    gradient_given_up="(torch.ones(2, requires_grad=True) * 2).detach().numpy()",
    gradient_forced="torch.ones(2, requires_grad=True).numpy(force=True)",
    inference="with torch.inference_mode(): r = np.asarray(X * 2)\nr",
    shared="c = X.numpy(); c[0] = 7; X[0], np.shares_memory(np.asarray(X), c)",
    shared_from="c = np.zeros(2); t = torch.from_numpy(c); t[0] = 7; c[1] = 8; c, t",
    shared_row="c = X[3].numpy(); c[:] = 7; X[3]",
    asarray_shares="np.asarray(X)[0] = 9; X[0]",
    array_copies="np.array(X)[0] = 9; X[0]",
    as_tensor_shares="c = np.zeros(2); t = torch.as_tensor(c); c[0] = 5; t",
    tensor_copies="c = np.zeros(2); t = torch.tensor(c); c[0] = 5; t",
    contiguous="X.T.numpy().flags.c_contiguous, X.numpy().flags.c_contiguous",
    list_of_arrays="torch.tensor([np.float32(1), np.float32(2)]), torch.tensor([[1, 2.5]])",
    tolist="X[:2].tolist(), y[:3].tolist(), (y > 0)[:2].tolist()",
    float_of="[float(v) for v in p[:3]], [int(v) for v in y[:3]]",
    index_a_list="['none', 'one'][y[0]], [1, 2, 3][y[1]]",
    formatted="f'{p[0]:.3f} {y[0]:3d} {p[0].item():.2e}'",
    saved="import io; f = io.BytesIO(); np.save(f, X); f.seek(0); np.load(f)",
    zero_d="np.asarray(torch.tensor(3.0)), torch.tensor(3.0).numpy().shape",
    empty="np.asarray(torch.zeros(0, 3)), np.concatenate([torch.zeros(0, 3), torch.ones(1, 3)])",
)
def test_numpy_as_with_torch(code: str) -> None:
    # NumPy warns about torch's outdated protocol (parity.py drops that); ours gives no cause
    check(DATA + code)


def test_copies_on_demand() -> None:
    x = tg.arange(3.0)
    assert np.shares_memory(np.array(x, copy=False), x.numpy())
    assert not np.shares_memory(np.array(x, copy=True), x.numpy())
    with pytest.raises(ValueError, match="copy"):
        np.array(x, dtype=np.float64, copy=False)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    )
)
def test_there_and_back(a: np.ndarray) -> None:
    for b in (a, np.asfortranarray(a)):
        t = tg.from_numpy(b)
        assert t.shape == b.shape
        np.testing.assert_array_equal(t.numpy(), b)
        assert np.shares_memory(t.numpy(), b) or b.size == 0
        np.testing.assert_array_equal(np.asarray(tg.tensor(b)), b)
        if b.ndim == 2:
            np.testing.assert_array_equal(np.asarray(t.T), b.T)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(t)).numpy(), b)
        np.testing.assert_array_equal(copy.deepcopy(t).numpy(), b)


# --- copy and pickle ------------------------------------------------------------------------------


@snippets("""
b = torch.arange(6.0).reshape(2, 3); c = copy.deepcopy((b.T, b, b[1])); c[1].zero_()
|c, [t.stride() for t in c], b
b = torch.arange(4.0); c = copy.deepcopy([b, b.detach(), {1: b}]); c[0].zero_()
|c[:2], c[0] is c[2][1]
b = torch.arange(3.0); c = copy.deepcopy((b, b + 0)); c[0].zero_(); c
b = torch.from_numpy(np.arange(6)[::2]); c = copy.deepcopy(b); c, c.stride()
b = torch.from_numpy(np.asfortranarray(np.arange(6).reshape(2, 3)))
|c = copy.deepcopy((b, b[1])); c[0].zero_(); c, c[0].stride(), b
b = torch.ones(1).expand(3); c = copy.deepcopy(b); c, c.stride()
b = torch.ones(3); c = copy.deepcopy((b, b[1:])); d = c[1].view(torch.Size([2, 1])); d.zero_(); c
m = nn.Linear(2, 2); nn.init.ones_(m.weight); m.b = nn.Buffer(m.weight.detach()[0])
|c = copy.deepcopy(m); c.weight.data.zero_(); c.b
m = nn.Linear(2, 3); m.tied = m.weight; c = copy.deepcopy(m); c.tied is c.weight
p = nn.Parameter(torch.arange(6.0).reshape(2, 3).T); c = copy.deepcopy(p); c, c.stride()
b = torch.ones(2, requires_grad=True); b.grad = torch.ones(2); c = copy.deepcopy(b); c, c.grad
b = torch.arange(6.0).reshape(2, 3).T; c = pickle.loads(pickle.dumps((b, b[0]))); c[0].zero_()
|c, c[0].stride()
b = torch.arange(6.0); c = copy.copy(b); c.zero_(); b
b = torch.ones(2, requires_grad=True); (b * 2).sum().backward(); c = copy.copy(b)
|(c * c).sum().backward(); b.grad, c.grad
b = torch.ones(2, requires_grad=True) * 2; copy.copy(b), pickle.loads(pickle.dumps(b))
p = nn.Parameter(torch.ones(2)); p.grad = torch.ones(2); c = copy.copy(p); c, c.grad
[f(t) for t in (torch.ones(0, 3), torch.tensor(3.0)) for f in (copy.copy, copy.deepcopy)]
copy.deepcopy(torch.ones(2, requires_grad=True) * 2)
# attributes
def kept(x):
    x.foo = [1]
    twins = copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))
    return [(getattr(t, "foo", None), getattr(t, "foo", None) is x.foo) for t in twins]
|kept(torch.ones(2)), kept(nn.Parameter(torch.ones(2))), kept(torch.ones(3)[1:])
b = nn.Buffer(torch.ones(2), persistent=False)
|[t.persistent for t in (copy.copy(b), copy.deepcopy(b), pickle.loads(pickle.dumps(b)))]
""")
def test_copies_as_torch(code: str) -> None:
    check(code)


def test_what_the_engine_keeps_in_a_tensor_is_no_attribute() -> None:
    assert set(tg.Tensor.__annotations__) == OWN


# --- scikit-learn ---------------------------------------------------------------------------------

SKLEARN = "import sklearn.metrics as M, sklearn.model_selection as S, sklearn.preprocessing as P\n"


@pytest.mark.needs_torch
@table(
    split="S.train_test_split(X, y, test_size=0.2, random_state=42)",
    split_shuffle_off="S.train_test_split(X, y, test_size=0.25, shuffle=False)",
    split_stratified="S.train_test_split(X, y, test_size=0.2, random_state=0, stratify=y)",
    split_stratified_floats="S.train_test_split(X, y, random_state=0, stratify=y.float())",
    split_one="S.train_test_split(X, test_size=7, random_state=1)",
    split_three="S.train_test_split(X, y, p, train_size=11, random_state=3)",
    split_with_arrays="S.train_test_split(X, y.numpy(), random_state=3)",
    split_empty="S.train_test_split(X[:1], y[:1])",
    split_lengths="S.train_test_split(X, y[:-1])",
    folds="[(a.tolist(), b.tolist()) for a, b in S.KFold(4).split(X)]",
    folds_stratified="[b.tolist() for _, b in S.StratifiedKFold(4).split(X, y)]",
    indices_of_folds="[X[b].shape for _, b in S.KFold(4, shuffle=True, random_state=0).split(X)]",
    accuracy="M.accuracy_score(y, z), M.accuracy_score(y.float(), z), M.accuracy_score(y, y)",
    accuracy_count="M.accuracy_score(y, z, normalize=False)",
    confusion="M.confusion_matrix(y, z), M.confusion_matrix(y.float(), z, normalize='true')",
    f1="M.f1_score(y, z), M.f1_score(y, z, average='macro'), M.f1_score(y.float(), z)",
    precision="M.precision_score(y, z), M.recall_score(y, z), M.balanced_accuracy_score(y, z)",
    log_loss="M.log_loss(y, p), M.log_loss(y.float(), p.double())",
    log_loss_of_rows="M.log_loss(y, torch.stack([1 - p, p], dim=1))",
    roc="M.roc_auc_score(y, p), M.roc_curve(y, p)[0]",
    brier="M.brier_score_loss(y, p), M.mean_squared_error(y.float(), p)",
    report="M.classification_report(y, z)",
    scaler="P.StandardScaler().fit_transform(X)",
    scaler_of_doubles="P.StandardScaler().fit(X.double()).transform(X[:3].double())",
    min_max="P.MinMaxScaler().fit_transform(X)",
    one_hot="P.OneHotEncoder().fit_transform(y.reshape(-1, 1)).toarray()",
    labels="P.LabelEncoder().fit_transform(y)",
    features="P.PolynomialFeatures(2).fit_transform(X)",
    gradient_needed="M.accuracy_score(torch.ones(2, requires_grad=True), torch.ones(2))",
    classifier="""
from sklearn.linear_model import LogisticRegression
c = LogisticRegression().fit(X, y)
c.coef_, c.predict(X), c.score(X, y)""",
    neighbours="""
from sklearn.neighbors import KNeighborsClassifier
KNeighborsClassifier(3).fit(X, y).predict_proba(X[:5])""",
    datasets="""
from sklearn.datasets import make_moons
u, v = make_moons(20, noise=0.1, random_state=0)
torch.from_numpy(u).type(torch.float), torch.from_numpy(v).type(torch.LongTensor)""",
)
def test_sklearn(code: str) -> None:
    pytest.importorskip("sklearn", reason="needs the extra `experiments`")
    check(DATA + SKLEARN + code)


def test_sklearn_splits_tensors_into_tensors() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    X = tg.arange(20.0).reshape(10, 2)
    train, test = selection.train_test_split(X, test_size=3, random_state=0)
    arrays = selection.train_test_split(X.numpy(), test_size=3, random_state=0)
    for ours, theirs in zip((train, test), arrays, strict=True):
        assert type(ours) is tg.Tensor
        np.testing.assert_array_equal(ours.numpy(), theirs)


# --- matplotlib -----------------------------------------------------------------------------------

PLOTS = {
    "scatter": "plt.scatter(X[:, 0], X[:, 1], c=y, cmap=plt.cm.RdYlBu).get_offsets()",
    "scatter colours": "plt.scatter(X[:, 0], X[:, 1], c=X[:, 0] + X[:, 1]).get_facecolors()",
    "scatter sizes": "plt.scatter(x=X[:, 0], y=X[:, 1], s=p * 40).get_sizes()",
    "scatter truth values": "plt.scatter(X[:, 0], X[:, 1], c=y > 0).get_array()",
    "scatter a part": "plt.scatter(X[y == 0][:, 0], X[y == 0][:, 1], c='r').get_offsets()",
    "scatter with arrays": "plt.scatter(np.array(X[:, 0]), X[:, 1], c=np.array(y)).get_offsets()",
    "plot": "plt.plot(p)[0].get_ydata()",
    "plot xy": "plt.plot(X[:, 0], X[:, 1], 'r.')[0].get_xydata()",
    "plot columns": "[line.get_ydata() for line in plt.plot(X)]",
    "plot a list": "plt.plot([p[0], p[1], 2.0])[0].get_ydata()",
    "plot losses": "plt.plot(range(3), [p[i].item() for i in range(3)])[0].get_ydata()",
    "semilogy": "plt.semilogy(p)[0].get_ydata()",
    "step": "plt.step(a, a)[0].get_ydata()",
    "hist": "plt.hist(p, bins=5)[:2]",
    "hist of columns": "plt.hist(X)[0]",
    "hist of two": "plt.hist([p, p], bins=3)[0]",
    "hist2d": "plt.hist2d(X[:, 0], X[:, 1], bins=4)[0]",
    "imshow": "plt.imshow(G).get_array()",
    "imshow colours": "plt.imshow(G.reshape(2, 2, 5)[..., :3]).get_array()",
    "contourf": "plt.contourf(G).levels",
    "contourf xy": "plt.contourf(a, b, G, cmap=plt.cm.RdYlBu, alpha=0.7).levels",
    "contour": "plt.contour(a, b, G, levels=[0.3, 0.6]).levels",
    "pcolormesh": "plt.pcolormesh(G).get_array()",
    "bar": "[bar.get_height() for bar in plt.bar(b, b + 1)]",
    "fill_between": "plt.fill_between(a, a, a + 1).get_paths()[0].vertices",
    "errorbar": "plt.errorbar(a, a, yerr=a)[0].get_xydata()",
    "boxplot": "plt.boxplot(X)['medians'][1].get_ydata()",
    "lines": "plt.axhline(p[0]).get_ydata(), plt.axvline(p[1]).get_xdata()",
    "limits": "plt.xlim(X[:, 0].min(), X[:, 0].max()), plt.ylim(p[0], p[1])",
    "text": "plt.text(p[0], p[1], 'here').get_position()",
    "title": "plt.title(f'loss {p[0]:.2f}').get_text()",
    "ticks": "[tick.get_loc() for tick in plt.xticks(a)[0]]",
}


@pytest.fixture
def pyplot() -> Iterator[Any]:
    matplotlib = pytest.importorskip("matplotlib", reason="needs the extra `experiments`")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


@pytest.mark.parametrize("code", PLOTS.values(), ids=PLOTS)
def test_a_plot_of_tensors_is_that_of_arrays(pyplot: Any, code: str) -> None:
    names: dict[str, Any] = {"torch": tg, "np": np, "plt": pyplot}
    exec(DATA, names)
    arrays = {n: x.numpy() if isinstance(x, tg.Tensor) else x for n, x in names.items()}
    pictures, shown = [], []
    for data in (names, arrays):
        figure = pyplot.figure(figsize=(2, 2), dpi=40)
        shown.append(eval(code, data))
        figure.canvas.draw()
        pictures.append(np.asarray(figure.canvas.buffer_rgba()).copy())
        pyplot.close("all")
    for ours, theirs in zip(*map(flat, shown), strict=True):
        np.testing.assert_allclose(ours, theirs)
    np.testing.assert_array_equal(*pictures)
    assert pictures[0].min() < 255  # something was drawn


def flat(x: Any) -> list[np.ndarray]:
    """What a plot tells of itself, as arrays; texts are compared as they are drawn."""
    return [part for part in as_arrays(x) if part.dtype.kind in "fiub"]


@pytest.mark.needs_torch
@table(
    plot="plt.plot(p)[0].get_ydata()",
    scatter="plt.scatter(X[:, 0], X[:, 1], c=y).get_offsets().data",
    hist="plt.hist(X)[0]",
    gradient_needed="plt.plot(torch.ones(2, requires_grad=True))",
    gradient_needed_scatter="plt.scatter(torch.ones(2, requires_grad=True), torch.ones(2))",
    other_lengths="try: plt.plot(a, b)\nexcept ValueError: 'no'",
)
def test_plots_as_with_torch(pyplot: Any, code: str) -> None:
    check(f"import matplotlib.pyplot as plt\n{DATA}{code}", warned=False)

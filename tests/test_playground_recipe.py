"""Recipes and points: one codec for links and JSON, numbers clamped, one sentence for the rest."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="needs the extra `play`")

from tinygrad_cls.experiments import EXPERIMENTS, DataError
from tinygrad_cls.playground.data import MADE, NOISE, load, pasted
from tinygrad_cls.playground.recipe import (
    CHOICES,
    LIMITS,
    PRESETS,
    Layer,
    Recipe,
    RecipeError,
    from_hash,
    from_json,
    preset,
)

# --- The codec ------------------------------------------------------------------------------------


def floats(key: str) -> st.SearchStrategy[float]:
    low, high = LIMITS[key]
    zero = st.just(0.0) if low == 0 else st.nothing()
    return zero | st.floats(max(low, 1e-6), high)


def wholes(key: str) -> st.SearchStrategy[int]:
    return st.integers(int(LIMITS[key][0]), int(LIMITS[key][1]))


RECIPES = st.builds(
    Recipe,
    **{key: floats(key) for key in ("noise", "test", "lr", "momentum")},
    **{key: wholes(key) for key in ("samples", "data_seed", "seed", "batch")},
    **{key: st.sampled_from(CHOICES[key]) for key in ("data", "loss", "init", "dtype")},
    layers=st.lists(
        st.builds(Layer, wholes("units"), st.sampled_from(CHOICES["activation"])), max_size=6
    ).map(tuple),
)


@given(RECIPES)
def test_round_trips(recipe: Recipe) -> None:
    assert from_json(recipe.to_json()) == (recipe, [])
    assert from_hash(recipe.to_hash()) == (recipe, [])
    assert "e" not in "".join(part.partition("=")[2] for part in recipe.to_hash().split("&")[2:5])


def test_the_hash_is_what_the_page_writes() -> None:
    assert preset("2").to_hash() == (
        "v=1&data=circles&samples=1000&noise=0.03&test=0.2&data_seed=42&seed=42"
        "&layers=10:relu,10:relu&loss=bce&lr=0.1&momentum=0&batch=0&init=pytorch&dtype=float32"
    )
    small = replace(Recipe(), lr=1e-6, noise=0.1 + 0.2, layers=())
    assert "&noise=0.30000000000000004&" in small.to_hash()
    assert "&layers=&loss=bce&lr=0.000001&" in small.to_hash()


def test_what_is_missing_is_preset_2() -> None:
    assert from_hash("v=1") == from_json({"v": 1}) == (PRESETS["circles-relu"], [])
    assert from_hash("#lr=.5&v=1&layers=3%3Atanh")[0] == replace(
        Recipe(), lr=0.5, layers=(Layer(3, "tanh"),)
    )


def test_presets_by_number() -> None:
    assert [preset(n) for n in "123"] == [*PRESETS.values()]
    assert [*PRESETS] == [*EXPERIMENTS]
    with pytest.raises(RecipeError, match="no preset '4'; there are 1 circles-linear, 2"):
        preset("4")


CLAMPED = {
    "large": ({"lr": 1000000000}, ("lr", 100.0), "lr 1000000000 is too large: 100 is used"),
    "infinite": ({"lr": 1e999}, ("lr", 100.0), "lr inf is too large: 100 is used"),
    "huge": ({"lr": 10**4000}, ("lr", 100.0), "lr 1000000.* is too large: 100 is used"),
    "negative": ({"lr": -1}, ("lr", 0.0), "lr -1 is too small: 0 is used"),
    "tiny": ({"lr": 1e-9}, ("lr", 0.0), "lr 1e-09 is too small to matter: 0 is used"),
    "momentum": ({"momentum": 1}, ("momentum", 0.999), "momentum 1 is too large: 0.999 is used"),
    "points": ({"samples": 10**6}, ("samples", 5000), "samples 1000000 is too large: 5000 is used"),
    "few points": ({"samples": 1}, ("samples", 20), "samples 1 is too small: 20 is used"),
    "test": ({"test": 0}, ("test", 0.1), "test 0 is too small: 0.1 is used"),
    "seed": ({"seed": -1}, ("seed", 0), "seed -1 is too small: 0 is used"),
    "units": (
        {"layers": [{"units": 99, "activation": "relu"}]},
        ("layers", (Layer(32, "relu"),)),
        "units of layer 1 99 is too large: 32 is used",
    ),
    "layers": (
        {"layers": [{"units": 1, "activation": "none"}] * 9},
        ("layers", (Layer(1, "none"),) * 6),
        "9 hidden layers are too many: the first 6 are used",
    ),
}


@pytest.mark.parametrize(("given", "value", "note"), CLAMPED.values(), ids=CLAMPED)
def test_numbers_are_clamped(given: Any, value: tuple[str, Any], note: str) -> None:
    recipe, notes = from_json({"v": 1, **given})
    assert recipe == replace(Recipe(), **{value[0]: value[1]})
    (found,) = notes
    assert re.fullmatch(note, found)


WRONG_JSON = {
    "nothing": (None, "a recipe is an object"),
    "a list": ([1], "a recipe is an object with keys such as data and lr, not list"),
    "no version": ({"lr": 1}, "version: v=1 is missing"),
    "another version": ({"v": 2}, "version 2, and this playground reads version 1"),
    "a boolean version": ({"v": True}, "version True"),
    "unknown key": ({"v": 1, "rate": 1}, "has no 'rate'; it has data, samples"),
    "unknown data": ({"v": 1, "data": "mnist"}, "data is one of circles, .*, not 'mnist'"),
    "a word": ({"v": 1, "lr": "fast"}, "lr must be a number, not 'fast'"),
    "a boolean": ({"v": 1, "lr": True}, "lr must be a number, not True"),
    "no number": ({"v": 1, "lr": float("nan")}, "lr must be a number, not nan"),
    "a part of a point": ({"v": 1, "samples": 50.5}, "samples must be a whole number, not 50.5"),
    "layers": ({"v": 1, "layers": "10:relu"}, "layers is a list"),
    "a layer": ({"v": 1, "layers": [10]}, "hidden layer 1 needs units and an activation"),
    "an activation": (
        {"v": 1, "layers": [{"units": 1, "activation": "gelu"}]},
        "activation is one of relu, .*, not 'gelu'",
    ),
    "a list for a word": ({"v": 1, "loss": ["bce"]}, "loss is one of"),
}


@pytest.mark.parametrize(("data", "why"), WRONG_JSON.values(), ids=WRONG_JSON)
def test_refuses_json(data: Any, why: str) -> None:
    with pytest.raises(RecipeError, match=why) as caught:
        from_json(data)
    assert "\n" not in str(caught.value)


WRONG_HASH = {
    "empty": ("", "v=1 is missing"),
    "twice": ("v=1&lr=1&lr=2", "the link names 'lr' twice"),
    "unknown": ("v=1&speed=2", "a recipe has no 'speed'"),
    "not a number": ("v=1&lr=nan", "lr must be a number, not 'nan'"),
    "Python's number": ("v=1&samples=1_000", "samples must be a number, not '1_000'"),
    "empty number": ("v=1&lr=", "lr must be a number, not ''"),
    "a layer": ("v=1&layers=10", "activation is one of"),
    "units": ("v=1&layers=ten:relu", "units of layer 1 must be a number, not 'ten'"),
    "too long": ("v=1&layers=" + "1:relu," * 1000, "at most 2000"),
}


@pytest.mark.parametrize(("text", "why"), WRONG_HASH.values(), ids=WRONG_HASH)
def test_refuses_links(text: str, why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        from_hash(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*LIMITS, *CHOICES]) | st.text(max_size=4), inner)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from([*Recipe().to_json()])
LAYERS = st.lists(st.fixed_dictionaries({"units": JSON, "activation": JSON}), max_size=8)


@given(st.dictionaries(KEYS, JSON | LAYERS | st.floats() | st.integers()), st.booleans())
def test_hostile_json_is_a_recipe_or_a_sentence(data: dict[str, Any], first: bool) -> None:
    try:
        recipe, notes = from_json(data | {"v": 1} if first else data)
    except RecipeError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert from_json(recipe.to_json()) == (recipe, [])
        assert from_hash(recipe.to_hash()) == (recipe, [])
        assert all(len(note) < 200 for note in notes)
    assert len(sentence) < 400
    assert "\n" not in sentence


PAIRS = st.tuples(
    KEYS | st.text(max_size=5),
    st.text(max_size=9)
    | st.sampled_from(["1e999", "-0", "0x10", "10:relu", ":", ",,", "%00", "١", "1e-400"]),
)


@given(st.lists(PAIRS, max_size=5))
def test_hostile_links_are_a_recipe_or_a_sentence(pairs: list[tuple[str, str]]) -> None:
    text = "&".join(["v=1", *("=".join(pair) for pair in pairs)])
    try:
        recipe, _ = from_hash(text)
    except RecipeError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert from_hash(recipe.to_hash()) == (recipe, [])
    assert len(sentence) < 400


# --- Points ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOISE)
def test_made_points(name: str) -> None:
    recipe = replace(Recipe(), data=name, noise=NOISE[name][0], samples=201, test=0.25)
    data = load(recipe)
    assert (len(data.y_train), len(data.y_test)) == (150, 51)
    assert data.features == MADE
    assert set(data.y_train.tolist()) == set(range(len(data.classes)))
    again, other = load(recipe), load(replace(recipe, data_seed=7))
    assert np.array_equal(again.X_train, data.X_train)
    assert not np.array_equal(other.X_train, data.X_train)
    x0, x1, y0, y1 = data.extent
    assert x1 - x0 == pytest.approx(y1 - y0)
    X = np.concatenate([data.X_train, data.X_test])
    assert (x0, y0) < tuple(X.min(axis=0))
    assert tuple(X.max(axis=0)) < (x1, y1)


@pytest.mark.parametrize("name", ["xor", "spiral"])
def test_our_own_sets_are_what_they_say(name: str) -> None:
    data = load(replace(Recipe(), data=name, noise=0.0))
    x, y = data.X_train.T
    if name == "xor":
        assert np.array_equal(data.y_train == 1, x * y < 0)
    else:  # on each arm the angle follows from the radius
        r = np.hypot(x, y)
        turned = np.arctan2(x, y) - 2.5 * np.pi * r - np.pi * data.y_train
        assert np.allclose(np.cos(turned), 1)


def csv(rows: int, columns: int = 2, classes: int = 2, header: bool = True) -> str:
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, columns)).round(3).tolist()
    lines = [",".join(map(str, [*row, f"c{i % classes}"])) for i, row in enumerate(X)]
    names = [",".join([f"f{i}" for i in range(columns)] + ["class"])] if header else []
    return "\n".join(names + lines) + "\n"


WRONG_CSV = {
    "nothing": (None, "the CSV is empty: paste rows"),
    "empty": (" \n\n", "the CSV is empty: paste rows"),
    "a header": ("a,b,c\n", "the CSV holds no points"),
    "one class": ("1,2,a\n" * 9, "every point is of class 'a', two or more are needed"),
    "text": (csv(9) + "1,two,c0\n", "line 11: 'two' is not a number"),
    "nan": (csv(9) + "1,nan,c0\n", "line 11: 'nan' is not finite"),
    "one feature": ("1,a\n2,b\n3,a\n4,b\n5,a\n", "has 2 columns: at least two features"),
    "prose": ("Dear Sir or Madam,\nI write to you\n", "the CSV"),
    "classes": (csv(50, classes=11), "has 11 classes: at most 10 can be shown"),
    "features": (csv(9, columns=17), "has 17 features: at most 16 can be shown"),
    "rows": (csv(5001), "has 5,002 lines: at most 5,000 points can be used"),
    "a million rows": ("1,2,a\n" * 10**6, "has 1,000,000 lines: at most 5,000 points can be used"),
    "one too many": (csv(5001, header=False), "has 5,001 points: at most 5,000 can be used"),
    "few": (csv(4), "has 4 points: at least 5 are needed"),
    "binary": ("\x89PNG\r\n\x1a\n\x00\x01", "the CSV"),
}


@pytest.mark.parametrize(("text", "why"), WRONG_CSV.values(), ids=WRONG_CSV)
def test_refuses_csv(text: str | None, why: str) -> None:
    with pytest.raises(DataError, match=why) as caught:
        pasted(text)
    assert "\n" not in str(caught.value)


def test_too_large_numbers_name_the_dtype() -> None:
    text = csv(9) + "1e300,1,c0\n1,-1e308,c1\n1,1e308,c1\n"
    with np.errstate(all="raise"), pytest.raises(DataError, match="too large for float64"):
        load(replace(Recipe(), data="csv", dtype="float64"), text + "1,-1e308,c1\n" * 4)


@pytest.mark.parametrize("separator", ";\t,")
def test_separators_and_headers(separator: str) -> None:
    points = pasted("\ufeff" + csv(20).replace(",", separator))
    assert (points.features, points.classes) == (("f0", "f1"), ("c0", "c1"))
    assert np.array_equal(points.X, pasted(csv(20, header=False)).X)


def test_csv_of_moderate_size_is_taken_as_it_is() -> None:
    data = load(replace(Recipe(), data="csv"), csv(5000))
    assert (data.notes, data.scaled) == ((), False)
    assert len(data.y_train) + len(data.y_test) == 5000


def test_far_features_are_standardised_and_it_is_said() -> None:
    rows = "\n".join(f"{i % 50},{1000 * i},5,{'ab'[i % 2]}" for i in range(100))
    data = load(replace(Recipe(), data="csv"), "age,pay,five,who\n" + rows)
    assert data.scaled
    assert np.allclose(data.X_train[:, :2].mean(axis=0), 0)
    assert np.allclose(data.X_train[:, :2].std(axis=0), 1)
    assert np.array_equal(data.X_train[:, 2], np.zeros(80))
    first, second = data.notes
    assert first.startswith("pay goes up to 9.9e+04: every feature was standardised")
    assert second.startswith("all 3 features are trained on; the picture shows age and pay")
    plane = data.on_plane(np.array([[1.0, 2.0]]))
    assert np.array_equal(plane, [[1.0, 2.0, data.X_train[:, 2].mean()]])


def test_a_class_that_is_not_trained_on_is_told() -> None:
    data = load(replace(Recipe(), data="csv"), csv(20) + "0,0,zz\n" + "0,0,c0\n" * 2)
    told = "no point of class zz is in the training set" in data.notes
    assert told == (data.classes.index("zz") not in data.y_train)

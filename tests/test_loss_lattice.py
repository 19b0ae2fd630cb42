"""Every loss with every combination of its options is PyTorch's: value, gradients and the gradients
of these by input and target, dtype, shape, nan and inf, warnings; and for mistakes the error.

``judge`` runs one case on both engines. ``tests/test_wrong_options.py`` plants faults and sees it
fail.
"""

import re
from typing import Any

import numpy as np
import pytest
import rounding_bounds as bounds
from hypothesis import given
from hypothesis import strategies as st
from loss_cases import CASES, FUNCTIONS, Case, differs, mistaken, takes_weight
from parity import Outcome, begins, outcome, pytorch
from rounding_bounds import Array, Bounds, near, unit

import tinygrad_cls as tg


def run(engine: Any, losses: Any, case: Case) -> dict[str, Any]:
    """The loss L, its gradients, and those of <v, gradients>, for random cotangents."""
    tensors = {
        name: engine.tensor(x, requires_grad=name in case.grads) if isinstance(x, np.ndarray) else x
        for name, x in {"input": case.input, "target": case.target, **case.options}.items()
    }
    value = called(losses, case, tensors)
    found = {"value": value}
    if not value.requires_grad:
        return found
    leaves = [tensors[name] for name in case.grads]
    rng = np.random.default_rng(case.seed)  # random cotangents: equal ones let errors cancel

    def like(x: Any) -> Any:
        return engine.tensor(rng.uniform(0.5, 1, tuple(x.shape))).to(x.dtype)

    first = engine.autograd.grad(value, leaves, like(value), create_graph=True)
    curved = [g for g in first if g.requires_grad]
    second = [engine.zeros_like(x) for x in leaves]
    if curved:
        second = engine.autograd.grad(
            curved, leaves, [like(g) for g in curved], materialize_grads=True
        )
    for name, g, h in zip(case.grads, first, second, strict=True):
        found[f"gradient by {name}"] = g.detach()
        found[f"gradient's gradient by {name}"] = h.detach() + 0  # torch's "ZeroTensor" is no array
    return found


def called(losses: Any, case: Case, tensors: dict[str, Any]) -> Any:
    """The loss called in the way that the case says."""
    options = dict(tensors)
    x, t = options.pop("input"), options.pop("target")
    placed = ()
    if case.way.endswith("by place") and "weight" in options and takes_weight(case.loss):
        placed = (options.pop("weight"),)
    if case.way.startswith("module"):
        return getattr(losses, case.loss)(*placed, **options)(x, t)
    function = getattr(losses.functional, FUNCTIONS[case.loss])
    if case.way.endswith("by place"):
        return function(x, t, *placed, **options)
    return function(target=t, input=x, **options)


def outcomes(losses: Any, case: Case) -> tuple[Outcome, Outcome, str]:
    """What ``losses`` (``tg.nn``, or what stands for it) and torch's did, and both as a text.
    AssertionError unless they raised and warned alike.
    """
    torch = pytorch()
    theirs = outcome(torch, lambda engine: run(engine, torch.nn, case))
    ours = outcome(tg, lambda engine: run(engine, losses, case))
    shown = f"{case}\ntorch: {theirs.error or theirs.value}: {theirs.message} {theirs.warned}\n"
    shown += f"ours:  {ours.error or ours.value}: {ours.message} {ours.warned}"
    assert ours.error == theirs.error, shown
    assert begins(plain(ours.message), plain(theirs.message)), shown
    assert len(ours.warned) == len(theirs.warned), shown
    for (kind, said), (their_kind, they_said) in zip(ours.warned, theirs.warned, strict=True):
        assert kind == their_kind, shown
        assert begins(said, they_said), shown
    if not theirs.error:
        assert ours.value.keys() == theirs.value.keys(), shown
        for name, told in theirs.value.items():
            for fact in ("dtype", "shape", "requires_grad"):
                assert ours.value[name][fact] == told[fact], shown
    return ours, theirs, shown


def plain(message: str) -> str:
    """A text without what only torch's C++ knows."""
    message = re.sub(r'^"\w+" not impl', "not impl", message)  # the name of a kernel
    return "" if message == "'int' object is not callable" else message  # of ndarray.size


def judge(losses: Any, case: Case) -> str:
    """AssertionError unless ``losses`` answer as torch's do, to rounding; the error's text."""
    ours, theirs, _ = outcomes(losses, case)
    if not theirs.error:
        limit = limits(case)
        for name, told in theirs.value.items():
            near(ours.value[name]["array"], told["array"], limit[name], f"{case}\n{name}")
    return theirs.message


def limits(case: Case) -> dict[str, Array]:
    """What ``run`` may be off by, for each of its results: twice the bound of one engine."""
    both = {"input": 0, "target": 1}
    # a weight's own dtype counts where torch adds weights up, or subtracts 1, in it
    computing = [case.input, case.target, case.option("pos_weight")]
    if case.loss in ("MSELoss", "L1Loss"):
        computing.append(case.option("weight"))
    u = 2 * unit(x.dtype for x in computing if x is not None)
    with np.errstate(over="ignore"):
        bound = bounded(case)
        found = {"value": u * bound.value}
        for name in case.grads:
            found[f"gradient by {name}"] = u * bound.first[both[name]]
            found[f"gradient's gradient by {name}"] = u * bound.second[both[name]]
    return found


def bounded(case: Case) -> Bounds:
    """The bounds of the case's loss, in units."""
    reduction, weight = case.option("reduction", "mean"), case.option("weight")
    if case.loss in ("CrossEntropyLoss", "NLLLoss"):
        return bounds.of_classes(
            case.input, case.target, weight, case.option("ignore_index", -100), reduction,
            case.option("label_smoothing", 0), softmax=case.loss == "CrossEntropyLoss",
        )  # fmt: skip
    x, t = bounds.finite_part(case.input), bounds.finite_part(case.target)
    w = bounds.finite_part(1 if weight is None else weight)
    if case.loss == "BCEWithLogitsLoss":
        terms = bounds.logits(x, t, case.option("pos_weight"))
    elif case.loss == "BCELoss":
        terms = bounds.probabilities(x, t)
    elif case.loss == "MSELoss":
        terms = bounds.squares(x, t)
    elif case.loss == "L1Loss":
        terms = bounds.distances(x, t)
    else:
        terms = bounds.smooth_distances(x, t, case.option("beta", 1.0))
    n = terms.size.size
    weighted = case.loss in ("MSELoss", "L1Loss") and weight is not None
    return bounds.of_pairs(terms, x, t, w, float(w.sum()) if weighted else n, reduction)


@pytest.mark.needs_torch
@pytest.mark.parametrize("cases", CASES.values(), ids=CASES)
@given(st.data())
def test_every_option(cases: Any, data: st.DataObject) -> None:
    case = data.draw(cases)
    error = judge(tg.nn, case)
    assert not error or error.startswith("gather()"), case  # bytes whose weights smoothing adds up


def judge_mistake(losses: Any, case: Case) -> None:
    """AssertionError unless ``losses`` answer as torch's do, with the same error or about the same
    numbers: their digits are for ``judge``, of cases for which there are bounds.
    """
    ours, theirs, shown = outcomes(losses, case)
    for name, told in ({} if theirs.error else theirs.value).items():
        np.testing.assert_allclose(
            ours.value[name]["array"], told["array"], rtol=0.01, atol=0.01, err_msg=shown
        )


@pytest.mark.needs_torch
@pytest.mark.parametrize("loss", FUNCTIONS)
@given(st.data())
def test_every_mistake(loss: str, data: st.DataObject) -> None:
    judge_mistake(tg.nn, data.draw(mistaken(loss).filter(lambda case: not differs(case))))

"""from_torch and to_torch: what changes engines stays what it is."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from parity import pytorch
from weights import nested, seen

import tinygrad_cls as tg

torch: Any = pytest.importorskip("torch", reason="the door to PyTorch")
WEIGHT = [0.5, 2.0]

MODULES = """
Linear(2, 3)
Linear(2, 3, bias=False)
Linear(2, 3, dtype=torch.float64)
ReLU()
ReLU(inplace=True)
LeakyReLU(0.3)
Sigmoid()
Tanh()
LogSigmoid()
Softplus(2.0, 3.0)
Softmax(1)
Softmax(dim=None)
LogSoftmax(dim=-1)
Flatten(0, 1)
Identity(7)
Dropout(0.3, inplace=True)
BatchNorm1d(2, eps=0.1, momentum=None)
BatchNorm1d(2, affine=False, track_running_stats=False)
BatchNorm1d(2, dtype=torch.float64)
BCEWithLogitsLoss(weight=torch.tensor([0.5, 2.0]), pos_weight=torch.tensor([2.0, 1.0]))
BCELoss(weight=torch.tensor([0.5, 2.0]), reduction="sum")
CrossEntropyLoss(weight=torch.tensor([0.5, 2.0]), ignore_index=1, label_smoothing=0.2)
NLLLoss(weight=torch.tensor([0.5, 2.0]), reduction="none")
MSELoss(reduction="sum")
L1Loss()
SmoothL1Loss(beta=0.3)
Sequential()
ModuleList([nn.Linear(1, 1), nn.ReLU()])
ModuleDict({"a": nn.Linear(1, 1), "b": nn.ModuleDict()})
Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()), nn.Linear(3, 1))
""".strip().splitlines()


def build(engine: Any, code: str) -> Any:
    return eval(f"nn.{code}", {"nn": engine.nn, "torch": engine})


def options(module: Any) -> Any:
    """The public attributes of every module below, and which parts are shared."""
    modules = list(module.modules())
    return [
        (
            type(m).__name__,
            {name: value for name, value in vars(m).items() if name[0] != "_"},
            {name: modules.index(child) for name, child in m._modules.items()},
        )
        for m in modules
    ]


@pytest.mark.parametrize("code", MODULES)
def test_modules(code: str) -> None:
    """There and back: the same options, state and text."""
    for here, there, convert, back in (
        (torch, tg, tg.from_torch, tg.to_torch),
        (tg, torch, tg.to_torch, tg.from_torch),
    ):
        module = build(here, code).eval()
        converted = convert(module)
        assert type(converted) is getattr(there.nn, type(module).__name__)
        assert repr(converted) == repr(module)
        assert options(converted) == options(module)
        assert seen(dict(converted.state_dict())) == seen(dict(module.state_dict()))
        assert seen(list(converted.parameters())) == seen(list(module.parameters()))
        assert options(back(converted)) == options(module)


@pytest.mark.parametrize("direction", ["from_torch", "to_torch"])
def test_predictions_are_equal(direction: str) -> None:
    here, there = (torch, tg) if direction == "from_torch" else (tg, torch)
    here.manual_seed(0)
    nn = here.nn
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).double()
    numbers = np.random.default_rng(0).normal(size=(16, 2))
    model(here.tensor(numbers))  # moves the running statistics
    model.eval()
    twin = getattr(tg, direction)(model)
    ours, theirs = twin(there.tensor(numbers)), model(here.tensor(numbers))
    # a few roundings of float64 apart: sums differ in their order
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-13)
    np.testing.assert_array_equal(twin[1].running_var.numpy(), model[1].running_var.numpy())


def test_what_is_shared_stays_shared() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2), torch.nn.ReLU())
    module[1].weight = module[0].weight
    module.append(module[2])
    module[0].bias.requires_grad_(False)
    module[2].eval()
    for twin in (tg.from_torch(module), tg.to_torch(tg.from_torch(module))):
        assert twin[0].weight is twin[1].weight
        assert twin[2] is twin[3]
        assert [p.requires_grad for p in twin.parameters()] == [True, False, True]
        assert [m.training for m in twin] == [True, True, False, False]
        assert twin.training
        twin[0].weight.detach()[0, 0] = 7
        assert module[0].weight[0, 0] != 7  # a copy


def test_containers() -> None:
    assert seen(tg.from_torch(nested(torch))) == seen(nested(tg))
    assert seen(tg.to_torch(nested(tg))) == seen(nested(torch))
    for scalar in (None, 1.5, "a", b"a", (), {"a": [1]}, OrderedDict(a=1)):
        assert tg.from_torch(scalar) == tg.to_torch(scalar) == scalar
    assert tg.from_torch(torch.float16) is tg.float16
    assert tg.to_torch(tg.int64) is torch.int64
    assert type(tg.from_torch(torch.Size([2]))) is tg.Size


def test_tensors_are_copies() -> None:
    theirs = torch.zeros(2, requires_grad=True)
    ours = tg.from_torch(theirs)
    assert ours.requires_grad
    assert ours.is_leaf
    with tg.no_grad():
        ours += 1
    assert theirs.tolist() == [0, 0]
    again = tg.to_torch(ours)
    ours.detach()[0] = 5
    assert again.tolist() == [1, 1]


def test_a_history_stays_behind() -> None:
    x = torch.ones(2, requires_grad=True)
    y = tg.from_torch(x * 2)
    assert (y.tolist(), y.requires_grad, y.grad_fn) == ([2, 2], True, None)
    x.grad = torch.ones(2)
    assert tg.from_torch(x).grad is None


def test_optimizers_by_their_state() -> None:
    p = torch.nn.Parameter(torch.ones(2))
    theirs = torch.optim.SGD([p], lr=0.5, momentum=0.5)
    p.grad = torch.ones(2)
    theirs.step()
    q = tg.from_torch(p)
    ours = tg.optim.SGD([q], lr=1.0, momentum=0.9)
    ours.load_state_dict(tg.from_torch(theirs.state_dict()))
    q.grad = tg.ones(2)
    ours.step()
    theirs.step()
    assert q.tolist() == p.tolist() == [-0.25, -0.25]


def test_the_random_streams_are_left_alone() -> None:
    for engine in (tg, torch):
        engine.manual_seed(0)
    module = torch.nn.Linear(2, 2)
    tg.manual_seed(0)
    torch.manual_seed(0)
    tg.to_torch(tg.from_torch(module))
    assert tg.rand(2).tolist() == torch.rand(2).tolist()
    tg.manual_seed(0)
    first = tg.rand(2).tolist()
    torch.manual_seed(0)
    assert first == torch.rand(2).tolist()


# --- errors -----------------------------------------------------------------------------------


class Mine(torch.nn.Module):  # type: ignore[misc,name-defined]
    pass


class Ours(tg.nn.Module):
    pass


class Line(torch.nn.Linear):  # type: ignore[misc,name-defined]
    pass


def registered(module: Any) -> Any:
    module.register_buffer("extra", torch.ones(1))
    return module


def test_errors() -> None:
    nn = torch.nn
    for convert, x, said in (
        (tg.from_torch, Mine(), r"the test_torch_door.Mine at 'the top' has no counterpart"),
        (tg.to_torch, Ours(), r"the test_torch_door.Ours at 'the top' has no counterpart"),
        (tg.from_torch, nn.Sequential(nn.Sequential(Line(1, 1))), r"Line at '0\.0'.*state_dict"),
        (tg.from_torch, nn.Sequential(nn.Conv1d(1, 1, 1)), "Conv1d at '0' has no counterpart"),
        (tg.from_torch, registered(nn.ReLU()), r"holds \['extra'\], and a ReLU of the other"),
        (tg.from_torch, torch.ones(1, dtype=torch.bfloat16), "from_torch: .*BFloat16Storage"),
        (tg.from_torch, torch.ones(1, dtype=torch.complex64), "from_torch: .*ComplexFloatStorage"),
        (tg.from_torch, [torch.ones(1).to_sparse()], "from_torch: .*_rebuild_sparse_tensor"),
        (tg.from_torch, {"m": nn.ReLU()}, "from_torch: the pickle names torch.nn"),
        (tg.to_torch, {"m": tg.nn.ReLU()}, r"obj\['m'\] is a tinygrad_cls.nn.layers.ReLU"),
        (tg.to_torch, np.ones(1), "numpy.ndarray"),
    ):
        with pytest.raises(TypeError, match=said):
            convert(x)


def test_an_option_that_the_other_engine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(self: Any, weight: Any = None, reduction: str = "mean") -> None:
        raise AssertionError("not called")

    monkeypatch.setattr(tg.nn.CrossEntropyLoss, "__init__", without)
    with pytest.raises(TypeError, match=r"CrossEntropyLoss at 'the top' has label_smoothing=0\.5"):
        tg.from_torch(torch.nn.CrossEntropyLoss(label_smoothing=0.5))


def test_torch_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pytorch() is torch
    monkeypatch.setitem(sys.modules, "torch", None)
    for convert in (tg.from_torch, tg.to_torch):
        with pytest.raises(ImportError, match=r"pip install 'tinygrad_cls\[reference\]'"):
            convert(1)

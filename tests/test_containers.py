"""ModuleDict, paths to what a module holds, Buffer and what a missing name says: as in PyTorch."""

import importlib
import subprocess
import sys

import pytest
from parity import check, snippets

import tinygrad_cls as tg
from tinygrad_cls import nn

SETUP = """
from collections import OrderedDict
torch.manual_seed(0)
d = nn.ModuleDict({"a": nn.Linear(2, 3), "b": nn.ReLU()})
m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 1)))
"""


@pytest.mark.needs_torch
@snippets("""
d, nn.ModuleDict(), nn.ModuleDict(None), nn.ModuleDict({})
d["a"], d.a is d["a"], len(d), list(d), "a" in d, "c" in d, bool(nn.ModuleDict())
list(d.keys()), list(d.values()), list(d.items())
k = d.keys(); d["c"] = nn.Tanh(); list(k), d
d["a"] = nn.Tanh(); d, list(d)
del d["a"]; d, list(d.state_dict())
d.pop("a"), d
d.clear(); d, len(d)
d.update({"b": nn.Tanh(), "c": nn.ReLU()}); d
d.update(OrderedDict(z=nn.Tanh(), c=nn.ReLU())); d
d.update(nn.ModuleDict({"z": nn.Tanh()})); d
d.update([("z", nn.Tanh()), ["c", nn.ReLU()]]); d
d.update((name, nn.ReLU()) for name in "xy"); d
nn.ModuleDict([("z", nn.Tanh()), ("c", nn.ReLU())])
d.update([]); d
d["n"] = None; d, list(d.items())
d.state_dict(), [n for n, _ in d.named_parameters()], [n for n, _ in d.named_modules()]
d.extra = nn.Tanh(); d, len(d)
c = copy.deepcopy(d); c, c["a"] is d["a"], torch.equal(c["a"].weight, d["a"].weight)
c = pickle.loads(pickle.dumps(d)); c, torch.equal(c["a"].weight, d["a"].weight)
d.double(); d["a"].weight.dtype, d.eval()["b"].training
sum(p.numel() for p in d.parameters())
class Net(nn.Module):
|    def __init__(self):
|        super().__init__()
|        self.act = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
|    def forward(self, x, act): return self.act[act](x)
|n = Net(); n(torch.tensor([-1.0, 1.0]), "relu"), n(torch.tensor([-1.0, 1.0]), "tanh"), n
d["c"]  # type
d[0]  # type
del d["c"]  # type
d.pop("c")  # type
d["c"] = 3
d[0] = nn.ReLU()
d["x.y"] = nn.ReLU()  # type
d[""] = nn.ReLU()  # type
d["keys"] = nn.ReLU()  # type
d["forward"] = nn.ReLU()  # type
d.update(3)
d.update([3])
d.update([("a", nn.ReLU(), 3)])
d.update({"a": 3})
nn.ModuleDict(3)
d(3)
""")
def test_module_dict(code: str) -> None:
    check(SETUP + code)


@pytest.mark.needs_torch
@snippets("""
m.get_parameter("2.0.weight"), m.get_parameter("0.bias") is m[0].bias
m.get_buffer("1.running_mean"), m.get_buffer("1.num_batches_tracked")
m.get_parameter("0.missing")
m.get_parameter("7.weight")
m.get_parameter("1.running_mean")
m.get_parameter("2.0")
m.get_parameter("1.eps")
m.get_parameter("")
m[0].register_parameter("bias", None); m.get_parameter("0.bias")
m.get_buffer("1.missing")
m.get_buffer("1.weight")
m.get_buffer("1.eps")
m.set_submodule("2.0", nn.Tanh()); m
m.set_submodule("1", nn.Tanh()); m
m.set_submodule("2.more", nn.Tanh()); m
m.set_submodule("2.0", nn.Tanh(), strict=True); m
m.set_submodule("2.more", nn.Tanh(), strict=True)
m.set_submodule("9.more", nn.Tanh())
m.set_submodule("0.weight", nn.Tanh())
m.set_submodule("0.weight", nn.Tanh(), strict=True)
m.set_submodule("", nn.Tanh())
m.set_submodule("1", 3)
a = nn.ReLU(); q = nn.Sequential(a, a); len(list(q.modules())), len(list(q.modules(False)))
m.type(torch.float64) is m, m.state_dict()
m.type("torch.DoubleTensor")[0].weight, m.type(torch.FloatTensor)[0].weight
m[0].requires_grad_(False).type(torch.int64).weight
m.type(torch.int64)
m.type("a")
m(torch.ones(2, 2)).sum().backward(); m.type(torch.float64)[0].bias.grad
""")
def test_paths(code: str) -> None:
    check(SETUP + code)


@pytest.mark.needs_torch
@snippets("""
m = nn.Module(); m.b = nn.Buffer(torch.ones(2)); m.b, m.state_dict(), list(m.named_buffers())
m = nn.Module(); m.b = nn.Buffer(torch.ones(2), persistent=False); list(m.state_dict()), m.b
m = nn.Module(); b = nn.Buffer(torch.ones(2), persistent=False); m.b = b; m.b = torch.zeros(1)
|list(m.state_dict()), m.b
m = nn.Module(); m.b = nn.Buffer(torch.ones(2), persistent=False); m.b = nn.Buffer(torch.ones(1))
|list(m.state_dict())
m = nn.Module(); m.b = nn.Buffer(torch.ones(2)); m.b = nn.Buffer(torch.ones(1), persistent=False)
|list(m.state_dict())
m = nn.Module(); m.b = nn.Buffer(torch.ones(2), persistent=False); c = copy.deepcopy(m)
|c.b, isinstance(c.b, nn.Buffer), list(c.state_dict()), [n for n, _ in c.named_buffers()]
b = nn.Buffer(torch.ones(2)); isinstance(b, nn.Buffer), isinstance(b, torch.Tensor), b * 2, repr(b)
isinstance(torch.ones(2), nn.Buffer), isinstance(nn.Parameter(torch.ones(2)), nn.Buffer)
nn.Buffer(), nn.Buffer(torch.arange(2)), nn.Buffer(torch.ones(2, requires_grad=True))
x = torch.ones(2); b = nn.Buffer(x); x[0] = 5; b
m = nn.Module(); m.b = nn.Buffer(torch.ones(2)); m.double(); m.b
m = nn.Module(); m.b = 3; m.b = nn.Buffer(torch.ones(2))  # type
m = nn.Module(); m.b = nn.Parameter(torch.ones(2)); m.b = nn.Buffer(torch.ones(2))
m = nn.Module(); m.b = nn.ReLU(); m.b = nn.Buffer(torch.ones(2))
m = nn.Module(); m.forward = nn.Buffer(torch.ones(2))  # type
class M(nn.Module):
|    def __init__(self): self.b = nn.Buffer(torch.ones(2))
|M()
""")
def test_buffer(code: str) -> None:
    check(code)


# --- names that torch has and this engine has not -------------------------------------------------


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("tinygrad_cls", "export"),
        ("tinygrad_cls.nn", "Conv2d"),
        ("tinygrad_cls.nn.functional", "conv2d"),
        ("tinygrad_cls.nn.init", "orthogonal_"),
        ("tinygrad_cls.nn.utils", "prune"),
        ("tinygrad_cls.optim", "LBFGS"),
    ],
)
def test_a_missing_name_says_what_this_is_for(module: str, name: str) -> None:
    home = importlib.import_module(module)
    assert not hasattr(home, name)
    with pytest.raises(AttributeError, match=r"small classifiers.*PyTorch") as caught:
        getattr(home, name)
    assert str(caught.value).startswith(f"module '{module}' has no attribute '{name}'")
    assert (caught.value.name, caught.value.obj) == (name, home)


def test_python_asks_in_its_own_words() -> None:
    with pytest.raises(AttributeError) as caught:
        nn.__wrapped__
    assert str(caught.value) == "module 'tinygrad_cls.nn' has no attribute '__wrapped__'"
    with pytest.raises(ImportError, match="cannot import name 'Conv2d'"):
        from tinygrad_cls.nn import Conv2d  # noqa: F401


def test_python_suggests_the_right_name() -> None:
    script = "from tinygrad_cls import nn; nn.Liner"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.rstrip().endswith("Did you mean: 'Linear'?")


def test_registered_by_hand() -> None:
    """A child put into torch's own room for it is found, replaced and lost there."""
    m = nn.Sequential(nn.ReLU())
    m._modules["extra"] = nn.Tanh()
    assert isinstance(m.extra, nn.Tanh)
    m._modules["extra"] = nn.ReLU()
    assert isinstance(m.extra, nn.ReLU)
    del m._modules["extra"]
    assert not hasattr(m, "extra")
    assert m(tg.tensor([-1.0])).tolist() == [0.0]

"""Module hooks are called when PyTorch calls them, with what it gives them, and change what it lets
them change."""

import copy
import gc
import pickle
import weakref
from typing import Any

import pytest
from parity import check, snippets

import tinygrad_cls as tg
from tinygrad_cls import nn

SETUP = """
torch.manual_seed(0)
log = []
m = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
first = m[0]
x = torch.tensor([[1.0, -2.0], [0.5, 3.0]])

class Two(nn.Module):  # two inputs, two outputs, a keyword
    def forward(self, a, b, scale=1):
        return a * b, a + b * scale

class Fails(nn.Module):
    def forward(self, a):
        raise ValueError("no")

def note(name, *answer):
    def hook(module, *given):
        log.append((name, type(module).__name__, *given))
        return answer[0] if answer else None
    return hook
"""


@pytest.mark.needs_torch
@snippets("""
first.register_forward_hook(note("f")); m(x), log
first.register_forward_hook(note("f", torch.ones(2, 3))); m(x), first(x), log
first.register_forward_hook(note("f", 7)); first.register_forward_hook(note("g")); first(x), log
h = first.register_forward_hook(note("f")); m(x); h.remove(); m(x); h.remove(); log
with first.register_forward_hook(note("f")): m(x)
|m(x); log
for n in "abc": first.register_forward_hook(note(n), prepend=n == "b")
|first(x); [entry[0] for entry in log]
for n in "abc": first.register_forward_pre_hook(note(n), prepend=n == "b")
|first(x); [entry[0] for entry in log]
t = Two(); t.register_forward_hook(note("f")); t(x, x, scale=2), log
t = Two(); t.register_forward_hook(note("f"), with_kwargs=True); t(x, b=x, scale=2), log
first.register_forward_pre_hook(note("p")); m(x), log
first.register_forward_pre_hook(note("p", x * 2)); first(x), log
first.register_forward_pre_hook(note("p", (x * 2,))); first(x), log
t = Two(); t.register_forward_pre_hook(note("p", (x, x + 1))); t(x, x, scale=2), log
t = Two(); t.register_forward_pre_hook(note("p"), with_kwargs=True); t(x, b=x), log
t = Two(); t.register_forward_pre_hook(note("p", ((x,), {"b": x * 3})), with_kwargs=True)
|t(x, x, scale=4), log
t = Two(); t.register_forward_pre_hook(note("p", 3), with_kwargs=True); t(x, x)
t = Two(); t.register_forward_pre_hook(note("p", (1, 2, 3)), with_kwargs=True); t(x, x)
first.register_forward_pre_hook(note("p")); first.register_forward_hook(note("f")); first(x)
|[entry[0] for entry in log]
f = Fails(); f.register_forward_hook(note("f")); f(x)
f = Fails(); f.register_forward_hook(note("f"))
|f.register_forward_hook(note("a"), always_call=True)
|try: f(x)
|except ValueError: log.append("raised")
|log
f = Fails(); f.register_forward_hook(note("a"), always_call=True, with_kwargs=True)
|try: f(a=x)
|except ValueError: log.append("raised")
|log
f = Fails(); f.register_forward_hook(lambda *a: 1 / 0, always_call=True); f(x)
def broken(*given): 1 / 0
|first.register_forward_hook(note("a"), always_call=True)
|first.register_forward_hook(broken)
|first.register_forward_hook(note("b"), always_call=True)
|try: first(x)
|except ZeroDivisionError: log.append("raised")
|[entry[0] for entry in log]
def broken(*given): 1 / 0
|first.register_forward_pre_hook(broken)
|first.register_forward_hook(note("a"), always_call=True)
|try: first(x)
|except ZeroDivisionError: log.append("raised")
|log
def once(*given): handle.remove(); log.append("once")
|handle = first.register_forward_hook(once); first(x); first(x); log
def more(*given): first.register_forward_hook(note("f")); log.append("more")
|first.register_forward_hook(more); first(x), len(log), first(x), [type(e) for e in log]
first.register_forward_hook(note("f")); first.forward(x); log
first.register_forward_hook(note("f")); m.eval(); m.train(); m(x); len(log), list(m.state_dict())
first.register_forward_hook(note("f")); c = copy.deepcopy(m); c(x); m(x); len(log)
h = first.register_forward_hook(note("f")); c = copy.deepcopy(m); h.remove(); c(x); m(x); len(log)
first.register_forward_hook(note("f")); repr(m), [n for n, _ in m.named_parameters()]
shared = nn.ReLU(); shared.register_forward_hook(note("f")); nn.Sequential(shared, shared)(x), log
first.register_forward_hook(note("f"), True)  # type
first.register_forward_hook()  # type
""")
def test_forward(code: str) -> None:
    check(SETUP + code)


BACKWARD = SETUP + "x.requires_grad_()\n"


@pytest.mark.needs_torch
@snippets("""
first.register_full_backward_hook(note("b")); m(x).sum().backward(); log, x.grad, first.weight.grad
m[1].register_full_backward_hook(note("b")); m(x).sum().backward(); log, x.grad, first.weight.grad
m.register_full_backward_hook(note("b")); m(x).sum().backward(); log, x.grad
m[1].register_full_backward_hook(note("b", (torch.ones(2, 3),)))
|m(x).sum().backward(); log, x.grad, first.weight.grad, m[2].weight.grad
m[1].register_full_backward_hook(note("b", [torch.ones(2, 3)]))
|m(x).sum().backward(); log, x.grad
for n in "abc": first.register_full_backward_hook(note(n), prepend=n == "b")
|m(x).sum().backward(); [entry[0] for entry in log]
for n in "abc": first.register_full_backward_pre_hook(note(n), prepend=n == "b")
|m(x).sum().backward(); [entry[0] for entry in log]
m[1].register_full_backward_hook(note("a", (torch.ones(2, 3),)))
|m[1].register_full_backward_hook(note("b")); m(x).sum().backward(); log, x.grad
h = first.register_full_backward_hook(note("b")); h.remove(); m(x).sum().backward(); log
h = first.register_full_backward_hook(note("b")); y = m(x); h.remove(); y.sum().backward(); log
with first.register_full_backward_hook(note("b")): y = m(x)
|y.sum().backward(retain_graph=True); y.sum().backward(); log, x.grad
first.register_full_backward_pre_hook(note("p")); m(x).sum().backward(); log, x.grad
m[1].register_full_backward_pre_hook(note("p", (torch.ones(2, 3),)))
|m[1].register_full_backward_hook(note("b")); m(x).sum().backward(); log, x.grad
t = Two(); t.register_full_backward_hook(note("b")); b = torch.full((2, 2), 3.0, requires_grad=True)
|p, q = t(x, b); (p * 2 + q).sum().backward(); log, x.grad, b.grad
t = Two(); t.register_full_backward_hook(note("b", (torch.ones(2, 2), torch.zeros(2, 2))))
|b = torch.full((2, 2), 3.0, requires_grad=True)
|p, q = t(x, b); (p * 2 + q).sum().backward(); x.grad, b.grad
t = Two(); t.register_full_backward_pre_hook(note("p", (torch.ones(2, 2), torch.zeros(2, 2))))
|b = torch.full((2, 2), 3.0, requires_grad=True)
|p, q = t(x, b); (p * 2 + q).sum().backward(); log, x.grad, b.grad
t = Two(); t.register_full_backward_hook(note("b"))
|b = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
|p, q = t(x, b); (p * 2 + q).sum().backward(); log, x.grad, b.grad
class Part(nn.Module):
|    def forward(self, a, b): return a * 2
|t = Part(); t.register_full_backward_hook(note("b")); b = torch.ones(1, requires_grad=True)
|t(x, b).sum().backward(); log, x.grad
first.register_full_backward_hook(note("b")); m(x.detach()).sum().backward(); log
first.register_full_backward_hook(note("b", (None,))); m(x.detach()).sum().backward(); len(log)
first.register_full_backward_hook(note("b", (x,))); m(x.detach()).sum().backward()
first.register_full_backward_pre_hook(note("p")); m(x.detach()).sum().backward(); log
first.register_full_backward_hook(note("b", (x, x))); m(x).sum().backward()
first.register_full_backward_pre_hook(note("b", (x, x))); m(x).sum().backward()
first.register_full_backward_hook(note("b")); m.requires_grad_(False); m(x.detach()); log
first.register_full_backward_hook(note("b"))
|with torch.no_grad(): y = m(x)
|y.requires_grad, log
first.register_full_backward_hook(note("b"))
|g, = torch.autograd.grad((m(x) ** 2).sum(), x, create_graph=True)
|len(log), g.detach(), torch.autograd.grad((g * g).sum(), x)
m[1].register_full_backward_hook(note("b"))
|torch.autograd.grad(m(x).sum(), first.weight), log
class Table(nn.Module):
|    def forward(self, a): return {"y": a * 2}
|t = Table(); t.register_full_backward_hook(note("b")); t(x)["y"].sum().backward(); log, x.grad
class Pair(nn.Module):
|    def forward(self, a): return a * 2, "text", a.detach()
|t = Pair(); t.register_full_backward_hook(note("b")); y = t(x); y[0].sum().backward()
|log, x.grad, y[1]
i = nn.Identity(); i.register_full_backward_hook(note("b")); y = i(x); y.sum().backward()
|log, y is x, x.grad
i = nn.Identity(); i.register_full_backward_hook(note("b"))
|i(torch.tensor(3.0, requires_grad=True)).backward(); log
f = Fails(); f.register_full_backward_hook(note("b")); f(x)
first.register_full_backward_hook(lambda module, into, out: 1 / 0); m(x).sum().backward()
""")
def test_backward(code: str) -> None:
    check(BACKWARD + code)


@pytest.mark.needs_torch
@snippets("""
t = Two(); t.register_full_backward_hook(note("b")); p, q = t(x, torch.full((2, 2), 3.0))
|(p * 2 + q).sum().backward(); log, x.grad
t = Two(); t.register_full_backward_hook(note("b")); p, q = t(x, 3.0); p.sum().backward()
|log, x.grad
t = Two(); t.register_full_backward_hook(note("b")); p, q = t(x, b=x); q.sum().backward()
|log, x.grad
from collections import namedtuple
|P = namedtuple("P", "a b")
|class Named(nn.Module):
|    def forward(self, x): return P(x * 2, x * 3)
|t = Named(); t.register_full_backward_hook(note("b")); y = t(x); y.b.sum().backward()
|type(y).__name__, log, x.grad
t = Two(); t.register_full_backward_hook(note("b")); b = torch.ones(2, 1, requires_grad=True)
|p, q = t(x, b); p.sum().backward(); log, x.grad, b.grad
""")
def test_backward_where_a_gradient_is_missing(code: str) -> None:
    """torch's hook sees zeros for an input that requires no grad, None for an output not used."""
    check(BACKWARD + code)


def double(module: Any, args: Any, output: Any) -> Any:
    return output * 2


def test_hooks_are_kept_by_copies_and_pickles() -> None:
    layer = nn.Linear(2, 1)
    x = tg.ones(1, 2)
    plain = layer(x)
    layer.register_forward_hook(double)
    for twin in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert tg.equal(twin(x), plain * 2)


def test_no_hook_leaves_nothing_behind() -> None:
    """A module that never had a hook carries none."""
    layer = nn.Linear(2, 1)
    assert vars(layer)["_Hooked__hooks"] is None
    layer.register_forward_hook(double).remove()
    assert layer(tg.ones(1, 2)).shape == (1, 1)


def test_a_hook_does_not_keep_its_graph() -> None:
    layer = nn.ReLU()
    layer.register_full_backward_hook(lambda module, grad_input, grad_output: None)
    gc.disable()
    try:
        x = tg.ones(2, requires_grad=True)
        y = layer(x)
        y.sum().backward()
        gone = weakref.ref(y.grad_fn)
        del y
        assert gone() is None
    finally:
        gc.enable()


def test_a_hooked_layer_may_work_in_place() -> None:
    """torch's refuses to; here it works on a copy."""
    x = tg.tensor([-1.0, 2.0], requires_grad=True)
    relu = nn.ReLU(inplace=True)
    seen: list[Any] = []
    relu.register_full_backward_hook(lambda *given: seen.append(given[1:]))
    (relu(x * 3).mul_(2)).sum().backward()
    assert x.grad.tolist() == [0, 6]
    assert [[g.tolist() for g in pair] for pair in seen[0]] == [[[0, 2]], [[2, 2]]]


def test_hooks_change_no_bit() -> None:
    """A hook that answers nothing leaves values and gradients as they are."""
    results = []
    for hooked in (False, True):
        tg.manual_seed(0)
        m = nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 1))
        x = tg.randn(800, 10, requires_grad=True)
        if hooked:
            for layer in m.modules():
                layer.register_full_backward_hook(lambda *given: None)
        y = m(x)
        (y * y).sum().backward()
        results.append([y, x.grad, *[p.grad for p in m.parameters()]])
    assert all(tg.equal(a, b) for a, b in zip(*results, strict=True))

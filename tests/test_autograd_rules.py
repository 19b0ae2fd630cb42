"""What autograd promises beside right derivatives: when it refuses, keeps, frees, adds and calls.

The derivatives themselves are tests/laws. Every snippet starts with a leaf ``x`` of two ones.
"""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest
from parity import check, snippets

import tinygrad_cls as tg

LEAF = "x = torch.ones(2, requires_grad=True)\n"

# --- backward ---------------------------------------------------------------------------------


@snippets("""
(x * 2).sum().backward(); x.grad
x.backward(torch.tensor([1.0, 2.0])); x.backward(torch.ones(2)); x.grad
w = torch.tensor(2.0, requires_grad=True); (w * w).backward(); (w * w).backward(); w.grad
w = torch.tensor(2.0, requires_grad=True); (w * w).backward(); w.grad.zero_(); w.grad
x.sum().backward(torch.tensor(3.0)); x.grad
(x * 2).backward(torch.tensor([1.0, 2.0])); x.grad
(x * 2).backward(gradient=torch.tensor([1.0, 2.0])); x.grad
(x * 2).backward(torch.tensor([1, 2])); x.grad
(x * 2).backward(torch.tensor([1.0, 2.0], dtype=torch.float64)); x.grad
y = x[:1] * 2; y.backward(); x.grad
y = x[:1, None] * 2; y.backward(torch.tensor(1.0)); x.grad
y = torch.tensor(2.0, requires_grad=True); y.backward(); y.grad
(x + x).sum().backward(); x.grad
w = torch.ones(2, requires_grad=True); (x + w).sum().backward(); x.grad += 1; [x.grad, w.grad]
x.sum().backward(); g = x.grad; (x * x).sum().backward(); [g is x.grad, g]
x.sum().backward(); g = x.grad; x.grad = None; x.sum().backward(); [g is x.grad, g, x.grad]
y = (x * 2).sum(); y.backward(); [y.grad_fn is None, y.requires_grad, x.grad.grad_fn]
torch.autograd.backward([x.sum(), (2 * x).sum()]); x.grad
torch.autograd.backward([x, 2 * x], [torch.ones(2), torch.ones(2)]); x.grad
torch.autograd.backward([x.sum(), 2 * x], [None, torch.ones(2)]); x.grad
torch.autograd.backward(x.sum()); x.grad
""")
def test_backward(code):
    check(LEAF + code)


@snippets("""
x.backward()
(x * 2).backward()
(x * 2).backward(torch.ones(3))
(x * 2).sum().backward(torch.ones(2))
(x * 2).backward([1.0, 1.0])
(x * 2).sum().backward(retain=True)
x.detach().backward()
x.detach().sum().backward()
torch.ones(2).sum().backward()
torch.tensor(1).backward()
with torch.no_grad(): y = (x * 2).sum()
|y.backward()
torch.autograd.backward([x.sum(), x.sum()], [torch.tensor(1.0)])
""")
def test_backward_refuses(code):
    check(LEAF + code)


# Whether a second pass is possible depends on whether a node of the first saved a value.
@snippets("""
x + 1
x - 3
-x
x * 2
2 * x
x / 2
2 / x
x * x
x ** 2
x ** 1
x.exp()
x.log()
x.relu()
x.abs()
x.clone()
x.double()
x.view(2, 1)
(x - 3).reshape(1, 2).T.expand(2, 3)
x.unsqueeze(0).squeeze()
x[0]
x[:1]
torch.cat([x, x])
torch.stack([x, x])
x.split(1)[0]
x.mean()
x.max()
x.max(0)[0]
x.softmax(0)
x.clamp(0, 1)
x.where(x > 0, 0)
torch.where(x > 0, x, 0)
x.masked_fill(x > 3, 0)
x.maximum(torch.zeros(2))
x.sum() + x.sum()
x @ x
x @ torch.ones(2)
F.linear(x, torch.ones(1, 2))
F.binary_cross_entropy_with_logits(x, torch.ones(2))
""")
def test_backward_twice(code):
    check(f"{LEAF}y = ({code}).sum()\ny.backward()\ny.backward()\nx.grad")


@snippets("""
y = x.exp().sum(); y.backward(retain_graph=True); y.backward(); x.grad
y = x.exp().sum(); y.backward(retain_graph=True)
|y.backward(retain_graph=True); y.backward(); x.grad
y = x.exp().sum(); y.backward(retain_graph=True); y.backward(); y.backward()
y = x.exp(); z = y.sum(); w = (y * 2).sum(); z.backward(); w.backward()
y = x.exp(); z = y.sum(); w = (y * 2).sum(); z.backward(retain_graph=True); w.backward(); x.grad
y = x.exp().sum(); y.backward(); torch.autograd.grad(y, x)
y = x.exp().sum(); y.backward(create_graph=True); y.backward(); x.grad
""")
def test_retain_graph(code):
    check(LEAF + code, warned=False)


@snippets("""
w = torch.ones(2, requires_grad=True); (x * w).sum().backward(inputs=[x]); [x.grad, w.grad]
w = torch.ones(2, requires_grad=True); (x * w).sum().backward(inputs=x); [x.grad, w.grad]
w = torch.ones(2, requires_grad=True); x.sum().backward(inputs=[x, w]); [x.grad, w.grad]
y = x * 2; (y * y).sum().backward(inputs=[y]); [x.grad, y.grad]
y = x * 2; (y * y).sum().backward(inputs=[x, y]); [x.grad, y.grad]
(x * 2).sum().backward(inputs=[])
(x * 2).sum().backward(inputs=[torch.ones(2)])  # type
(x * 2).sum().backward(inputs=3)  # type
""")
def test_inputs(code):
    check(LEAF + code)


# --- autograd.grad ----------------------------------------------------------------------------


@snippets("""
g, = torch.autograd.grad((x ** 3).sum(), x); [g, g.requires_grad, x.grad]
torch.autograd.grad(x * 2, x, torch.tensor([1.0, 3.0]))
torch.autograd.grad((x * 2).sum(), x, grad_outputs=torch.tensor(3.0))
torch.autograd.grad([x.sum(), (x * 2).sum()], x)
torch.autograd.grad([x * 1, x * 2], x, [torch.ones(2), torch.ones(2)])
torch.autograd.grad((x.sum(), x.sum()), (x,))
torch.autograd.grad(x.sum(), (x, x))
torch.autograd.grad(x.sum(), [x])
y = x * 2; z = (y * y).sum(); torch.autograd.grad(z, [x, y])
y = x * 2; z = (y * y).sum(); torch.autograd.grad(z, y)
y = torch.tensor(2.0, requires_grad=True); torch.autograd.grad(y, y)
y = x.exp().sum(); torch.autograd.grad(y, x, retain_graph=True); torch.autograd.grad(y, x)
w = torch.ones(2, requires_grad=True); torch.autograd.grad(x.sum(), [x, w], allow_unused=True)
w = torch.ones(2, requires_grad=True); torch.autograd.grad(x.sum(), [x, w], materialize_grads=True)
y = x * 2; torch.autograd.grad(y.sum(), x), torch.autograd.grad(x.sum(), x)
x.sum().backward(); [torch.autograd.grad((x * 5).sum(), x), x.grad]
y = x.exp().sum(); torch.autograd.grad(y, x); torch.autograd.grad(y, x)
w = torch.ones(2, requires_grad=True); torch.autograd.grad(x.sum(), w)
w = torch.ones(2, requires_grad=True); torch.autograd.grad(x.sum(), [x, w])
w = torch.ones(2, requires_grad=True)
|torch.autograd.grad(x.sum(), [x, w], materialize_grads=True, allow_unused=False)
torch.autograd.grad(torch.ones(2).sum(), x)
torch.autograd.grad(torch.ones(2).sum(), torch.ones(2))  # type
torch.autograd.grad(x.sum(), torch.ones(2))
torch.autograd.grad(x * 2, x)
torch.autograd.grad((x * 2).sum(), [])
torch.autograd.grad((x * 2).sum())
torch.autograd.grad((x * 2).sum(), 3)  # type
torch.autograd.grad(3, x)  # type
torch.autograd.grad(x * 2, x, torch.ones(3))
torch.autograd.grad([x.sum(), x.sum()], x, [torch.tensor(1.0)])
""")
def test_grad(code):
    check(LEAF + code)


@snippets("""
g, = torch.autograd.grad((x ** 3).sum(), x, create_graph=True)
|[g, torch.autograd.grad(g.sum(), x)[0]]
y = (x ** 4).sum()
|for _ in range(4): y = torch.autograd.grad(y, x, create_graph=True)[0].sum()
|y
g, = torch.autograd.grad((x * 2).sum(), x, create_graph=True); g
g, = torch.autograd.grad((x ** 3).sum(), x, create_graph=True); (g ** 2).sum().backward(); x.grad
with torch.no_grad(): g, = torch.autograd.grad((x ** 3).sum(), x, create_graph=True)
|g
y = (x ** 3).sum()
|with torch.no_grad(): g, = torch.autograd.grad(y, x, create_graph=True)
|g
(x * x).sum().backward(create_graph=True); [x.grad, x.grad.requires_grad]
(x * x).sum().backward(create_graph=True); g = x.grad; x.grad = None; g.sum().backward(); x.grad
(x ** 3).sum().backward(create_graph=True); (x ** 2).sum().backward(); x.grad
g, = torch.autograd.grad(x.exp().sum(), x, create_graph=True, retain_graph=False)
|g.sum().backward()
""")
def test_create_graph(code):
    check(LEAF + code, warned=False)  # torch advises against backward(create_graph=True)


# --- gradients of tensors in between, and hooks -----------------------------------------------


@snippets("""
y = x * 2; y.retain_grad(); (y * y).sum().backward(); [x.grad, y.grad, y.retains_grad]
y = x * 2; y.retain_grad(); (y * y).sum().backward(); [x.retains_grad]
y = x * 2; y.sum().backward(); y.grad
(x * 2).grad
x.retain_grad(); x.sum().backward(); [x.grad, x.retains_grad]
y = x * 2; y.retain_grad(); y.retain_grad(); z = y.sum()
|z.backward(retain_graph=True); z.backward(); y.grad
y = x * 2; y.retain_grad(); torch.autograd.grad((y * y).sum(), x); y.grad
torch.ones(2).retain_grad()
""")
def test_retain_grad(code):
    check(LEAF + code)


@snippets("""
h = x.register_hook(lambda g: g * 10); x.sum().backward(); h.remove(); x.sum().backward(); x.grad
x.register_hook(lambda g: None); x.sum().backward(); x.grad
x.register_hook(lambda g: g + 1); x.register_hook(lambda g: g * 10); x.sum().backward(); x.grad
seen = []; x.register_hook(lambda g: seen.append(g)); (x * x + x).sum().backward(); [x.grad, seen]
seen = []; x.register_hook(seen.append); x.sum().backward(); x.sum().backward(); [x.grad, seen]
x.register_hook(lambda g: g * 10); torch.autograd.grad((x * 2).sum(), x)
h = x.register_hook(lambda g: g * 10); h.remove(); h.remove(); x.sum().backward(); x.grad
a = x.register_hook(lambda g: g + 1); x.register_hook(lambda g: g * 10)
|a.remove(); x.sum().backward(); x.grad
y = x * 2; y.register_hook(lambda g: g * 10); y.sum().backward(); x.grad
y = x * 2; h = y.register_hook(lambda g: g * 10); h.remove(); y.sum().backward(); x.grad
y = x * 2; y.register_hook(lambda g: g + 1)
|y.register_hook(lambda g: g * 10); y.sum().backward(); x.grad
y = x * 2; y.register_hook(lambda g: g * 10); y.retain_grad(); y.sum().backward(); [x.grad, y.grad]
y = x * 2; y.retain_grad(); y.register_hook(lambda g: g * 10); y.sum().backward(); [x.grad, y.grad]
y = x * 2; y.register_hook(lambda g: g * 10); torch.autograd.grad((y * y).sum(), [y, x])
y = x * 2; seen = []; y.register_hook(lambda g: seen.append(g)); (y * y + y).sum().backward(); seen
y = x * 2; y.register_hook(lambda g: g * 0 + 7); (y * y).sum().backward(); x.grad
x.register_hook(lambda g: 3.0); x.sum().backward()
x.register_hook(lambda g: torch.ones(3)); x.sum().backward()
x.register_hook(lambda g: g.double()); x.sum().backward()
x.register_hook(lambda g: 1 / 0); x.sum().backward()
torch.ones(2).register_hook(print)
x.detach().register_hook(print)
""")
def test_hooks(code):
    check(LEAF + code)


# Where a gradient asked for, hooks and retain_grad meet: torch takes the gradient before the hooks
# of its tensor where the pass goes on from there, and after them where it ends there.
@snippets("""
y = x * 2; y.register_hook(lambda g: g * 10); torch.autograd.grad((y * y).sum(), y)
y = x * 2; y.register_hook(lambda g: g * 10); torch.autograd.grad((y * y).sum(), [x, y])
y = x * 2; y.register_hook(lambda g: g * 10); torch.autograd.grad(y, y, torch.ones(2))
y = x * 2; y.register_hook(lambda g: g * 10); y.retain_grad()
|[torch.autograd.grad((y * y).sum(), y), y.grad]
y = x * 2; y.retain_grad(); y.register_hook(lambda g: g * 10)
|[torch.autograd.grad((y * y).sum(), y), y.grad]
y = x * 2; y.retain_grad(); y.register_hook(lambda g: g * 10)
|[torch.autograd.grad((y * y).sum(), [y, x]), y.grad]
y = x * 2; y.register_hook(lambda g: g * 10); (y * y).sum().backward(inputs=[y])
|[y.grad, x.grad, y.retains_grad]
y = x * 2; y.register_hook(lambda g: g * 10); (y * y).sum().backward(inputs=[y, x])
|[y.grad, x.grad]
y = x * 2; y.retain_grad(); y.register_hook(lambda g: g * 10); (y * y).sum().backward(inputs=[y])
|[y.grad, x.grad]
y = x * 2; z = y.exp(); z.sum().backward(inputs=[y]); z.grad
x.register_hook(lambda g: g * 10); (x * x).sum().backward(inputs=[x]); x.grad
x.register_hook(lambda g: g * 10); torch.autograd.grad((x * x).sum(), (x, x))
y = x * 2; y.register_hook(lambda g: g * 10); z = y.exp(); z.register_hook(lambda g: g + 1)
|z.retain_grad(); [torch.autograd.grad(z.sum(), [z, y, x]), z.grad]
y = x * 2; y.register_hook(lambda g: g * g)
|g, = torch.autograd.grad((y ** 3).sum(), y, create_graph=True)
|[g, torch.autograd.grad(g.sum(), x)]
y = x * 2; y.retain_grad(); g, = torch.autograd.grad((y ** 3).sum(), y, create_graph=True)
|[g, y.grad]
y = x * 2; y.retain_grad(); y.register_hook(lambda g: g * 2); y.register_hook(lambda g: g + 1)
|y.retain_grad(); (y * y).sum().backward(); [x.grad, y.grad]
y = x * 2; y.retain_grad(); y.mul_(3); y.register_hook(lambda g: g * 2); y.sum().backward()
|[x.grad, y.grad]
y = x * 2; y.register_hook(lambda g: g * 2); y.mul_(3); y.register_hook(lambda g: g + 1)
|y.sum().backward(); x.grad
# where the pass ends, nothing is used up
y = x.exp(); g = torch.autograd.grad(y.sum(), y); y.sum().backward(); [g, x.grad]
y = x.exp(); y.sum().backward(); torch.autograd.grad((y * 1).sum(), y)
y = x.exp(); z = x.log(); g = torch.autograd.grad([y.sum(), z.sum()], z)
|(y + z).sum().backward(); x.grad
""")
def test_gradients_in_between(code):
    check(LEAF + code)


# --- modes ------------------------------------------------------------------------------------


@snippets("""
with torch.no_grad(): y = x * 2
|[y, y.grad_fn]
with torch.no_grad(): y = torch.ones(2, requires_grad=True)
|[y, (y * 2).requires_grad]
with torch.no_grad():
    with torch.enable_grad(): y = x * 2
    z = x * 2
|[y, z]
with torch.no_grad() as y: pass
|y
with torch.no_grad(): x += 1; x.mul_(3); x[0] = 7
|[x, x._version]
with torch.no_grad(): x.zero_()
|(x * 2).sum().backward(); [x, x.grad, x._version]
torch.set_grad_enabled(False); y = torch.is_grad_enabled()
|torch.set_grad_enabled(True); [y, torch.is_grad_enabled()]
with torch.set_grad_enabled(False): y = torch.is_grad_enabled()
|[y, torch.is_grad_enabled()]
with torch.no_grad():
    with torch.set_grad_enabled(True): y = torch.is_grad_enabled()
    z = torch.is_grad_enabled()
|[y, z, torch.is_grad_enabled()]
@torch.no_grad()
|def f(): return torch.is_grad_enabled()
|[f(), torch.is_grad_enabled(), f.__name__, f()]
@torch.no_grad
|def f(): return torch.is_grad_enabled()
|[f(), torch.is_grad_enabled(), f.__name__]
@torch.enable_grad()
|def f(): return torch.is_grad_enabled()
|with torch.no_grad(): y = f()
|y
@torch.no_grad()
|def f(n): return [torch.is_grad_enabled()] + (f(n - 1) if n else [])
|[f(2), torch.is_grad_enabled()]
@torch.set_grad_enabled(False)
|def f(): return torch.is_grad_enabled()
|[f(), torch.is_grad_enabled(), f()]
@torch.no_grad()
|def f(): raise ValueError("inside")
|try: f()
|except ValueError: pass
|torch.is_grad_enabled()
try:
    with torch.no_grad(): raise ValueError("inside")
|except ValueError: pass
|torch.is_grad_enabled()
class A:
    @torch.no_grad()
    def f(self, n): return [n, torch.is_grad_enabled()]
|A().f(n=3)
with torch.inference_mode(): y = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
|[y, torch.is_grad_enabled(), torch.is_inference_mode_enabled()]
with torch.inference_mode(False): y = [torch.is_grad_enabled(), torch.is_inference_mode_enabled()]
|y
with torch.inference_mode():
    with torch.inference_mode(False): y = [torch.is_grad_enabled(), torch.ones(2).is_inference()]
|y
with torch.no_grad():
    with torch.inference_mode(False): y = torch.is_grad_enabled()
|y
with torch.no_grad(), torch.inference_mode(): y = torch.is_inference_mode_enabled()
|[y, torch.is_grad_enabled(), torch.is_inference_mode_enabled()]
@torch.inference_mode()
|def f(): return torch.is_inference_mode_enabled()
|[f(), torch.is_inference_mode_enabled()]
@torch.inference_mode
|def f(): return torch.is_inference_mode_enabled()
|[f(), torch.is_inference_mode_enabled()]
@torch.inference_mode(mode=False)
|def f(): return torch.is_inference_mode_enabled()
|f()
torch.set_grad_enabled()
# a generator is in the mode while it runs, its user is not
@torch.no_grad()
|def f(): yield torch.is_grad_enabled(); yield torch.is_grad_enabled()
|r = []
|for v in f(): r += [v, torch.is_grad_enabled()]
|r
@torch.no_grad
|def f():
    with torch.enable_grad(): yield torch.is_grad_enabled(); yield torch.is_grad_enabled()
    yield torch.is_grad_enabled()
|r = []
|for v in f(): r += [v, torch.is_grad_enabled()]
|r
@torch.set_grad_enabled(False)
|def f(): yield torch.is_grad_enabled()
|[torch.is_grad_enabled(), *f(), torch.is_grad_enabled()]
@torch.inference_mode()
|def f(): yield torch.is_inference_mode_enabled(); return 3
|def h(): r = yield from f(); yield [r, torch.is_inference_mode_enabled()]
|list(h())
@torch.no_grad()
|def f():
    try: got = yield torch.is_grad_enabled(); yield [got, torch.is_grad_enabled()]
    except ValueError: yield ["caught", torch.is_grad_enabled()]
    finally: r.append(torch.is_grad_enabled())
|r = []; g = f(); r += [next(g), g.send(5)]
|r += [g.throw(ValueError("x")), torch.is_grad_enabled()]; g.close(); r += [torch.is_grad_enabled()]
|r
@torch.no_grad()
|def f(): yield 1; 1 / 0
|try: list(f())
|except ZeroDivisionError: pass
|torch.is_grad_enabled()
@torch.no_grad()
|def f(): yield 1; 1 / 0
|list(f())
""")
def test_modes(code):
    check(LEAF + code)


@snippets("""
with torch.inference_mode(): a = torch.ones(2); b = a * 2; b += 1
|[a.is_inference(), b.is_inference(), b]
with torch.inference_mode(): a = torch.ones(2)
|b = a * 2; [b.is_inference(), b, a.clone().is_inference(), a.requires_grad]
with torch.inference_mode(): a = torch.ones(2)
|(x + a).sum().backward(); x.grad
with torch.inference_mode(): a = torch.ones(2)
|(x * a.clone()).sum().backward(); x.grad
with torch.inference_mode(): a = torch.ones(2, requires_grad=True); b = a * 2
|[a.requires_grad, b.requires_grad, a.is_inference()]
with torch.inference_mode(): y = x * 2
|[y, y.is_inference(), y.grad_fn]
with torch.inference_mode(): a = torch.ones(2)
|a.view(2, 1).is_inference(), a.detach().is_inference(), a[0].is_inference()
a = torch.ones(2)
|with torch.inference_mode(): a += 1; v = a.view(2, 1)
|[a, a.is_inference(), v.is_inference(), a._version]
with torch.inference_mode(): x += 1
|x
with torch.inference_mode(): a = torch.ones(2)
|a += 1  # type
with torch.inference_mode(): a = torch.ones(2)
|a[0] = 3.0  # type
with torch.inference_mode(): a = torch.ones(2)
|a.requires_grad_()
with torch.inference_mode(): a = torch.ones(2)
|x * a
with torch.inference_mode(): a = torch.ones(2)
|a._version
with torch.inference_mode(): a = torch.ones(2)
|a.backward()
""")
def test_inference_mode(code):
    check(LEAF + code)


def test_modes_are_each_threads_own():
    seen = {}

    def work():
        seen["other"] = tg.is_grad_enabled(), tg.is_inference_mode_enabled()

    with tg.inference_mode():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        seen["this"] = tg.is_grad_enabled(), tg.is_inference_mode_enabled()
    assert seen == {"other": (True, False), "this": (False, True)}


def test_threads_go_backward_at_the_same_time():
    """On graphs of their own that share a leaf, read only; and a decorated function in each."""
    W = tg.rand(4, 4, requires_grad=True, dtype=tg.float64)
    found = [None] * 8

    @tg.no_grad()
    def evaluate(x):
        return (x @ W).requires_grad

    def work(i):
        x = tg.full((2, 4), float(i), dtype=tg.float64, requires_grad=True)
        for _ in range(20):
            x.grad = None
            ((x @ W).tanh() ** 2).sum().backward(inputs=[x])
            assert not evaluate(x)
        found[i] = x.grad

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, g in enumerate(found):
        x = tg.full((2, 4), float(i), dtype=tg.float64, requires_grad=True)
        ((x @ W).tanh() ** 2).sum().backward()
        assert tg.equal(g, x.grad)
    assert tg.is_grad_enabled()


# --- in place ---------------------------------------------------------------------------------


@snippets("""
y = x + 1; y += 1; y *= 3; y.sum().backward(); [x.grad, y]
y = x * 2; y.exp_(); y.sum().backward(); [x.grad, y.grad_fn is None]
y = x * 2; y.relu_(); y.sum().backward(); x.grad
y = x * 2; y.sigmoid_().tanh_(); y.sum().backward(); x.grad
y = x * 2; y[0] = 5.0; y.sum().backward(); [y, x.grad]
y = x * 2; y[0] = 5.0; y[0] = x[1] * 7; y.sum().backward(); [y, x.grad]
y = torch.zeros(2); y[0] = x[1] * 3; y.sum().backward(); [y, x.grad, y.is_leaf]
y = torch.zeros(2, 2); y[1] = x; y[:, 0] = x * 2; y.sum().backward(); [y, x.grad]
y = torch.zeros(2); y += x; y.sum().backward(); [y, x.grad]
y = torch.zeros(2); y.add_(x, alpha=3); y.sum().backward(); [y, x.grad]
y = torch.zeros(2); y.add_(x).mul_(x); y.sum().backward(); [y, x.grad]
y = torch.zeros(2); y.copy_(x); y.sum().backward(); [y, x.grad]
y = torch.zeros(3, 2); y.copy_(x); y.sum().backward(); [y, x.grad]
y = torch.zeros(2, dtype=torch.float64); y.copy_(x); y.sum().backward(); [y, x.grad]
y = x * 2; y.copy_(torch.ones(2)); y.sum().backward(); [y, x.grad]
y = x * 2; y.zero_(); y.sum().backward(); [y, x.grad]
y = x * 2; y.fill_(3.0); y.sum().backward(); [y, x.grad]
y = x * 2; y.masked_fill_(torch.tensor([True, False]), 9.0); y.sum().backward(); [y, x.grad]
y = x * 2; y.clamp_(max=1.0); y.sum().backward(); [y, x.grad]
y = x * 2; y.clamp_(0, 5); y.sum().backward(); [y, x.grad]
y = x * x; y += 1; y.sum().backward(); [y, x.grad]
y = x * 2; z = y + 1; y += 1; (y + z).sum().backward(); x.grad
y = x * 2; y.detach_(); [y.requires_grad, y.is_leaf, y.grad_fn]
w = torch.ones(2); y = x + w; w += 1; y.sum().backward(); x.grad
w = torch.ones(2); w.requires_grad_(); y = w * 2; y.requires_grad_(); [y.requires_grad, y.is_leaf]
a = torch.ones(2); a += 1; v = a.view(2, 1); v += 1; a.add_(1)
|[a._version, v._version, a.detach()._version]
a = torch.ones(2); a[0] = 5; a.zero_(); a._version
a = torch.zeros(2); b = a.fill_(2); c = a.add_(1).mul_(3).sub_(1).div_(2); [a, b is a, c is a]
a = torch.ones(3); a **= 2; a //= 2; a %= 3; a
a = torch.tensor([True, False]); a &= torch.tensor([True, True]); a |= False; a ^= True; a
a = torch.tensor([5, 6]); a &= 4; a
a = torch.tensor([-1.0, 2.0]); [a.relu_(), a.abs_(), a.neg_(), a.exp_()]
a = torch.tensor([-1.0, 2.0]); [a.sqrt_(), a.round_(), a.floor_()]
a = torch.zeros(3); a.masked_fill_(torch.tensor([True, False, True]), 2.0); a
a = torch.zeros(2); a.fill_(torch.tensor(3.0)); a
""")
def test_in_place(code):
    check(LEAF + code)


@snippets("""
x += 1
x.zero_()
x.mul_(2)
x.fill_(1.0)
x.copy_(torch.zeros(2))
x.exp_()
x[0] = 5.0
x[0].add_(1)
x[0] += 1
x.view(2, 1).fill_(1)
x[None].T.mul_(2)
x[:1].zero_()
y = x * 2; y.requires_grad = False
y = x * 2; y.requires_grad_(False)
torch.exp(x, out=torch.zeros(2))
torch.tensor([1, 2]).requires_grad_()
a = torch.tensor([1, 2]); a.requires_grad = True
torch.arange(3, requires_grad=True)
a = torch.tensor([1]); a += 0.5
a = torch.tensor([1]); a /= 2
a = torch.tensor([True]); a += 1
a = torch.tensor([1]); a += torch.tensor([1.5])
a = torch.zeros(2); a += torch.zeros(3)
a = torch.zeros(2); a += torch.zeros(1, 2)
a = torch.zeros(1).expand(3); a += 1
a = torch.zeros(2); a.copy_(torch.zeros(3))
a = torch.zeros(2); a.fill_(torch.zeros(2))
a = torch.zeros(2, dtype=torch.long); a.fill_(math.nan)
""")
def test_in_place_refuses(code):
    check(LEAF + code)


@snippets("""
y = x.exp(); y += 1; y.sum().backward()
y = x.sigmoid(); y[0] = 0.0; y.sum().backward()
y = x.exp(); z = y * y; y.zero_(); z.sum().backward()  # type
y = x * 1; z = y * y; y += 1; z.sum().backward()  # type
y = x * 1; z = y * y; y.add_(1).add_(1); z.sum().backward()  # type
y = x.double().exp(); y += 1; y.sum().backward()
w = torch.ones(2); y = x * w; w += 1; y.sum().backward()
w = torch.ones(2); y = x * w; w[0] = 3; y.sum().backward()
w = torch.ones(2); y = x * w; w.view(-1)[0] = 3; y.sum().backward()
w = torch.ones(2); y = x * w; w.detach().add_(1); y.sum().backward()
y = x * x
|with torch.no_grad(): x += 1
|y.sum().backward()
y = x ** 2
|with torch.no_grad(): x[0] = 3
|torch.autograd.grad(y.sum(), x)
y = x.exp()
|with torch.no_grad(): y += 1
|y.sum().backward()
y = torch.ones(2, 2) @ x
|with torch.no_grad(): x.mul_(2)
|y.sum().backward(); x.grad
""")
def test_stale_values(code):
    check(LEAF + code)


def test_data_does_not_escape_the_check_of_stale_values():
    """PyTorch misses a write through ``.data`` and computes a wrong gradient; here it raises."""
    x = tg.ones(2, requires_grad=True)
    y = x.exp()
    y.data[0] = 5.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


IN_PLACE_ON_VIEWS = """
y = x * 2; y.view(-1).add_(1)
y = x * 2; y[0].mul_(3)
y = x * 2; y[0] += x[1]
y = x * 2; y[:1].zero_()
y = torch.zeros(2, 2); y[0].add_(x)
y = torch.zeros(2, 2); y.T.copy_(x)
"""


@pytest.mark.parametrize("code", IN_PLACE_ON_VIEWS.strip().splitlines())
def test_in_place_on_a_view_that_requires_grad(code):
    """PyTorch rewrites the base's history; this engine says that it does not, and what to do."""
    names = {"torch": tg, "x": tg.ones(2, requires_grad=True)}
    body, _, last = code.rpartition("; ")
    exec(body, names)
    with pytest.raises(RuntimeError, match=r"in-place operation on a view.*(where|cat)"):
        exec(last, names)


@pytest.mark.parametrize("read", [lambda v: v.sum().backward(), lambda v: (v * 2).sum().backward()])
def test_a_view_from_before_a_recorded_write(read):
    """PyTorch gives it a new history; this engine refuses it and says how to go on."""
    x = tg.ones(2, requires_grad=True)
    y = x * 1
    v = y[:1]
    y *= 2
    with pytest.raises(RuntimeError, match="take the view again after the write"):
        read(v)
    y[:1].sum().backward()
    assert x.grad.tolist() == [2.0, 0.0]


# --- .data, detach, .grad ---------------------------------------------------------------------


@snippets("""
d = x.detach(); d += 1; [x, d, d.requires_grad, d.grad_fn, x._version]
d = x.data; d += 1; [x, d.requires_grad]
x.data.sub_(0.5); x.data -= 1; x
x.data *= 3; (x * 2).sum().backward(); [x, x.grad]
x.data[0] = 7; x
x.data = torch.zeros(3); [x, x.requires_grad, x.is_leaf]
y = torch.zeros(2); x.data = y; y += 1; x
x.data.fill_(2.0); x.data.copy_(torch.tensor([3.0, 4.0])); x
x.grad = torch.tensor([1.0, 2.0]); x.sum().backward(); x.grad
g = torch.tensor([1.0, 2.0]); x.grad = g; x.grad is g
x.sum().backward(); x.grad.zero_(); x.grad
x.sum().backward(); x.grad *= 3; x.grad.data.add_(1); x.grad
a = torch.ones(2); a.grad = torch.ones(2); a.grad
x.grad = None; x.grad
x.sum().backward(); x.grad.requires_grad, x.grad.is_leaf
x.data = 3
x.grad = torch.ones(3)
x.grad = torch.ones(2, dtype=torch.float64)
x.grad = 1.0
x.grad.zero_()
x.grad_fn = None  # type
""")
def test_data_and_grad(code):
    check(LEAF + code)


@snippets("""
y = x * 2; [y.requires_grad, y.is_leaf, y.grad_fn is None, x.is_leaf, x.grad_fn]
(x * 2).grad_fn.name(), (x + 1).grad_fn.name()
f = (x * 2).sum().grad_fn; [n[0].name() for n in f.next_functions]
[x.argmax().requires_grad, (x > 0).requires_grad]
[x.long().requires_grad, x.long().is_leaf, x.sign().requires_grad]
[torch.ones(2).requires_grad, (torch.ones(2) * x).requires_grad, (torch.ones(2) * 2).grad_fn]
[torch.zeros_like(x).requires_grad, torch.rand_like(x).requires_grad, x.detach().is_leaf]
[y.requires_grad for y in (x.clone(), x.data, x.float(), x.double(), x[0], x[None].T)]
[y.requires_grad for y in (x.isnan(), x.round(), x.floor(), x.sign(), x.argsort(), x.any())]
[x.sort().indices.requires_grad, x.max(0).indices.requires_grad, x.max(0).values.requires_grad]
""")
def test_history(code):
    check(LEAF + code)


@pytest.mark.needs_torch
def test_names():
    """Of the ops of which torch has several, by what they were given."""
    check("""
x = torch.ones(2, 3, requires_grad=True)
[y.grad_fn.name() for y in (
    x.sum(), x.sum(1), x.sum((0, 1)), x.mean(), x.mean(0), x.amax(1), x.var(), x.std(), x.norm(),
    x[0], x[0, 1], x[:1], x[..., 0], x[:, 1:], x[:, 0], x[None], x[[0, 1]], x[x > 0], x[:],
    x[1, 1:], x[1:, 0], x[::2], x[None, 0], x + 1, x - 1, x * 2, x / 2, x ** 2, -x, x.abs(),
    x.exp(), x.log(), x.relu(), x.sigmoid(), x.tanh(), x @ x.T, x.T, x.view(6), x.flatten(),
    x.clone(), x.double(), x.expand(2, 2, 3), x.masked_fill(x > 0, 0), torch.where(x > 0, x, 0),
    torch.cat([x, x]), x.softmax(1), x.log_softmax(1), F.linear(x, x, x[:, 0]),
    F.cross_entropy(x, torch.tensor([0, 1])),
)]
""")


# --- copies -----------------------------------------------------------------------------------


@snippets("""
x.sum().backward(); y = copy.deepcopy(x); y.grad += 1
|y.data += 1; [y, x, x.grad, y.grad, y.is_leaf]
y = pickle.loads(pickle.dumps(x)); [y, y.grad, y.is_leaf]
y = copy.copy(x); [y, y is x, y.requires_grad]
a = torch.ones(2); b = copy.deepcopy([a, a]); [b[0] is b[1], b[0] is a]
a = torch.ones(2); b = pickle.loads(pickle.dumps([a, a])); b[0] is b[1]
a = torch.arange(6).reshape(2, 3).T; [pickle.loads(pickle.dumps(a)), copy.deepcopy(a)]
a = torch.ones(2); a.extra = 5; copy.deepcopy(a).tolist()
y = copy.deepcopy(x.detach() * 2); y
a = nn.Parameter(torch.ones(2)); [copy.deepcopy(a), pickle.loads(pickle.dumps(a))]
copy.deepcopy(x * 2)
""")
def test_copies(code):
    check(LEAF + code)


# --- memory: views behave as if every result lay in C order -----------------------------------


@snippets("""
v = a.view(-1); v[:] = 0; a.sum()
v = a.reshape(10, 800); v[0] = 0; [a[0], a[79], a[80], a.stride(), a.is_contiguous()]
a.T[0] = 7.0; a[:3]
a.detach()[5] = 7.0; a[4:7]
a.data[5] = 7.0; a[4:7]
a.numpy()[5] = 7.0; [a[4:7], a.numpy().strides, a.numpy().flags.c_contiguous]
n = np.asarray(a); n[5] = 7.0; a[4:7]
a[5][2] = 7.0; a[4:7]
a[5, 2].fill_(7.0); a[4:7]
a[:, 3] += 1; v = a.view(-1); v[3] = -1; a[:3]
v = a.view(800, 5, 2); v[5] += 1; w = a.reshape(-1); w[50] = 0; [a[4:7], v[4:7]]
t = a.T; a.view(-1)[3] = 99.0; [t[:, 0], t.stride(), t.is_contiguous()]
n = a.numpy(); v = a.view(-1); n[0] = 3; v[10] = 4; a += 1; [a[:2], v[:12], n[:2]]
d = a.detach(); t = a.T; d.view(-1)[1] = 5; t[2] = 6; [a[:3], d[:3]]
b = a + 1; v = b.view(-1); v[:10] = 0; [b[:2], b.stride()]
b = a.relu(); v = b.flatten(); v[:10] = 0; [b[:2], b.stride(), b.is_contiguous()]
b = a.clone(); b.unsqueeze(0)[0, 0] = 9; b[:2]
b = a.exp().log(); n = b.numpy(); n[1] = 0; [b[:3], n.flags.c_contiguous]
b, c = a.split(400); b[0] = 9; c.zero_(); [a[:2], a.sum()]
b = a.squeeze(); c = a.permute(1, 0); b[0] = 9; c[1] = 8; a[:2]
b = a.to(torch.float32); c = a.contiguous(); b[0] = 9; [a[:2], c is a]
b = (a @ torch.ones(10, 10)); b.view(-1)[0] = 7; [b[:1], b.stride()]
""")
def test_views_of_a_tall_product(code):
    """Its memory may be laid out feature by feature, which nobody may notice."""
    made = "a = torch.arange(1600.0).reshape(800, 2) @ torch.linspace(0, 1, 20).reshape(2, 10)\n"
    check(made + code)


@snippets("""
a.view(6)[0] = 9; a
a.reshape(6)[0] = 9; a
a.flatten()[0] = 9; a
a.squeeze()[0] = 9; a
a.unsqueeze(0)[0, 1] = 9; a
a.T[0] = 9; a
a.mT[0] = 9; a
a.t()[0] = 9; a
a.transpose(0, 1)[0] = 9; a
a.permute(1, 0)[0] = 9; a
b, c = a.split(1); b[0] = 9; a
b, c = a.chunk(2); b[0] = 9; a
b, c = a.unbind(); b[0] = 9; a
a.detach()[0] = 9; a
a.data[0] = 9; a
a[:, 1:][0] = 9; a
b = a.expand(2, 2, 3); a[0] = 9; b
b = a.T.reshape(6); b[0] = 9; [a, b]
b = a[[0]]; b[0] = 9; a
b = a[a > 2]; b[0] = 9; a
b = a.clone(); b[0] = 9; a
b = a.contiguous(); b[0] = 9; [a, b is a]
b = a.to(torch.float32); b[0] = 9; a
b = a.float(); b[0] = 9; [a, b is a]
b = a.double(); b[0] = 9; a
b = a.T.contiguous(); b[0] = 9; a
b = a + 0; b[0] = 9; a
a.T.view(6)
a.T.view(-1)
a[:, 1:].view(-1)
""")
def test_views(code):
    check("a = torch.arange(6.0).reshape(2, 3)\n" + code)


# --- long and deep graphs ---------------------------------------------------------------------


def test_a_chain_of_100000_ops():
    x = tg.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1.0
    del y


def test_a_diamond_visits_each_node_once():
    """There are 2**1000 paths."""
    x = tg.ones(1, requires_grad=True, dtype=tg.float64)
    y, visits = x, []
    for _ in range(1000):
        y = y * 0.5 + y * 0.5
        y.register_hook(lambda g: visits.append(1))
    y.backward()
    assert x.grad.item() == 1.0
    assert len(visits) == 1000


@pytest.mark.parametrize("backward", [True, False])
def test_a_graph_is_freed_without_the_garbage_collector(backward):
    """By counting references alone, whether or not it went backward, hooks and all."""
    gc.disable()
    try:
        x = tg.ones(2, requires_grad=True)
        y = (x * 2).exp()
        y.retain_grad()
        y.register_hook(lambda g: g * 2)
        z = (y[0] + y.view(-1)[1]).sum()
        if backward:
            z.backward()
        alive = [weakref.ref(t) for t in (y, z)] + [weakref.ref(t.grad_fn) for t in (y, z)]
        del y, z
        assert [ref() for ref in alive] == [None] * 4
    finally:
        gc.enable()


def test_memory_of_an_unneeded_value_is_freed_before_backward():
    """A sum keeps nothing of its input, and an exponential nothing but its output."""
    x = tg.ones(2, requires_grad=True)
    between = x * 2
    array = weakref.ref(between._array)
    y = between.exp().sum()
    del between
    assert array() is None
    y.backward()
    assert x.grad.tolist() == pytest.approx([2 * np.e**2] * 2)


def test_pickle_and_deepcopy_of_a_tensor_keep_no_private_layout():
    a = tg.ones(800, 2) @ tg.ones(2, 10)
    for b in (copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert b.stride() == (10, 1)
        assert tg.equal(a, b)

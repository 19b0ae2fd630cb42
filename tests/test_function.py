"""autograd.Function: custom ops as torch's, snippet by snippet; and what they leave behind."""

import gc
import threading
import weakref

import numpy as np
import pytest
from parity import check, snippets

import tinygrad_cls as tg
from tinygrad_cls import nn, optim
from tinygrad_cls.autograd import Function
from tinygrad_cls.autograd.function import once_differentiable

# `of(forward, backward, setup_context)` is a Function; r collects what happened.
START = """
def of(forward, backward=None, setup=None, name="Op"):
    body = {"forward": forward, "backward": backward, "setup_context": setup}
    body = {key: staticmethod(f) for key, f in body.items() if f}
    return type(name, (torch.autograd.Function,), body)
def cube(ctx, x):
    ctx.save_for_backward(x)
    return x ** 3
def slope(ctx, g):
    x, = ctx.saved_tensors
    return 3 * x * x * g
def two(ctx, a): return a * 2, a * 3
def back(ctx, g, h): return g * 2 + h * 3
def twice(ctx, a): a.mul_(2); ctx.mark_dirty(a); return a
def same(ctx, x): return x
def double(ctx, x): return x * 2
def g5(ctx, g): return g * 5
once = torch.autograd.function.once_differentiable
Cube = of(cube, slope, name="Cube")
x = torch.tensor([1.0, 2.0], requires_grad=True)
w = torch.tensor([3.0, 4.0], requires_grad=True)
r = []
"""


@snippets("""
y = Cube.apply(x); y.sum().backward(); [y, x.grad, y.grad_fn.name()]
repr(Cube.apply(x))
Cube.apply(torch.ones(2)), Cube.apply(3.0)
y = Cube.apply(Cube.apply(x)); y.sum().backward(); x.grad
y = Cube.apply(x) + Cube.apply(x); y.sum().backward(); x.grad
y = Cube.apply(x.double()); y.sum().backward(); [y, x.grad]
y = Cube.apply(x.view(2, 1)); y.sum().backward(); x.grad
y = Cube.apply(x); y += 1; y.sum().backward(); x.grad
y = Cube.apply(x); y[0] = 0; y.sum().backward(); x.grad
y = Cube.apply(x); y.view(-1).sum().backward(); x.grad
g, = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
|[g, torch.autograd.grad(g.sum(), x, create_graph=True)]
y = Cube.apply(x).sum()
|for _ in range(3): y = torch.autograd.grad(y, x, create_graph=True)[0].sum()
|y
of(double, g5).apply(torch.tensor([1, 2])).requires_grad
y = of(lambda ctx, x: x > 1, g5).apply(x); [y, y.requires_grad]
y = of(lambda ctx, x: torch.ones(3), lambda ctx, g: torch.full((2,), 7.0)).apply(x)
|y.sum().backward(); [y, x.grad]
of(lambda ctx, x: x.sum(), lambda ctx, g: g.expand(2)).apply(x).backward(); x.grad += 1; x.grad
of(lambda ctx, x: x.half(), lambda ctx, g: [r.append(g.dtype), g][1]).apply(x).sum().backward()
|[x.grad, r]
of(lambda ctx, x: x.detach().numpy(), g5).apply(x)
of(lambda ctx, x: x.numpy(), g5).apply(x)
y = of(lambda ctx, x: w, g5).apply(x); y.sum().backward(); [y is w, y, x.grad, w.grad]
def f(ctx, x):
    with torch.enable_grad(): y = x * x
    ctx.save_for_backward(x, y); return y.detach()
|def b(ctx, g): x, y = ctx.saved_tensors; return torch.autograd.grad(y, x, g)
|of(f, b).apply(x * 1).sum().backward(); x.grad
def f(ctx, x):
    with torch.enable_grad(): return x * x
|y = of(f, g5).apply(x * 1); y.sum().backward(); [y.grad_fn.name(), x.grad]
def f(ctx, x): ctx.z = x; return x ** 3
|def b(ctx, g):
    with torch.enable_grad(): z = ctx.z.detach().requires_grad_(); (z ** 3).backward(g)
    return z.grad
|of(f, b).apply(x).sum().backward(); x.grad
""")
def test_an_op(code):
    check(START + code)


@snippets("""
y = Cube.apply(x).sum(); y.backward(); y.backward()
y = Cube.apply(x).sum(); y.backward(retain_graph=True); y.backward(); x.grad
y = Cube.apply(x)
|with torch.no_grad(): x += 1
|y.sum().backward()
y = Cube.apply(x); y.grad_fn.saved_tensors
y = Cube.apply(x); y.sum().backward(); y.grad_fn.saved_tensors
# a second pass is refused only where it asks for what was freed
def f(ctx, x): ctx.k = 5; return x * 2
|A = of(f, lambda ctx, g: g * ctx.k); y = A.apply(x).sum(); y.backward(); y.backward(); x.grad
def f(ctx, x): ctx.k = 5; return x * 2
|of(f, g5).apply(x).grad_fn.k
y = of(cube, g5).apply(x).sum(); y.backward(); y.backward(); x.grad
A = of(double, lambda ctx, g: [ctx.saved_tensors, g][1]); y = A.apply(x).sum(); y.backward(); x.grad
A = of(double, lambda ctx, g: [ctx.saved_tensors, g][1]); y = A.apply(x).sum()
|y.backward(); y.backward()
def f(ctx, x): ctx.save_for_backward(x, None, x); return x * 2
|def b(ctx, g): x, nothing, z = ctx.saved_tensors; return g * (x + z) if nothing is None else g
|of(f, b).apply(x).sum().backward(); x.grad
def f(ctx, x): ctx.save_for_backward(x); ctx.save_for_backward(x * 2); return x
|of(f, lambda ctx, g: ctx.saved_tensors[0]).apply(x).sum().backward(); x.grad
def f(ctx, x): ctx.save_for_backward(3); return x * 2
|of(f, g5).apply(x)
def f(ctx, x): ctx.save_for_backward([x]); return x * 2
|of(f, g5).apply(x)
def f(ctx, x): ctx.save_for_backward(x); r.append(ctx.saved_tensors); return x * 2
|of(f, g5).apply(x); r
# outputs saved
def f(ctx, x): y = x.exp(); ctx.save_for_backward(y); return y
|y = of(f, lambda ctx, g: g * ctx.saved_tensors[0]).apply(x)
|g, = torch.autograd.grad(y.sum(), x, create_graph=True); [g, torch.autograd.grad(g.sum(), x)]
def f(ctx, x): y = x.exp(); ctx.save_for_backward(y); return y
|y = of(f, lambda ctx, g: g * ctx.saved_tensors[0]).apply(x); y += 1; y.sum().backward()
def f(ctx, x): y = x.exp(); z = y * 2; ctx.save_for_backward(y, z); return y, z
|def b(ctx, g, h): y, z = ctx.saved_tensors; r.append(z.requires_grad); return g * y + h * z
|y, z = of(f, b).apply(x); g, = torch.autograd.grad((y + z * z).sum(), x, create_graph=True)
|[g, torch.autograd.grad(g.sum(), x), r]
# neither input nor output: a constant
def f(ctx, x): y = x.exp(); ctx.save_for_backward(y); return y * 1
|y = of(f, lambda ctx, g: g * ctx.saved_tensors[0]).apply(x)
|g, = torch.autograd.grad(y.sum(), x, create_graph=True); g
def f(ctx, x): ctx.save_for_backward(w); return x * w
|y = of(f, lambda ctx, g: g * ctx.saved_tensors[0]).apply(x)
|g, = torch.autograd.grad(y.sum(), x, create_graph=True); g.sum().backward(); w.grad
def f(ctx, x): ctx.save_for_backward(w); return x * w
|y = of(f, lambda ctx, g: g * ctx.saved_tensors[0]).apply(x)
|with torch.no_grad(): w += 1
|y.sum().backward()
""")
def test_saved(code):
    check(START + code)


@snippets("""
y, z = of(two, back).apply(x); (y + z * z).sum().backward(); x.grad
y, z = of(two, back).apply(x); y.sum().backward(); x.grad
y, z = of(two, back).apply(x); y.register_hook(lambda g: g * 10); z.retain_grad()
|(y + z * z).sum().backward(); [x.grad, z.grad, y.grad_fn.name(), z.grad_fn.name()]
y, z = of(two, back).apply(x); torch.autograd.grad((y + z * z).sum(), [y, z])
y, z = of(two, back).apply(x); torch.autograd.grad((y + z * z).sum(), [z, x])
y, z = of(two, back).apply(x); torch.autograd.grad(y.sum(), z)
y, z = of(two, back).apply(x); y.sum().backward(inputs=[y, z]); [y.grad, z.grad, x.grad]
y, z = of(two, back).apply(x); y += 1; y.mul_(z); y.sum().backward()
def f(ctx, a, b): ctx.set_materialize_grads(False); return a * 2, b * 3
|def b(ctx, g, h): return None if g is None else g * 2, None if h is None else h * 3
|y, z = of(f, b).apply(x, w); y.sum().backward(); [x.grad, w.grad]
def f(ctx, a, b): ctx.set_materialize_grads(False); return a * 2, b * 3
|def b(ctx, g, h): return None if g is None else g * 2, None if h is None else h * 3
|y, z = of(f, b).apply(x, w); (y * z).sum().backward(); [x.grad, w.grad]
of(lambda ctx, a: [a * 2, a * 3], back).apply(x)
y = of(lambda ctx, a: (a * 2, 5, "s", None), lambda ctx, g, *h: [r.append(h), g * 2][1]).apply(x)
|y[0].sum().backward(); [y[1:], x.grad, r]
y = of(lambda ctx, a: (a * 2,), g5).apply(x); y[0].sum().backward(); [y, x.grad]
of(lambda ctx, a: None, g5).apply(x), of(lambda ctx, a: 5, g5).apply(x)
y, z = of(lambda ctx, a: a.split(1), lambda ctx, g, h: torch.cat([g, h * 2])).apply(x)
|(y * z).sum().backward(); x.grad
def f(ctx, x): y = x * 2; return y, y
|a, b = of(f, lambda ctx, g, h: g * 5 + h * 100).apply(x); (a + 2 * b).sum().backward()
|[a is b, x.grad]
# integers, and what was marked
def f(ctx, a): v, i = a.max(0); ctx.save_for_backward(i); return v, i
|y, i = of(f, lambda ctx, g, h: [r.append([g, h]), torch.ones(2) * g][1]).apply(x)
|y.backward(); [y, i, x.grad, r]
def f(ctx, a): v, i = a.max(0); ctx.mark_non_differentiable(i); return v, i
|y, i = of(f, lambda ctx, g, h: [r.append([g, h]), torch.ones(2) * g][1]).apply(x)
|y.backward(); [y, i, x.grad, r]
def f(ctx, a): y, z = a * 2, a * 3; ctx.mark_non_differentiable(z); return y, z
|y, z = of(f, lambda ctx, g, h: [r.append([g, h]), g][1]).apply(x)
|y.sum().backward(); [y, z, z.is_leaf, x.grad, r]
def f(ctx, a): y, z = a * 2, a * 3; ctx.mark_non_differentiable(y, z); return y, z
|of(f, back).apply(x)
def f(ctx, a): y, z = a * 2, a * 3; ctx.mark_non_differentiable(z); return y, z
|of(f, back).apply(x)[1].sum().backward()
def f(ctx, a): ctx.mark_non_differentiable(a); return a * 2
|of(f, g5).apply(x)
def f(ctx, a): ctx.mark_non_differentiable(3); return a * 2
|of(f, g5).apply(x)
""")
def test_several_outputs(code):
    check(START + code)


@snippets("""
h = x * 1; y = of(twice, g5).apply(h); y.sum().backward()
|[y is h, h, x.grad, h._version, h.grad_fn.name()]
of(twice, g5).apply(x)
h = torch.ones(2); y = of(twice, g5).apply(h); [y is h, h, y.requires_grad, h._version]
h = x.exp(); of(twice, g5).apply(h).sum().backward()
h = torch.ones(2).requires_grad_(); of(twice, g5).apply(h)
with torch.no_grad(): y = of(twice, g5).apply(x)
|[y is x, y.requires_grad, y.grad_fn, x._version]
def f(ctx, a): a.mul_(2); ctx.mark_dirty(a); ctx.save_for_backward(a); return a
|y = of(f, lambda ctx, g: g * 2 * ctx.saved_tensors[0]).apply(x * 1); y.sum().backward(); x.grad
def f(ctx, a, b): a.mul_(b); ctx.mark_dirty(a); ctx.save_for_backward(b); return a
|h = torch.ones(2); y = of(f, lambda ctx, g: (g * ctx.saved_tensors[0], g * 7)).apply(h, w)
|y.sum().backward(); [y is h, h.requires_grad, h.is_leaf, w.grad]
def f(ctx, a): a.mul_(2); ctx.mark_dirty(a); return a * 1
|of(f, g5).apply(x * 1)
def f(ctx, a): a.mul_(2); ctx.mark_dirty(a); return a * 1
|of(f, g5).apply(torch.ones(2))
def f(ctx, a): ctx.mark_dirty(3); return a
|of(f, g5).apply(x)
def f(ctx, a): a.add_(1); return a * 2
|h = x * 1; y = of(f, g5).apply(h); [h, h._version]
# inputs handed through
y = of(same, g5).apply(x); y.sum().backward()
|[y is x, x.grad, y.grad_fn.name(), y.data_ptr() == x.data_ptr()]
h = x * 1; y = of(same, g5).apply(h); y.sum().backward(); [y is h, x.grad]
h = torch.ones(2); y = of(same, g5).apply(h); y += 1; [y is h, h, y, h._version]
with torch.no_grad(): y = of(same, g5).apply(x)
|[y is x, y.requires_grad, y.is_leaf]
h = x * 1; y = of(same, g5).apply(h); h += 1; h.sum().backward(); x.grad
I = of(lambda ctx, x, y: (x, y), lambda ctx, g, h: (g * 5, h * 7))
|a, b = I.apply(x, torch.ones(2)); (a + b).sum().backward(); [x.grad, b.requires_grad]
a, b = of(lambda ctx, x: (x, x), lambda ctx, g, h: g * 5 + h).apply(x)
|(a + 2 * b).sum().backward(); x.grad
def f(ctx, x): ctx.save_for_backward(x); return x
|y = of(f, lambda ctx, g: g * ctx.saved_tensors[0]).apply(x * 1)
|g, = torch.autograd.grad(y.sum(), x, create_graph=True); [g, torch.autograd.grad(g.sum(), x)]
y = of(lambda ctx, x: x.view(2, 1), lambda ctx, g: g.view(2)).apply(x); y.sum().backward()
|[y, x.grad]
y = of(lambda ctx, x: x.detach(), g5).apply(x); y.sum().backward(); [y, x.grad]
""")
def test_in_place_and_handed_through(code):
    check(START + code)


@snippets("""
A = of(lambda ctx, x, y: x * y, lambda ctx, g: g); A.apply(x, w).sum().backward()
A = of(lambda ctx, x, y: x * y, lambda ctx, g: (g, g, g)); A.apply(x, w).sum().backward()
A = of(lambda ctx, x, y: x * y, lambda ctx, g: (g, g, None)); A.apply(x, w).sum().backward(); x.grad
A = of(lambda ctx, x, y: x * y, lambda ctx, g: (g, g, None)); A.apply(x, 2).sum().backward()
A = of(lambda ctx, x, y: x * y, lambda ctx, g: (g, None)); A.apply(x, w).sum().backward(); w.grad
A = of(lambda ctx, x, y: x * y, lambda ctx, g: (g, g)); A.apply(x, torch.ones(2)).sum().backward()
of(double, lambda ctx, g: torch.ones(3)).apply(x).sum().backward()
of(double, lambda ctx, g: torch.ones(3, 2)).apply(x).sum().backward(); x.grad
of(double, lambda ctx, g: torch.ones(1)).apply(x).sum().backward()
of(double, lambda ctx, g: torch.ones(())).apply(x).sum().backward()
of(double, lambda ctx, g: g.double()).apply(x).sum().backward(); x.grad
of(double, lambda ctx, g: torch.tensor([1, 2])).apply(x).sum().backward(); x.grad
of(double, lambda ctx, g: 3.0).apply(x).sum().backward()
of(double, lambda ctx, g: None).apply(x).sum().backward(); x.grad
of(double, lambda ctx, g: ()).apply(x).sum().backward()
of(double, lambda ctx, g: [g]).apply(x).sum().backward()
of(double, lambda ctx, g: None).apply(x.exp()).sum().backward(); x.grad
torch.autograd.grad(of(double, lambda ctx, g: None).apply(x.exp()).sum(), x)
torch.autograd.grad(of(double, lambda ctx, g: None).apply(x.exp()).sum(), x, allow_unused=True)
of(double, lambda ctx, g: g.mul_(3)).apply(x).backward(torch.ones(2)); x.grad
s = torch.ones(2); of(double, lambda ctx, g: g).apply(x).backward(s); x.grad += 1; [x.grad, s]
of(lambda ctx, x, y: x * y, lambda ctx, g: (g, g)).apply(x, w).sum().backward(); x.grad += 1; w.grad
def f(ctx, x): ctx.save_for_backward(x); return x * 2
|of(f, lambda ctx, g: ctx.saved_tensors[0]).apply(x).sum().backward(); x.grad += 1; [x.grad, x]
of(double).apply(x)
of(double).apply(x).sum().backward()
of(None).apply(x)
of(double, g5)()
of(double, g5)()(x)
""")
def test_what_backward_returns(code):
    check(START + code)


@snippets("""
A = of(lambda ctx, x, k=3: x * k, lambda ctx, g: (g, None)); A.apply(x, k=5)
A = of(lambda ctx, x, k=3: x * k, g5); A.apply(x).sum().backward(); x.grad
A = of(lambda ctx, x, k=3: x * k, lambda ctx, g: (g, None)); A.apply(x).sum().backward(); x.grad
A = of(lambda ctx, x, k=3: x * k, g5); A.apply(x, k=5).sum().backward()
A = of(lambda ctx, x, k: x * k, lambda ctx, g: (g, g * 2)); A.apply(x, k=w).sum().backward(); w.grad
A = of(lambda ctx, x, k: x * k, lambda ctx, g: (g, g * 2)); A.apply(x.detach(), k=w).requires_grad
A = of(lambda ctx, x, a=1, b=2: x * a, g5); A.apply(x, b=5)
A = of(lambda ctx, x, a=1, b=2: [r.append(ctx.needs_input_grad), x][1], g5); A.apply(x, a=w); r
A = of(lambda ctx, x, a=1, b=2: [r.append(ctx.needs_input_grad), x][1], g5); A.apply(x); r
A = of(lambda ctx, x, *, k=2: x * k, g5); A.apply(x, k=4)
A = of(lambda ctx, x, *, k=2: x * k, g5); A.apply(x).sum().backward(); x.grad
A = of(lambda ctx, x, **k: x * k["k"], g5); A.apply(x, k=4)
A = of(lambda ctx, x, y: x * y, g5); A.apply(x, q=3)
A = of(lambda ctx, x, y: x * y, g5); A.apply(x, w, x=3)
A = of(lambda ctx, x, y: x * y, g5); A.apply(x)
A = of(lambda ctx, x, *y: x * y[0], lambda ctx, g: (g, g, g)); A.apply(x, w, 3).sum().backward()
of(double, g5).apply()
of(double, g5).apply(x, x)
of(lambda ctx, xs: xs[0] * 2, g5).apply([x]).requires_grad
A = of(lambda ctx, xs, k: xs[0] * k, lambda ctx, g: (None, g)); A.apply([x], w).sum().backward()
|[x.grad, w.grad]
def f(ctx, x, k, y): r.append(ctx.needs_input_grad); return x * 2
|def b(ctx, g): r.append(ctx.needs_input_grad); return g, None, g
|torch.autograd.grad(of(f, b).apply(x, 3, w).sum(), x); r
def f(ctx, x, k, y): r.append(ctx.needs_input_grad); return x * 2
|with torch.no_grad(): of(f, g5).apply(x, 3, torch.ones(2))
|r
# setup_context
A = of(lambda x, k: x * k, lambda ctx, g: (g * ctx.k, None),
       lambda ctx, inputs, output: setattr(ctx, "k", inputs[1]))
|A.apply(x, 4).sum().backward(); x.grad
A = of(lambda x, k=3: x * k, lambda ctx, g: (g * ctx.k, None),
       lambda ctx, inputs, output: setattr(ctx, "k", inputs[1]))
|A.apply(x).sum().backward(); A.apply(x, k=5).sum().backward(); x.grad
A = of(lambda x, k=3: x * k, g5, lambda ctx, inputs, output: None); A.apply(x).sum().backward()
A = of(lambda x, k: x * k, lambda ctx, g: (g, g), lambda ctx, inputs, output: r.append(len(inputs)))
|A.apply(k=x, x=w).sum().backward(); [x.grad, w.grad, r]
A = of(lambda x: x.exp(), lambda ctx, g: g * ctx.saved_tensors[0],
       lambda ctx, inputs, output: ctx.save_for_backward(output))
|A.apply(x).sum().backward(); x.grad
A = of(lambda x: (x.exp(), x + 1), lambda ctx, g, h: g * ctx.saved_tensors[0] + h,
       lambda ctx, inputs, output: ctx.save_for_backward(output[0]))
|(A.apply(x)[0] + A.apply(x)[1]).sum().backward(); x.grad
A = of(lambda x, y: x * y, g5, lambda ctx, inputs, output: None); A.apply(x)
A = of(lambda x, *, k=2: x * k, g5, lambda ctx, inputs, output: None); A.apply(x)
""")
def test_arguments(code):
    check(START + code)


@snippets("""
def f(ctx, x): r.append(torch.is_grad_enabled()); return x * 2
|def b(ctx, g): r.append(torch.is_grad_enabled()); return g
|y = of(f, b).apply(x).sum(); y.backward(retain_graph=True); y.backward(create_graph=True); r
def f(ctx, x): r.append(x.requires_grad); return x * 2
|of(f, g5).apply(x); r
with torch.no_grad(): y = Cube.apply(x)
|[y, y.requires_grad]
with torch.inference_mode(): y = Cube.apply(x)
|[y, y.is_inference()]
with torch.inference_mode(): a = torch.ones(2)
|A = of(lambda ctx, x, y: [ctx.save_for_backward(y), x * y][1], lambda ctx, g: (g, None))
|A.apply(x, a)
A = of(lambda ctx, x: 1 / 0, g5)
|try: A.apply(x)
|except ZeroDivisionError: pass
|torch.is_grad_enabled()
A = of(double, lambda ctx, g: 1 / 0)
|try: A.apply(x).sum().backward()
|except ZeroDivisionError: pass
|torch.is_grad_enabled()
of(double, lambda ctx, g: 1 / 0).apply(x).sum().backward()
y = Cube.apply(x); y.register_hook(lambda g: g * 10); y.retain_grad(); y.sum().backward()
|[x.grad, y.grad]
of(double, once(lambda ctx, g: g * 2)).apply(x).sum().backward(); x.grad
torch.autograd.function.Function is torch.autograd.Function
torch.autograd.function.FunctionCtx.__name__
""")
def test_modes(code):
    check(START + code, warned=False)  # torch advises against backward(create_graph=True)


# --- where this engine parts from torch -----------------------------------------------------------


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


@pytest.mark.parametrize("before", [lambda x: x, lambda x: x * 2])
def test_once_means_once(before):
    """torch looks at the cotangents alone: where these have no history, it leaves the second
    derivative's term through the Function out without a word. Here it raises.
    """
    x = tg.ones(2, requires_grad=True)
    (g,) = tg.autograd.grad(Square.apply(before(x)).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        g.sum().backward()


def test_a_view_that_a_function_returns_can_not_be_written():
    """torch refuses it too, in words of its own history of views."""
    for forward in (lambda ctx, x: x, lambda ctx, x: x.view(2, 1)):
        cls = type("A", (Function,), {"forward": staticmethod(forward)})
        y = cls.apply(tg.ones(2, requires_grad=True) * 1)
        with pytest.raises(RuntimeError, match="in-place operation on a view"):
            y += 1


# --- together with the rest -----------------------------------------------------------------------


class Linear(Function):
    @staticmethod
    def forward(ctx, x, W, b):
        ctx.save_for_backward(x, W)
        return x @ W.T + b

    @staticmethod
    def backward(ctx, g):
        x, W = ctx.saved_tensors
        return g @ W, g.T @ x, g.sum(0)


class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 2).double()

    def forward(self, x):
        return Linear.apply(x, self.inner.weight, self.inner.bias)


def test_training_with_a_custom_layer_is_training_with_the_layer():
    losses = []
    for make in (Custom, lambda: nn.Linear(3, 2).double()):
        tg.manual_seed(0)
        layer = make()
        model = nn.Sequential(layer, nn.ReLU(), nn.Linear(2, 1).double())
        steps = optim.SGD(model.parameters(), lr=0.1)
        x, t = tg.rand(20, 3, dtype=tg.float64), tg.rand(20, 1, dtype=tg.float64)
        run = []
        for _ in range(10):
            steps.zero_grad()
            loss = ((model(x) - t) ** 2).mean()
            loss.backward()
            steps.step()
            run.append(loss.item())
        losses.append(run)
    assert losses[0][-1] < losses[0][0]
    # both do the same products and sums, laid out differently in memory
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-13)


class Several(Function):
    """Saves and marks all that could make a circle of references."""

    @staticmethod
    def forward(ctx, x, y):
        x.mul_(2)
        ctx.mark_dirty(x)
        z, w = y.exp(), y * 2
        ctx.mark_non_differentiable(w)
        ctx.save_for_backward(x, y, z, w)
        return x, z, w

    @staticmethod
    def backward(ctx, gx, gz, gw):
        return gx * 2, gz * ctx.saved_tensors[2]


@pytest.mark.parametrize("order", [0, 1, 2])
def test_nothing_is_left_to_the_garbage_collector(order):
    gc.collect()
    gc.disable()
    try:
        a = tg.ones(2, requires_grad=True)
        x, y = a * 1, a * 3
        x, z, w = Several.apply(x, y)
        z.retain_grad()
        x.register_hook(lambda g: g * 2)
        loss = (x * z * w).sum()
        if order == 1:
            loss.backward()
        elif order == 2:
            (g,) = tg.autograd.grad(loss, a, create_graph=True)
            g.sum().backward()
            del g
        alive = [weakref.ref(t) for t in (x, y, z, w, loss)]
        alive += [weakref.ref(t.grad_fn) for t in (x, y, z, loss)]
        del x, y, z, w, loss
        assert [ref() for ref in alive] == [None] * 9
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_long_chain():
    """Longer than Python's recursion limit, forward, backward and freed."""
    x = tg.ones(2, requires_grad=True, dtype=tg.float64)
    y = x
    for _ in range(3000):
        y = Handed.apply(y)[0]
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]
    del y


class Handed(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1, x * 2

    @staticmethod
    def backward(ctx, g, h):
        return g + h


def test_the_context_outlives_its_node():
    kept = []

    class Keeps(Square):
        @staticmethod
        def forward(ctx, x):
            kept.append(ctx)
            return Square.forward(ctx, x)

    x = tg.ones(2, requires_grad=True)
    Keeps.apply(x)
    assert tg.equal(kept[0].saved_tensors[0], x)
    Keeps.apply(x).sum().backward()
    with pytest.raises(RuntimeError, match=r"backward through the graph.*KeepsBackward"):
        _ = kept[1].saved_tensors


def test_the_line_that_wrote_over_a_saved_tensor_is_named():
    x = tg.ones(2, requires_grad=True)
    y = Square.apply(x)
    with tg.no_grad():
        x.add_(1)  # this line
    with pytest.raises(
        RuntimeError, match=r"test_function.py, line \d+.*x\.add_\(1\)  # this line"
    ):
        y.sum().backward()


def test_in_threads():
    """One Function in several threads at once."""
    found = {}

    def work(i):
        x = tg.full((3,), float(i), requires_grad=True)
        for _ in range(30):
            x.grad = None
            Square.apply(x).sum().backward()
        found[i] = x.grad.tolist()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: [2.0 * i] * 3 for i in range(4)}


@snippets("""
from collections import namedtuple
|P = namedtuple("P", "a b")
|class F(torch.autograd.Function):
|    @staticmethod
|    def forward(ctx, x): return P(x * 2, x * 3)
|    @staticmethod
|    def backward(ctx, a, b): return a * 2 + b * 3
|x = torch.ones(2, requires_grad=True); y = F.apply(x); (y[0] + y[1]).sum().backward()
|type(y).__name__, x.grad
""")
def test_a_named_tuple_is_a_tuple(code: str) -> None:
    check(code)

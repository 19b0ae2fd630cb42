"""
Lesson 1: One scalar, one chain
===============================

``loss.backward()`` looks like magic. It is multiplication. Every operation knows one local fact:
by how much its result moves when its input moves a little, the local slope. Backward walks from
the end to the start and multiplies the slopes that it meets. That is the chain rule.

**Predict.** Below, ``y = tanh(w * x + b)`` with ``x = 2``. If ``w`` grows by a little, does ``y``
move by more or by less than that? And what happens to the answer when ``b`` is 5 instead of -1?
"""

import math

import tinygrad_cls as tg

# %%
# Here is a whole autograd engine. A ``Number`` remembers what it was made from and, for each of
# these parents, the local slope. ``backward`` hands every parent the slope so far times its own.


class Number:
    def __init__(self, value, parents=()):
        self.value, self.parents, self.grad = value, parents, 0.0

    def __add__(self, other):
        return Number(self.value + other.value, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return Number(self.value * other.value, [(self, other.value), (other, self.value)])

    def tanh(self):
        y = math.tanh(self.value)
        return Number(y, [(self, 1 - y * y)])

    def backward(self, slope=1.0):
        self.grad = slope
        for parent, local in self.parents:
            parent.backward(slope * local)


def neuron(w, b):
    weight, x, bias = Number(w), Number(2.0), Number(b)
    y = (weight * x + bias).tanh()
    y.backward()
    return y.value, weight.grad


# %%
# Nobody has to believe a gradient: nudge the input and see how far the output really moves.

for b in (-1.0, 0.0, 5.0):
    y, grad = neuron(0.4, b)
    nudged = (neuron(0.4 + 1e-6, b)[0] - neuron(0.4 - 1e-6, b)[0]) / 2e-6
    print(f"b = {b:4}: y = {y:8.5f}   slope by backward {grad:.6f}, by nudging {nudged:.6f}")
    assert abs(grad - nudged) < 1e-8, "backward agrees with nudging"

# %%
# The surprise is the last line. The neuron has an answer, but its slope is almost gone: one factor
# of the product is nearly zero, so the whole product is. A saturated neuron cannot learn, whatever
# the loss asks of it. The same product, in the engine that you will use from now on:

w = tg.tensor(0.4, dtype=tg.float64, requires_grad=True)
tg.tanh(w * 2 + 5.0).backward()
print("tinygrad_cls says", w.grad)
assert math.isclose(w.grad.item(), grad, rel_tol=1e-9), "the real engine agrees"

# %%
# **Try.** Give ``Number`` an ``exp``; its local slope is its own result. Then watch one neuron
# saturate: http://127.0.0.1:8517/#v=1&data=circles&layers=1:tanh

# %%
# **Break it.** Make this change, and the check "backward agrees with nudging" fails::
#
#     - return Number(y, [(self, 1 - y * y)])
#     + return Number(y, [(self, 1 - y)])

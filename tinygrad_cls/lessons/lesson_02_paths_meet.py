"""
Lesson 2: Where paths meet, gradients add
=========================================

In lesson 1 every value was used once. Real programs use a value many times: a weight meets every
point of the batch, a hidden neuron feeds every neuron of the next layer. Then the end can be
reached from it on several paths, and each path brings a slope of its own.

**Predict.** The slope of ``x * x`` at ``x = 3`` is 6. What will the engine of lesson 1 say, which
writes ``self.grad = slope`` whenever a slope arrives?
"""

import tinygrad_cls as tg


class Number:
    def __init__(self, value, parents=()):
        self.value, self.parents, self.grad = value, parents, 0.0

    def __mul__(self, other):
        return Number(self.value * other.value, [(self, other.value), (other, self.value)])

    def backward(self, slope=1.0):
        self.grad = slope
        for parent, local in self.parents:
            parent.backward(slope * local)


class Adding(Number):
    def backward(self, slope=1.0):
        self.grad += slope
        for parent, local in self.parents:
            parent.backward(slope * local)


# %%
for kind in (Number, Adding):
    x = kind(3.0)
    (x * x).backward()
    print(f"{kind.__name__:7} says that the slope of x * x at 3 is", x.grad)
assert x.grad == 6, "both paths count"

# %%
# The last arrival had erased the first. If ``x`` moves, both factors move, and the effects add up.
# So gradients are not assigned, they are accumulated: ``+=`` instead of ``=`` is the whole
# multivariable chain rule. The real engine does the same, and can be watched while it does; a
# notebook draws ``t``.

x = tg.tensor(3.0, requires_grad=True)
with tg.trace() as t:
    y = x * x
    y.backward()
print(t.text())
for step in t.steps:
    arrived = f"brings {step.contribution}, so far {step.before or 0}, now {step.after}"
    print(f"arrival {step.arrival} at x {arrived}   by the rule {step.rule.source}")
assert [step.arrival for step in t.steps] == [1, 2], "two arrivals at one leaf"
t

# %%
# Now you know why a training loop says ``optimizer.zero_grad()``. **Predict** before you look: what
# is in ``x.grad`` after a second forward and backward that nobody cleared?

(x * x).backward()
print("after a second backward:", x.grad)
assert x.grad.item() == 12, "gradients of two backwards add as well"

# %%
# For ``+=`` a second batch is just one more path. That is a trap when you forget it and a tool when
# you want it: two half batches, added up, are the gradient of one batch too big for your memory.
#
# **Try.** ``x * x * x``: how many arrivals? Then step through a whole network: ``python -m
# tinygrad_cls step circles-relu --epoch 0 --html step.html``

# %%
# **Break it.** Make this change, and the check "both paths count" fails::
#
#     - self.grad += slope
#     + self.grad = slope

"""
Lesson 11: Second derivatives for free
======================================

Each rule of the table is made of operations of the table: the slope of ``sin`` is ``cos``, the
slope of a product is a product. So a backward pass is itself a computation that can be recorded,
and differentiated, by the same loop. ``create_graph=True`` asks for that.

**Predict.** ``y = x⁴`` at ``x = 2``: what do one, two, three and four backwards give?
"""

import numpy as np
from sklearn.datasets import make_blobs

import tinygrad_cls as tg
from tinygrad_cls import nn
from tinygrad_cls.autograd import grad

x = tg.tensor(2.0, requires_grad=True)
y, slopes = x * x * x * x, []
for _ in range(4):
    (y,) = grad(y, x, create_graph=True)
    slopes.append(y.item())
print("derivatives of x⁴ at 2:", slopes)
assert slopes == [32, 48, 48, 24], "every order by the same loop"

# %%
# What is it good for? The gradient says which way is down, the second derivative how far it goes
# on. Take two clouds that overlap and a model of three numbers, ``logit = w · (x₁, x₂, 1)``. Its
# Hessian holds the gradient of each part of the gradient, a row each.

points, labels = make_blobs(n_samples=400, centers=[[-1, 0], [1, 0.5]], random_state=0)
X = tg.tensor(np.column_stack([points, np.ones(400)]))
t = tg.tensor(labels, dtype=tg.float64)
loss_fn = nn.BCEWithLogitsLoss()


def slope_and_curvature(w):
    (slope,) = grad(loss_fn(X @ w, t), w, create_graph=True)
    rows = [grad(part, w, retain_graph=True)[0] for part in slope]
    return slope.detach().numpy(), np.array(rows)


# %%
# Newton's step divides the slope by the curvature. **Predict**: how many steps of gradient descent
# is one of Newton's worth?


def newton(slope, curvature):
    return np.linalg.solve(curvature, slope)


def descent(slope, curvature):
    return 0.1 * slope


lengths = {}
for rule in (newton, descent):
    w = tg.zeros(3, dtype=tg.float64, requires_grad=True)
    lengths[rule] = []
    for _ in range(8):
        slope, curvature = slope_and_curvature(w)
        lengths[rule].append(np.linalg.norm(slope))
        w = tg.tensor(w.detach().numpy() - rule(slope, curvature), requires_grad=True)
    print(f"{rule.__name__:8}", *(f"{length:.1e}" for length in lengths[rule]))
assert lengths[newton][-1] < 1e-12, "Newton has arrived"
assert lengths[descent][-1] > 1e-3, "gradient descent has hardly left"

# %%
# Each step of Newton's doubles the number of right digits, until there are no more in a float64.
# Why, then, does nobody train networks like this? For this model the Hessian has 9 numbers; for one
# with a million parameters it has a million million.
#
# **Try.** What is the second derivative of a ReLU? Ask, then say why.
#
# **Break it.** Make this change, and the check "Newton has arrived" fails::
#
#     - return np.linalg.solve(curvature, slope)
#     + return slope / np.diag(curvature)

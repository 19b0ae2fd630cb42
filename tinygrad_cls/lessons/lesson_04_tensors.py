"""
Lesson 4: From scalars to tensors: matmul and broadcasting
==========================================================

A layer is ``Y = X Wᵀ + b``. Written with the numbers of lessons 1 to 3, the first layer of the
tutorial, 10 neurons on 800 points, would be tens of thousands of additions and products, each a
Python object. As arrays it is one operation with one rule. The rules are not new, though: they
are "where paths meet, gradients add", once for all numbers together.

**Predict.** ``X`` is (5, 3), ``W`` (2, 3), ``b`` (2,), and ``G``, the gradient that arrives at
``Y``, is (5, 2). Build the gradient of ``W`` from ``G`` and ``X``: only one product has the right
shape. And ``b`` was used in all 5 rows: is its gradient one row of ``G``, their mean or their
sum?
"""

import numpy as np

import tinygrad_cls as tg

rng = np.random.default_rng(0)
X, W, b, G = (rng.normal(size=shape) for shape in ((5, 3), (2, 3), (2,), (5, 2)))

# %%
# First as lesson 2 would do it. ``W[o, i]`` is used once for every row ``n``, and each use sends
# back what arrived, ``G[n, o]``, times the local slope, which is ``X[n, i]``.

dW = np.zeros_like(W)
for n in range(5):
    for o in range(2):
        for i in range(3):
            dW[o, i] += G[n, o] * X[n, i]
db = G.sum(axis=0)

# %%
# The three loops are a matrix product, the one whose shape fits. And a bias that was stretched over
# the rows collects from all of them: the way back from broadcasting is a sum over the axes that had
# been stretched.

print("loops and Gᵀ X differ by at most", abs(dW - G.T @ X).max())
assert np.allclose(dW, G.T @ X), "three loops are one product"

leaves = [tg.tensor(array, requires_grad=True) for array in (X, W, b)]
with tg.trace() as t:
    x, w, bias = leaves
    y = x @ w.T + bias
    y.backward(tg.tensor(G))
for step in t.steps:
    axes = f", summed over axis {step.summed}" if step.summed else ""
    print(f"{step.op.name}: {step.rule.symbols} has shape {step.contribution.shape}{axes}")
assert np.allclose(w.grad, dW), "the engine has the gradient of W"
assert np.allclose(bias.grad, db), "the engine has the gradient of b"

# %%
# These rules are read off the table in ``tinygrad_cls/ops.py``, where a product has two. No rule
# mentions broadcasting: the engine compares the shapes and sums. Now the dark side of it.
# **Predict**: predictions of shape (5, 1), targets of shape (5,). How many errors have 5 points?

prediction, target = tg.tensor(X[:, :1]), tg.tensor(X[:, 0])
error = prediction - target
print(
    f"{error.numel()} errors of 5 right predictions, their mean square is {(error**2).mean():.3f}"
)
assert error.shape == (5, 5), "nothing warns that points became pairs"

# %%
# That is why the tutorial squeezes its logits, and why a loss that trains but learns nothing should
# make you print shapes. ``python -m tinygrad_cls lint train.py`` looks for this one.
#
# **Try.** Write the gradient of ``X``: which product of ``G`` and ``W`` fits? Compare ``x.grad``.
#
# **Break it.** Make this change, and the check "the engine has the gradient of b" fails::
#
#     - db = G.sum(axis=0)
#     + db = G.mean(axis=0)

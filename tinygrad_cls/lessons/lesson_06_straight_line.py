"""
Lesson 6: The straight line fails
=================================

The tutorial's first model has three layers, 151 parameters, and two circles to tell apart. It is
trained for 1000 epochs, as the tutorial does, from the same seed.

**Predict.** How many of the test points does it get right in the end? Would 10 layers do better?
"""

import math

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_cls as tg
from tinygrad_cls.experiments import EXPERIMENTS, train

run = train(EXPERIMENTS["circles-linear"], epochs=1000)

# %%
# Look at the loss. It does not fall, it settles, on a number with a name: the natural logarithm of
# 2. That is the loss of a model which says "one half" to every point, a coin.

loss, accuracy = run.history.loss[-1], run.history.test_acc[-1]
print(f"loss {loss:.5f}, ln 2 = {math.log(2):.5f}; test accuracy {accuracy:.1f} %")
assert abs(loss - math.log(2)) < 0.002, "the loss of a coin"
assert accuracy < 60, "no better than a coin"

# %%
# Why do 151 parameters not help? Because a linear map of a linear map is a linear map. Multiply the
# three weights, and the three layers are one, with 3 numbers.

W1, b1, W2, b2, W3, b3 = (p.detach() for p in run.model.parameters())
W, b = W3 @ W2 @ W1, W3 @ (W2 @ b1 + b2) + b3
X = run.data.X_test
with tg.no_grad():
    difference = (run.model(X) - (X @ W.T + b)).abs().max().item()
print(f"logit = {W[0, 0]:.4f} x₁ + {W[0, 1]:.4f} x₂ + {b[0]:.4f}")
print(f"On the test points the two models differ by {difference:.1e}")
assert difference < 1e-6, "three layers are one"

# %%
# Where the logit is 0 the model says one half, and the points with ``w · x + b = 0`` are a straight
# line. No straight line has the inner circle on one side and the outer one on the other. So the
# best it can do is not to take sides; see how pale the map is.

xs, ys = np.meshgrid(np.linspace(-1.3, 1.3, 200), np.linspace(-1.3, 1.3, 200))
p = run.probabilities(np.column_stack([xs.ravel(), ys.ravel()]))[:, 1].reshape(xs.shape)
figure, axes = plt.subplots(figsize=(5, 4.5), layout="constrained")
shades = axes.imshow(p, extent=(-1.3, 1.3, -1.3, 1.3), origin="lower", cmap="RdBu", vmin=0, vmax=1)
axes.contour(xs, ys, p, levels=[0.5], colors="black")
axes.scatter(X[:, 0], X[:, 1], c=run.data.y_test, cmap="RdBu", edgecolors="white", s=25)
axes.set_title("Three layers, one straight line")
figure.colorbar(shades, shrink=0.8, label="probability of the inner circle")
plt.show()

# %%
# **Try.** More layers, more neurons, a larger step: nothing in the playground will move it,
# http://127.0.0.1:8517/#v=1&data=circles&layers=10:none,10:none - until you change one activation.
# And step through its backward pass, where every rule is a product: ``python -m tinygrad_cls step
# circles-linear --epoch 0 --html step.html``
#
# **Break it.** Make this change, and the check "the loss of a coin" fails::
#
#     - run = train(EXPERIMENTS["circles-linear"], epochs=1000)
#     + run = train(EXPERIMENTS["circles-relu"], epochs=1500)

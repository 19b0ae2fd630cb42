"""
Lesson 7: ReLU bends it
=======================

The tutorial's second model has the layers of the first, and two ReLUs between them. A ReLU sets
what is negative to 0, no more, and learns nothing. (``compile`` only saves time, as lesson 12
shows.)

**Predict.** How many of the test points does it get right? And harder: the model is still made of
straight pieces. What does the border between the classes look like, a circle or a polygon?
"""

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_cls as tg
from tinygrad_cls import nn
from tinygrad_cls.experiments import circles, split

X_train, X_test, y_train, y_test = split(circles(), tg.float32, tg.float32)
tg.manual_seed(42)
bend = nn.ReLU()
model = nn.Sequential(nn.Linear(2, 10), bend, nn.Linear(10, 10), bend, nn.Linear(10, 1))
loss_fn, optimizer = nn.BCEWithLogitsLoss(), tg.optim.SGD(model.parameters(), lr=0.1)


@tg.compile
def step():
    loss = loss_fn(model(X_train).squeeze(), y_train)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


for epoch in range(1, 2001):
    loss = step()
    if epoch % 250 == 0:
        right = (model(X_test).squeeze() > 0) == y_test
        print(f"epoch {epoch:4}   loss {loss:.4f}   right {100 * right.float().mean():5.1f} %")
assert right.float().mean() > 0.95, "the bent line tells the circles apart"

# %%
# For hundreds of epochs it looked like lesson 6. Then the folds found their places: each neuron of
# the first layer folds the plane along a line, the second layer folds the folded plane again. Two
# places are in the same piece if the same ReLUs are on; there the model is linear. Count them:

xs, ys = np.meshgrid(*2 * [np.linspace(-1.3, 1.3, 200)])
grid = tg.tensor(np.column_stack([xs.ravel(), ys.ravel()]), dtype=tg.float32, requires_grad=True)
logits = model(grid)
logits.sum().backward()
with tg.no_grad():
    on = np.hstack([model[:1](grid) > 0, model[:3](grid) > 0])
patterns, piece = np.unique(on @ 2 ** np.arange(20), return_inverse=True)
print(f"{len(patterns)} linear pieces in this window")
assert len(patterns) > 10, "the plane is folded into pieces"

# %%
# Linear means one slope for the whole piece, in ``grid.grad``, and so the border is a polygon.

spread = max(np.ptp(grid.grad[piece == k], axis=0).max() for k in range(len(patterns)))
print(f"within a piece slopes differ by at most {spread:.1e}")
assert spread < 1e-4, "one slope in each piece"

figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
axes.imshow((piece % 9).reshape(200, 200), extent=2 * (-1.3, 1.3), origin="lower", cmap="Pastel1")
axes.contour(xs, ys, logits.detach().reshape(200, 200), levels=[0], colors="black")
axes.scatter(X_test[:, 0], X_test[:, 1], c=y_test, cmap="RdBu", edgecolors="white", s=25)
axes.set_title("The pieces, and the border: a polygon")
plt.show()

# %%
# **Try.** Click on neurons: http://127.0.0.1:8517/#v=1&data=circles&layers=10:relu,10:relu and see
# the backward pass: ``python -m tinygrad_cls step circles-relu --epoch 0 --html step.html``
#
# **Break it.** Make this change, and the check "the bent line tells the circles apart" fails::
#
#     - bend = nn.ReLU()
#     + bend = nn.Identity()

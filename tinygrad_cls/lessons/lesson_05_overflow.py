"""
Lesson 5: Losses that do not overflow
=====================================

The textbook turns a logit ``z`` into a probability ``p = 1 / (1 + e⁻ᶻ)`` and takes the loss
``-log p`` if the target is 1, ``-log(1 - p)`` if it is 0. The tutorial says: do not do that, use
``BCEWithLogitsLoss``. The formulas are equal on paper. A float32 has 24 bits.

**Predict.** The target is 0 and the model is sure of 1: the larger ``z``, the more wrong. The
loss is then close to ``z`` itself and the slope close to 1, a full push back. What will the
textbook say at 10, 20 and 100, about the loss and about the slope?
"""

import numpy as np

import tinygrad_cls as tg
from tinygrad_cls import nn


def textbook(z, t):
    p = tg.sigmoid(z)
    return -(t * tg.log(p) + (1 - t) * tg.log(1 - p))


def after_sigmoid(z, t):
    return nn.BCELoss()(tg.sigmoid(z), t)


def loss_and_slope(f, value):
    z = tg.tensor(value, requires_grad=True)
    loss = f(z, tg.tensor(0.0))
    loss.backward()
    return loss.item(), z.grad.item()


print(f"{'z':>5}  {'textbook':>20}  {'BCELoss(sigmoid)':>20}  {'BCEWithLogitsLoss':>20}")
for value in (1.0, 10.0, 16.0, 20.0, 100.0):
    rows = [loss_and_slope(f, value) for f in (textbook, after_sigmoid, nn.BCEWithLogitsLoss())]
    print(f"{value:5.0f}", *(f"{loss:11.5f} {slope:8.4f}" for loss, slope in rows), sep="  ")

# %%
# In each pair the loss is on the left, the slope on the right. At 16 the textbook is visibly off:
# ``p`` is so close to 1 that ``1 - p`` has one bit left. Soon none is left, the loss is infinite,
# and the slope is infinity times 0. The middle pair is worse, because nothing looks broken:
# ``BCELoss``, here as in PyTorch, cuts the logarithm off, so the loss is a plausible number and the
# slope 0. No error, no nan; **the worst mistakes teach nothing**.

assert np.isnan(rows[0][1]), "the textbook has lost the slope"
assert rows[1][1] == 0, "the worst mistake teaches nothing"

# %%
# The cure is algebra done before the rounding. ``-log(1 - p)`` is ``log(1 + eᶻ)``; pull out the
# larger of the terms, and the exponential that is left lies between 0 and 1.


@np.errstate(all="ignore")
def stable(z, t):
    return np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))


z = np.float32([-10000, -100, -1, 0, 1, 100, 10000])
ours = stable(z, 0)
theirs = nn.BCEWithLogitsLoss(reduction="none")(tg.tensor(z), tg.zeros(len(z)))
print("stable:", ours)
assert np.isfinite(ours).all(), "finite for logits of any size"
assert np.allclose(ours, theirs, rtol=1e-6), "it is BCEWithLogitsLoss"

# %%
# Cross entropy does the same with ``logsumexp``: it subtracts the largest logit first.
#
# **Try.** ``python -m tinygrad_cls explain bce --x 20 --t 0`` shows each rounding on the way.
#
# **Break it.** Make this change, and the check "finite for logits of any size" fails::
#
#     - return np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z)))
#     + return np.log(1 + np.exp(z)) - z * t

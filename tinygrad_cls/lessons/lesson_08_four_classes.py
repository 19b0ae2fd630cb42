"""
Lesson 8: Four classes
======================

Two classes needed one logit. Four need four, a score for each; softmax turns them into
probabilities, and cross entropy is ``-log`` of the probability of the right class. An
exponential, a sum, a quotient and a logarithm stand between the logits and the loss.

**Predict.** What is the gradient of that loss with respect to the logits? Guess its form for a
point of class 2 whose probabilities are 0.1, 0.2, 0.6 and 0.1.
"""

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_cls as tg
from tinygrad_cls import nn
from tinygrad_cls.experiments import EXPERIMENTS, train

p = np.array([0.1, 0.2, 0.6, 0.1])
logits = tg.tensor(np.log(p), requires_grad=True)
nn.CrossEntropyLoss()(logits, tg.tensor(2)).backward()
print("probabilities", p)
print("gradient     ", logits.grad.numpy().round(6) + 0)
assert np.allclose(logits.grad, p - [0, 0, 1, 0]), "prediction minus truth"

# %%
# All of the four functions are gone: **prediction minus truth**. The right class is pulled up by
# what it lacks, the others are pushed down by what they have too much, and the four add up to 0.
# Binary cross entropy has the same gradient, ``sigmoid(z) - t``. Now the tutorial's third model.

run = train(EXPERIMENTS["blobs"])
X, y = np.asarray(run.data.X_test), np.asarray(run.data.y_test)
guess = run.probabilities(X).argmax(axis=1)
confusion = np.zeros((4, 4), dtype=int)
np.add.at(confusion, (y, guess), 1)
print("rows: true class, columns: predicted class", confusion, sep="\n")
assert np.trace(confusion) > 0.98 * len(y), "nearly all test points are right"

# %%
# The same rule for the whole training set; the loss is a mean, so each row is divided by the number
# of points. Look where the pull is strongest: not at the typical points.

logits = run.model(run.data.X_train)
logits.retain_grad()
nn.CrossEntropyLoss()(logits, run.data.y_train).backward()
X_train, truth = np.asarray(run.data.X_train), np.eye(4)[np.asarray(run.data.y_train)]
expected = (run.probabilities(X_train) - truth) / len(truth)
pull = np.linalg.norm(logits.grad, axis=1)
share = np.sort(pull)[::-1][: len(pull) // 10].sum() / pull.sum()
print(f"a tenth of the points gives {100 * share:.0f} % of the pull")
assert np.allclose(logits.grad, expected, atol=1e-7), "prediction minus truth, divided by the count"
assert share > 0.3, "few points pull most"

# %%
# These few are what the model still learns from. In the picture they are ringed.

xs, ys = np.meshgrid(*np.linspace(X.min(axis=0) - 1, X.max(axis=0) + 1, 200).T)
regions = run.probabilities(np.column_stack([xs.ravel(), ys.ravel()])).argmax(axis=1)
hard = X_train[np.argsort(pull)[-len(pull) // 10 :]]
figure, axes = plt.subplots(figsize=(5.5, 5), layout="constrained")
colors = np.array(["C0", "C1", "C2", "C3"])
levels = np.arange(5) - 0.5
axes.contourf(xs, ys, regions.reshape(xs.shape), levels=levels, colors=colors, alpha=0.25)
axes.scatter(X[:, 0], X[:, 1], color=colors[y], edgecolors="white", s=25)
axes.scatter(hard[:, 0], hard[:, 1], facecolors="none", edgecolors="black", s=45)
axes.set_title("Four regions; ringed: the training points that pull most")
plt.show()

# %%
# **Try.** http://127.0.0.1:8517/#v=1&data=blobs&noise=1.5&layers=8:relu,8:relu&loss=cross_entropy
# and ``python -m tinygrad_cls step blobs --epoch 0 --html step.html``
#
# **Break it.** Make this change, and the check "prediction minus truth, divided by the count"
# fails::
#
#     - expected = (run.probabilities(X_train) - truth) / len(truth)
#     + expected = run.probabilities(X_train) - truth

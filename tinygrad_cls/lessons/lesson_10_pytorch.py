"""
Lesson 10: The same curve as PyTorch, and where float32 must part
=================================================================

This engine and PyTorch draw the same first weights from a seed. From there on they should do the
same: the same model, data and formulas. PyTorch's losses have been recorded, so you can compare
without having it; with it, ``python -m tinygrad_cls play`` draws both curves while they grow.

**Predict.** A float64 carries 16 digits, a float32 7. After 2000 steps, how many of these digits
do the losses of the two engines still have in common, in either type?
"""

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_cls as tg
from tinygrad_cls.experiments import EXPERIMENTS, train
from tinygrad_cls.lessons import recorded

pytorch = recorded()
seed, every = pytorch["seed"], pytorch["every"]


def losses(dtype, nudge=0.0):
    def first_weights(epoch, model):
        if nudge and epoch == 0:
            with tg.no_grad():
                model.layer_1.weight.mul_(1 + nudge)

    recipe = {"seed": seed, "dtype": dtype, "show": lambda line: None, "watch": first_weights}
    return np.array(train(EXPERIMENTS["circles-relu"], **recipe).history.loss)


def apart(a, b):
    return abs(np.asarray(a) - b) / abs(np.asarray(b))


# %%
single = losses(tg.float32)
double = losses(tg.float64)
in32 = apart(single[::every], pytorch["float32"])
in64 = apart(double[::every], pytorch["float64"])
print(f"relative difference from PyTorch {pytorch['version']}, seed {seed}")
for i in range(3, len(in32), 4):
    print(f"epoch {1 + every * i:4}:   float64 {in64[i]:.0e}   float32 {in32[i]:.0e}")
assert in64.max() < 1e-8, "float64: the same curve"
assert in32[: len(in32) // 2].max() < 1e-5, "float32: the same curve for half of the way"

# %%
# In float64 it is the same curve. In float32 it is the same curve too, until it is another one. A
# bug in either engine? A bug would show in float64 as well. Then test the suspicion that is left:
# nudge the first weights of one engine by a billionth, and compare it with itself.

nudge = 1e-9
growth = apart(losses(tg.float64, nudge), double) / nudge
print(f"the nudge at epoch 100: times {growth[99]:.1g}; its largest: times {growth.max():.0f}")
assert growth.max() > 100 * growth[:1000].max(), "training amplifies what it starts from"

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.semilogy(growth * np.finfo(np.float32).eps, label="one rounding of float32, amplified")
axes.semilogy(growth * np.finfo(np.float64).eps, label="one rounding of float64, amplified")
axes.semilogy(range(0, 2000, every), in32 + 1e-17, "o", color="C0", label="from PyTorch, float32")
axes.semilogy(range(0, 2000, every), in64 + 1e-17, "o", color="C1", label="float64 (1e-17: none)")
axes.set(xlabel="epoch", ylabel="relative difference of losses", title="Roundings grow")
axes.legend()
plt.show()

# %%
# The steps themselves amplify, most where the loss jumps. Two engines that add 800 numbers in
# another order differ by a rounding at once, and PyTorch on another CPU differs from itself.
# Compare engines in float64, or step by step from equal weights, not by the end of a long float32
# run.
#
# **Break it.** Make this change, and the check "float64: the same curve" fails::
#
#     - double = losses(tg.float64)
#     + double = losses(tg.float32)

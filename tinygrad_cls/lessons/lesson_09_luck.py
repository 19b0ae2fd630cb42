"""
Lesson 9: Luck, step size, dead neurons
=======================================

The data, the model and the code of lesson 7. Only the seed of the first weights changes, or the
size of the steps. When a training fails, people look for the bug; look at the dice first.

**Predict.** Of three seeds, how many reach 95 %? And the step of 0.1 looked slow for a thousand
epochs: what will 1 do, and 3?
"""

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_cls as tg
from tinygrad_cls import nn
from tinygrad_cls.experiments import circles, split

X_train, X_test, y_train, y_test = split(circles(), tg.float64, tg.float64)
relu, loss_fn = nn.ReLU(), nn.BCEWithLogitsLoss()


def trained(seed, lr, epochs=2000):
    tg.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 10), relu, nn.Linear(10, 10), relu, nn.Linear(10, 1))
    optimizer = tg.optim.SGD(model.to(tg.float64).parameters(), lr=lr)

    @tg.compile
    def step():
        loss = loss_fn(model(X_train).squeeze(), y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    losses = [step().item() for _ in range(epochs)]
    with tg.no_grad():
        right = 100 * ((model(X_test).squeeze() > 0) == y_test).double().mean().item()
        on = [(model[:end](X_train) > 0).sum(dim=0) for end in (1, 3)]
    return model, losses, right, on


# %%
# A neuron is dead if it is off for every one of the 800 training points. Count them in each layer.

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
won = []
for seed, lr in ((42, 0.1), (10, 0.1), (11, 0.1), (42, 1.0), (42, 3.0)):
    model, losses, right, on = trained(seed, lr)
    dead = [int((count == 0).sum()) for count in on]
    print(f"seed {seed:2}, step {lr}: loss {losses[-1]:.4f}, right {right:5.1f} %, dead {dead}")
    won.append(right > 95)
    axes.plot(losses, label=f"seed {seed}, step {lr}")
axes.set(yscale="log", xlabel="epoch", ylabel="loss", title="One recipe, five fates")
axes.legend()
plt.show()
assert won[:3] == [True, False, True], "the same recipe wins and loses"

# %%
# One seed of the three is stuck near a coin's accuracy: the first weights left it too few living
# neurons to enclose a circle. A step of 1 wins sooner, and a step of 3 kills the whole second layer
# in its first epochs. Then the model is a constant, and it stays one. Why does it not recover? Ask
# its gradient.

loss_fn(model(X_train).squeeze(), y_train).backward()
norms = np.linalg.norm(model[2].weight.grad, axis=1)
print("gradients of the neurons in the second layer:", norms)
assert not norms.any(), "dead means no gradient"

# %%
# Off for every point means slope 0 for every point, and the product of lesson 1 is 0: no gradient,
# no step. A LeakyReLU is never quite off; break the lesson, and look what becomes of the step of 3.
#
# **Try.** Other rates: http://127.0.0.1:8517/#v=1&data=circles&layers=10:relu,10:relu&lr=3
#
# **Break it.** Make this change, and the check "dead means no gradient" fails::
#
#     - relu, loss_fn = nn.ReLU(), nn.BCEWithLogitsLoss()
#     + relu, loss_fn = nn.LeakyReLU(0.1), nn.BCEWithLogitsLoss()

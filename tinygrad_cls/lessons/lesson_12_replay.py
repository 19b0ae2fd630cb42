"""
Lesson 12: From tape to replay
==============================

A training step of a small model is some forty NumPy calls, and more Python around them, the same
in every epoch. The tape of lesson 2 knows the calls. Write them down once and repeat the list.

**Predict.** The step below says hello. It is called five times: how often will you read it?
"""

from timeit import repeat

import numpy as np

import tinygrad_cls as tg
from tinygrad_cls import nn

tg.manual_seed(0)
X, y = tg.randn(800, 2), (tg.rand(800) > 0.5).float()
say = print


def new_step(greeting=""):
    tg.manual_seed(42)
    model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
    loss_fn, optimizer = nn.BCEWithLogitsLoss(), tg.optim.SGD(model.parameters(), lr=0.1)

    def step():
        if greeting:
            say(greeting)
        loss = loss_fn(model(X).squeeze(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, optimizer


step, optimizer = new_step("Hello from Python!")
replayed = tg.compile(step)
losses = [replayed().item() for _ in range(5)]
print("losses", np.round(losses, 5), "recordings", replayed.recordings)
assert replayed.recordings == 1, "recorded once"

# %%
# The first call ran as ever and was recorded, the others repeat the record, and ``print`` is no
# NumPy call. Are they the same steps? And where are forward, backward and the optimizer?

eager, _ = new_step()
assert np.allclose([eager().item() for _ in range(5)], losses, rtol=1e-6), "the same steps"

_, _, *calls, key = str(replayed.plan).splitlines()
for line in calls[:5] + calls[25:29] + calls[-6:-4]:
    number, _, op, call, *memory = line.split()
    print(f"{number:>4} {op:10} {call:10}", *memory)
print(key)

# %%
# All is one list of calls on memory that is allocated once. The derivatives are in it because the
# tape was running while the chain rule worked; the replay knows no calculus. Python is left out:

for name, f in (("eager", eager), ("replayed", replayed)):
    print(f"{name}: {1e6 * min(repeat(f, number=20, repeat=10)) / 20:.0f} µs a step")

# %%
# **Predict** again: does the list notice if the learning rate changes now?
optimizer.param_groups[0]["lr"] = 0.0
still = [replayed().item() for _ in range(3)]
print("losses with a step of 0", np.round(still, 5), "recordings", replayed.recordings)
assert (len(set(still)), replayed.recordings) == (1, 1), "the plan sees the learning rate"

# %%
# It asks the optimizer each time. **Try** ``return loss.item()`` and read what ``compile`` says.
#
# **Break it.** Make this change, and the check "recorded once" fails, as the step changes a list::
#
#     - say = print
#     + say = [].append

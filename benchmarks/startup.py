"""Import time, and the time from a cold start to the first loss: a fresh process each time."""

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Unfair, ratio

MODULES = ("numpy", "tinygrad_cls", "torch", "jax", "autograd", "mygrad")
GOAL = 1.5
ROUNDS = 15
IMPORT = """
from time import perf_counter
start = perf_counter()
import {module}
print([perf_counter() - start])
"""

BASE = "PyTorch eager"
REPLAY = "tinygrad_cls replay"
ONCE = "torch.compile"  # its first call takes as long as everybody's rounds
OTHER_WEIGHTS = "scikit-learn"  # draws its own as it takes its first step
TOLERANCE = 1e-3  # relative, of a loss: 800 points x eps a step is 2e-4 after two
STEP = """
import json
from time import perf_counter
clock = [perf_counter()]
import numpy as np
{imports}
clock.append(perf_counter())
X = np.cos(np.arange(1600, dtype=np.float32)).reshape(800, 2)
y = (np.arange(800) % 2).astype(np.float32)
shapes = (10, 2), (10,), (10, 10), (10,), (1, 10), (1,)
W = [np.sin(1 + np.arange(np.prod(s), dtype=np.float32)).reshape(s) / 3 for s in shapes]
{build}
losses = []
for _ in range(2):
    losses.append({step})
    clock.append(perf_counter())
print(json.dumps([*np.diff(clock), *losses]))
"""
TORCH = """
model = nn.Sequential(nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 1))
with torch.no_grad():
    for p, w in zip(model.parameters(), W):
        p.copy_(torch.from_numpy(w))
X, y = torch.from_numpy(X), torch.from_numpy(y)
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{compiled}
def step():
    loss = loss_fn(model(X).squeeze(), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss
"""
FUNCTIONAL = """
def loss(W):
    h = xp.maximum(X @ W[0].T + W[1], 0)
    h = xp.maximum(h @ W[2].T + W[3], 0)
    z = (h @ W[4].T + W[5])[:, 0]
    return xp.mean(xp.maximum(z, 0) - z * y + xp.log1p(xp.exp(-xp.abs(z))))
{compiled}
def update(W):
    value, gradient = value_and_grad(loss)(W)
    return value, [w - np.float32(0.1) * g for w, g in zip(W, gradient)]

def step():
    global W
    value, W = update(W)
    return value
"""
MYGRAD = """
W = [mg.tensor(w) for w in W]

def step():
    h = mg.maximum(X @ W[0].T + W[1], 0)
    h = mg.maximum(h @ W[2].T + W[3], 0)
    z = (h @ W[4].T + W[5])[:, 0]
    loss = mg.mean(mg.maximum(z, 0) - z * y + mg.log1p(mg.exp(-mg.abs(z))))
    loss.backward()
    for i, w in enumerate(W):
        W[i] = mg.tensor(w.data - np.float32(0.1) * w.grad)
    return loss
"""
SKLEARN = """
model = MLPClassifier((10, 10), solver="sgd", learning_rate_init=0.1, momentum=0, alpha=0,
                      nesterovs_momentum=False, batch_size=800, shuffle=False)

def step():
    model.partial_fit(X, y, classes=(0, 1))
    return model.loss_
"""


def _torch(module: str, compiled: str = "") -> tuple[str, str, str]:
    imports = f"import {module} as torch\nfrom {module} import nn"
    return imports, TORCH.format(compiled=compiled), "step().item()"


def _functional(package: str, imports: str = "", compiled: str = "") -> tuple[str, str, str]:
    imports += f"import {package}.numpy as xp\nfrom {package} import value_and_grad"
    return imports, FUNCTIONAL.format(compiled=compiled), "float(step())"


ENGINES: dict[str, tuple[str, str, str]] = {
    BASE: _torch("torch"),
    "tinygrad_cls eager": _torch("tinygrad_cls"),
    REPLAY: _torch("tinygrad_cls", "@torch.compile"),
    ONCE: _torch("torch", "model = torch.compile(model)"),
    "JAX jit": _functional("jax", "import jax\n", "@jax.jit"),
    "HIPS autograd": _functional("autograd"),
    "MyGrad": ("import mygrad as mg", MYGRAD, "step().item()"),
    OTHER_WEIGHTS: ("from sklearn.neural_network import MLPClassifier", SKLEARN, "step()"),
}
"""How each engine is imported, how its step is made, and how a loss is read from it."""

NEEDS = {
    BASE: "torch",
    ONCE: "torch",
    "JAX jit": "jax",
    "HIPS autograd": "autograd",
    "MyGrad": "mygrad",
    OTHER_WEIGHTS: "sklearn",
}

IMPORTS_METHOD = """
Import time: the import statement alone, in a fresh interpreter each time. The modules take turns in
an order shuffled each round, after one round for files and bytecode to be cached. Milliseconds,
median [least, most]; times as long as numpy, a ratio of medians [95 % interval]."""
COLD_METHOD = f"""
Cold start: a fresh interpreter imports NumPy and the engine, builds 2-10-10-1 and takes two steps
on 800 points, reading each loss. The first step holds the building and whatever is compiled or
recorded; the second is what is left when that is paid. Milliseconds, medians; the time from start
to first loss, and how many times as long as PyTorch eager's [95 % interval]. {ONCE} is run
once, with an empty cache."""


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print import times and cold starts, and return their rows."""
    quick = getattr(options, "quick", False)
    rounds = getattr(options, "rounds", None) or (3 if quick else ROUNDS)
    engines = [name for name in ENGINES if not (quick and name == ONCE)]
    return [*imports(rounds), *cold_starts(rounds, engines)]


def imports(rounds: int, modules: Sequence[str] = MODULES) -> list[dict[str, Any]]:
    """Print how long each module takes to import."""
    present = [module for module in modules if find_spec(module)]
    samples = _turns({m: IMPORT.format(module=m) for m in present}, rounds)
    seconds = {module: np.array(found)[:, 0] for module, found in samples.items()}
    print(IMPORTS_METHOD)
    for module in modules:
        if module not in present:
            print(f"  absent: {module}: no module of that name")
    rows = []
    for module, found in sorted(seconds.items(), key=lambda item: float(np.median(item[1]))):
        times = ratio(found, seconds["numpy"])
        goal = GOAL if module == "tinygrad_cls" else None
        row = _row("import", module, found, goal) | {"times": asdict(times)}
        milli = 1e3 * found
        shown = f"{np.median(milli):8.1f} [{milli.min():.1f}, {milli.max():.1f}]"
        print(f"  {module:14}{shown:26}  {times}")
        rows.append(row)
    for row in rows:
        if row["goal"]:
            value = row["times"]["value"]
            met = "met" if value < row["goal"] else "not met"
            print(
                f"\nGoal, import {row['engine']}: under {row['goal']} times numpy's. "
                f"{value:.3f}: {met}"
            )
    return rows


def cold_starts(rounds: int, engines: Sequence[str] = tuple(ENGINES)) -> list[dict[str, Any]]:
    """Print how long each engine takes from nothing to the first loss."""
    absent = {name: reason for name in ENGINES if (reason := _absent(name))}
    absent |= {name: "left out of a quick run" for name in ENGINES if name not in engines}
    scripts = {
        name: STEP.format(imports=imports, build=build, step=step)
        for name, (imports, build, step) in ENGINES.items()
        if name not in absent
    }
    slow = {name: scripts.pop(name) for name in (ONCE,) if name in scripts}
    samples = _turns(scripts, rounds) | _turns(slow, 1, warm=False)
    found = {name: np.array(values) for name, values in samples.items()}
    _prove({name: values[:, 3:] for name, values in found.items()})
    print(COLD_METHOD)
    for name, reason in absent.items():
        print(f"  absent: {name}: {reason}")
    print(f"\n  {'':20}{'import':>9}{'1st step':>10}{'2nd step':>10}{'to 1st loss':>13}  times")
    rows = []
    for name, values in found.items():
        imported, first, second = np.median(values[:, :3], axis=0)
        total = values[:, :2].sum(axis=1)
        row = _row("cold-start", name, total, None)
        row |= {"import": float(imported), "first": float(first), "second": float(second)}
        shown = ""
        if BASE in found:
            base = found[BASE][: len(total), :2].sum(axis=1)
            times = ratio(total, base)
            row["times"] = asdict(times)
            shown = str(times) if len(total) > 1 else f"{times.value:.3f}"
        print(
            f"  {name:20}{1e3 * imported:9.1f}{1e3 * first:10.1f}{1e3 * second:10.2f}"
            f"{1e3 * np.median(total):13.1f}  {shown}"
        )
        rows.append(row)
    return rows


def _row(study: str, name: str, seconds: NDArray[np.float64], goal: float | None) -> dict[str, Any]:
    return {
        "study": study,
        "engine": name,
        "median": float(np.median(seconds)),
        "low": float(seconds.min()),
        "high": float(seconds.max()),
        "goal": goal,
        "times": None,
    }


def _absent(name: str) -> str | None:
    """Say why an engine cannot be started, if so."""
    module = NEEDS.get(name)
    if module is not None:
        return None if find_spec(module) else f"no module named {module}"
    if name == REPLAY and not hasattr(import_module("tinygrad_cls"), "compile"):
        return "tinygrad_cls.compile is not there"
    return None


def _prove(found: Mapping[str, NDArray[np.float64]]) -> None:
    """Raise ``Unfair`` if an engine has other losses than the first."""
    base, *others = (name for name in found if name != OTHER_WEIGHTS)
    expected = found[base][0]
    for name in (base, *others):
        if not np.allclose(found[name], expected, rtol=TOLERANCE, atol=0):
            raise Unfair(
                f"cold start: {name} has the losses {found[name].tolist()}, {base} {expected}"
            )
    print(f"\nSame work: the losses of both steps agree with {base}'s: {', '.join(others)}.")
    if OTHER_WEIGHTS in found:
        print(f"{OTHER_WEIGHTS} draws its own initial weights: the same work, other numbers.")


def _turns(
    scripts: Mapping[str, str], rounds: int, *, warm: bool = True
) -> dict[str, list[list[float]]]:
    """Run every script once a round, in an order shuffled each round; what each one printed."""
    shuffle = random.Random(0)
    found: dict[str, list[list[float]]] = {name: [] for name in scripts}
    for i in range(rounds + warm):
        for name in shuffle.sample(list(scripts), len(scripts)):
            result = _in_a_process(scripts[name])
            if i >= warm:
                found[name].append(result)
    return found


_BYTECODE = TemporaryDirectory()  # what all of them keep there, removed in the end


def _in_a_process(script: str) -> list[float]:
    """Return the numbers that a fresh interpreter prints; caches of compilers are empty."""
    root = Path(__file__).resolve().parent.parent
    with TemporaryDirectory() as folder:
        env = os.environ | {
            "TORCHINDUCTOR_CACHE_DIR": folder,
            "PYTHONPYCACHEPREFIX": _BYTECODE.name,
        }
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # where nothing is kept, all is compiled each time
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=root,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"a cold start failed:\n{script}\n{done.stderr}")
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found

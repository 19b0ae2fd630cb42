"""A run as a script, for this engine and for PyTorch: both print the page's numbers.

The two differ in what they import, and in that ours is compiled.
"""

from typing import Any

from .data import Data, load, pasted, source
from .model import ACTIVATIONS, fitting
from .recipe import Recipe

LINES = 20
"""About as many lines does a script print."""

SCRIPT = '''\
"""A run of the tinygrad_cls playground, in {engine}: prints the page's loss and accuracy.

Needs {needs}. The same run in the playground:
http://127.0.0.1:8517/#{link}
"""

import itertools

import numpy as np
{imports}

STEPS, EVERY = {steps}, {every}

# --- Points -------------------------------------------------------------------

{points}
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size={test}, random_state={data_seed}
)
{scaling}X_train, X_test = (torch.from_numpy(X).type(torch.{dtype}) for X in (X_train, X_test))
y_train, y_test = (torch.from_numpy(y).type(torch.{target}) for y in (y_train, y_test))

# --- Model --------------------------------------------------------------------

torch.manual_seed({seed})
model = nn.Sequential(
{layers}
).to(torch.{dtype})
{init}loss_fn = nn.{loss}()
optimizer = torch.optim.SGD(model.parameters(), lr={lr}{momentum})
{batches}

# --- Training -----------------------------------------------------------------


{compiled}def step(x, t):
    model.train()
    loss = loss_fn(model(x){logits}, t)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.eval()


@torch.inference_mode()
def measure(x, t):
    logits = model(x){logits}
    right = ({labels} == t).sum().item()
    return loss_fn(logits, t).item(), right / len(t) * 100


for number, (x, t) in zip(range(1, STEPS + 1), batches):
    shown = number % EVERY == 0 or number == STEPS
    if shown:
        loss, accuracy = measure(X_train, y_train)  # before the step, as the tutorial does
    step(x, t)
    if shown:
        test_loss, test_accuracy = measure(X_test, y_test)
        print(
            f"Step: {{number}} | Loss: {{loss:.5f}}, Accuracy: {{accuracy:.2f}}% | "
            f"Test loss: {{test_loss:.5f}}, Test accuracy: {{test_accuracy:.2f}}%"
        )
'''

BATCHES = """
batches = itertools.chain.from_iterable(
    itertools.repeat(
        torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(X_train, y_train),
            batch_size={batch},
            shuffle=True,
            generator=torch.Generator().manual_seed({seed}),
        )
    )
)"""

INIT = {
    "pytorch": "",
    "xavier": "nn.init.xavier_uniform_(layer.weight)",
    "he": 'nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")',
    "zeros": "nn.init.zeros_(layer.weight)",
}
SCALING = """\
mean, std = X_train.mean(axis=0), X_train.std(axis=0)
std[std == 0] = 1
X_train, X_test = (X_train - mean) / std, (X_test - mean) / std
"""
MAKERS = {
    "circles": "make_circles(n_samples={n}, noise={noise}, random_state={seed})",
    "moons": "make_moons(n_samples={n}, noise={noise}, random_state={seed})",
    "blobs": "make_blobs(\n    n_samples={n}, n_features=2, centers=4, cluster_std={noise}, "
    "random_state={seed}\n)",
}


def scripts(
    recipe: Recipe, steps: int, csv: str | None = None, name: str = "the CSV"
) -> dict[str, str]:
    """The script of `steps` steps for each engine.

    >>> made = scripts(Recipe(), 2000)
    >>> [line for line in made["pytorch"].splitlines() if "nn.Linear" in line]
    ['    nn.Linear(2, 10),', '    nn.Linear(10, 10),', '    nn.Linear(10, 1),']
    """
    data = load(recipe, csv, name)
    recipe = fitting(recipe, len(data.classes))
    return {engine: _script(engine, recipe, steps, data, csv) for engine in ENGINES}


ENGINES = {
    "tinygrad_cls": ["import tinygrad_cls as torch", "from tinygrad_cls import nn"],
    "pytorch": ["import torch", "from torch import nn"],
}


def _script(engine: str, recipe: Recipe, steps: int, data: Data, csv: str | None) -> str:
    binary = recipe.loss == "bce"
    imports, points = _points(recipe, csv)
    shared = ["from sklearn.model_selection import train_test_split", "", *ENGINES[engine]]
    own = engine == "tinygrad_cls"
    batches = "\nbatches = itertools.repeat((X_train, y_train))"
    return SCRIPT.format(
        engine="tinygrad_cls" if own else "PyTorch",
        needs=f"{'tinygrad_cls' if own else 'torch'} and scikit-learn",
        link=recipe.to_hash(),
        imports="\n".join(imports + shared),
        steps=steps,
        every=max(1, steps // LINES),
        points=points,
        test=recipe.test,
        data_seed=recipe.data_seed,
        scaling=SCALING if data.scaled else "",
        dtype=recipe.dtype,
        target=recipe.dtype if binary else "int64",
        seed=recipe.seed,
        layers=_layers(recipe, len(data.features), len(data.classes)),
        init=_init(recipe),
        loss="BCEWithLogitsLoss" if binary else "CrossEntropyLoss",
        lr=recipe.lr,
        momentum=f", momentum={recipe.momentum}" if recipe.momentum else "",
        batches=BATCHES.format(batch=recipe.batch, seed=recipe.seed) if recipe.batch else batches,
        compiled="@torch.compile\n" if own else "",
        logits=".squeeze(dim=1)" if binary else "",
        labels="torch.round(torch.sigmoid(logits))" if binary else "logits.argmax(dim=1)",
    )


def _points(recipe: Recipe, csv: str | None) -> tuple[list[str], str]:
    """Lines that import, and the lines that make X and y."""
    if recipe.data == "csv":
        points = pasted(csv)
        rows = "".join(f"    {row},\n" for row in points.X.tolist())
        return [], f"X = np.array([\n{rows}])\ny = np.array({points.y.tolist()})"
    n, noise, seed = recipe.samples, recipe.noise, recipe.data_seed
    if (call := MAKERS.get(recipe.data)) is not None:
        maker = call.partition("(")[0]
        return [f"from sklearn.datasets import {maker}"], "X, y = " + call.format(
            n=n, noise=noise, seed=seed
        )
    return [], f"\n{source(recipe.data)}\n\nX, y = {recipe.data}({n}, {noise}, {seed})"


def _layers(recipe: Recipe, features: int, classes: int) -> str:
    lines, width = [], features
    for units, activation in recipe.layers:
        lines.append(f"nn.Linear({width}, {units})")
        if activation != "none":
            lines.append(f"nn.{_class(ACTIVATIONS[activation])}()")
        width = units
    lines.append(f"nn.Linear({width}, {1 if recipe.loss == 'bce' else classes})")
    return "\n".join(f"    {line}," for line in lines)


def _class(maker: Any) -> str:
    name: str = maker.__name__
    return name


def _init(recipe: Recipe) -> str:
    if recipe.init == "pytorch":
        return ""
    return (
        "for layer in model:\n    if isinstance(layer, nn.Linear):\n"
        f"        nn.init.zeros_(layer.bias)\n        {INIT[recipe.init]}\n"
    )

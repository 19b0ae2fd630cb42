"""The engines as adapters, one class each: a task in, training steps and their results out."""

from importlib import import_module
from itertools import pairwise
from typing import Any

from benchmarks.tasks import Array, Task


class PyTorch:
    """PyTorch eager: one thread, one tensor a parameter, options as a user leaves them."""

    name = "PyTorch"
    module = "torch"

    def __init__(self, task: Task) -> None:
        torch: Any = import_module(self.module)
        nn = torch.nn
        layers: list[Any] = []
        for fan_in, fan_out in pairwise(task.widths):
            layers += [nn.Linear(fan_in, fan_out)] + [nn.ReLU()] * task.relu
        self.model = nn.Sequential(*layers[: -1 if task.relu else None])
        self.model.to(getattr(torch, task.dtype))
        names = self.model.state_dict()
        self.start = dict(zip(names, map(torch.from_numpy, task.weights()), strict=True))
        self.loss_fn = nn.BCEWithLogitsLoss() if task.binary else nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=task.lr)
        self.X, self.y = map(torch.from_numpy, task.data())
        self.binary = task.binary

    def reset(self) -> None:
        """Go back to the task's initial weights."""
        self.model.load_state_dict(self.start)

    def step(self) -> float:
        """Take one training step, as the tutorial writes it, and read its loss."""
        logits = self.model(self.X)
        loss = self.loss_fn(logits.squeeze() if self.binary else logits, self.y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.item())

    def state(self) -> dict[str, Array]:
        """Return copies of every gradient and parameter by name."""
        named = dict(self.model.named_parameters())
        gradients = {f"gradient of {n}": p.grad for n, p in named.items() if p.grad is not None}
        return {n: t.detach().numpy().copy() for n, t in (gradients | named).items()}


class Control(PyTorch):
    """PyTorch once more: what its distance from PyTorch shows is noise."""

    name = "control"


class TinygradCls(PyTorch):
    """This project's engine: the same script with another import."""

    name = "tinygrad_cls"
    module = "tinygrad_cls"

"""PyTorch's script, which tinygrad_cls runs with another import: eager and replay."""

import atexit
import os
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from shutil import rmtree
from tempfile import mkdtemp
from types import FunctionType
from typing import Any

from benchmarks.engines.base import Engine, Read, Unable
from benchmarks.tasks import Array, Task

Function = Callable[..., Any]


class PyTorch(Engine):
    """PyTorch eager: one tensor a parameter, options as a user leaves them."""

    name = "PyTorch eager"
    package = "torch"
    device = "cpu"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.torch: Any = self.load()
        nn = self.torch.nn
        layers: list[Any] = []
        for fan_in, fan_out in pairwise(task.widths):
            layers += [nn.Linear(fan_in, fan_out)] + [nn.ReLU()] * task.relu
        self.model = nn.Sequential(*layers[: -1 if task.relu else None])
        self.model.to(getattr(self.torch, task.dtype)).to(self.device)
        self.start = dict(
            zip(task.names(), map(self.torch.from_numpy, task.weights()), strict=True)
        )
        self.loss_fn = nn.BCEWithLogitsLoss() if task.binary else nn.CrossEntropyLoss()
        self.optimizer = self.torch.optim.SGD(self.model.parameters(), lr=task.lr)
        if not task.fresh:
            self.batches = list(map(self.tensors, self.batches))
        self.test = self.tensors(task.test())
        train, evaluate = self.functions()
        self.work = self.prepare(both(self.model, train, evaluate) if task.epoch else train)

    def tensors(self, batch: tuple[Array, Array]) -> tuple[Any, ...]:
        """Return a batch's arrays as tensors."""
        return tuple(self.torch.from_numpy(array).to(self.device) for array in batch)

    def functions(self) -> tuple[Function, Function]:
        """Return the training step and the evaluation, as the tutorial writes them."""
        torch, model, loss_fn, optimizer = self.torch, self.model, self.loss_fn, self.optimizer
        binary, with_accuracy = self.task.binary, self.task.epoch
        captured, test = () if self.task.fresh else self.batches[0], self.test

        def correct(logits: Any, y: Any) -> Any:
            if binary:
                labels = torch.round(torch.sigmoid(logits))
            else:
                labels = torch.softmax(logits, dim=1).argmax(dim=1)
            return torch.eq(y, labels).sum()

        def forward(X: Any) -> Any:
            logits = model(X)
            return logits.squeeze(dim=1) if binary else logits

        def train(*batch: Any) -> tuple[Any, ...]:
            X, y = batch or captured
            logits = forward(X)
            loss = loss_fn(logits, y)
            read = (loss, correct(logits, y)) if with_accuracy else (loss,)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return read

        def evaluate() -> tuple[Any, ...]:
            X, y = test
            with torch.inference_mode():
                logits = forward(X)
                return loss_fn(logits, y), correct(logits, y)

        return train, evaluate

    def prepare(self, function: Function) -> Function:
        """Compile a function, if that is what the engine does."""
        return function

    def reset(self) -> None:
        self.turn = 0
        self.model.load_state_dict(self.start)

    def step(self) -> Read:
        if not self.task.epoch:
            fresh = self.tensors(self.batch()) if self.task.fresh else ()
            (loss,) = self.work(*fresh)
            return (loss.item(),)
        loss, hits, test_loss, test_hits = self.work()
        accuracy = 100 * hits.item() / self.task.points
        test_accuracy = 100 * test_hits.item() / len(self.test[1])
        return loss.item(), test_loss.item(), accuracy, test_accuracy

    def state(self) -> dict[str, Array]:
        parameters = list(self.model.parameters())
        gradients = [p.grad for p in parameters]
        return self.named(
            *([t.detach().cpu().numpy() for t in tensors] for tensors in (parameters, gradients))
        )


def both(model: Any, train: Function, evaluate: Function) -> Function:
    """Return an epoch, as the tutorial writes it: a training step, then the evaluation."""

    def epoch() -> tuple[Any, ...]:
        model.train()
        read = train()
        model.eval()
        return *read, *evaluate()

    return epoch


class Control(PyTorch):
    """PyTorch once more: what its distance from PyTorch shows is noise."""

    name = "control"
    note = "PyTorch eager once more: its ratio is the noise"


class Cuda(PyTorch):
    """PyTorch eager on the GPU; reading the loss waits for it."""

    name = "PyTorch CUDA"
    note = "on a GPU, and the host's core waits for it"
    device = "cuda"

    @classmethod
    def load(cls) -> Any:
        torch = super().load()
        if not torch.cuda.is_available():
            raise Unable("torch.cuda.is_available() is False")
        return torch


class Compiled(PyTorch):
    """torch.compile of a whole step, gradients by torch.func, updated in place.

    Of the ways to compile a step of 2-10-10-1 this is the fastest; compiling the loss alone, or
    ``backward`` and ``optimizer.step()`` as written, gains nothing over eager.
    """

    name = "torch.compile"
    note = "the whole step in one graph through torch.func, which is faster than loss.backward()"

    @classmethod
    def load(cls) -> Any:
        if "TORCHINDUCTOR_CACHE_DIR" not in os.environ:  # so that every run compiles anew
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder = mkdtemp()
            atexit.register(rmtree, folder, ignore_errors=True)
        return super().load()

    def functions(self) -> tuple[Function, Function]:
        torch, loss_fn, lr, task = self.torch, self.loss_fn, self.task.lr, self.task
        names = [name for name, _ in self.model.named_parameters()]
        self.parameters = [p.detach() for p in self.model.parameters()]  # the same memory
        captured, test = () if task.fresh else self.batches[0], self.test

        def compiled(function: Any) -> Any:
            # What was compiled is kept, and looked up, by code object: each task has its own.
            code = function.__code__.replace()
            own = FunctionType(code, function.__globals__, closure=function.__closure__)
            return torch.compile(own, dynamic=False)

        def forward(parameters: Any, X: Any) -> Any:
            named = dict(zip(names, parameters, strict=True))
            logits = torch.func.functional_call(self.model, named, (X,))
            return logits.squeeze(dim=1) if task.binary else logits

        def correct(logits: Any, y: Any) -> Any:
            if task.binary:
                labels = torch.round(torch.sigmoid(logits))
            else:
                labels = torch.softmax(logits, dim=1).argmax(dim=1)
            return torch.eq(y, labels).sum()

        def loss_and_logits(parameters: Any, X: Any, y: Any) -> tuple[Any, Any]:
            logits = forward(parameters, X)
            return loss_fn(logits, y), logits

        @compiled
        def whole(parameters: Any, X: Any, y: Any) -> tuple[Any, ...]:
            differentiate = torch.func.grad_and_value(loss_and_logits, has_aux=True)
            gradients, (loss, logits) = differentiate(parameters, X, y)
            for p, g in zip(parameters, gradients, strict=True):
                p.sub_(g, alpha=lr)
            read = (loss, correct(logits, y)) if task.epoch else (loss,)
            return gradients, read

        @compiled
        def judge(parameters: Any, X: Any, y: Any) -> tuple[Any, Any]:
            logits = forward(parameters, X)
            return loss_fn(logits, y), correct(logits, y)

        def train(*batch: Any) -> Any:
            self.gradients, read = whole(self.parameters, *(batch or captured))
            return read

        def evaluate() -> Any:
            return judge(self.parameters, *test)

        return train, evaluate

    def state(self) -> dict[str, Array]:
        return self.named(
            *([t.numpy() for t in tensors] for tensors in (self.parameters, self.gradients))
        )


class Eager(PyTorch):
    """This project's engine: the same script with another import."""

    name = "tinygrad_cls eager"
    package = "tinygrad_cls"

    @classmethod
    def load(cls) -> Any:
        return import_module(cls.package)  # if it is broken, all shall see it


class Replay(Eager):
    """This project's engine, the step recorded once and replayed."""

    name = "tinygrad_cls replay"

    @classmethod
    def load(cls) -> Any:
        engine = super().load()
        if getattr(engine, "compile", None) is None:
            raise Unable("this tinygrad_cls has no compile")
        return engine

    def prepare(self, function: Function) -> Function:
        compiled: Function = self.torch.compile(function)
        return compiled

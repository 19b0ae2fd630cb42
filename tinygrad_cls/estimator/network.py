"""The network of the classifier, and its training step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import Generator, Tensor, compile, dtype, empty, enable_grad, from_numpy, nn, optim
from ..nn import functional as F

ACTIVATIONS: dict[str, Callable[[], nn.Module] | None] = {
    "identity": None,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


class Layer(nn.Linear):
    """A Linear whose weights come from a generator of its own, where torch draws from the global
    one: a fit disturbs nobody's random numbers.
    """

    def __init__(self, inputs: int, outputs: int, generator: Generator, kind: dtype) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = inputs, outputs
        weight, bias = empty(outputs, inputs), empty(outputs)
        bound = 1 / math.sqrt(inputs)
        nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
        nn.init.uniform_(bias, -bound, bound, generator=generator)
        self.weight, self.bias = nn.Parameter(weight.to(kind)), nn.Parameter(bias.to(kind))


def network(sizes: Sequence[int], activation: str, seed: int, kind: dtype) -> nn.Sequential:
    """Layers of these sizes with activations between them. The weights are those of torch's
    ``nn.Sequential`` of ``nn.Linear`` after ``torch.manual_seed(seed)``, drawn as float32.
    """
    generator = Generator().manual_seed(seed)
    between = ACTIVATIONS[activation]
    modules: list[nn.Module] = []
    for inputs, outputs in zip(sizes, sizes[1:], strict=False):
        if modules and between is not None:
            modules.append(between())
        modules.append(Layer(inputs, outputs, generator, kind))
    return nn.Sequential(*modules)


def linears(module: nn.Sequential) -> list[nn.Linear]:
    """The layers with weights, from the input on."""
    return [layer for layer in module if isinstance(layer, nn.Linear)]


def optimizer_for(module: nn.Sequential, estimator: Any) -> optim.Optimizer:
    """As the estimator's parameters say. The L2 penalty is for weights, not for biases."""
    layers = linears(module)
    groups = [
        {"params": [layer.weight for layer in layers]},
        {"params": [layer.bias for layer in layers]},
    ]
    lr = estimator.learning_rate_init
    if estimator.solver == "adam":
        betas = (estimator.beta_1, estimator.beta_2)
        return optim.Adam(groups, lr=lr, betas=betas, eps=estimator.epsilon)
    nesterov = estimator.nesterovs_momentum and estimator.momentum > 0
    return optim.SGD(groups, lr=lr, momentum=estimator.momentum, nesterov=nesterov)


class Trainer:
    """A network and its optimizer, with training step and evaluation as replays."""

    def __init__(self, module: nn.Sequential, optimizer: optim.Optimizer) -> None:
        self.module = module
        self.optimizer = optimizer
        self.weights = [layer.weight for layer in linears(module)]
        self.binary = linears(module)[-1].out_features == 1
        self._step = compile(self._train)
        self._look = compile(self._measure)

    def __getstate__(self) -> tuple[nn.Sequential, optim.Optimizer]:
        return self.module, self.optimizer  # plans are made anew

    def __setstate__(self, state: tuple[nn.Sequential, optim.Optimizer]) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def _measure(self, x: Tensor, t: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, and the part of the rows that is right; ``share`` weighs the rows."""
        z = self.module(x)
        if self.binary:
            z = z.squeeze(1)
            losses = F.binary_cross_entropy_with_logits(z, t, reduction="none")
            right = (z > 0) == (t > 0.5)
        else:
            losses = F.cross_entropy(z, t, reduction="none")
            right = z.argmax(dim=1) == t
        return (losses * share).sum(), (right * share).sum()

    def _train(self, x: Tensor, t: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        loss, score = self._measure(x, t, share)
        squares = sum([(W.detach() ** 2).sum() for W in self.weights])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss, score, squares

    def step(self, x: Any, t: Any, weight: Any, alpha: float) -> tuple[float, float]:
        """One update on a batch. The loss before it, penalty included, and the accuracy.

        The loss is ``(sum w l + alpha/2 sum W**2) / sum w`` over the rows, for their losses l and
        weights w: scikit-learn's.
        """
        total = len(x) if weight is None else float(weight.sum())
        if total == 0:
            return 0.0, 0.0
        self.optimizer.param_groups[0]["weight_decay"] = alpha / total
        with enable_grad():
            loss, score, squares = self._step(from_numpy(x), from_numpy(t), shares(x, weight))
        return loss.item() + 0.5 * alpha / total * squares.item(), score.item()

    def measure(self, x: Any, t: Any, weight: Any) -> tuple[float, float]:
        """Loss without penalty, and accuracy."""
        loss, score = self._look(from_numpy(x), from_numpy(t), shares(x, weight))
        return loss.item(), score.item()


def shares(x: Any, weight: Any) -> Tensor:
    """How much each row counts: they add up to 1."""
    if weight is None:
        return from_numpy(np.full(len(x), 1 / len(x), x.dtype))
    return from_numpy((weight / weight.sum()).astype(x.dtype))

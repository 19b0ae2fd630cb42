"""The network of the classifier, and its training step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import Generator, Tensor, compile, dtype, empty, float32, from_numpy, nn
from ..nn import functional as F

Array = NDArray[Any]

ACTIVATIONS: dict[str, Callable[[], nn.Module] | None] = {
    "identity": None,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


def linear(inputs: int, outputs: int, generator: Generator, kind: dtype) -> nn.Linear:
    """An ``nn.Linear`` with weights from a generator of its own. The constructor draws from the
    global one; a fit disturbs nobody's random numbers.
    """
    layer = nn.Linear.__new__(nn.Linear)
    nn.Module.__init__(layer)
    layer.in_features, layer.out_features = inputs, outputs
    weight = empty(outputs, inputs, dtype=float32)
    bias = empty(outputs, dtype=float32)
    bound = 1 / math.sqrt(inputs)
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
    nn.init.uniform_(bias, -bound, bound, generator=generator)
    layer.weight, layer.bias = nn.Parameter(weight.to(kind)), nn.Parameter(bias.to(kind))
    return layer


def network(sizes: Sequence[int], activation: str, seed: int, kind: dtype) -> nn.Sequential:
    """Layers of these sizes with activations between them. The weights are those of torch's
    ``nn.Sequential`` of ``nn.Linear`` after ``torch.manual_seed(seed)``, drawn as float32.
    """
    generator = Generator().manual_seed(seed)
    between = ACTIVATIONS[activation]
    modules: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        if modules and between is not None:
            modules.append(between())
        modules.append(linear(inputs, outputs, generator, kind))
    return nn.Sequential(*modules)


def linears(module: nn.Sequential) -> list[nn.Linear]:
    """The layers with weights, from the input on."""
    return [layer for layer in module if isinstance(layer, nn.Linear)]


def programs(module: nn.Sequential, parameters: Sequence[nn.Parameter]) -> tuple[Any, Any]:
    """Two replays of a batch's rows, targets and shares, which weigh the rows and add up to 1: one
    leaves the gradients in ``.grad``, the other doesn't. They return the loss, and the part of the
    rows that is right.
    """
    binary = linears(module)[-1].out_features == 1

    def measure(x: Tensor, t: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        z = module(x)
        if binary:
            z = z.squeeze(1)
            losses = F.binary_cross_entropy_with_logits(z, t, reduction="none")
            right = (z > 0) == (t > 0.5)
        else:
            losses = F.cross_entropy(z, t, reduction="none")
            right = z.argmax(dim=1) == t
        return (losses * share).sum(), (right * share).sum()

    def backward(x: Tensor, t: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        loss, score = measure(x, t, share)
        for p in parameters:
            p.grad = None
        loss.backward()
        return loss, score

    return compile(backward), compile(measure)


def accuracy(score: Tensor, x: Array, weight: Array | None) -> float:
    """The part that is right; of rows that weigh the same a whole number over theirs, without the
    rounding of the sum.
    """
    found: float = score.item()
    return found if weight is not None else round(found * len(x)) / len(x)


class Trainer:
    """A network, its training step as a replay, and the update.

    All parameters lie in one vector, so that the update is a few NumPy calls. Its formulas are
    those of :class:`tinygrad_cls.optim.Adam` and ``SGD``, which besides round as PyTorch's do: that
    costs more than forward and backward together on networks of this size.
    """

    def __init__(self, module: nn.Sequential) -> None:
        self.module = module
        self.steps = 0
        parameters = list(module.parameters())
        kind = parameters[0].detach().numpy().dtype
        self.vector: Array = np.concatenate([p.detach().numpy().ravel() for p in parameters])
        self.is_weight = np.concatenate([np.full(p.numel(), p.ndim == 2, kind) for p in parameters])
        self.gradient, self.average, self.squares = (np.zeros_like(self.vector) for _ in range(3))
        self.parameters: list[nn.Parameter] = []
        self.places: list[slice] = []
        start = 0
        for layer in linears(module):
            for name, old in layer.named_parameters():
                place = slice(start, start := start + old.numel())
                there = from_numpy(self.vector[place].reshape(tuple(old.shape)))
                setattr(layer, name, nn.Parameter(there))
                self.parameters.append(getattr(layer, name))
                self.places.append(place)
        self._even: dict[int, Tensor] = {}
        self._step, self._look = programs(module, self.parameters)

    def __getstate__(self) -> Any:
        return self.module, self.steps, self.average, self.squares  # plans are made anew

    def __setstate__(self, found: Any) -> None:
        module, steps, average, squares = found
        self.__init__(module)  # type: ignore[misc]
        self.steps = steps
        self.average, self.squares = np.array(average), np.array(squares)  # not a read-only file's

    def step(self, x: Array, t: Array, weight: Array | None, options: Any) -> tuple[float, float]:
        """One update on a batch. The loss before it, penalty included, and the accuracy.

        The loss is ``(sum w l + alpha/2 sum W**2) / sum w`` over the rows, for their losses l and
        weights w: scikit-learn's.
        """
        total = len(x) if weight is None else float(weight.sum())
        if total == 0:
            return 0.0, 0.0
        loss, score = self._step(from_numpy(x), from_numpy(t), self._shares(x, weight))
        g = self.gradient
        for p, place in zip(self.parameters, self.places, strict=True):
            np.copyto(g[place], p.grad.numpy().ravel())  # type: ignore[union-attr]
        decayed = self.vector * self.is_weight
        decayed *= options.alpha / total
        penalty = 0.5 * float(decayed @ self.vector)
        g += decayed
        self.steps += 1
        with np.errstate(all="ignore"):
            (self._adam if options.solver == "adam" else self._sgd)(g, options)
        return loss.item() + penalty, accuracy(score, x, weight)

    def _adam(self, g: Array, options: Any) -> None:
        beta1, beta2, t = options.beta_1, options.beta_2, self.steps
        m, v = self.average, self.squares
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * (g * g)
        size = np.sqrt(v)
        size /= (1 - beta2**t) ** 0.5
        size += options.epsilon
        np.divide(m, size, out=size)
        size *= options.learning_rate_init / (1 - beta1**t)
        self.vector -= size

    def _sgd(self, g: Array, options: Any) -> None:
        if options.momentum > 0:
            b = self.average
            b *= options.momentum
            b += g
            g = g + options.momentum * b if options.nesterovs_momentum else b
        self.vector -= options.learning_rate_init * g

    def measure(self, x: Array, t: Array, weight: Array | None) -> tuple[float, float]:
        """Loss without penalty, and accuracy."""
        loss, score = self._look(from_numpy(x), from_numpy(t), self._shares(x, weight))
        return loss.item(), accuracy(score, x, weight)

    def _shares(self, x: Array, weight: Array | None) -> Tensor:
        """How much each row counts: they add up to 1."""
        if weight is not None:
            return from_numpy((weight / weight.sum()).astype(x.dtype))
        n = len(x)
        if n not in self._even:
            self._even[n] = from_numpy(np.full(n, 1 / n, x.dtype))
        return self._even[n]

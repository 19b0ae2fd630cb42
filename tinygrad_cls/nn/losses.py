"""The losses as modules; what each computes stands at its function in :mod:`.loss_functions`."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import loss_functions as F
from .module import Module


class Loss(Module):
    """What the losses share: a reduction, "mean", "sum" or "none"."""

    def __init__(self, reduction: str) -> None:
        super().__init__()
        F.check_reduction(reduction)
        self.reduction = reduction


class WeightedLoss(Loss):
    """A loss with a ``weight``, which is a buffer: part of the state, and not learned."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None, reduction: str) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class BCEWithLogitsLoss(WeightedLoss):
    """-(t log p + (1 - t) log(1 - p)) at p = sigmoid(logit); see
    :func:`~tinygrad_cls.nn.functional.binary_cross_entropy_with_logits`.

    >>> import tinygrad_cls as tg
    >>> BCEWithLogitsLoss()(tg.tensor([0.0]), tg.tensor([1.0]))
    tensor(0.6931)
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Any:
        own = self._buffers  # the way of self.weight, without the detour of __getattr__
        return F.binary_cross_entropy_with_logits(
            input, target, own["weight"], reduction=self.reduction, pos_weight=own["pos_weight"]
        )


class BCELoss(WeightedLoss):
    """-(t log q + (1 - t) log(1 - q)) of probabilities; see
    :func:`~tinygrad_cls.nn.functional.binary_cross_entropy`.
    """

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Any:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class CrossEntropyLoss(WeightedLoss):
    """-log softmax(logits)[class]; see :func:`~tinygrad_cls.nn.functional.cross_entropy`.

    >>> import tinygrad_cls as tg
    >>> CrossEntropyLoss()(tg.tensor([[0.0, 0.0]]), tg.tensor([1]))
    tensor(0.6931)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Any:
        return F.cross_entropy(
            input,
            target,
            self._buffers["weight"],
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(WeightedLoss):
    """-z[class] of log-probabilities z; see :func:`~tinygrad_cls.nn.functional.nll_loss`."""

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Any:
        return F.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MSELoss(Loss):
    """(x - t)**2; see :func:`~tinygrad_cls.nn.functional.mse_loss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Any:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """``|x - t|``; see :func:`~tinygrad_cls.nn.functional.l1_loss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor) -> Any:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """The square of small, the absolute value of large differences; see
    :func:`~tinygrad_cls.nn.functional.smooth_l1_loss`.
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Any:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)

"""Schedules of the learning rate: ``scheduler.step()`` after every epoch.

Rates are computed from the rate before, by torch's expressions in torch's order, so that they are
torch's floats; the formulas in the docstrings are what they come to.
"""

from __future__ import annotations

import math
import types
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias
from weakref import ref

from .._state import state
from ..errors import no_such_name
from ..tensor import Tensor
from .optimizer import Optimizer

Rate: TypeAlias = Any  # a float, or a tensor where the optimizer was given one
Factor: TypeAlias = Callable[[int], float]

ORDER = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LRScheduler", "LambdaLR", "StepLR"]


class LRScheduler:
    """The base of every schedule; a subclass defines ``get_lr``.

    ``base_lrs`` are the rates that the optimizer's groups began with (their ``initial_lr``),
    ``last_epoch`` counts the steps. ``last_epoch=-1`` begins a schedule; another number goes on
    with one whose optimizer has been restored.
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", own(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    f"scheduler with last_epoch >= 0.\nThis typically happens when:\n"
                    f"1. You're trying to resume training from a checkpoint but haven't properly "
                    f"loaded the optimizer state\n"
                    f"2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
                )
        self.base_lrs = [own(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        notice_steps(optimizer)
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def get_lr(self) -> list[Rate]:
        """The rates for ``last_epoch``, from those before; only ``step`` calls it."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr()")

    def get_last_lr(self) -> list[Rate]:
        """The rates now in use, a group each."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Counts an epoch and sets every group's ``lr``; call it after ``optimizer.step()``.

        ``epoch`` is deprecated in torch: it goes to that epoch by the closed formula.
        """
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(
                    f"Seems like `optimizer.step()` has been overridden after learning rate "
                    f"scheduler initialization. Please, make sure to call `optimizer.step()` "
                    f"before `lr_scheduler.step()`. {ORDER}",
                    UserWarning,
                    stacklevel=2,
                )
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(
                    f"Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch "
                    f"1.1.0 and later, you should call them in the opposite order: "
                    f"`optimizer.step()` before `lr_scheduler.step()`.  Failure to do this will "
                    f"result in PyTorch skipping the first value of the learning rate schedule. "
                    f"{ORDER}",
                    UserWarning,
                    stacklevel=2,
                )
        self._step_count += 1
        if state.recorder is not None:
            state.recorder.stops("the learning rate")
        if epoch is not None:
            warnings.warn(
                "The epoch parameter in `scheduler.step()` was not necessary and is being "
                "deprecated where possible. Please use `scheduler.step()` to step the scheduler.",
                UserWarning,
                stacklevel=2,
            )
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
            rates = closed() if closed else self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate.squeeze() if isinstance(rate, Tensor) else rate)
            else:
                group["lr"] = rate
        self._last_lr = self._rates()

    def _rates(self) -> list[Rate]:
        return [own(group["lr"]) for group in self.optimizer.param_groups]

    def _check_caller(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes what ``state_dict`` returned; the optimizer's own state is loaded apart."""
        self.__dict__.update(state_dict)


class LambdaLR(LRScheduler):
    """lr = base_lr f(epoch), for one function f or one for each group.

    >>> import tinygrad_cls as tg
    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=0.5)
    >>> scheduler = LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> optimizer.step(); scheduler.step(); scheduler.get_last_lr()
    [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        self.optimizer = optimizer
        groups = len(optimizer.param_groups)
        if not isinstance(lr_lambda, list | tuple):
            self.lr_lambdas: list[Any] = [lr_lambda] * groups
        elif len(lr_lambda) != groups:
            raise ValueError(
                f"Expected {groups} lr_lambdas, but got {len(lr_lambda)}: one for each group"
            )
        else:
            self.lr_lambdas = list(lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        self._check_caller()
        pairs = zip(self.lr_lambdas, self.base_lrs, strict=True)
        return [base_lr * factor(self.last_epoch) for factor, base_lr in pairs]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and the functions; of a callable object its attributes."""
        state = super().state_dict()
        del state["lr_lambdas"]
        state["lr_lambdas"] = [
            None if isinstance(factor, types.FunctionType) else factor.__dict__.copy()
            for factor in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes what ``state_dict`` returned, but for functions."""
        given = dict(state_dict)
        for factor, attributes in zip(self.lr_lambdas, given.pop("lr_lambdas"), strict=False):
            if attributes is not None:
                factor.__dict__.update(attributes)
        self.__dict__.update(given)


class StepLR(LRScheduler):
    """lr = base_lr gamma^(epoch // step_size).

    >>> import tinygrad_cls as tg
    >>> optimizer = tg.optim.SGD([tg.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     optimizer.step(); scheduler.step(); print(*scheduler.get_last_lr())
    1.0
    0.5
    0.5
    0.25
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        self._check_caller()
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self._rates()
        return [group["lr"] * self.gamma for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list[Rate]:
        times = self.last_epoch // self.step_size
        return [base_lr * self.gamma**times for base_lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """lr = base_lr gamma^epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        self._check_caller()
        if self._is_initial:
            return self._rates()
        return [group["lr"] * self.gamma for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list[Rate]:
        return [base_lr * self.gamma**self.last_epoch for base_lr in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (base_lr - eta_min) (1 + cos(π epoch / T_max)) / 2 (Loshchilov & Hutter,
    SGDR, ICLR 2017, without restarts); after T_max epochs it rises again.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        self._check_caller()
        t, period, low = self.last_epoch, self.T_max, self.eta_min
        groups = self.optimizer.param_groups
        if self._is_initial:
            return self._rates()
        if self._step_count == 1 and t > 0:
            return [
                low + (base_lr - low) * (1 + math.cos(t * math.pi / period)) / 2
                for base_lr in self.base_lrs
            ]
        if (t - 1 - period) % (2 * period) == 0:  # the rate before was eta_min
            return [
                group["lr"] + (base_lr - low) * (1 - math.cos(math.pi / period)) / 2
                for base_lr, group in zip(self.base_lrs, groups, strict=True)
            ]
        return [
            (1 + math.cos(math.pi * t / period))
            / (1 + math.cos(math.pi * (t - 1) / period))
            * (group["lr"] - low)
            + low
            for group in groups
        ]

    def _get_closed_form_lr(self) -> list[Rate]:
        low = self.eta_min
        factor = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return [low + (base_lr - low) * factor / 2 for base_lr in self.base_lrs]


def own(rate: Rate) -> Rate:
    """A rate that later writes into the optimizer's tensor do not change."""
    return rate.clone() if isinstance(rate, Tensor) else rate


def notice_steps(optimizer: Optimizer) -> None:
    """Lets a scheduler see whether the optimizer has stepped."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    owner, function = ref(optimizer), optimizer.step.__func__  # type: ignore[attr-defined]

    @wraps(function)
    def step(*args: Any, **kwargs: Any) -> Any:
        its: Any = owner()
        its._opt_called = True
        return function(its, *args, **kwargs)

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = step  # type: ignore[method-assign]


if not TYPE_CHECKING:  # a type checker finds a wrong name by itself

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)

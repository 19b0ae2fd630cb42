"""The judge: is this gradient right, and if not, what is wrong with it?

``check`` judges one function; ``check_module``, ``check_loss`` and ``check_optimizer`` judge what
is made of functions; ``gradgradcheck`` the gradient's gradient; ``diff`` finds the first number in
which two runs part. See docs/judge.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # who imports the package need not wait for dataclasses
    from .report import Report

__all__ = [
    "check",
    "check_loss",
    "check_module",
    "check_optimizer",
    "diff",
    "gradgradcheck",
]


def check(
    f: Any,
    *inputs: Any,
    vjp: Callable[..., Any] | None = None,
    vjp2: Callable[..., Any] | None = None,
    against: Any = None,
    names: Sequence[str] | None = None,
    name: str = "",
    seed: int = 0,
    probes: int = 3,
    order: int | None = None,
    coordinates: int = 1024,
    examples: int = 100,
    seconds: float = 60.0,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Whether the gradient of ``f`` at ``inputs`` is right, with evidence.

    ``f`` is a function of NumPy arrays with ``vjp(g, *inputs) -> (gradient or None, ...)``, one for
    each input; a function of this engine's tensors; a torch function or ``autograd.Function``; or
    what an adapter of :mod:`tinygrad_cls.judge.adapters` makes of a JAX or HIPS autograd function.
    It returns an array (tensor) or a tuple of them; then ``g`` is a tuple too.

    Backward's answers to random cotangents are held against finite differences with error bounds,
    the complex step, and ``against``, the same function in another engine; the tolerance is ten
    times the measured noise. Float32 inputs are judged by the float64 reading, and float32's own
    rounding by a derived budget. Kinks, ties and edges get their own verdict. Then: linearity in
    the cotangent, mutation, hidden state, memory layout, other sizes and values, second order.

    Args:
        f: What is judged.
        inputs: Arrays, tensors, numbers, or hypothesis strategies that draw them (a single one may
            draw a tuple of all): then ``examples`` are drawn, and a failure is shrunk.
        vjp: The gradient of a function of arrays.
        vjp2: Its own vjp, ``vjp2(h, g, *inputs) -> (for g, *for inputs)``.
        against: The same function in another engine, such as ``torch.nn.functional.gelu``.
        names: Of the inputs, for the report.
        name: Of the function, for the report.
        seed: Of cotangents, directions and examples.
        probes: How many cotangents, at least 2.
        order: 2 judges the gradient's gradient too; by default where the engine can and the inputs
            hold up to 256 numbers.
        coordinates: How many numbers of the inputs are visited one by one; of more, a choice is,
            and the others along random directions.
        examples: How many inputs strategies draw.
        seconds: About how long a check may take: for a slow function fewer numbers are visited, and
            what is left out is said.
        progress: Called with a line now and then.

    Returns:
        A report; ``bool(report)`` says whether the check passed.

    Raises:
        TypeError: What was given can't be judged: strings, no inputs, no real numbers, float16.
        ValueError: An option makes no sense.

    >>> import numpy as np
    >>> check(np.sin, [0.5, 1.0], vjp=lambda g, x: g * np.cos(x)).passed
    True
    >>> report = check(np.tanh, [0.5, 1.0], vjp=lambda g, x: g * (1 - x**2))
    >>> report.verdict, report.failures[0].pattern
    ('failed', 'yours = g * (1 - x**2), where 1 - y**2 belongs')
    """
    from .drawn import drawn
    from .entry import run

    return drawn(
        run,
        f,
        inputs,
        examples=examples,
        vjp=vjp,
        vjp2=vjp2,
        against=against,
        names=names,
        name=name,
        seed=seed,
        probes=probes,
        order=order,
        coordinates=coordinates,
        seconds=seconds,
        progress=progress,
    )


def gradgradcheck(f: Any, *inputs: Any, **options: Any) -> Report:
    """:func:`check` to second order: the gradient, and the gradient of the gradient.

    >>> import tinygrad_cls as tg
    >>> gradgradcheck(lambda x: (x * x).exp(), tg.tensor([0.5, 1.0])).tested[-1]
    'second order'
    """
    return check(f, *inputs, order=2, **options)


def check_module(module: Any, *inputs: Any, **options: Any) -> Report:
    """:func:`check` of a module of this engine or of torch, for its inputs and its parameters.

    >>> from tinygrad_cls import nn, ones
    >>> check_module(nn.Linear(2, 3), ones(4, 2)).passed
    True
    """
    from .modules import check_module as run

    return run(module, inputs, options)


def check_loss(loss: Any, x: Any, target: Any, **options: Any) -> Report:
    """Whether a loss's gradient is its own slope, and both are what a rule says.

    ``check_loss(loss, x, target, rule="cross_entropy", vjp=None, **options)``:
    :func:`tinygrad_cls.judge.rules.losses.check_loss` has all arguments.

    >>> from tinygrad_cls import nn, tensor
    >>> logits, labels = tensor([[2.0, 0.0, 1.0], [0.5, 1.0, -1.0]]), tensor([0, 2])
    >>> check_loss(nn.CrossEntropyLoss(label_smoothing=0.1), logits, labels).passed
    True
    """
    from .rules.losses import check_loss as run

    return run(loss, x, target, **options)


def check_optimizer(make: Any, rule: Any = None, **options: Any) -> Report:
    """Whether an optimizer's steps are what a rule says, given the same gradients.

    ``check_optimizer(make, rule=None, shapes=((3,), (2, 2)), steps=12, **options)``:
    :func:`tinygrad_cls.judge.rules.optimizers.check_optimizer` has all arguments.

    >>> from tinygrad_cls import optim
    >>> check_optimizer(optim.SGD, lr=0.1, momentum=0.9, nesterov=True).passed
    True
    """
    from .rules.optimizers import check_optimizer as run

    return run(make, rule, **options)


def diff(run_a: Any, run_b: Any, **options: Any) -> Any:
    """Where two training runs part first, and whether rounding explains it.

    A run is a generator: it shows its model to ``watch`` and yields the loss of each epoch.
    :func:`tinygrad_cls.judge.divergence.diff` has all arguments.

    >>> import tinygrad_cls as tg
    >>> def run(watch, dtype):
    ...     tg.manual_seed(0)
    ...     model = tg.nn.Linear(2, 1).to(dtype)
    ...     watch(model)
    ...     optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    ...     for _ in range(3):
    ...         loss = (model(tg.ones(4, 2, dtype=dtype)) ** 2).mean()
    ...         optimizer.zero_grad()
    ...         loss.backward()
    ...         optimizer.step()
    ...         yield loss
    >>> diff(lambda watch: run(watch, tg.float32), lambda watch: run(watch, tg.float64)).verdict
    'explained by rounding'
    """
    from .divergence import diff as run

    return run(run_a, run_b, **options)

"""``torch.autograd.gradcheck``, slow and fast, on a ``torch.autograd.Function`` around the pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..._torch import pytorch
from ..case import Array
from .pair import Pair
from .rival import Checker


def slow() -> Checker:
    """The whole Jacobian: eps 1e-6, atol 1e-5, rtol 1e-3."""
    return checker(fast_mode=False)


def fast() -> Checker:
    """One random projection of it, the tolerances scaled accordingly."""
    return checker(fast_mode=True)


def checker(fast_mode: bool) -> Checker:
    """gradcheck, and gradgradcheck for a pair that has a second derivative.

    Arrays are shared with torch, not copied, and have the dtype of the case: gradcheck asks for
    float64 in a warning and checks float32 all the same. A gradient of a shape that broadcasts from
    the input's is summed by torch before gradcheck sees it; such a fault heals, and isn't caught.
    """
    torch = pytorch()

    def check(pair: Pair) -> str:
        torch.manual_seed(0)
        function = native(torch, pair)
        xs = [tensor(torch, x).requires_grad_() for x in pair.xs]
        checks = [torch.autograd.gradcheck]
        if pair.vjp2 is not None:
            checks.append(torch.autograd.gradgradcheck)
        for judge in checks:
            judge(function, xs, fast_mode=fast_mode)  # raises GradcheckError
        return ""

    return Checker(check, f"torch {torch.__version__}")


def native(torch: Any, pair: Pair) -> Callable[..., Any]:
    """The pair as torch has it."""

    def arrays(tensors: Sequence[Any]) -> list[Array]:
        return [t.detach().numpy() for t in tensors]

    def tensors(found: Sequence[Array | None]) -> tuple[Any, ...]:
        return tuple(None if a is None else tensor(torch, a) for a in found)

    class Forward(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, *xs: Any) -> Any:
            ctx.save_for_backward(*xs)
            ys = tensors(pair.values(*arrays(xs)))
            return ys if pair.several else ys[0]

        @staticmethod
        def backward(ctx: Any, *gs: Any) -> Any:
            if pair.vjp2 is not None:
                return Backward.apply(*gs, *ctx.saved_tensors)
            return tensors(pair.pullback(arrays(gs), *arrays(ctx.saved_tensors)))

    class Backward(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            ctx.save_for_backward(*args)
            gs, xs = apart(args)
            return tensors(pair.pullback(arrays(gs), *arrays(xs)))

        @staticmethod
        def backward(ctx: Any, *hs: Any) -> Any:
            gs, xs = apart(ctx.saved_tensors)
            for_gs, for_xs = pair.second(arrays(hs), arrays(gs), *arrays(xs))
            return tensors([*for_gs, *for_xs])

    def apart(args: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return args[: -len(pair.wanted)], args[-len(pair.wanted) :]

    applied: Callable[..., Any] = Forward.apply
    return applied


def tensor(torch: Any, a: Array) -> Any:
    """The array as a tensor that shares its memory, but for strides that torch has not."""
    if any(n < 0 for n in a.strides):
        a = np.array(a)
    made = torch.from_numpy(a)
    return made if a.size else torch.empty(a.shape, dtype=made.dtype)  # NumPy's strides may be 0

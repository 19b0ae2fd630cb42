"""``torch.autograd``: gradients, custom functions, derivatives of functions, anomaly detection."""

from typing import TYPE_CHECKING, NoReturn

from .._state import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..chain_rule import backward, grad
from ..errors import no_such_name
from . import function, functional
from .anomaly import detect_anomaly, set_detect_anomaly
from .function import Function
from .gradcheck import gradcheck, gradgradcheck

__all__ = [
    "Function",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

if not TYPE_CHECKING:  # a type checker finds a wrong name by itself

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)

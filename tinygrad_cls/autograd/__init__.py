"""``torch.autograd``: gradients on demand, custom functions, derivatives of functions, anomalies."""

from .._state import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..chain_rule import backward, grad
from . import functional
from .anomaly import detect_anomaly, set_detect_anomaly
from .function import Function

__all__ = [
    "Function",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

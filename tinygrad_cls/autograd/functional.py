"""Derivatives of functions as ``torch.autograd.functional``."""

"""How far apart this engine's loss curves and PyTorch's may be (docs/contract.md), in numbers that
`reference` and the sweep share.
"""

TUTORIAL_SEED = 42

LOSS_FLOAT32 = {"circles-linear": 1e-5, "circles-relu": 1e-3, "blobs": 1e-5}
"""Relative. With ReLU the loss has a spike, which amplifies rounding: by one CPU's kernels to
1e-6, by another's to 2e-4."""

LOSS_FLOAT64, LOSS_FLOAT64_ANY_RUN = 1e-12, 1e-8
"""Relative. The worst measured were 1.8e-15 with seed 42 and 1.1e-10 with any."""


def loss_bound(experiment: str, dtype: str, as_measured: bool) -> float | None:
    """Largest relative difference of the loss allowed over a whole run; None: nothing is promised.

    as_measured: the tutorial's own run, with its seed, its rate and width, and no more epochs.

    >>> loss_bound("blobs", "float64", as_measured=False)
    1e-08
    """
    if dtype == "float64":
        return LOSS_FLOAT64 if as_measured else LOSS_FLOAT64_ANY_RUN
    return LOSS_FLOAT32[experiment] if as_measured else None

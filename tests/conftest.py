"""What every test gets: one thread, no window, repeatable random examples, and a said reason
where PyTorch is missing.

Random examples: HYPOTHESIS_PROFILE is ``ci`` (the default: the same examples in every run) or
``long`` (by hand: ``make test-long``). A test that sets ``max_examples`` itself escapes both.

Tests that need PyTorch say so, one at a time::

    @pytest.mark.needs_torch
    def test_agrees(): ...

or for a whole file, ahead of what imports it (``reference`` does)::

    torch = pytest.importorskip("torch", reason="compares with PyTorch")
"""

import contextlib
import importlib.util
import os
import re

import hypothesis
import pytest

collect_ignore = ["tutorial.py"]  # a script: test_tutorial.py runs it on both engines

# Before anything else imports what reads them; `make` sets the same. Our own plugin has imported
# NumPy by now: its BLAS is told through threadpoolctl, which comes with scikit-learn.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
if not os.environ.keys() & THREADS:
    with contextlib.suppress(ModuleNotFoundError):
        import threadpoolctl

        threadpoolctl.threadpool_limits(1)
for name in THREADS:
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# No deadline: a busy machine is not a bug. Nor is a slow draw of a large array.
common = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("ci", derandomize=True, max_examples=50, **common)
hypothesis.settings.register_profile("long", max_examples=2000, print_blob=True, **common)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

HAS_TORCH = importlib.util.find_spec("torch") is not None


def needs_torch(item: pytest.Item) -> bool:
    """Is it marked so, or a doctest that imports torch?"""
    if isinstance(item, pytest.DoctestItem):
        return any(re.match(r"(import|from) torch\b", e.source) for e in item.dtest.examples)
    return item.get_closest_marker("needs_torch") is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if HAS_TORCH:
        return
    skip = pytest.mark.skip(reason="needs PyTorch: pip install 'tinygrad_cls[reference]'")
    for item in items:
        if needs_torch(item):
            item.add_marker(skip)

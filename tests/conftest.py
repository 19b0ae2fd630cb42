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
import gc
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
hypothesis.settings.register_profile("ci", derandomize=True, max_examples=30, **common)
hypothesis.settings.register_profile("long", max_examples=2000, print_blob=True, **common)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_finish() -> None:
    """The 16,000 tests stay to the end: no garbage collection needs to look at them again."""
    gc.collect()
    gc.freeze()


EXTRAS = {"torch": "reference", "jax": "scoreboard", "autograd": "scoreboard"}
MISSING = {name for name in EXTRAS if importlib.util.find_spec(name) is None}


def needs(item: pytest.Item) -> set[str]:
    """What of these it needs: it's marked so, or is a doctest that imports it."""
    if isinstance(item, pytest.DoctestItem):
        lines = [e.source for e in item.dtest.examples]
        return {n for n in EXTRAS if any(re.match(rf"(import|from) {n}\b", e) for e in lines)}
    return {"torch"} if item.get_closest_marker("needs_torch") is not None else set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items if MISSING else ():
        for name in sorted(needs(item) & MISSING):
            reason = f"needs {name}: pip install 'tinygrad_cls[{EXTRAS[name]}]'"
            item.add_marker(pytest.mark.skip(reason=reason))

"""What the laws share: PyTorch's functions, imported by the first test that asks for them."""

from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def twins() -> ModuleType:
    """:mod:`.twins`, which imports PyTorch; a test that takes it is marked ``needs_torch``."""
    from . import twins

    return twins

"""One sandbox for all tests that need none of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from greenloop.runtime.sandbox import Sandbox


@pytest.fixture(scope="session")
def box() -> Iterator[Sandbox]:
    with Sandbox(workers=2) as made:
        yield made

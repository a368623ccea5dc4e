"""What the engine's tests share."""

from __future__ import annotations

import warnings

import pytest


@pytest.fixture(autouse=True)
def _other_peoples_deprecations() -> None:
    """litellm's use of pydantic and DSPy's announcement of 3.5 are not ours to mend."""
    warnings.filterwarnings("ignore", message="Accessing the 'model_", module="litellm")
    warnings.filterwarnings("ignore", message="Passing OpenAI-style message", category=DeprecationWarning)

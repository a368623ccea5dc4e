"""What all tests share: data sets where they are at hand, no store of the user's, examples that never differ."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent

# Every machine tries the same examples, however slow it is; `--hypothesis-profile wide` looks for new ones.
_ANY_SPEED = [HealthCheck.too_slow]
settings.register_profile(
    "same", derandomize=True, deadline=None, print_blob=True, suppress_health_check=_ANY_SPEED
)
settings.register_profile(
    "wide", max_examples=1000, deadline=None, print_blob=True, suppress_health_check=_ANY_SPEED
)
settings.load_profile("same")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with HumanEval and MBPP: GREENLOOP_DATA, or shared/data beside the checkout."""
    for folder in (os.environ.get("GREENLOOP_DATA"), ROOT.parent / "shared" / "data"):
        if folder and (Path(folder) / "HumanEval.jsonl").is_file():
            return Path(folder)
    pytest.skip(
        "no benchmark data: set GREENLOOP_DATA to a folder with HumanEval.jsonl and sanitized-mbpp.json"
    )


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own store."""
    folder = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("GREENLOOP_STORE", f"sqlite:///{folder}/greenloop.db")

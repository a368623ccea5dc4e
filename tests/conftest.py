"""What all tests share: data sets where they are at hand, and no store of the user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def benchmark_data() -> Path | None:
    """The folder with HumanEval and MBPP: GREENLOOP_DATA, or shared/data beside the checkout."""
    for candidate in (os.environ.get("GREENLOOP_DATA"), ROOT.parent / "shared" / "data"):
        if candidate and (Path(candidate) / "HumanEval.jsonl").is_file():
            return Path(candidate)
    return None


@pytest.fixture(autouse=True)
def _own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own store."""
    folder = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("GREENLOOP_STORE", f"sqlite:///{folder}/greenloop.db")

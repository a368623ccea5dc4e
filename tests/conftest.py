"""What all tests share: data sets where they are at hand, and no store of the user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


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

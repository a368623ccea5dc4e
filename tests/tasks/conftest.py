"""Where the published data sets are, and how sources are run on tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from greenloop.runtime.execution import Candidate, Execution
from greenloop.runtime.sandbox import Sandbox

REPOSITORY = Path(__file__).resolve().parents[2]

Job = tuple[Candidate, Sequence[str]]


@pytest.fixture
def data_dir() -> Path:
    """The folder with HumanEval and MBPP; the test is skipped where it is not."""
    folder = Path(os.environ.get("GREENLOOP_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "HumanEval.jsonl").is_file() or not (folder / "sanitized-mbpp.json").is_file():
        pytest.skip(f"no HumanEval.jsonl and sanitized-mbpp.json in {folder}; set GREENLOOP_DATA")
    return folder


@pytest.fixture(scope="module")
def run_all() -> Iterator[Callable[[Sequence[Job]], list[Execution]]]:
    """Runs candidates on tests in the sandbox, two at a time."""
    with Sandbox(workers=2) as sandbox, ThreadPoolExecutor(2) as threads:
        yield lambda jobs: list(threads.map(lambda job: sandbox.run(*job), jobs))

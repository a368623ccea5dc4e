"""Where the published data sets are, and how trusted sources are run in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

_RUNNER = """
import contextlib, io, json, sys
for line in sys.stdin:
    code, tests = json.loads(line)
    namespace = {"__name__": "candidate"}
    verdict = ""
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            exec(code, namespace)
            for test in tests:
                exec(test, namespace)
        except BaseException as error:
            verdict = type(error).__name__ + ": " + str(error)
    print(json.dumps(verdict))
"""


@pytest.fixture
def data_dir() -> Path:
    """The folder with HumanEval and MBPP; the test is skipped where it is not."""
    folder = Path(os.environ.get("GREENLOOP_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "HumanEval.jsonl").is_file() or not (folder / "sanitized-mbpp.json").is_file():
        pytest.skip(f"no HumanEval.jsonl and sanitized-mbpp.json in {folder}; set GREENLOOP_DATA")
    return folder


@pytest.fixture
def run_all() -> Callable[[list[tuple[str, list[str]]]], list[str]]:
    """Runs (code, tests) pairs that are our own or published; yields "" or the error of each."""

    def run(jobs: list[tuple[str, list[str]]]) -> list[str]:
        lines = "".join(json.dumps(job) + "\n" for job in jobs)
        done = subprocess.run(
            [sys.executable, "-c", _RUNNER],
            input=lines,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run

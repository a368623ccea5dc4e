"""The examples in docstrings are what the library does."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import greenloop
import pytest

APART = ("greenloop.tests", "greenloop.benchmarks", "greenloop.examples", "greenloop.docs")
NAMES = [
    found.name
    for found in pkgutil.walk_packages(greenloop.__path__, "greenloop.")
    if not found.name.startswith(APART)
    and ".inside_" not in found.name  # run in the sandbox's processes alone
    and not found.name.endswith("__main__")
]


@pytest.mark.filterwarnings("ignore")
def test_examples_in_docstrings() -> None:
    runner = doctest.DocTestRunner(verbose=False)
    failed: list[str] = []
    for name in NAMES:
        for one in doctest.DocTestFinder().find(importlib.import_module(name), name):
            if one.examples and runner.run(one, out=lambda _: None).failed:
                failed.append(one.name)
    assert failed == []
    assert runner.tries > 200

"""Modules for pytest: run under the real one, every item that it collects is a unit."""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import io
import os
import sys
import types
from typing import TYPE_CHECKING, Any

from .inside_forms import Test

if TYPE_CHECKING:
    from .inside_recorder import Recorder


def run_pytest(test: Test, names: dict[str, Any], recorder: Recorder) -> None:
    """Run the module under the real pytest; every item it collects is a unit.

    Raises:
        ModuleNotFoundError: If the judge's interpreter has no pytest.
    """
    import pytest

    before = len(recorder.units)
    name = f"test_candidate_{before}"  # a name that was imported before would give its old tests again
    path = os.path.join(os.getcwd(), f"{name}.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(test.text)
    source = test.tree

    class Plugin:
        """Collects from the rewritten tree and reports to the recorder."""

        numbers: dict[str, int]

        def pytest_collection_finish(self, session: Any) -> None:
            self.numbers = {}
            for item in session.items:
                self.numbers[item.nodeid] = len(recorder.units)
                recorder.units.append(item.nodeid.partition("::")[2])

        def pytest_runtest_setup(self, item: Any) -> None:
            recorder.begin(self.numbers[item.nodeid])

        def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
            number = self.numbers.get(node.nodeid) if hasattr(self, "numbers") else None
            if number is None:
                recorder.raised(call.excinfo.value, test.text.strip())
            else:
                recorder.failed(number, call.excinfo.value)

    module = types.ModuleType(name)
    module.__dict__.update({k: v for k, v in names.items() if not k.startswith("__")})
    module.__file__ = path
    assert source is not None

    class Loader(importlib.abc.Loader):
        """Gives pytest the rewritten module, with the candidate's names in it."""

        def create_module(self, spec: Any) -> types.ModuleType:
            return module

        def exec_module(self, module: types.ModuleType) -> None:
            exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)

    class Finder(importlib.abc.MetaPathFinder):
        """Finds the test module ahead of the file."""

        def find_spec(self, wanted: str, path_: Any, target: Any = None) -> Any:
            return importlib.machinery.ModuleSpec(name, Loader(), origin=path) if wanted == name else None

    sys.meta_path.insert(0, Finder())
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", os.getcwd()]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main([path, *options, "--assert=plain", "-c", os.devnull], plugins=[Plugin()])
    if len(recorder.units) == before:
        raise AssertionError("pytest found no test in this module")

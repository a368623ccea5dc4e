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
        """Collects from the rewritten tree and reports to the recorder; an interruption is the candidate's failure."""

        numbers: dict[str, int]
        current: int | None = None

        def pytest_collection_finish(self, session: Any) -> None:
            self.numbers = {}
            for item in session.items:
                self.numbers[item.nodeid] = len(recorder.units)
                recorder.units.append(item.nodeid.partition("::")[2])

        def pytest_runtest_setup(self, item: Any) -> None:
            self.current = self.numbers[item.nodeid]
            recorder.begin(self.current)

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
            number = self.numbers[item.nodeid]
            report = (yield).get_result()
            if report.failed:
                why = call.excinfo.value if call.excinfo is not None else AssertionError(str(report.longrepr))
                recorder.failed(number, why)
            elif report.skipped and not hasattr(report, "wasxfail"):
                recorder.skipped(number)

        def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
            if not hasattr(self, "numbers"):
                recorder.raised(call.excinfo.value, test.text.strip())

        def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
            if self.current is None:
                recorder.raised(excinfo.value, test.text.strip())
            else:
                recorder.failed(self.current, excinfo.value)

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
    here = os.getcwd()
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "--rootdir",
        here,
        "--confcutdir",
        here,
    ]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = pytest.main([path, *options, "--assert=plain", "-c", os.devnull], plugins=[Plugin()])
    if len(recorder.units) == before:
        raise AssertionError("pytest found no test in this module")
    if code and not recorder.fatal and all(r["passed"] for n, r in recorder.results.items() if n >= before):
        raise AssertionError(f"pytest did not come to its end (exit code {int(code)})")

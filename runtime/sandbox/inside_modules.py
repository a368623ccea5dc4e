"""Modules of test functions and of `unittest` cases: every function and method is a unit."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .inside_forms import Function, Test, cases, functions

if TYPE_CHECKING:
    from .inside_recorder import Recorder


def run_module(test: Test, names: dict[str, Any], recorder: Recorder) -> None:
    """Every test function that the module does not call itself, and every method of a test case, is a unit."""
    assert test.tree is not None
    for node in test.tree.body:
        for function in functions([node]):
            if function.name not in test.called:
                _unit(recorder, test.text, function, names[function.name])
        if isinstance(node, ast.ClassDef) and node in cases(test.tree):
            _run_case(test.text, node, names[node.name], recorder)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            for method in functions(node.body):
                _unit(recorder, test.text, method, _bound(names[node.name], method.name))


def _bound(cls: type, name: str) -> Callable[[], Any]:
    def call() -> Any:
        instance = cls()
        setup = getattr(instance, "setup_method", None)
        if setup is not None:
            setup(*([None] * len(inspect.signature(setup).parameters)))
        return getattr(instance, name)()

    return call


def _unit(recorder: Recorder, text: str, node: Function, call: Callable[[], Any]) -> None:
    number = len(recorder.units)
    recorder.units.append(ast.get_source_segment(text, node) or node.name)
    recorder.begin(number)
    try:
        result = call()
        if isinstance(node, ast.AsyncFunctionDef):
            import asyncio

            asyncio.run(result)
    except BaseException as error:  # noqa: BLE001 - the recorder sorts them
        recorder.failed(number, error)


def _run_case(text: str, node: ast.ClassDef, cls: Any, recorder: Recorder) -> None:
    import unittest

    loader = unittest.TestLoader()
    nodes = {n.name: n for n in functions(node.body)}
    plain = unittest.TestCase.assertEqual

    def noted(self: Any, first: Any, second: Any, msg: Any = None) -> None:
        if first != second:
            recorder.note(first, second, "==")
        plain(self, first, second, msg)

    cls.assertEqual = cls.assertEquals = noted
    cls.setUpClass()
    for name in loader.getTestCaseNames(cls):
        number = len(recorder.units)
        method = nodes.get(name)
        recorder.units.append((method and ast.get_source_segment(text, method)) or name)
        recorder.begin(number)
        _run_method(cls(name), number, recorder)
    cls.tearDownClass()


def _run_method(case: Any, number: int, recorder: Recorder) -> None:
    import unittest

    class Result(unittest.TestResult):
        """Hands failures over with their exception; nothing but a success counts as one."""

        settled = False

        def addSuccess(self, test: Any) -> None:  # noqa: N802
            self.settled = True

        def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
            self.settled = True

        def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
            recorder.failed(number, AssertionError("it was expected to fail"))

        def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
            recorder.skipped(number)
            self.settled = True

        def addError(self, test: Any, err: Any) -> None:  # noqa: N802
            recorder.failed(number, err[1])

        def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
            recorder.failed(number, err[1])

        def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
            if err is not None:
                recorder.failed(number, err[1])

    result = Result()
    try:
        case.run(result)
    except BaseException as error:  # noqa: BLE001 - what unittest lets through
        recorder.failed(number, error)
    if not result.settled:
        recorder.failed(number, AssertionError("the test neither passed nor failed"))

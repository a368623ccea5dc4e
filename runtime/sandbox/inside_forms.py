"""The forms in which people write tests, told apart by their source."""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.abc
import importlib.machinery
import inspect
import io
import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .inside_rewrite import CHECK

if TYPE_CHECKING:
    from .inside_recorder import Recorder

PROGRAM = "run_program"


@dataclass
class Test:
    """One test's source and its form: "script", "doctest", "module" (unittest or plain functions) or "pytest"."""

    text: str
    form: str
    tree: ast.Module | None = None

    @property
    def captures(self) -> bool:
        """Whether it looks at what the candidate prints."""
        return self.form in ("doctest", "pytest") or "redirect_stdout" in self.text or "sys.stdout" in self.text


@dataclass
class Prepared:
    """All tests of a job.

    Attributes:
        tests: The tests.
        loads: Whether the code is to be loaded ahead of them; not where it only runs as a whole program.
        needs_together: Why they cannot be judged apart; empty where they can.
    """

    tests: list[Test]
    loads: bool
    needs_together: str = ""


def prepare(tests: list[str], entry: str) -> Prepared:
    """Parse the tests and tell their forms.

    Raises:
        SyntaxError: If one is neither Python nor a doctest.
    """
    prepared = Prepared([_form(t) for t in tests], True)
    texts = [t.text for t in prepared.tests]
    if not entry and texts and all(PROGRAM in t for t in texts):
        prepared.loads = False
    for test in prepared.tests:
        why = _together(test, entry)
        if why:
            prepared.needs_together = why
    return prepared


def _form(text: str) -> Test:
    text = inspect.cleandoc(text) if text.lstrip(" \t\n").startswith((">>>", '"""')) and text[:1] in " \t" else text
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        if ">>>" in text:
            return Test(text, "doctest")
        if isinstance(error, SyntaxError):
            raise
        raise SyntaxError(str(error)) from None
    if _only_docstring(tree) and ">>>" in text:
        return Test(ast.get_docstring(tree) or "", "doctest")
    imports = {a.name.partition(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imports |= {(n.module or "").partition(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    functions = [n for n in _all_tests(tree) if isinstance(n, ast.FunctionDef)]
    if "pytest" in imports or any(_needs_fixture(f) for f in functions):
        return Test(text, "pytest", tree)
    if functions or _cases(tree):
        called = {n.func.id for s in tree.body if isinstance(s, ast.Expr) for n in ast.walk(s)
                  if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}  # fmt: skip
        if not called & {f.name for f in functions}:
            return Test(text, "module", tree)
    return Test(text, "script", tree)


def _only_docstring(tree: ast.Module) -> bool:
    return len(tree.body) == 1 and ast.get_docstring(tree) is not None


def _cases(tree: ast.Module) -> list[ast.ClassDef]:
    found: list[ast.ClassDef] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any("TestCase" in ast.unparse(b) for b in node.bases):
            found.append(node)
    return found


def _all_tests(tree: ast.Module) -> list[ast.stmt]:
    found: list[ast.stmt] = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test") and not node.bases:
            found += [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
    return found


def _needs_fixture(function: ast.FunctionDef) -> bool:
    names = [a.arg for a in function.args.args]
    required = len(names) - len(function.args.defaults)
    return bool(function.decorator_list) or any(n != "self" for n in names[:required])


def _together(test: Test, entry: str) -> str:
    if test.tree is None:
        return ""
    own = {n.name for n in ast.walk(test.tree) if isinstance(n, ast.ClassDef)}
    imported = {(a.asname or a.name).partition(".")[0] for n in ast.walk(test.tree)
                if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}  # fmt: skip
    for node in ast.walk(test.tree):
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                name = base.id if isinstance(base, ast.Name) else ""
                if name and name not in own | imported and not hasattr(builtins, name):
                    return f"a test derives from the candidate's class {name}"
        if isinstance(node, ast.Call):
            if "patch" not in test.text:
                continue
            function = ast.unparse(node.func)
            if function.endswith(("patch", "patch.object", "patch.dict", "monkeypatch.setattr")):
                return "a test patches names in the candidate"
    return ""


def count(test: Test) -> int:
    """Units of a doctest or a module, which are made when it runs."""
    if test.form == "doctest":
        import doctest

        examples = doctest.DocTestParser().get_examples(test.text)
        return sum(bool(e.want) or e.exc_msg is not None for e in examples)
    if test.form != "module" or test.tree is None:
        return 0
    methods = [n for c in _cases(test.tree) for n in c.body if isinstance(n, ast.FunctionDef)]
    return len(_all_tests(test.tree)) + sum(n.name.startswith("test") for n in methods)


def defines_check(tree: ast.Module | None) -> bool:
    """Whether a test defines a function `check` with an argument."""
    if tree is None:
        return False
    return any(isinstance(n, ast.FunctionDef) and n.name == CHECK and n.args.args for n in tree.body)


def calls_check(text: str) -> bool:
    """Whether a test calls `check` at its top level."""
    return any(line.startswith(f"{CHECK}(") for line in text.split("\n"))


def normal_output(text: str) -> str:
    """Output as it is compared: no white space at the ends of lines, none at the end."""
    return "\n".join(line.rstrip() for line in text.rstrip().split("\n"))


# -- running the forms ---------------------------------------------------------------------------------


def run_doctest(test: Test, names: dict[str, Any], recorder: Recorder) -> None:
    """Every example that expects something is a unit; the others prepare it."""
    import doctest

    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    parsed = doctest.DocTestParser().get_doctest(test.text, names, "doctest", None, 0)
    expecting = [e for e in parsed.examples if e.want or e.exc_msg is not None]
    units = {id(e): len(recorder.units) + i for i, e in enumerate(expecting)}
    recorder.units += [e.source.strip() for e in expecting]
    checker = doctest.OutputChecker()
    for example in parsed.examples:
        number = units.get(id(example))
        if number is not None:
            recorder.begin(number)
        got, error = _run_example(example.source, names)
        if number is None:
            if error is not None:
                recorder.raised(error, example.source.strip())
            continue
        if error is not None:
            shown = f"{type(error).__name__}: {error}\n"
            if example.exc_msg is not None and example.exc_msg.partition(":")[0].endswith(type(error).__name__):
                continue
            recorder.note(shown, example.want.strip(), "==")
            recorder.failed(number, error)
        elif example.exc_msg is not None or not checker.check_output(example.want, got, flags):
            recorder.note(_Text(got.strip()), _Text(example.want.strip()), "==")
            recorder.failed(number, AssertionError())


class _Text(str):
    """Text whose `repr` is itself: what a doctest shows is a `repr` already."""

    def __repr__(self) -> str:
        return str(self)


def _run_example(source: str, names: dict[str, Any]) -> tuple[str, BaseException | None]:
    out = io.StringIO()
    hook = sys.displayhook
    sys.displayhook = sys.__displayhook__
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(source, "<tests>", "single", dont_inherit=True), names)
    except BaseException as error:  # noqa: BLE001 - an example may expect it
        return out.getvalue(), error
    finally:
        sys.displayhook = hook
    return out.getvalue(), None


def run_module(test: Test, names: dict[str, Any], recorder: Recorder) -> None:
    """Every test function and every method of a test case is a unit."""
    assert test.tree is not None
    for node in test.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            _unit(recorder, test.text, node, names[node.name])
        elif isinstance(node, ast.ClassDef) and node in _cases(test.tree):
            _run_case(test.text, node, names[node.name], recorder)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name.startswith("test_"):
                    _unit(recorder, test.text, method, _bound(names[node.name], method.name))


def _bound(cls: type, name: str) -> Callable[[], Any]:
    def call() -> Any:
        instance = cls()
        setup = getattr(instance, "setup_method", None)
        if setup is not None:
            setup(*([None] * len(inspect.signature(setup).parameters)))
        return getattr(instance, name)()

    return call


def _unit(recorder: Recorder, text: str, node: ast.FunctionDef, call: Callable[[], Any]) -> None:
    number = len(recorder.units)
    recorder.units.append(ast.get_source_segment(text, node) or node.name)
    recorder.begin(number)
    try:
        call()
    except BaseException as error:  # noqa: BLE001 - the recorder sorts them
        recorder.failed(number, error)


def _run_case(text: str, node: ast.ClassDef, cls: Any, recorder: Recorder) -> None:
    import unittest

    loader = unittest.TestLoader()
    nodes = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
    plain = unittest.TestCase.assertEqual

    def noted(self: Any, first: Any, second: Any, msg: Any = None) -> None:
        if not first == second:
            recorder.note(first, second, "==")
        plain(self, first, second, msg)

    cls.assertEqual = cls.assertEquals = noted
    suite_result = unittest.TestResult()
    cls.setUpClass()
    for name in loader.getTestCaseNames(cls):
        number = len(recorder.units)
        method = nodes.get(name)
        recorder.units.append((method and ast.get_source_segment(text, method)) or name)
        recorder.begin(number)
        case = cls(name)
        case._outcome = None
        _run_method(case, name, number, recorder, suite_result)
    cls.tearDownClass()


def _run_method(case: Any, name: str, number: int, recorder: Recorder, result: Any) -> None:
    import unittest

    class Result(unittest.TestResult):
        """Hands failures over with their exception."""

        def addError(self, test: Any, err: Any) -> None:  # noqa: N802
            recorder.failed(number, err[1])

        def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
            recorder.failed(number, err[1])

        def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
            if err is not None:
                recorder.failed(number, err[1])

    del result
    try:
        case.run(Result())
    except BaseException as error:  # noqa: BLE001 - what unittest lets through
        recorder.failed(number, error)
    del name


def run_pytest(test: Test, names: dict[str, Any], recorder: Recorder) -> None:
    """Run the module under the real pytest; every item it collects is a unit.

    Raises:
        ModuleNotFoundError: If the judge's interpreter has no pytest.
    """
    import pytest

    exec_names = names
    path = os.path.join(os.getcwd(), "test_candidate.py")
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

    module = types.ModuleType("test_candidate")
    module.__dict__.update({k: v for k, v in exec_names.items() if not k.startswith("__")})
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

        def find_spec(self, name: str, path_: Any, target: Any = None) -> Any:
            return importlib.machinery.ModuleSpec(name, Loader(), origin=path) if name == "test_candidate" else None

    sys.meta_path.insert(0, Finder())
    options = ["-q", "-x" if False else "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", os.getcwd()]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main([path, *options, "--assert=plain", "-c", os.devnull], plugins=[Plugin()])


class _Candidate(types.ModuleType):
    """The candidate as a module that a test imports."""

    __path__: list[str] = []  # noqa: RUF012

    def __init__(self, name: str, attribute: Callable[[str], Any]) -> None:
        super().__init__(name)
        self._attribute = attribute

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._attribute(name)
        except KeyError:
            raise AttributeError(f"neither a module {self.__name__!r} nor a candidate's name {name!r}") from None


def offer_candidate_module(tests: list[Test], attribute: Callable[[str], Any]) -> None:
    """Let a test import the candidate under any name that it names and that is no installed module."""
    nodes = [n for t in tests if t.tree is not None for n in ast.walk(t.tree)]
    named = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    named |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
    offered = {".".join(name.split(".")[:i]) for name in named for i in range(1, name.count(".") + 2)}

    class Loader(importlib.abc.Loader):
        """Makes the stand-in."""

        def create_module(self, spec: Any) -> types.ModuleType:
            return _Candidate(spec.name, attribute)

        def exec_module(self, module: types.ModuleType) -> None:
            """Nothing to run: the candidate ran already."""

    class Finder(importlib.abc.MetaPathFinder):
        """Asked last, for what nobody else found."""

        def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
            if name not in offered or name.partition(".")[0] in sys.stdlib_module_names:
                return None
            return importlib.machinery.ModuleSpec(name, Loader())

    sys.meta_path.append(Finder())

"""Doctests: every example that expects something is a unit."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TYPE_CHECKING, Any

from .inside_forms import Test

if TYPE_CHECKING:
    from .inside_recorder import Recorder


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
            if example.exc_msg is not None and _class_name(example.exc_msg) == type(error).__name__:
                continue
            recorder.note(shown, example.want.strip(), "==")
            recorder.failed(number, error)
        elif example.exc_msg is not None or not checker.check_output(example.want, got, flags):
            recorder.note(_Text(got.strip()), _Text(example.want.strip()), "==")
            recorder.failed(number, AssertionError())


def _class_name(message: str) -> str:
    """The class in the last line of a traceback, its module left out, as doctest does where details do not count."""
    return message.partition("\n")[0].partition(":")[0].strip().rpartition(".")[2]


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

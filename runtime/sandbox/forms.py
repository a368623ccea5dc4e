"""Tests as source from input and output pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .inside_forms import normal_output


def function_tests(entry_point: str, pairs: Sequence[tuple[Any, Any]]) -> list[str]:
    """One assertion per pair of arguments and expected value.

    Args:
        entry_point: Name of the function.
        pairs: `(arguments, expected)`: a tuple or list of positional arguments, or a mapping of keyword arguments;
            all of them values whose `repr` is source.

    Example:
        >>> function_tests("add", [((1, 2), 3)])
        ['assert add(1, 2) == 3']
    """
    tests: list[str] = []
    for arguments, expected in pairs:
        if isinstance(arguments, Mapping):
            shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        else:
            shown = ", ".join(repr(value) for value in arguments)
        tests.append(f"assert {entry_point}({shown}) == {expected!r}")
    return tests


def program_test(stdin: str, stdout: str) -> str:
    """A test of a whole program: what it prints when it reads `stdin`, white space at line ends aside.

    The candidate's `entry_point` is empty then; each such test runs the program anew.

    Example:
        >>> program_test("3\\n", "6\\n")
        "assert run_program('3\\\\n') == '6'"
    """
    return f"assert run_program({stdin!r}) == {normal_output(stdout)!r}"

"""Tests of whole programs: what they print for an input."""

from __future__ import annotations

import re

from ..runtime.sandbox.forms import program_test

REQUEST = (
    "Write a whole Python program that reads standard input and writes standard output. In the tests below,"
    " run_program(text) runs it with that input and gives what it printed."
)
"""Told to the model after a task's description."""

_DECIMAL = re.compile(r"(?<![\w.])-?\d+\.\d+(?![\w.])")

_CLOSE = '''\
def _agree(got, want):
    """The same words line by line; numbers within {tolerance}."""
    lines, wanted = got.split("\\n"), want.split("\\n")
    pairs = [(a, b) for x, y in zip(lines, wanted) for a, b in zip(x.split(), y.split())]
    shape = [len(x.split()) for x in lines] == [len(y.split()) for y in wanted]
    return shape and all(a == b or _near(a, b) for a, b in pairs)


def _near(a, b):
    try:
        return abs(float(a) - float(b)) <= {tolerance} * max(1.0, abs(float(b)))
    except ValueError:
        return False


'''


def output_test(stdin: str, stdout: str, tolerance: float = 0.0) -> str:
    """A test of a program's output: equal but for white space at line ends.

    Args:
        stdin: What it reads.
        stdout: What it must print.
        tolerance: Numbers with a decimal point may differ by this, absolutely or relatively.

    Example:
        >>> output_test("3\\n", "6\\n")
        "assert run_program('3\\\\n') == '6'"
    """
    exact = program_test(stdin, stdout)
    if not _DECIMAL.search(stdout):
        return exact
    normal = "\n".join(line.rstrip() for line in stdout.rstrip().split("\n"))
    return _CLOSE.format(tolerance=tolerance or 1e-12) + f"assert _agree(run_program({stdin!r}), {normal!r})"

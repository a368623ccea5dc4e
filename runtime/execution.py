"""What running a candidate yields: limits in, an `Execution` out; plain data on the standard library alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal[
    "passed",
    "failed",
    "error",
    "syntax_error",
    "timeout",
    "out_of_memory",
    "crashed",
    "early_exit",
    "output_limit",
    "unserialisable",
    "blocked",
    "no_code",
    "unverified",
    "sandbox_error",
]
"""How a run ended.

`passed`: every test held. `failed`: a test's assertion did not hold (a wrong answer). `error`: the
candidate raised, `error_type` says what. `syntax_error`: it does not compile. `timeout`, `out_of_memory`,
`output_limit`: a limit of `Limits`. `crashed`: killed by a signal. `early_exit`: it left before its tests
were done. `unserialisable`: a value that the judge cannot take over. `blocked`: denied by the sandbox's
policy. `no_code`: the model's answer held no code. `unverified`: there was no test; the code loads and
defines the entry point, nothing more is known. `sandbox_error`: the sandbox failed; never the model's fault.
"""


def error_class(outcome: str, error_type: str = "") -> str:
    """The class under which statistics count an execution: its exception's type where there is one, else its outcome.

    Args:
        outcome: As in `Execution.outcome`.
        error_type: Name of the exception, or empty. An AssertionError of a test is a wrong answer.

    Example:
        >>> error_class("error", "NameError"), error_class("failed", "AssertionError"), error_class("syntax_error")
        ('NameError', 'wrong answer', 'SyntaxError')
    """
    if outcome == "failed":
        return "wrong answer"
    if outcome == "syntax_error":
        return "SyntaxError"
    if outcome == "error" and error_type:
        return error_type
    return outcome.replace("_", " ")


Tier = str
"""Name of the isolation that held during the run, strongest first: "namespaces", "landlock", "limits", "unsafe"."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one sandboxed run.

    Attributes:
        wall_s: Seconds of wall time for the candidate with all its tests (the paper used 10).
        cpu_s: Seconds of processor time.
        memory_mb: Address space in MiB.
        output_kb: Standard output and error kept and allowed, in KiB.
    """

    wall_s: float = 10
    cpu_s: float = 10
    memory_mb: int = 512
    output_kb: int = 64

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"Limits.{field.name} must be positive, got {getattr(self, field.name)!r}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """The code to run, and what it is run with.

    Attributes:
        code: Python source as the model wrote it.
        entry_point: The function (or class) that tests call; empty for a whole program.
        preamble: Source put ahead of the code: the imports and helpers that tests and task assume.
    """

    code: str
    entry_point: str = ""
    preamble: str = ""


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test's verdict.

    Attributes:
        test: The test's source.
        passed: Whether it held.
        call: The call under test as source, where one stands out (``add(1, 2)``).
        got: `repr` of what the candidate returned, bounded; None where nothing came back.
        expected: `repr` of what the test wanted; None where the test has no such value.
        error_type: Class name of the exception, where one was raised.
        message: Its message, bounded.
        line: Line of the candidate's code (1-based, the preamble not counted) where it was raised.
    """

    test: str
    passed: bool
    call: str | None = None
    got: str | None = None
    expected: str | None = None
    error_type: str | None = None
    message: str | None = None
    line: int | None = None

    __test__ = False  # pytest: a name, not a test class


@dataclass(frozen=True, slots=True)
class Execution:
    """What one sandboxed run showed.

    Attributes:
        outcome: See `Outcome`.
        error_type: Class name of the first failing test's exception; "AssertionError" for a wrong answer.
        message: Its message in one or a few lines, bounded.
        line: Line of the candidate's code (1-based, the preamble not counted).
        traceback: The candidate's frames of the traceback, bounded; None where there is none.
        tests: One result per test, in order; tests that never ran are missing.
        tests_total: How many tests there were.
        stdout: What the candidate printed (both streams), bounded by `Limits.output_kb`.
        duration_s: Wall seconds.
        tier: The isolation that held.
        mode: "apart" (judge and candidate in different processes) or "together" (declared weaker).
        trace: Executed lines with local values, where asked for.
    """

    outcome: Outcome
    error_type: str | None = None
    message: str | None = None
    line: int | None = None
    traceback: str | None = None
    tests: tuple[TestResult, ...] = ()
    tests_total: int = 0
    stdout: str = ""
    duration_s: float = 0.0
    tier: Tier = ""
    mode: str = "apart"
    trace: tuple[dict[str, Any], ...] | None = None

    @property
    def passed(self) -> bool:
        """True only for the outcome `passed`: an unverified candidate never counts as passed."""
        return self.outcome == "passed"

    @property
    def tests_passed(self) -> int:
        """How many tests held."""
        return sum(t.passed for t in self.tests)

    @property
    def error_class(self) -> str:
        """The class under which statistics count it, see this module's `error_class`."""
        return error_class(self.outcome, self.error_type or "")

    def to_json(self) -> dict[str, Any]:
        """The execution as plain JSON data; `from_json` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Execution:
        """Read what `to_json` wrote."""
        fields = {f.name for f in dataclasses.fields(cls)}
        known = {k: v for k, v in data.items() if k in fields}
        known["tests"] = tuple(TestResult(**t) for t in data.get("tests", ()))
        if known.get("trace") is not None:
            known["trace"] = tuple(known["trace"])
        return cls(**known)

"""What a model is told about an execution that did not pass."""

from __future__ import annotations

from typing import Literal, get_args

from ..runtime.execution import Execution

FeedbackStyle = Literal["none", "error_line", "traceback", "per_test", "values"]
"""`none`: only that it failed. `error_line`: the exception with its line. `traceback`: the candidate's frames.
`per_test`: for each failed test the call, what came back and what was expected. `values`: the first failed test,
and the lines that ran with the values that changed."""

FEEDBACK_STYLES: tuple[str, ...] = get_args(FeedbackStyle)

_MAX_CHARS = 1000  # the paper shows the first 1,000 characters of stderr
_MAX_TESTS = 3
_MAX_LINES = 12


def feedback(execution: Execution, style: str = "error_line", *, code: str = "") -> str:
    """The text that a refining stage shows the model.

    Args:
        execution: What running the code showed.
        style: One of `FEEDBACK_STYLES`.
        code: The code, from which the failing line is quoted.

    Returns:
        At most some 1,000 characters (`values`: some 25 lines more); empty for a passed execution.

    Raises:
        ValueError: There is no such style.
    """
    if style not in FEEDBACK_STYLES:
        raise ValueError(f"feedback style must be one of {', '.join(FEEDBACK_STYLES)}, not {style!r}")
    if execution.passed:
        return ""
    if style == "none":
        return "The program above is not correct."
    if style == "values" and execution.trace:
        return _values(execution, code)
    if style in ("per_test", "values") and any(not t.passed for t in execution.tests):
        return _per_test(execution)
    if style == "traceback" and execution.traceback:
        return _clip(f"Running the program failed:\n{execution.traceback}")
    return _clip(_error_line(execution, code))


def _error_line(execution: Execution, code: str) -> str:
    what = {
        "no_code": "The answer above held no Python code.",
        "timeout": "The program above did not finish in time.",
        "out_of_memory": "The program above used too much memory.",
        "early_exit": "The program above exited before its tests were done.",
        "output_limit": "The program above printed too much.",
        "blocked": "The program above did something that is not allowed.",
        "unserialisable": "The program above returned a value of an unexpected type.",
    }.get(execution.outcome)
    failed = next((t for t in execution.tests if not t.passed), None)
    if execution.outcome == "failed" and failed is not None:
        return f"The program above fails this test:\n{failed.test.strip()}"
    detail = ": ".join(p for p in (execution.error_type, execution.message) if p)
    if what:
        return f"{what} {execution.message or ''}".strip()
    lines = code.splitlines()
    where = ""
    if execution.line and 1 <= execution.line <= len(lines):
        where = f"\nat line {execution.line}: {lines[execution.line - 1].strip()}"
    return f"Running the program above failed with {detail or execution.outcome}{where}"


def _per_test(execution: Execution) -> str:
    failed = [t for t in execution.tests if not t.passed]
    parts = [f"The program above fails {len(failed)} of {execution.tests_total} tests:"]
    for test in failed[:_MAX_TESTS]:
        call = test.call or test.test.strip()
        if test.error_type and test.error_type != "AssertionError":
            parts.append(f"{call} raised {test.error_type}: {test.message or ''}".rstrip(": "))
        elif test.got is not None and test.expected is not None:
            parts.append(f"{call} returned {test.got}, expected {test.expected}")
        else:
            parts.append(f"does not hold: {test.test.strip()}")
    return _clip("\n".join(parts))


def _values(execution: Execution, code: str) -> str:
    """The failed test, then each line that ran with the values that it changed; the middle of a long run left out."""
    lines = code.splitlines()
    head = (
        _per_test(execution) if any(not t.passed for t in execution.tests) else _error_line(execution, code)
    )
    shown: list[str] = []
    for event in execution.trace or ():
        if event["event"] == "left_out":
            shown.append("…")
            continue
        number = int(event["line"])
        source = lines[number - 1].strip() if 1 <= number <= len(lines) else ""
        values = ", ".join(f"{name} = {value[1]}" for name, value in event.get("locals", {}).items())
        if event["event"] == "return":
            values = f"returns {event['value'][1]}" if "value" in event else values
        shown.append(f"line {number}: {source}" + (f"  # {values}" if values else ""))
    if len(shown) > 2 * _MAX_LINES:
        shown = [*shown[:_MAX_LINES], "…", *shown[-_MAX_LINES:]]
    return "\n".join([_clip(head), "Values line by line:", *shown])


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS - 1] + "…"

"""The signal: what running candidates showed, as text that goes into the prompt ahead of the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from ..runtime.execution import Execution
from .guided_candidates import Trial

SignalKind = Literal["trace", "final_values", "verdict"]
"""`trace`: every executed line with the values that changed, the return value or the exception, without what was
expected. `final_values`: only the last value of every variable, and what came back. `verdict`: for every visible test
what came back and what was expected."""

SIGNALS: tuple[str, ...] = get_args(SignalKind)

HEADER = (
    "For your information, here are possible continuations of your program, and what happened when each was run."
    " They may be wrong: learn from what happened, and write the correct program."
)
MOST_CHARS = 3000
"""Longest signal; what does not fit is left out from the end, and the signal says so."""

_MOST_LINES = 24
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def signal_text(trials: Sequence[Trial], kind: str, most_chars: int = MOST_CHARS) -> str:
    """The signal of candidates.

    Args:
        trials: The candidates with their executions.
        kind: A `SignalKind`.
        most_chars: Longest text; see `MOST_CHARS`.

    Returns:
        The text; empty where there is nothing to tell. It is the same for the same runs: names are sorted, and
        addresses of objects are left out.
    """
    blocks = [
        _ADDRESS.sub("", block)
        for number, trial in enumerate(trials, 1)
        for block in _blocks(number, trial, kind)
    ]
    parts, size = [HEADER], len(HEADER)
    for i, block in enumerate(blocks):
        if size + len(block) > most_chars:
            parts.append(f"({len(blocks) - i} more left out)")
            break
        parts.append(block)
        size += len(block)
    return "\n\n".join(parts) if len(parts) > 1 else ""


def _blocks(number: int, trial: Trial, kind: str) -> list[str]:
    code = f"# Candidate {number}\n{trial.code}"
    if kind == "verdict":
        return [f"{code}\n{_verdict(trial.verdict)}"] if trial.verdict is not None else []
    tell: Callable[[Execution, str], list[str]] = _trace if kind == "trace" else _final_values
    runs = [f"# Call: {call}\n" + "\n".join(tell(execution, trial.code)) for call, execution in trial.runs]
    return [f"{code}\n{runs[0]}", *runs[1:]] if runs else []


def _verdict(execution: Execution) -> str:
    lines: list[str] = []
    for test in execution.tests:
        call = test.call or test.test.strip()
        if test.passed:
            lines.append(f"# {call}: passed")
        elif test.error_type and test.error_type != "AssertionError":
            lines.append(f"# {call}: raised {test.error_type}: {test.message or ''}".rstrip(": "))
        elif test.got is not None and test.expected is not None:
            lines.append(f"# {call}: got {test.got}, expected {test.expected}")
        else:
            lines.append(f"# {call}: does not hold")
    return "\n".join(lines) or f"# {_ending(execution)}"


def _trace(execution: Execution, code: str) -> list[str]:
    source = code.splitlines()
    shown = [line for event in execution.trace or () if (line := _event(event, source))]
    if len(shown) > _MOST_LINES:
        half = _MOST_LINES // 2
        shown = [*shown[:half], f"# … {len(shown) - 2 * half} steps left out …", *shown[-half:]]
    if not shown or execution.outcome not in ("passed", "failed", "error"):
        shown.append(f"# {_ending(execution)}")
    return shown


def _event(event: dict[str, Any], source: Sequence[str]) -> str:
    kind = event["event"]
    if kind == "left_out":
        return f"# … {event['count']} steps left out …"
    changed = sorted(event["locals"].items())
    values = ", ".join(f"{name} ({kind_of}) = {shown}" for name, (kind_of, shown) in changed)
    if kind == "return":
        kind_of, shown = event["value"]
        return f"# {event['function']} returned {shown} ({kind_of})" + (f"; {values}" if values else "")
    if kind == "exception":
        kind_of, shown = event["value"]
        return f"# line {event['line']} raised {kind_of}: {shown}"
    number = int(event["line"])
    text = source[number - 1].strip() if 1 <= number <= len(source) else ""
    return f"# line {number}: {text}" + (f"  | {values}" if values else "")


def _final_values(execution: Execution, code: str) -> list[str]:
    values: dict[str, tuple[str, str]] = {}
    came: str = ""
    events = execution.trace or ()
    outer = next((e["function"] for e in events if e["event"] != "left_out"), "")
    for event in events:
        if event["event"] == "left_out" or event["function"] != outer:
            continue
        values.update({name: (kind_of, shown) for name, (kind_of, shown) in event["locals"].items()})
        if event["event"] == "return":
            came = f"# returned {event['value'][1]} ({event['value'][0]})"
        elif event["event"] == "exception":
            came = f"# raised {event['value'][0]}: {event['value'][1]}"
    lines = [f"# {name} ({kind_of}) = {shown}" for name, (kind_of, shown) in sorted(values.items())]
    return [*lines, came or f"# {_ending(execution)}"]


def _ending(execution: Execution) -> str:
    told = {
        "timeout": "it did not finish in time",
        "out_of_memory": "it used too much memory",
        "blocked": "it did something that is not allowed",
        "output_limit": "it printed too much",
        "early_exit": "it exited before it was done",
    }.get(execution.outcome)
    detail = ": ".join(p for p in (execution.error_type, execution.message) if p)
    return told or detail or execution.outcome

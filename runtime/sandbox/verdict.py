"""From what a run left behind to an `Execution`: the one place where outcomes are told apart."""

from __future__ import annotations

import dataclasses
import signal
from typing import Any, cast

from ...errors import SandboxError, TaskError
from ..execution import Execution, Limits, Outcome, TestResult
from . import inside_told
from .inside_failure import clip
from .watch import RawRun

TEXT = 2000
"""Longest text of a call or value, in characters; the judge writes shorter ones."""
_RESULT_FIELDS = {f.name for f in dataclasses.fields(TestResult)}


def verdict(raw: RawRun, limits: Limits, *, tier: str, mode: str) -> Execution:
    """Judge a run.

    Raises:
        SandboxError: If the judge, not the candidate, is what failed.
        TaskError: If a test is no Python.
    """
    death: tuple[Outcome, str] | None = _death(raw, limits)
    try:
        report = _without_surrogates(raw.report)
    except RecursionError:
        report = {"fatal": "protocol"}
    if report is None:
        if raw.judge_late:
            report = dict[str, Any]()
            death = ("timeout", f"the tests took longer than {limits.wall_s:g} s")
        elif death is not None and (mode == "together" or death[0] in ("timeout", "output_limit")):
            report = {}
        else:
            raise SandboxError("the judge ended without a report")
    if "broken" in report and (death is None or death[0] != "timeout"):
        raise SandboxError(f"{report['broken']}: {raw.candidate}")
    if "bad_tests" in report:
        raise TaskError(str(report["bad_tests"]))
    try:
        told = [_checked(r) for r in cast("list[Any]", report.get("results", []))]
        results = [_result(r) for r in told]
        total = int(report.get("total", 0))
        found = _outcome(report, told, death)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        if mode == "apart":
            raise SandboxError(f"the judge's report is malformed: {error}") from None
        told, results, total, found = [], [], 0, _FORGED
    outcome, error_type, message, line, trace_text = found
    if told and outcome not in ("passed", "unverified") and told[-1].get("kind") == "ended":
        results[-1] = dataclasses.replace(results[-1], error_type=error_type, message=message)
    events = inside_told.events(report.get("trace"))
    return Execution(
        outcome=outcome,
        error_type=error_type,
        message=message,
        line=line,
        traceback=trace_text,
        tests=tuple(results),
        tests_total=total,
        stdout=raw.output.decode("utf-8", "backslashreplace"),
        duration_s=float(raw.candidate.get("wall_s", 0.0)),
        tier=tier,
        mode=mode,
        trace=tuple(events) if events else None,
    )


def _without_surrogates(value: Any) -> Any:
    """What a judge reported, its lone surrogates written out: such text can be neither shown nor sent to a model."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {_without_surrogates(name): _without_surrogates(one) for name, one in pairs}
    if isinstance(value, list):
        return [_without_surrogates(one) for one in cast("list[Any]", value)]
    return value


_Found = tuple[Outcome, "str | None", "str | None", "int | None", "str | None"]


def _outcome(report: dict[str, Any], told: list[dict[str, Any]], death: tuple[Outcome, str] | None) -> _Found:
    if "load" in report:
        return _described(inside_told.failure(report["load"]))
    for one in told:
        if not one["passed"] and one["kind"] != "ended":
            return _described(one)
    fatal = report.get("fatal", "")
    if fatal == "cannot_travel":
        return "unserialisable", "Unserialisable", clip(str(report.get("message"))), None, None
    if fatal == "protocol":
        return _FORGED
    if death is not None and (fatal or not report or death[0] in ("output_limit", "timeout")):
        return death[0], _TYPES.get(death[0]), death[1], None, None
    if fatal:
        return (
            "early_exit",
            "SystemExit",
            "the candidate closed its connection before its tests were done",
            None,
            None,
        )
    if not told and isinstance(report["results"], list):
        return "unverified", None, None, None, None
    if not all(one["passed"] for one in told):
        raise ValueError("a test ended, but the run did not")
    return "passed", None, None, None, None


_FORGED: _Found = (
    "blocked", "ProtocolError", "the candidate wrote to the sandbox's own connection", None, None,
)  # fmt: skip
_TYPES = {"timeout": "TimeoutError", "out_of_memory": "MemoryError", "early_exit": "SystemExit"}


def _described(found: dict[str, Any]) -> _Found:
    return found["kind"], found["type"], found["message"], found["line"], found["traceback"]


def _checked(told: dict[str, Any]) -> dict[str, Any]:
    """A test's result; in mode "together" it is the candidate's word.

    Raises:
        TypeError, ValueError, KeyError, AttributeError: If it is none.
    """
    if type(told["passed"]) is not bool:
        raise TypeError("a result that is neither true nor false")
    shown = {name: clip(str(told[name]), TEXT) for name in ("call", "got", "expected") if name in told}
    found: dict[str, Any] = {"test": str(told["test"]), "passed": told["passed"], **shown}
    if told["passed"]:
        return found
    if told["kind"] == "ended":
        return {**found, "kind": "ended"}
    found |= inside_told.failure({**told, "type": told["error_type"]})
    found["error_type"] = found["type"]
    if told["kind"] == "failed":
        found["kind"] = "failed"
    return found


def _result(data: dict[str, Any]) -> TestResult:
    return TestResult(**{k: v for k, v in data.items() if k in _RESULT_FIELDS})


_EXCESSES: dict[str, tuple[Outcome, str]] = {
    "disk": ("output_limit", "wrote too much to its folder, or hid what it wrote"),
    "memory": ("out_of_memory", "held too much in files without a name"),
    "threads": ("out_of_memory", "started too many threads"),
}


def _death(raw: RawRun, limits: Limits) -> tuple[Outcome, str] | None:
    """How the candidate's process ended, where that was not the end of its tests."""
    ended = raw.candidate
    if raw.flooded:
        return "output_limit", f"more than {limits.output_kb} KiB of output"
    killed, number = ended.get("killed"), ended.get("signal")
    if killed == "done" and number == signal.SIGKILL:
        return None
    if killed == "wall":
        return "timeout", f"took longer than {limits.wall_s:g} s"
    if killed in _EXCESSES:
        return _EXCESSES[killed]
    if killed == "stopped":
        return "crashed", "stopped itself"
    if number is None:
        return ("early_exit", f"left with exit code {ended['exit']}") if "exit" in ended else None
    if number == getattr(signal, "SIGXCPU", -1) or ended.get("cpu_s", 0.0) >= limits.cpu_s:
        return "timeout", f"used more than {limits.cpu_s:g} s of processor time"
    if number == signal.SIGKILL:
        return "crashed", "killed by SIGKILL: by itself, or by a system that ran out of memory"
    return "crashed", f"killed by {_signal_name(number)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

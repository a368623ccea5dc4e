"""From what a run left behind to an `Execution`: the one place where outcomes are told apart."""

from __future__ import annotations

import dataclasses
import signal
from typing import Any, cast

from ...errors import SandboxError, TaskError
from ..execution import Execution, Limits, Outcome, TestResult
from .watch import RawRun

_RESULT_FIELDS = {f.name for f in dataclasses.fields(TestResult)}


def verdict(raw: RawRun, limits: Limits, *, tier: str, mode: str) -> Execution:
    """Judge a run.

    Raises:
        SandboxError: If the judge, not the candidate, is what failed.
        TaskError: If a test is no Python.
    """
    death: tuple[Outcome, str] | None = _death(raw, limits)
    report = _without_surrogates(raw.report)
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
        raise TaskError(report["bad_tests"])
    results = [_result(r) for r in report.get("results", ())]
    kinds = [r.get("kind") for r in report.get("results", ())]
    outcome, error_type, message, line, trace_text = _outcome(report, results, kinds, death)
    if results and outcome not in ("passed", "unverified") and kinds[-1] == "ended":
        results[-1] = dataclasses.replace(results[-1], error_type=error_type, message=message)
    events = report.get("trace")
    return Execution(
        outcome=outcome,
        error_type=error_type,
        message=message,
        line=line,
        traceback=trace_text,
        tests=tuple(results),
        tests_total=int(report.get("total", 0)),
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


def _outcome(
    report: dict[str, Any], results: list[TestResult], kinds: list[Any], death: tuple[Outcome, str] | None
) -> _Found:
    if "load" in report:
        return _described(report["load"])
    for result, data in zip(results, report.get("results", ()), strict=True):
        if not result.passed and data.get("kind") != "ended":
            return _described({**data, "type": result.error_type})
    fatal = report.get("fatal", "")
    if fatal == "cannot_travel":
        return "unserialisable", "Unserialisable", report.get("message"), None, None
    if fatal == "protocol":
        return "blocked", "ProtocolError", "the candidate wrote to the sandbox's own connection", None, None
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
    if "results" not in report:
        raise SandboxError("the judge's report is empty")
    if not kinds:
        return "unverified", None, None, None, None
    return "passed", None, None, None, None


_TYPES = {"timeout": "TimeoutError", "out_of_memory": "MemoryError", "early_exit": "SystemExit"}


def _described(found: dict[str, Any]) -> _Found:
    kind = found.get("kind") or "error"
    line = found.get("line")
    return (
        cast("Outcome", kind),
        str(found.get("type") or "Exception"),
        str(found.get("message") or ""),
        line if isinstance(line, int) else None,
        found.get("traceback"),
    )


def _result(data: dict[str, Any]) -> TestResult:
    return TestResult(**{k: v for k, v in data.items() if k in _RESULT_FIELDS})


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
    if killed == "disk":
        return "output_limit", "wrote too much to its folder"
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

"""Notes what became of each unit of the tests."""

from __future__ import annotations

import math
from typing import Any

from .inside_ends import Astray, CannotTravel, Gone
from .inside_failure import bounded_repr, clip, describe
from .inside_peer import Peer
from .inside_told import events
from .inside_trace import Tracer

GOT = 1000
CALL = 500


class Recorder:
    """The object that rewritten tests report to.

    Args:
        peer: The connection to the candidate; None in mode "together".
        code: The candidate's code, for lines of its own tracebacks in mode "together".
        name: The entry point.
        tracer: In mode "together", what traces the candidate's lines; apart, the candidate's side does.
        traced: Whether a trace was asked for.

    Attributes:
        units: The source of each unit.
        expected: How many units there will be, as far as that is known ahead.
        results: By unit number, what is known of it.
        fatal: What ended the run early: "eof", "protocol", "cannot_travel"; empty otherwise.
        packages: What tests import, and not from the candidate.
        missing: One of them that is not installed; empty otherwise.
    """

    def __init__(self, peer: Peer | None, code: str, name: str, tracer: Tracer | None, traced: bool) -> None:
        self.units: list[str] = []
        self.results: dict[int, dict[str, Any]] = {}
        self.expected = 0
        self.fatal = ""
        self.packages: set[str] = set()
        self.missing = ""
        self.fatal_message = ""
        self.by_test = False
        self.trace: list[Any] | None = None
        self._peer = peer
        self._code = code
        self._name = name
        self._tracer = tracer
        self._traced = traced
        self._noted: tuple[Any, Any, str] | None = None
        self._current = -1
        self._first: float = math.inf

    def begin(self, number: int) -> None:
        """A unit begins."""
        self._current = number
        self._noted = None
        self.results.setdefault(number, {"test": self.units[number], "passed": True})
        if self._peer is not None:
            self._peer.begin(number + 1)
        elif self._tracer is not None:
            self._tracer.enter(number + 1)

    def note(self, got: Any, expected: Any, symbol: str) -> None:
        """An assertion is about to fail: what both sides were."""
        self._noted = (got, expected, symbol)

    def failed(self, number: int, error: BaseException) -> None:
        """A unit raised; what ends the whole run is raised on."""
        if number not in self.results:
            self.begin(number)
        if isinstance(error, (Astray, Gone, CannotTravel)):
            self.end(error)
            raise error
        if not self.results[number]["passed"]:
            return
        result = self.results[number] = {"test": self.units[number], "passed": False, **self._calls()}
        remote = getattr(error, "_remote", None)
        if remote is None:
            self._note_missing(error)
        if remote is None and isinstance(error, AssertionError) and not self._own(error):
            self._wrong(result, error)
        else:
            found = remote if isinstance(remote, dict) else describe(error, self._code)
            result["line"], result["kind"] = found.get("line"), found.get("kind")
            if number < self._first:  # nobody reads the others
                self._first, result["traceback"] = number, found.get("traceback")
            result["error_type"], result["message"] = (
                str(found.get("type"))[:200],
                clip(str(found.get("message"))),
            )
        self._noted = None
        self._keep_trace()

    def skipped(self, number: int) -> None:
        """A unit that its test skipped: it did not come to its end, so it has no result but a failure."""
        if self.results.get(number, {}).get("passed"):
            del self.results[number]

    def _note_missing(self, error: BaseException) -> None:
        while error.__cause__ is not None:
            error = error.__cause__
        if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] in self.packages:
            self.missing = "" if self._own(error) else str(error.name)

    def _own(self, error: BaseException) -> bool:
        """Whether the candidate itself raised it (known in mode "together" only)."""
        return describe(error, self._code)["line"] is not None

    def _wrong(self, result: dict[str, Any], error: AssertionError) -> None:
        result["kind"], result["error_type"] = "failed", "AssertionError"
        message = clip(str(error)) if error.args else ""
        if self._noted is not None:
            got, expected, symbol = self._noted
            result["got"] = bounded_repr(got, GOT)
            shown = bounded_repr(expected, GOT)
            result["expected"] = shown if symbol in ("==", "is") else f"{symbol} {shown}"
            message = message or f"got {result['got']}, expected {result['expected']}"
        result["message"] = message

    def _calls(self) -> dict[str, Any]:
        if self._peer is None or not self._peer.calls:
            return {}
        plain = [i for i, call in enumerate(self._peer.calls) if ".__" not in call[0]]
        try:
            shown = [self._peer.arguments(i) for i in plain[-3:]]
        except (Exception, CannotTravel):  # noqa: BLE001 - a value whose repr fails only costs the call's text
            return {}
        return {"call": clip("; ".join(shown), CALL)}

    def _keep_trace(self) -> None:
        if self.trace is not None or not self._traced:
            return
        if self._peer is None:
            self.trace = (self._tracer.events() or None) if self._tracer is not None else None
            return
        try:
            found = self._peer.request("trace")["ok"]
        except BaseException as error:  # noqa: BLE001 - the candidate may be gone
            self.end(error)
            return
        self.trace = events(found)

    def last_trace(self) -> None:
        """Where no unit failed: keep what was traced last."""
        self._keep_trace()

    def raised(self, error: BaseException, source: str) -> None:
        """Something outside of every unit raised: a unit of its own, so that it is not lost."""
        if isinstance(error, (Astray, Gone, CannotTravel)):
            self.end(error)
            return
        self.units.append(source)
        self._current = len(self.units) - 1
        self.failed(self._current, error)

    def end(self, error: BaseException) -> None:
        """Note why nothing more can be asked of the candidate."""
        if isinstance(error, CannotTravel):
            self.fatal = self.fatal or "cannot_travel"
            self.fatal_message, self.by_test = str(error), error.by_test
        elif isinstance(error, Gone):
            self.fatal = self.fatal or str(error)
        elif isinstance(error, Astray):
            self.fatal = "astray"
        if self._current in self.results and self.results[self._current]["passed"]:
            self.results[self._current] = {
                "test": self.units[self._current], "passed": False, "kind": "ended", **self._calls(),
            }  # fmt: skip
        self._current = -1

    def report(self) -> dict[str, Any]:
        """All results as JSON data."""
        return {
            "results": [self.results[n] for n in sorted(self.results)],
            "total": max(self.expected, len(self.units)),
            "fatal": self.fatal,
            "message": clip(self.fatal_message),
            "by_test": self.by_test,
            "trace": self.trace,
        }

"""Executed lines of the candidate's code, with the values and types of locals: bounded, first and last.

An event is ``{"event", "line", "function", "locals", "value"}``: `event` is "line" (about to run), "return" or
"exception"; `locals` maps a name to ``[type, repr]`` and holds only what changed since the frame's last event.
"""

from __future__ import annotations

import collections
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from .inside_failure import CODE, bounded_repr

REPR = 120


class Tracer:
    """Collects events of the current unit (a test), of frames of the candidate's code only.

    Args:
        limit: Events kept at the beginning, and as many at the end.
    """

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit)
        self._unit = 0
        self._first: list[dict[str, Any]] = []
        self._last: collections.deque[dict[str, Any]] = collections.deque(maxlen=self._limit)
        self._seen = 0
        self._locals: dict[int, dict[str, list[str]]] = {}

    def enter(self, unit: int) -> None:
        """Start afresh where another unit begins."""
        if unit != self._unit:
            self._unit = unit
            self._first.clear()
            self._last.clear()
            self._locals.clear()
            self._seen = 0

    def run(self, call: Callable[[], Any]) -> Any:
        """Call with tracing on."""
        threading.settrace(self._global)
        sys.settrace(self._global)
        try:
            return call()
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]

    def events(self) -> list[dict[str, Any]]:
        """The first and the last events; one that says how many were left out stands between them."""
        left_out = self._seen - len(self._first) - len(self._last)
        gap = [{"event": "left_out", "count": left_out}] if left_out > 0 else []
        return [*self._first, *gap, *self._last]

    def _global(self, frame: FrameType, event: str, arg: Any) -> Any:
        return self._local if self._ours(frame.f_code) else None

    @staticmethod
    def _ours(code: CodeType) -> bool:
        return code.co_filename == CODE

    def _local(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event in ("line", "return", "exception"):
            self._note(frame, event, arg)
        return self._local

    def _note(self, frame: FrameType, event: str, arg: Any) -> None:
        known = self._locals.setdefault(id(frame), {})
        changed: dict[str, list[str]] = {}
        if frame.f_code.co_name != "<module>":
            for name, value in frame.f_locals.items():
                shown = [type(value).__name__, bounded_repr(value, REPR)]
                if known.get(name) != shown:
                    known[name] = changed[name] = shown
        found: dict[str, Any] = {"event": event, "line": frame.f_lineno, "function": frame.f_code.co_name}
        found["locals"] = changed
        if event == "return":
            found["value"] = [type(arg).__name__, bounded_repr(arg, REPR)]
            self._locals.pop(id(frame), None)
        elif event == "exception":
            found["value"] = [arg[0].__name__, bounded_repr(arg[1], REPR)]
        self._seen += 1
        if len(self._first) < self._limit:
            self._first.append(found)
        else:
            self._last.append(found)

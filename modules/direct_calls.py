"""Runs of what is called directly: a plain module, or a stage by hand, outside of `gl.Program` and of scoring."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakKeyDictionary, ref

import dspy
from dspy.utils.callback import BaseCallback

from ..runtime.problem import Problem
from ..runtime.run import Run, Session

MOST_BY_HAND = 256
"""Runs that are kept for a stage which is called by hand; the one longest out of use goes first."""

_Runs = dict[tuple[int, str], Run]


@dataclass(frozen=True, slots=True)
class _RootCall:
    """A call of a module that no other module called, and the runs in it."""

    root: ref[dspy.Module]
    call_id: str = ""
    runs: _Runs = field(default_factory=_Runs)


_root_call: ContextVar[_RootCall | None] = ContextVar("greenloop_root_call", default=None)
_by_hand: WeakKeyDictionary[dspy.Module, _Runs] = WeakKeyDictionary()
_lock = threading.Lock()


class _EndsRuns(BaseCallback):
    """Gives each call of a root module runs of its own, and forgets them when it returns."""

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        if not dspy.settings.caller_modules:
            _root_call.set(_RootCall(ref(instance), call_id))

    def on_module_end(
        self, call_id: str, outputs: Any | None, exception: BaseException | None = None
    ) -> None:
        call = _root_call.get()
        if call is not None and call.call_id == call_id:
            _root_call.set(None)


_ends_runs = _EndsRuns()


def direct_run(problem: Problem, session: Session) -> Run:
    """The run of a stage's call where none is under way.

    Args:
        problem: The problem that the call is about.
        session: The session in force.

    Returns:
        One run per (call of the root module, thread, problem), so that a loop in its `forward` draws afresh in each
        iteration, and the next call draws the same again. A stage that is called by hand goes on with the run of its
        last call in this thread about this problem: a loop around it draws afresh too.
    """
    callers = cast("list[dspy.Module]", dspy.settings.caller_modules or [])
    if not callers:
        return session.open_run(problem.digest, task_id=problem.task_id)
    key = (threading.get_ident(), problem.digest)
    with _lock:
        runs = _by_hand.setdefault(callers[0], {}) if len(callers) == 1 else _runs_of_call(callers[0])
        run = runs.pop(key, None)
        if run is None or run.session is not session:
            run = session.open_run(problem.digest, task_id=problem.task_id)
        runs[key] = run
        if len(callers) == 1 and len(runs) > MOST_BY_HAND:
            del runs[next(iter(runs))]
        return run


def _runs_of_call(root: dspy.Module) -> _Runs:
    call = _root_call.get()
    if call is None or call.root() is not root:
        call = _RootCall(ref(root))
        _root_call.set(call)
        # DSPy tells of the module's next call, and so ends this one's runs.
        if _ends_runs not in root.callbacks:
            root.callbacks = [*root.callbacks, _ends_runs]
    return call.runs

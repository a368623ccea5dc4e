"""Watching guided generation: what happened at each line, told as it happens."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..runtime.execution import Execution
from .guided_candidates import Trial


@dataclass(frozen=True, slots=True)
class LineEvent:
    """A line was written.

    Attributes:
        attempt: The attempt's settings, in a few words.
        text: The line.
        guided: Whether a signal had a part in it.
        trials: The candidates ahead of it, and what running them showed.
    """

    attempt: str
    text: str
    guided: bool
    trials: tuple[Trial, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class EndEvent:
    """An attempt ended.

    Attributes:
        attempt: The attempt's settings, in a few words.
        mode: How tokens were chosen.
        stop: Why it ended: "passed", "end", "max_tokens", "loop", or why nothing was guided.
        code: The program.
        execution: What it showed on the tests that steer; None if it was not run.
    """

    attempt: str
    mode: str
    stop: str
    code: str
    execution: Execution | None


Watcher = Callable[[LineEvent | EndEvent], None]

_watcher: ContextVar[Watcher | None] = ContextVar("greenloop_guided_watcher", default=None)


@contextmanager
def watch_guidance(watcher: Watcher) -> Generator[None]:
    """Tell `watcher` of every line and every end inside the block; from several threads where attempts run so."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def tell(event: LineEvent | EndEvent) -> None:
    """Tell whoever watches."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher(event)

"""How far a scoring is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..runtime.budget import Usage

if TYPE_CHECKING:
    from .scores import TaskScore
    from .statistics import Interval


class Pace:
    """How fast a scoring goes on: counted from its first payment, as what is stored comes at once and first.

    Args:
        paid_calls: Calls that the process had paid for when the scoring began.

    Example:
        >>> pace = Pace(0)
        >>> pace.seconds(done=100, elapsed_s=1.0, paid_calls=0)  # all stored so far
        0.01
        >>> pace.seconds(done=101, elapsed_s=9.0, paid_calls=4)  # the first that is paid for
        8.0
        >>> pace.seconds(done=103, elapsed_s=19.0, paid_calls=12)
        6.0
    """

    def __init__(self, paid_calls: int) -> None:
        self._paid_calls = paid_calls
        self._before = (0, 0.0)

    def seconds(self, *, done: int, elapsed_s: float, paid_calls: int) -> float | None:
        """Wall seconds from one finished pair to the next; None before the first."""
        if paid_calls == self._paid_calls:
            self._before = done, elapsed_s
            return elapsed_s / done if done else None
        count, since = self._before
        return (elapsed_s - since) / (done - count) if done > count else None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scoring is.

    Attributes:
        done: (task, replicate) pairs finished.
        total: Pairs in all.
        score_sum: Sum of the scores so far.
        usage: As-if compute so far.
        paid: What this process paid in the session so far.
        elapsed_s: Wall seconds since the start.
        pace_s: Wall seconds from one finished pair to the next, see `Pace`; None at the start.
        scores: The scores so far.
    """

    done: int
    total: int
    score_sum: float
    usage: Usage
    paid: Usage
    elapsed_s: float
    pace_s: float | None
    scores: Sequence[TaskScore] = field(default=(), repr=False, compare=False)

    @property
    def left_s(self) -> float | None:
        """Wall seconds left at this pace; None at the start."""
        return None if self.pace_s is None else self.pace_s * (self.total - self.done)

    def interval(self, level: float = 0.95) -> Interval | None:
        """The rate so far with its interval; None at the start."""
        from .statistics import clustered_interval

        table: dict[str, list[float]] = {}
        for item in self.scores:
            table.setdefault(item.task_id, []).append(item.score)
        return clustered_interval(table, level) if table else None

"""How far a scoring is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..runtime.budget import Usage

if TYPE_CHECKING:
    from .scores import TaskScore
    from .statistics import Interval


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
        left_s: Wall seconds left at the rate so far; None at the start.
        scores: The scores so far.
    """

    done: int
    total: int
    score_sum: float
    usage: Usage
    paid: Usage
    elapsed_s: float
    left_s: float | None
    scores: Sequence[TaskScore] = field(default=(), repr=False, compare=False)

    def interval(self, level: float = 0.95) -> Interval | None:
        """The rate so far with its interval; None at the start, and for a metric outside [0, 1]."""
        from .statistics import clustered_interval

        table: dict[str, list[float]] = {}
        for item in self.scores:
            table.setdefault(item.task_id, []).append(item.score)
        fits = all(0 <= value <= 1 for values in table.values() for value in values)
        return clustered_interval(table, level) if table and fits else None

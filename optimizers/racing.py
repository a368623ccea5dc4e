"""Racing: a configuration that cannot win is not scored to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..evals.scoring import TaskScore

_ALPHA = 0.01
_LEADERS = 3
_LEAST_TASKS = 8


class Race:
    """Compares a configuration under way with the leaders so far, task by task on the same seeds.

    It has lost when an exact sign test over the tasks on which they differ (one-sided, p < 0.01) says that it is
    worse than at least two of the three leaders: never against one alone, which may only have been lucky. With
    paired 0/1 outcomes this drops a configuration that is truly equal in about 1 % of races, one that is 20 points
    worse in over half (simulated, 60 tasks).

    Args:
        leaders: Task to score of complete configurations, best first.

    Source: the exact form of McNemar's test; racing after Maron and Moore (1994).
    """

    def __init__(self, leaders: Sequence[Mapping[str, float]]) -> None:
        self._leaders = list(leaders[:_LEADERS])

    def lost(self, scores: Sequence[TaskScore]) -> bool:
        """Whether the configuration with these scores so far cannot win."""
        if len(self._leaders) < 2 or len(scores) < _LEAST_TASKS:
            return False
        beaten_by = sum(self._is_worse(scores, leader) for leader in self._leaders)
        return beaten_by >= 2

    def _is_worse(self, scores: Sequence[TaskScore], leader: Mapping[str, float]) -> bool:
        gains = [item.score - leader[item.task_id] for item in scores if item.task_id in leader]
        wins, losses = sum(g > 0 for g in gains), sum(g < 0 for g in gains)
        return losses > wins and sign_test(wins, losses) < _ALPHA


def sign_test(wins: int, losses: int) -> float:
    """Chance of so few wins, or fewer, where both are equally likely: the exact one-sided sign test.

    Example:
        >>> sign_test(0, 7)
        0.0078125
    """
    from math import comb

    n = wins + losses
    return sum(comb(n, k) for k in range(wins + 1)) / 2**n if n else 1.0

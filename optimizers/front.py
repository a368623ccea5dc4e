"""The Pareto front of a search, and picking from it: on the tuned tasks only, never on the locked ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..evals.scores import Scores
from ..evals.search_record import Cost, Front, FrontPoint
from .objectives import Costing, dominates
from .trials import Tried, Values, key

_SLACK = 0.1  # how far below the pick's margin a search score of one replicate may lie and still be re-run


@dataclass(frozen=True, slots=True)
class CheapestWithin:
    """Pick the cheapest configuration at most `points` percentage points below the best.

    Args:
        points: Percentage points, at least 0; 0 takes the cheapest of the best.
        by: "compute" or "seconds", as-if.

    Example:
        >>> CheapestWithin(points=2).by
        'compute'
    """

    points: float = 2.0
    by: str = "compute"

    def __post_init__(self) -> None:
        if self.points < 0 or self.by not in ("compute", "seconds"):
            raise UsageError(
                f"pick within 0 or more points, by compute or seconds; got {self.points} points by {self.by!r}"
            )

    def __str__(self) -> str:
        return f"the cheapest by {self.by} within {self.points:g} points of the best"


def front_of(
    tried: Sequence[Tried],
    fresh: Sequence[tuple[Values, Scores]],
    objectives: tuple[str, ...],
    costing: Costing,
) -> Front:
    """The front of everything that was scored on all tasks; fresh replicates stand in for search scores.

    Once any configuration was run again, only such ones count: a lucky search score must not push out a fresh one.

    Args:
        tried: What the search tried.
        fresh: Finalists with their fresh replicates.
        objectives: What the front is of; quality alone gives quality against compute.
        costing: How compute is counted.
    """
    if fresh:
        points = [_fresh_point(values, scores, costing) for values, scores in fresh]
    else:
        points = [_search_point(one) for one in tried if one.complete and one.cost is not None]
    wanted = objectives if len(objectives) > 1 else ("quality", "compute")
    places = [_place(point, wanted) for point in points]
    kept = [
        point
        for i, (point, place) in enumerate(zip(points, places, strict=True))
        if place not in places[:i] and not any(dominates(other, place) for other in places)
    ]
    kept.sort(key=lambda point: (-point.rate, point.cost.compute))
    return Front(points=tuple(kept), objectives=wanted, unit=costing.unit)


def worth_rerunning(
    complete: Sequence[Tried], count: int, objectives: tuple[str, ...], pick: CheapestWithin | None
) -> list[Tried]:
    """The configurations to run again: the best by score, or, for a pick, those spread along the front near the best.

    Args:
        complete: Configurations that were scored on all tasks.
        count: How many.
        objectives: What the search makes better.
        pick: How the choice will be made; None takes the best quality.
    """
    ranked = sorted(complete, key=lambda one: -one.rate)
    if pick is None and len(objectives) == 1:
        return ranked[:count]
    wanted = objectives if len(objectives) > 1 else ("quality", (pick or CheapestWithin()).by)
    margin = (pick.points / 100 if pick else 1.0) + _SLACK
    places = {key(one.values): _tried_place(one, wanted) for one in ranked}
    front = [
        one
        for one in ranked
        if one.rate >= ranked[0].rate - margin
        and not any(dominates(place, places[key(one.values)]) for place in places.values())
    ]
    if len(front) <= count:
        others = [one for one in ranked if one not in front]
        return [*front, *others[: count - len(front)]]
    step = (len(front) - 1) / max(1, count - 1)
    return [front[round(i * step)] for i in range(count)]


def chosen_by(pick: CheapestWithin | None, fresh: Sequence[tuple[Values, Scores]], costing: Costing) -> int:
    """Which of the finalists is chosen, by its fresh replicates: its index."""
    costs = [costing.mean(scores.items) for _, scores in fresh]
    rates = [scores.mean for _, scores in fresh]
    if pick is None:
        return max(range(len(fresh)), key=lambda i: (rates[i], -costs[i].compute))
    near = [i for i, rate in enumerate(rates) if rate >= max(rates) - pick.points / 100 - 1e-12]
    return min(near, key=lambda i: (_cost(costs[i], pick.by), -rates[i]))


def _fresh_point(values: Values, scores: Scores, costing: Costing) -> FrontPoint:
    return _point(values, scores.by_task(), fresh=True, cost=costing.mean(scores.items))


def _search_point(one: Tried) -> FrontPoint:
    assert one.cost is not None
    return _point(one.values, one.outcomes, fresh=False, cost=one.cost)


def _point(values: Values, outcomes: dict[str, list[float]], *, fresh: bool, cost: Cost) -> FrontPoint:
    from ..evals.statistics import clustered_interval

    interval = clustered_interval(outcomes, 0.95)
    return FrontPoint(
        settings=values,
        rate=interval.estimate,
        interval=(interval.low, interval.high),
        n=len(outcomes),
        replicates=max(len(runs) for runs in outcomes.values()),
        fresh=fresh,
        cost=cost,
    )


def _place(point: FrontPoint, objectives: Sequence[str]) -> list[float]:
    return [point.rate if name == "quality" else _cost(point.cost, name) for name in objectives]


def _tried_place(one: Tried, objectives: Sequence[str]) -> list[float]:
    return [one.rate if name == "quality" else _cost(one.cost, name) for name in objectives]


def _cost(cost: Cost | None, name: str) -> float:
    table: dict[str, Any] = cost.model_dump() if cost else {}
    return float(table[name]) if cost else float("inf")

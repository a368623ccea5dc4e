"""What a generation and the finalists of a structure search cost, held against its budget."""

from __future__ import annotations

from collections.abc import Iterable

from ...runtime.budget import Budget, Usage
from .evaluating import Record
from .expressing import Expressed

Costs = tuple[float, float, float]
"""Tokens, calls, model seconds."""


def has_room(budget: Budget, paid: Usage, cost: Costs | None) -> bool:
    """Whether twice the cost of a generation fits what is left, so that the order of its graphs cannot decide the end.

    Args:
        budget: What may be spent. A limit of wall seconds ends a search by the clock, in whatever order.
        paid: What was spent.
        cost: Of a generation; None while nothing is known.
    """
    limits = _limits(budget)
    if not any(limits):
        return True
    if cost is None:
        return False
    rows = zip(limits, _costs(paid), cost, strict=True)
    return all(not limit or spent + 2 * each <= limit for limit, spent, each in rows)


def between(before: Usage, now: Usage) -> Costs:
    """What was spent in between."""
    (a, b, c), (d, e, f) = _costs(before), _costs(now)
    return d - a, e - b, f - c


def most_of(graphs: Iterable[Expressed], runs: int, seen: Costs) -> Costs:
    """What graphs can cost, by all the calls that they may make.

    Args:
        graphs: The graphs of a generation.
        runs: Runs of each.
        seen: What some calls of such graphs cost: of those it is taken what a call costs.
    """
    calls = runs * sum(graph.most_calls for graph in {graph.digest: graph for graph in graphs}.values())
    tokens, made, seconds = seen
    return calls * tokens / max(1.0, made), calls, calls * seconds / max(1.0, made)


def share_before_finalists(budget: Budget, scored: Iterable[Record], runs: int) -> float:
    """The share of a budget that finalists leave to the search, where nothing is to be confirmed.

    Wall seconds tell nothing of what finalists will take: 0 under such a limit.

    Args:
        budget: The whole budget.
        scored: The graphs so far: each finalist may be as dear as the dearest.
        runs: Runs of all finalists together.
    """
    if budget.timeout_s is not None:
        return 0.0
    each = [
        [part / len(one.scores.items) for part in _costs(one.scores.usage())]
        for one in scored
        if one.scores is not None
    ]
    needed = [runs * max(column) for column in zip(*each, strict=True)]
    return min(
        (1 - need / limit for limit, need in zip(_limits(budget), needed, strict=True) if limit), default=0.0
    )


def _costs(usage: Usage) -> Costs:
    return usage.tokens, usage.calls, usage.model_seconds


def _limits(budget: Budget) -> tuple[float | None, ...]:
    return budget.tokens, budget.calls, budget.model_seconds

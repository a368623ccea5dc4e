"""Searching on: what was kept back and turned out not to be needed goes into more configurations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..evals.search_record import Cost, Estimate
from .job import TuningJob
from .pilot import PilotRun
from .searching import nothing_to_win, trial_limit
from .trials import Tried, finished, key

_LEAST_SHARE = 0.01

Plan = Callable[[PilotRun], Estimate]
"""What a run costs → what the budget buys at that price."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the whole budget may be spent.

    Attributes:
        search: Until the search's next round ends; None where it is over.
        finalists: Until the finalists have run: the rest is the confirmation's.
    """

    search: float | None
    finalists: float


def shares_to_go_on(job: TuningJob, number: int, plan: Plan) -> Shares:
    """Whether the search goes on after what was planned, and how far.

    A plan reckons with a pilot of a few tasks and with full price. Once the search has been as far as planned, the
    price of a run is known better, and stored answers and lost races have spared some of it: what finalists and
    confirmation do not need at the price now known is searched with, if it reaches for a whole configuration. It ends
    where there is nothing to win, too: one configuration solved every task that it was tuned on, and quality is all
    that counts.

    One worker decides, and notes it in the study under the budget: the others, and a rerun, do as it says.

    Args:
        job: The tuning.
        number: How many such decisions were made before.
        plan: What the budget buys at a price.
    """
    note = f"search on {number} under {job.options.budget!r}"
    with job.crew.alone(f"{job.study.study_name}|search on"):
        noted = job.study.user_attrs.get(note)
        if noted is None:
            before = job.study.user_attrs.get(f"search on {number - 1} under {job.options.budget!r}", {})
            trials = len(finished(job.study))
            # A round that tried nothing new was the last one.
            is_over = bool(before) and (
                before["over"] or (before["search"] > 0 and before["trials"] == trials)
            )
            search, finalists = _shares(job, plan)
            noted = {
                "search": 0.0 if is_over else search,
                "finalists": finalists,
                "trials": trials,
                "over": is_over,
            }
            job.study.set_user_attr(note, noted)
    return Shares(noted["search"] or None, noted["finalists"])


def _shares(job: TuningJob, plan: Plan) -> tuple[float, float]:
    found = job.tried()
    run = PilotRun(len(job.tasks), _dearest(job, found), job.estimate.wall_s if job.estimate else None)
    estimate = plan(run)
    if not estimate.affordable_runs:
        return 0.0, 1.0
    finalists = max(_LEAST_SHARE, 1 - estimate.confirmation_runs / estimate.affordable_runs)
    search = finalists - _finalist_runs(job, estimate) / estimate.affordable_runs
    is_full = len(finished(job.study)) >= trial_limit(job) or len(found) >= job.size
    if is_full or search <= 0 or nothing_to_win(job, 1):
        return 0.0, finalists
    return search if _runs_left(job, run, search) >= estimate.runs_each else 0.0, finalists


def _finalist_runs(job: TuningJob, estimate: Estimate) -> int:
    """Runs kept for finalists: where some are left on the way, each of them once and two of them as often as asked."""
    options = job.options
    if len(options.objectives) > 1 or options.pick is not None:
        return estimate.finalist_runs
    return min(estimate.finalist_runs, (options.finalists + 2 * (options.replicates - 1)) * len(job.tasks))


def _runs_left(job: TuningJob, run: PilotRun, share: float) -> float:
    """Runs at this price that are left of a share of the budget."""
    budget, paid = job.options.budget.part(share), job.meter.paid
    limits = [
        (budget.tokens, paid.tokens, run.cost.tokens),
        (budget.calls, paid.calls, run.cost.calls),
        (budget.model_seconds, paid.model_seconds, run.cost.seconds),
        (budget.timeout_s, job.meter.wall_s, run.wall_s),
    ]
    return min((limit - spent) / each for limit, spent, each in limits if limit is not None and each)


def _dearest(job: TuningJob, found: list[Tried]) -> Cost:
    """Mean cost of a run of the defaults, or of the best configurations, whichever is more."""
    best = sorted((one for one in found if one.complete), key=lambda one: -one.rate)[: job.options.finalists]
    rows = [one.cost for one in found if key(one.values) == key(job.defaults) or one in best]
    costs = [cost for cost in rows if cost is not None]
    return Cost(**{name: max(getattr(cost, name) for cost in costs) for name in Cost.model_fields})

"""The pilot: a few tasks with the untuned program, before anything else, tell what a budget buys."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import BudgetExhausted, UsageError
from ..evals.search_record import Cost, Estimate
from ..runtime.budget import Budget
from .baselines import models_of
from .confirming import detectable_points
from .job import TuningJob
from .searching import trial_limit

FOLDS = 5
FEW_TASKS = 60

Folds = int | Literal["few"] | None
"""How many folds are wished for; see `plan`."""

_LEAST_CONFIGURATIONS = 10
_PILOT_TASKS = 4
_CONFIRMED_PROGRAMS = (
    3.5  # the chosen one, the defaults, resampling at equal compute, and a draft of one model
)


@dataclass(frozen=True, slots=True)
class PilotRun:
    """What the pilot measured.

    Attributes:
        tasks: How many tasks it ran.
        cost: Mean as-if cost of a run.
        wall_s: Wall seconds of a run; None where the store answered.
    """

    tasks: int
    cost: Cost
    wall_s: float | None


def check_folds(folds: Any) -> None:
    """Refuse what is no wish for folds.

    Raises:
        UsageError: It is not.
    """
    known = folds is None or folds == "few" or (isinstance(folds, int) and (folds == 0 or folds >= 2))
    if not known:
        raise UsageError(f'folds is 0 (never cross-fit), at least 2, or "few", got {folds!r}')


def pilot(job: TuningJob) -> PilotRun:
    """Run the defaults on the first tuned tasks.

    The calls are those with which the search begins, and stored: nothing is spent twice.

    Raises:
        BudgetExhausted: The budget does not even reach for this.
    """
    tasks = job.tasks[:_PILOT_TASKS]
    started, before = time.monotonic(), job.meter.paid.calls
    try:
        scores = job.score_values(job.defaults, "pilot", 0, 0, first_replicate=0, tasks=tasks)
    except BudgetExhausted as spent:
        raise BudgetExhausted(
            f"the budget does not reach for a pilot of {len(tasks)} tasks, far less for a search: {spent}"
        ) from spent
    wall_s = (time.monotonic() - started) / len(tasks) if job.meter.paid.calls > before else None
    return PilotRun(len(tasks), job.costing.mean(scores.items), wall_s)


def plan(job: TuningJob, run: PilotRun, *, tuned: int, locked: int, folds: Folds) -> Estimate:
    """Say what the budget buys, and whether to confirm on the locked tasks or to cross-fit.

    Args:
        job: The tuning.
        run: What the pilot measured.
        tuned: Tasks to tune on.
        locked: Tasks kept for the confirmation.
        folds: The user's wish: 0 never cross-fits, a number always does. "few" cross-fits fewer than 60 tasks in all
            over 5 folds if each search (one for each fold, one for the program that is returned) can try ten
            configurations, or the whole space. None is "few" where no task is locked, else 0.

    Raises:
        BudgetExhausted: The budget cannot reach for one configuration and its confirmation.
    """
    split = estimated(job, run, tuned, locked, 0)
    if folds is None:
        folds = 0 if locked else "few"
    if folds == "few":
        few = 2 * FOLDS <= tuned + locked < FEW_TASKS
        crossed = estimated(job, run, tuned, locked, FOLDS) if few else None
        reached = crossed is not None and crossed.configurations >= min(_LEAST_CONFIGURATIONS, job.size)
        chosen = crossed if crossed is not None and reached else split
    elif folds == 0:
        chosen = split
    else:
        if folds < 2 or tuned + locked < 2 * folds:
            raise UsageError(
                f"{tuned + locked} tasks cannot be cross-fitted over {folds} folds: at least 2 folds of 2 tasks"
            )
        chosen = estimated(job, run, tuned, locked, folds)
    _refuse_hopeless(job, chosen)
    return chosen


def search_share(estimate: Estimate, share: float) -> float:
    """The search's share of a budget: at most `share`, less where finalists and confirmation need more.

    Args:
        estimate: What the budget buys.
        share: The largest share, in (0, 1].
    """
    if not estimate.affordable_runs:
        return share
    rest = (estimate.finalist_runs + estimate.confirmation_runs) / estimate.affordable_runs
    least = min(1.0, estimate.runs_each / estimate.affordable_runs)
    return min(share, max(1 - rest, least))


def estimated(
    job: TuningJob,
    run: PilotRun,
    tuned: int,
    locked: int,
    folds: int,
    *,
    confirmed_programs: float = _CONFIRMED_PROGRAMS,
) -> Estimate:
    """What the budget buys where a run costs so much.

    Args:
        job: The tuning.
        run: What a run costs.
        tuned: Tasks to tune on.
        locked: Tasks kept for the confirmation.
        folds: Folds of a cross-fitting; 0 for none.
        confirmed_programs: Programs of the confirmation, each as dear as this run.
    """
    options = job.options
    limit = trial_limit(job)
    is_whole = job.size <= limit  # every search tries the whole space: their calls are the same ones
    everything = tuned + locked if folds else tuned
    searched = everything * (folds if folds and not is_whole else 1)
    confirmed = everything if folds else locked
    models = len(models_of(job.program))
    singles = models * searched * options.replicates / max(1.0, run.cost.calls) if models > 1 else 0.0
    confirmation = (
        math.ceil(confirmed_programs * options.replicates * confirmed + singles) if confirmed else 0
    )
    affordable = _affordable(options.budget, run)
    most = int(job.size if is_whole else limit // (folds + 1) if folds else limit)
    again = min(options.finalists + 1, max(1, most))  # no more finalists than configurations
    if affordable is not None:
        reached = (affordable - confirmation) / ((1 + options.replicates) * searched)
        again = min(again, max(1, int(reached)))
    return Estimate(
        pilot_tasks=run.tasks,
        cost=run.cost,
        wall_s=run.wall_s,
        folds=folds,
        runs_each=searched,
        finalist_runs=again * options.replicates * searched,
        confirmation_runs=confirmation,
        most_configurations=most,
        affordable_runs=affordable,
        tuned=everything,
        locked=confirmed,
        detectable_points=detectable_points(confirmed, options.replicates) if confirmed else None,
    )


def _affordable(budget: Budget, run: PilotRun) -> float | None:
    """Runs like the pilot's that the whole budget pays for; None without a limit on spending."""
    limits = [
        (budget.tokens, run.cost.tokens),
        (budget.calls, run.cost.calls),
        (budget.model_seconds, run.cost.seconds),
        (budget.timeout_s, run.wall_s),
    ]
    return min((limit / each for limit, each in limits if limit is not None and each), default=None)


def _refuse_hopeless(job: TuningJob, estimate: Estimate) -> None:
    if estimate.affordable_runs is None:
        return
    needed = estimate.runs_each + estimate.confirmation_runs
    if estimate.affordable_runs < needed:
        spent = job.meter.paid
        raise BudgetExhausted(
            f"the budget pays for about {estimate.affordable_runs:.0f} runs like the pilot's"
            f" ({estimate.cost.tokens:,.0f} tokens, {estimate.cost.calls:.1f} calls each); one configuration and its"
            f" confirmation need about {needed}: give {needed / estimate.affordable_runs:.1f} times as much, or fewer"
            f" tasks; the pilot took {spent.calls} calls, {spent.tokens:,} tokens"
        )

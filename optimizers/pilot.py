"""The pilot: a few tasks with the untuned program, before anything else, tell what a budget buys."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import BudgetExhausted, UsageError
from ..evals.search_record import Cost, Estimate
from ..evals.split import by_problem
from ..runtime.budget import Budget
from ..runtime.store.accounts import accounts, put_account
from ..runtime.task import Task
from .baselines import models_of
from .confirming import detectable_points
from .job import TuningJob
from .searching import trial_limit

FOLDS = 5
FEW_TASKS = 60

Folds = int | Literal["few"] | None
"""How many folds are wished for; see `wished_folds`."""

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
        wall_s: Wall seconds of a run in the tuning's first pilot; None where the store answered that one.
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


def wished_folds(
    job: TuningJob, folds: Folds, tuned: Sequence[Task], locked: Sequence[Task]
) -> int | Literal["few"]:
    """What the user's wish means for these tasks; asked before anything is paid.

    Args:
        job: The tuning.
        folds: The wish: 0 never cross-fits, a number always does. "few" does it with fewer than 60 tasks in all where
            the budget reaches, see `plan`. None is "few" where no task is locked, else 0.
        tuned: Tasks to tune on.
        locked: Tasks kept for the confirmation.

    Returns:
        How many folds; "few" where the budget is to say.

    Raises:
        UsageError: There are too few tasks for so many folds (those of one problem count once), or fewer trials than
            searches.
    """
    if folds is None:
        folds = 0 if locked else "few"
    tasks = [*tuned, *locked]
    problems, limit = len(by_problem(tasks)), trial_limit(job)
    if folds == "few":
        return "few" if problems >= 2 * FOLDS and len(tasks) < FEW_TASKS else 0
    if problems < 2 * folds:
        counted = f"{len(tasks)} tasks" + (f" of {problems} problems" if problems < len(tasks) else "")
        raise UsageError(
            f"{counted} cannot be cross-fitted over {folds} folds: at least 2 folds of 2 problems"
        )
    if folds and limit < min(folds + 1, job.size):
        raise UsageError(
            f"{limit} trials are too few to cross-fit over {folds} folds: its {folds + 1} searches share them, so"
            f" n_trials is at least {folds + 1}"
        )
    return folds


def pilot(job: TuningJob) -> PilotRun:
    """Run the defaults on the first tuned tasks.

    The calls are those with which the search begins, and stored: nothing is spent twice. What a run took on the clock
    is noted by the first pilot of a tuning: a rerun, or a worker that joins, is answered by the store and plans with
    that.

    Raises:
        BudgetExhausted: The budget does not even reach for this.
    """
    tasks, name = job.tasks[:_PILOT_TASKS], f"{job.crew.study}|pilot"
    with job.crew.alone(name):
        started, before = time.monotonic(), job.meter.own.calls
        try:
            scores = job.score_values(job.defaults, "pilot", 0, 0, first_replicate=0, tasks=tasks)
        except BudgetExhausted as spent:
            raise BudgetExhausted(
                f"the budget does not reach for a pilot of {len(tasks)} tasks, far less for a search: {spent}"
            ) from spent
        wall_s = (time.monotonic() - started) / len(tasks) if job.meter.own.calls > before else None
        noted = accounts(job.crew.store, name).get("first")
        if noted is None:
            put_account(job.crew.store, name, "first", {"wall_s": wall_s})
    return PilotRun(len(tasks), job.costing.mean(scores.items), noted["wall_s"] if noted else wall_s)


def plan(job: TuningJob, run: PilotRun, *, tuned: int, locked: int, folds: int | Literal["few"]) -> Estimate:
    """Say what the budget buys, and whether to confirm on the locked tasks or to cross-fit.

    Args:
        job: The tuning.
        run: What the pilot measured.
        tuned: Tasks to tune on.
        locked: Tasks kept for the confirmation.
        folds: What `wished_folds` says. "few" cross-fits over 5 folds if each search (one for each fold, one for the
            program that is returned) can try ten configurations, or the whole space.

    Raises:
        BudgetExhausted: The budget cannot reach for one configuration and its confirmation.
    """
    chosen = estimated(job, run, tuned, locked, FOLDS if folds == "few" else folds)
    if folds == "few" and chosen.configurations < min(_LEAST_CONFIGURATIONS, job.size):
        chosen = estimated(job, run, tuned, locked, 0)
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

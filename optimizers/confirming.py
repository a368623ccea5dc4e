"""The one confirmation: the chosen program on locked tasks, paired with what it must be better than."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dspy

from ..errors import BudgetExhausted
from ..evals.evidence import Baseline
from ..evals.experiments.equal_compute import EQUAL_WITHIN
from ..evals.figures import Comparison, Figure, in_one_family
from ..evals.scores import Scores
from ..runtime.task import Task
from .baselines import models_of, resampling, single_shot

DEFAULTS, SINGLE, RESAMPLING = "the defaults", "the strongest single model", "resampling at equal compute"

_MOST_SAMPLES = 12

Scorer = Callable[[dspy.Module, Sequence[Task], str], Scores]
"""(program, tasks, what it is) → scores, in the session in force and under its budget."""

Coster = Callable[[Scores], float]
"""scores → their as-if compute."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A chosen program and its baselines, scored on tasks that its selection did not see.

    Attributes:
        chosen: Its scores; None where the budget did not reach.
        rows: Name of the baseline → its scores on the same tasks.
        samples: Drafts that resampling at equal compute takes; 0 where it was not scored.
        reached: Its compute as a share of the chosen one's; under 1 where even the most samples spend less.
        note: What is missing, in words.
        is_default: The defaults themselves were chosen.
        caveat: What is to be said of equal compute; see `Costing.caveat`.
    """

    chosen: Scores | None
    rows: dict[str, Scores]
    samples: int
    note: str
    is_default: bool
    reached: float = 1.0
    caveat: str = ""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the locked tasks showed.

    Attributes:
        verdict: In words.
        chosen: The chosen program's figure; None where the budget did not reach or there were no tasks.
        baselines: What it was compared with, each with its figure and the paired, Holm-adjusted difference.
        detectable_points: Smallest difference that these tasks show with power 0.8, in points, known beforehand.
    """

    verdict: str
    chosen: Figure | None
    baselines: tuple[Baseline, ...]
    detectable_points: float | None


def confirm(
    chosen: dspy.Module,
    default: dspy.Module | None,
    *,
    trainset: Sequence[Task],
    locked: Sequence[Task],
    replicates: int,
    score: Scorer,
    seed: int,
    cost: Coster | None = None,
    models: Sequence[Any] | None = None,
    caveat: str = "",
) -> Confirmation:
    """Score the chosen program once on the locked tasks, beside the defaults, the strongest single model, and
    resampling with that model at equal compute.

    The strongest single model is picked on the train tasks. Resampling gets as many samples as its compute on the
    locked tasks needs to reach the chosen program's: read off its cost, never off its score.

    Args:
        chosen: The program that was chosen.
        default: The untuned program; None where the chosen one is just that.
        trainset: Tasks on which the strongest single model is picked.
        locked: Tasks that no selection saw.
        replicates: Runs of each task.
        score: How to score.
        seed: Seed of the permutations and the bootstrap.
        cost: As-if compute of scores, parameters × tokens where models differ; tokens without it.
        models: Among which the strongest single one is picked; those that the chosen program may call without them.
        caveat: What is to be said where compute is called equal.
    """
    if not locked:
        return Confirmation("not confirmed: there were no validation tasks", None, (), None)
    measured = measure(
        chosen,
        default,
        trainset=trainset,
        locked=locked,
        score=score,
        cost=cost,
        models=models,
        caveat=caveat,
    )
    return judge([measured], tasks=len(locked), replicates=replicates, seed=seed)


def measure(
    chosen: dspy.Module,
    default: dspy.Module | None,
    *,
    trainset: Sequence[Task],
    locked: Sequence[Task],
    score: Scorer,
    cost: Coster | None = None,
    models: Sequence[Any] | None = None,
    caveat: str = "",
) -> Measured:
    """Score the chosen program and its baselines on tasks that its selection did not see; see `confirm`."""
    try:
        mine = score(chosen, locked, "chosen")
    except BudgetExhausted as spent:
        return Measured(None, {}, 0, f"not confirmed: {spent}", default is None)
    rows: dict[str, Scores] = {}
    samples, reached, note = 0, 1.0, ""
    try:
        rows[DEFAULTS] = mine if default is None else score(default, locked, "defaults")
        model = _strongest(chosen, models or models_of(chosen), trainset, score)
        rows[SINGLE] = score(single_shot(chosen, model), locked, "single model")
        samples, rows[RESAMPLING] = _equal_compute(chosen, model, mine, locked, score, cost or _tokens)
        wanted, spent = ((cost or _tokens)(scores) for scores in (mine, rows[RESAMPLING]))
        reached = spent / wanted if wanted else 1.0
    except BudgetExhausted:
        note = "; the budget ended before all baselines were scored"
    return Measured(mine, rows, samples, note, default is None, reached, caveat)


def judge(
    parts: Sequence[Measured], *, tasks: int, replicates: int, seed: int, name: str = "the tuned program"
) -> Confirmation:
    """Compare the chosen program with its baselines, task by task, over the parts that were measured.

    Args:
        parts: One for locked tasks; one for each fold in cross-fitting, each with a program of its own.
        tasks: Tasks of all parts.
        replicates: Runs of each task.
        seed: Seed of the permutations and the bootstrap.
        name: What the verdict calls the chosen one.
    """
    detectable = detectable_points(tasks, replicates)
    whole = [(part, part.chosen) for part in parts if part.chosen is not None]
    if len(whole) < len(parts):
        return Confirmation(next(part.note for part in parts if part.chosen is None), None, (), detectable)
    mine = pooled([chosen for _, chosen in whole])
    always_default = all(part.is_default for part in parts)
    shared = [
        row
        for row in (DEFAULTS, SINGLE, RESAMPLING)
        if all(row in part.rows for part in parts) and not (row == DEFAULTS and always_default)
    ]
    rows = {row: pooled([part.rows[row] for part in parts]) for row in shared}
    named = {row: _with_samples(row, parts) for row in rows}
    compared = {
        named[row]: Comparison.paired(
            mine.by_task(), scores.by_task(), name=name, other=named[row], seed=seed
        )
        for row, scores in rows.items()
    }
    family = in_one_family(compared) if compared else {}
    baselines = tuple(
        Baseline(name=named[row], figure=scores.figure(), comparison=family[named[row]])
        for row, scores in rows.items()
    )
    note = next((part.note for part in parts if part.note), "")
    verdict = _verdict(baselines, name, always_default) + note
    return Confirmation(verdict, mine.figure(), baselines, detectable)


def pooled(parts: Sequence[Scores]) -> Scores:
    """Scores of several programs on several sets of tasks as one table."""
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merged(part)
    return whole


def _with_samples(row: str, parts: Sequence[Measured]) -> str:
    """A baseline's name; that of resampling says how many samples it took, and where these are not equal compute."""
    if row != RESAMPLING:
        return row
    counts = sorted({part.samples for part in parts})
    told = f"{counts[0]} samples" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} samples"
    least = min(part.reached for part in parts)
    caveat = next((f", {part.caveat}" for part in parts if part.caveat), "")
    reach = "" if least >= 1 - EQUAL_WITHIN else f" reach {100 * least:.0f} % of it"
    return f"{row} ({told}{reach}{caveat})"


def detectable_points(tasks: int, replicates: int) -> float | None:
    """Smallest difference in points that so many tasks show with power 0.8, at the worst rate of 50 %."""
    from ..evals.statistics import power

    return power(10, tasks=tasks, replicates=replicates).detectable_points


def _strongest(program: dspy.Module, models: Sequence[Any], trainset: Sequence[Task], score: Scorer) -> Any:
    if len(models) == 1:
        return models[0]
    rated = [
        (score(single_shot(program, model), trainset, "single models").mean, i)
        for i, model in enumerate(models)
    ]
    return models[max(rated, key=lambda r: (r[0], -r[1]))[1]]


def _equal_compute(
    chosen: dspy.Module, model: Any, mine: Scores, locked: Sequence[Task], score: Scorer, cost: Coster
) -> tuple[int, Scores]:
    """Resampling with the fewest samples whose compute reaches the chosen program's.

    More samples share the calls of fewer, so trying one number after the other costs as much as the last.
    """
    wanted = cost(mine)
    for samples in range(1, _MOST_SAMPLES):
        scores = score(resampling(chosen, model, samples), locked, f"resampling {samples}")
        if cost(scores) >= wanted:
            return samples, scores
    return _MOST_SAMPLES, score(
        resampling(chosen, model, _MOST_SAMPLES), locked, f"resampling {_MOST_SAMPLES}"
    )


def _verdict(baselines: Sequence[Baseline], name: str, is_default: bool) -> str:
    words = [b.comparison.verdict.removeprefix(f"{name} is ") for b in baselines]
    said = f"{name} is " + "; ".join(words) if words else "nothing to compare with was scored"
    return f"the defaults themselves were chosen; {said}" if is_default else said


def _tokens(scores: Scores) -> float:
    return float(scores.usage().tokens)

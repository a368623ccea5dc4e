"""The one confirmation: the chosen program on locked tasks, paired with what it must be better than."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dspy

from ..errors import BudgetExhausted
from ..evals.evidence import Baseline
from ..evals.figures import Comparison, Figure, in_one_family
from ..evals.scoring import Scores
from ..runtime.task import Task
from .baselines import models_of, resampling, single_shot

_MOST_SAMPLES = 12

Scorer = Callable[[dspy.Module, Sequence[Task], str], Scores]
"""(program, tasks, what it is) → scores, in the session in force and under its budget."""


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
) -> Confirmation:
    """Score the chosen program once on the locked tasks, beside the defaults, the strongest single model, and
    resampling with that model at equal compute.

    The strongest single model is picked on the train tasks. Resampling gets as many samples as its tokens on the
    locked tasks need to reach the chosen program's: read off its cost, never off its score.

    Args:
        chosen: The program that was chosen.
        default: The untuned program; None where the chosen one is just that.
        trainset: Tasks on which the strongest single model is picked.
        locked: Tasks that no selection saw.
        replicates: Runs of each task.
        score: How to score.
        seed: Seed of the permutations and the bootstrap.
    """
    if not locked:
        return Confirmation("not confirmed: there were no validation tasks", None, (), None)
    detectable = detectable_points(len(locked), replicates)
    try:
        mine = score(chosen, locked, "chosen")
    except BudgetExhausted as spent:
        return Confirmation(f"not confirmed: {spent}", None, (), detectable)
    rows: list[tuple[str, Scores]] = []
    note = ""
    try:
        if default is not None:
            rows.append(("the defaults", score(default, locked, "defaults")))
        model = _strongest(chosen, trainset, score)
        rows.append(("the strongest single model", score(single_shot(chosen, model), locked, "single model")))
        samples, scores = _equal_compute(chosen, model, mine, locked, score)
        rows.append((f"resampling at equal compute ({samples} samples)", scores))
    except BudgetExhausted:
        note = "; the budget ended before all baselines were scored"
    compared = {
        name: Comparison.paired(
            mine.by_task(), scores.by_task(), name="the tuned program", other=name, seed=seed
        )
        for name, scores in rows
    }
    family = in_one_family(compared) if compared else {}
    baselines = tuple(
        Baseline(name=name, figure=scores.figure(), comparison=family[name]) for name, scores in rows
    )
    return Confirmation(_verdict(baselines, default) + note, mine.figure(), baselines, detectable)


def detectable_points(tasks: int, replicates: int) -> float | None:
    """Smallest difference in points that so many tasks show with power 0.8, at the worst rate of 50 %."""
    from ..evals.statistics import power

    return power(10, tasks=tasks, replicates=replicates).detectable_points


def _strongest(program: dspy.Module, trainset: Sequence[Task], score: Scorer) -> Any:
    models = models_of(program)
    if len(models) == 1:
        return models[0]
    rated = [
        (score(single_shot(program, model), trainset, "single models").mean, i)
        for i, model in enumerate(models)
    ]
    return models[max(rated, key=lambda r: (r[0], -r[1]))[1]]


def _equal_compute(
    chosen: dspy.Module, model: Any, mine: Scores, locked: Sequence[Task], score: Scorer
) -> tuple[int, Scores]:
    """Resampling with the fewest samples whose tokens reach the chosen program's.

    More samples share the calls of fewer, so trying one number after the other costs as much as the last.
    """
    wanted = mine.usage().tokens
    for samples in range(1, _MOST_SAMPLES):
        scores = score(resampling(chosen, model, samples), locked, f"resampling {samples}")
        if scores.usage().tokens >= wanted:
            return samples, scores
    return _MOST_SAMPLES, score(
        resampling(chosen, model, _MOST_SAMPLES), locked, f"resampling {_MOST_SAMPLES}"
    )


def _verdict(baselines: Sequence[Baseline], default: dspy.Module | None) -> str:
    words = [b.comparison.verdict.removeprefix("the tuned program is ") for b in baselines]
    said = "the tuned program is " + "; ".join(words) if words else "nothing to compare with was scored"
    return said if default is not None else f"the defaults themselves were chosen; {said}"

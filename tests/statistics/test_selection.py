"""The winner's curse against simulated truth and against the figures of the facts."""

from __future__ import annotations

import numpy as np
import pytest
from greenloop.errors import UsageError
from greenloop.evals.statistics import best_of_optimism
from scipy import stats


@pytest.mark.parametrize(("replicates", "published"), [(1, (2.2, 3.5, 4.6)), (5, (1.0, 1.6, 2.1))])
def test_the_figures_of_the_facts(replicates: int, published: tuple[float, ...]) -> None:
    """164 tasks at 85 %, a seed standard error of 1.8 points: correlation 0.58."""
    found = [best_of_optimism(m, 164, replicates, rate=0.85, correlation=0.58) for m in (5, 20, 100)]
    assert found == pytest.approx(published, abs=0.25)


@pytest.mark.parametrize("tasks", [40, 164])
@pytest.mark.parametrize("candidates", [2, 20])
def test_it_is_what_searches_over_equal_candidates_find(candidates: int, tasks: int) -> None:
    rng = np.random.default_rng(0)
    rates = stats.beta.ppf((np.arange(tasks) + 0.5) / tasks, 0.7 * 0.5, 0.3 * 0.5)
    drawn = rng.random((4000, candidates, tasks)) < rates
    found = 100 * (drawn.mean(axis=2).max(axis=1).mean() - rates.mean())
    assert best_of_optimism(candidates, tasks, rate=0.7, correlation=2 / 3) == pytest.approx(found, abs=0.1)


def test_one_candidate_is_not_flattered_and_replicates_help() -> None:
    assert best_of_optimism(1, 20) == 0
    assert best_of_optimism(9, 20, 4) == pytest.approx(best_of_optimism(9, 20) / 2, rel=0.1)
    for wrong in ({"candidates": 0, "tasks": 5}, {"candidates": 2, "tasks": 5, "rate": 1.0}):
        with pytest.raises(UsageError):
            best_of_optimism(**wrong)

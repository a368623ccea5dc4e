"""Which runs are called plain resampling, and beside which programs their curve stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from greenloop.evals.report import build_report
from greenloop.evals.scores import Scores, TaskScore
from greenloop.runtime.spending import Spent


def test_resampling_beside_a_program_is_of_its_own_model(some_scores: Callable[..., Scores]) -> None:
    arms = {
        "single small": some_scores(0.1, most=1, replicates=4, model="small"),
        "single BIG": some_scores(0.7, most=1, replicates=4, model="BIG"),
        "refine BIG": some_scores(0.7, replicates=4, model="BIG"),
        "refine small": some_scores(0.1, replicates=4, model="small"),
    }
    arms["small, then BIG"] = replace(arms["refine BIG"], models=arms["single small"].models)
    report = build_report(arms)
    small, big = report.resampling
    assert (small.model, big.model) == ("small", "BIG")
    of = {p.name: p.resampling_at_tokens for p in report.programs}
    assert of["refine BIG"] is not None
    assert of["refine small"] is not None
    assert of["refine BIG"] > big.points[0][1] > small.points[-1][1] > of["refine small"]
    assert of["small, then BIG"] is None
    (told,) = [line for line in report.summary if line.startswith("At refine BIG's")]
    assert "with a perfect judge (pass@k)" in told
    assert f"{100 * of['refine BIG']:.1f} %" in told


@pytest.mark.parametrize("how", ["guided", "planned"])
def test_drafts_that_are_guided_or_planned_are_not_called_resampling(
    how: str, some_scores: Callable[..., Scores]
) -> None:
    def changed(item: TaskScore) -> TaskScore:
        (made,) = item.trajectory.attempts
        if how == "planned":
            rows = (Spent("plan", "embedded", made.usage), Spent("generate", "embedded", made.usage))
            return replace(item, spent=rows)
        guided = replace(made, sampling={"gamma": 1.0, "mode": "line mode"})
        return replace(item, trajectory=replace(item.trajectory, attempts=(guided,)))

    single = some_scores(0.3, most=1)
    assert build_report({"draft": single}).resampling
    drafts = replace(single, items=tuple(map(changed, single.items)))
    assert build_report({"draft": drafts}).resampling == ()

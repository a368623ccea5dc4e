"""Quality, compute and seconds as a Pareto front, and picking from it on the tuned tasks."""

from __future__ import annotations

import greenloop as gl
import optuna
import pytest
from greenloop.errors import BudgetExhausted, ProgramError, UsageError
from greenloop.evals.search_record import Cost, Front, FrontPoint
from greenloop.optimizers.job import TuningJob
from greenloop.optimizers.objectives import dominates
from greenloop.testing import ScriptedModel, adding_tasks

TASKS = adding_tasks(12)


def number(messages: list[dict]) -> int:
    return int(messages[1]["content"].split("adds ")[1].split()[0])


def right(messages: list[dict]) -> str:
    return f"```python\ndef f(x):\n    return x + {number(messages)}\n```"


def half_right(messages: list[dict]) -> str:
    return f"```python\ndef f(x):\n    return x + {number(messages) * (number(messages) % 2)}\n```"


LARGE, SMALL = "simulated/large", "simulated/small"


def two_models(small) -> gl.Program:
    large = ScriptedModel(right, name="large", identity="large", seconds=1.0)
    cheap = ScriptedModel(small, name="small", identity=f"small {small.__name__}", seconds=0.1)
    return gl.Resample(generate=gl.Generate(model=gl.Choice([large, cheap])), samples=gl.Int(1, 2))


def tuner(**settings) -> gl.OptunaTuner:
    return gl.OptunaTuner(
        **{
            "budget": gl.Budget(n_trials=4),
            "store": "sqlite://",
            "replicates": 1,
            "objectives": ("quality", "compute", "seconds"),
            "parameters": {LARGE: 7e9, SMALL: 1e9},
            "folds": 0,
            **settings,
        }
    )


def test_the_front_holds_what_nothing_beats_and_prices_models_by_their_size() -> None:
    made = tuner()
    tuned = made.compile(two_models(half_right), trainset=TASKS[:6], valset=TASKS[6:])
    front = made.front
    assert tuned.evidence.front == front
    assert front.unit == "parameters × tokens"
    assert front.points[0].settings["generate.model"] == LARGE
    best, cheapest = front.points[0], front.points[-1]
    assert best.rate == 1.0
    assert cheapest.settings == {"generate.model": SMALL, "samples": 1}
    assert cheapest.rate < 1.0
    assert best.cost.compute > 5 * cheapest.cost.compute
    assert best.cost.compute == pytest.approx(best.cost.compute_in + best.cost.compute_out)
    assert all(point.fresh for point in front.points)
    assert set(tuned.evidence.confirmed.models) == {LARGE}
    assert "Pareto front" in str(tuned.evidence)
    assert made.study.directions == [
        optuna.study.StudyDirection.MAXIMIZE,
        optuna.study.StudyDirection.MINIMIZE,
        optuna.study.StudyDirection.MINIMIZE,
    ]
    assert made.study.best_trials


def test_the_cheapest_within_a_margin_is_what_is_confirmed() -> None:
    made = tuner(pick=gl.CheapestWithin(points=2))
    tuned = made.compile(two_models(right), trainset=TASKS[:6], valset=TASKS[6:])
    assert tuned.evidence.settings == {"generate.model": SMALL, "samples": 1}
    assert tuned.evidence.pick == "the cheapest by compute within 2 points of the best"
    assert set(tuned.evidence.confirmed.models) == {SMALL}
    assert made.front.cheapest_within(2).settings == tuned.evidence.settings


def third_right(messages: list[dict]) -> str:
    return f"```python\ndef f(x):\n    return x + {number(messages) * (number(messages) % 3 == 0)}\n```"


def test_what_a_pick_may_want_for_its_cost_is_not_raced_by_what_costs_more() -> None:
    made = tuner(objectives=("quality",), pick=gl.CheapestWithin(points=90), concurrency=1)
    tuned = made.compile(two_models(third_right), trainset=adding_tasks(18))
    assert tuned.evidence.settings == {"generate.model": SMALL, "samples": 1}


def test_a_second_pick_pays_little_and_owns_up_to_the_second_look(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    program = two_models(half_right)
    first = tuner(store=url, finalists=4).compile(program, trainset=TASKS[:6], valset=TASKS[6:])
    again = tuner(store=url, finalists=4, pick=gl.CheapestWithin(points=100)).compile(
        program, trainset=TASKS[:6], valset=TASKS[6:]
    )
    assert first.evidence.choices_confirmed == 1
    assert again.evidence.choices_confirmed == 2
    assert again.evidence.settings["generate.model"] == SMALL
    assert again.evidence.paid["calls"] - first.evidence.paid["calls"] <= 12
    assert "2 choices were confirmed" in str(again.evidence)


def test_looks_at_the_tasks_of_the_folds_are_counted_too(tmp_path) -> None:
    program = two_models(half_right)
    seen = [
        tuner(store=f"sqlite:///{tmp_path}/t.db", folds=2, **how)
        .compile(program, trainset=TASKS[:4])
        .evidence
        for how in ({}, {"pick": gl.CheapestWithin(points=100)})
    ]
    assert [one.how for one in seen] == ["cross-fitted over 2 folds"] * 2
    assert [one.choices_confirmed for one in seen] == [1, 2]


def test_a_choice_among_some_of_the_finalists_says_so(monkeypatch) -> None:
    whole = TuningJob.score_values

    def short(self, values, phase, step, *more, **how):
        if phase == "finalists" and step > 1:
            raise BudgetExhausted("the budget is spent")
        return whole(self, values, phase, step, *more, **how)

    monkeypatch.setattr(TuningJob, "score_values", short)
    made = tuner(objectives=("quality",), pick=gl.CheapestWithin(points=2))
    evidence = made.compile(two_models(right), trainset=TASKS[:4]).evidence
    assert evidence.pick.startswith("the cheapest by compute within 2 points of the best, among the 1 of ")


def test_compute_of_models_of_unknown_size_is_refused_in_one_line(monkeypatch) -> None:
    program = two_models(right)
    small = program.generate.model.options[1]
    unsized = small.backend.describe().model_copy(update={"parameters": None})
    monkeypatch.setattr(small.backend, "describe", lambda: unsized)
    with pytest.raises(UsageError, match="the size of simulated/small is not known"):
        tuner(parameters=None).compile(program, trainset=TASKS[:6])


def test_bad_wishes_are_refused() -> None:
    with pytest.raises(UsageError, match="quality among them"):
        gl.OptunaTuner(objectives=("compute",))
    with pytest.raises(UsageError, match="one objective"):
        tuner(pruner=optuna.pruners.MedianPruner())
    with pytest.raises(UsageError, match="within 0 or more points"):
        gl.CheapestWithin(points=-1)
    with pytest.raises(ProgramError, match="before compile"):
        _ = tuner().front


def test_dominating_is_no_worse_in_all_and_better_in_one() -> None:
    assert dominates((1.0, 5), (0.9, 5))
    assert not dominates((1.0, 5), (1.0, 5))
    assert not dominates((1.0, 6), (0.9, 5))


def test_the_cheapest_within_a_margin_by_seconds() -> None:
    def point(rate: float, compute: float, seconds: float) -> FrontPoint:
        cost = Cost(compute=compute, compute_in=0, compute_out=compute, seconds=seconds, tokens=1, calls=1)
        return FrontPoint(
            settings={"c": compute}, rate=rate, interval=(0, 1), n=50, replicates=2, fresh=True, cost=cost
        )

    front = Front(
        points=(point(0.90, 100, 1), point(0.88, 50, 3), point(0.70, 10, 0.1)),
        objectives=("quality", "compute", "seconds"),
        unit="tokens",
    )
    assert front.cheapest_within(2).settings == {"c": 50}
    assert front.cheapest_within(1).settings == {"c": 100}
    assert front.cheapest_within(2, by="seconds").settings == {"c": 100}
    assert front.cheapest_within(25).settings == {"c": 10}
    without = front.model_copy(update={"objectives": ("quality", "compute")})
    with pytest.raises(UsageError, match="a front of quality and compute"):
        without.cheapest_within(2, by="seconds")  # what is fast and costs compute is not on it

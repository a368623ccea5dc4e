"""What is known before money is spent: the pilot, the budget, cross-fitting where tasks are few."""

from __future__ import annotations

import threading

import greenloop as gl
import pytest
from greenloop.errors import BudgetExhausted, UsageError
from greenloop.runtime.budget import Budget, Meter, Usage
from greenloop.testing import ScriptedModel, adding_tasks

TASKS = adding_tasks(20)


def three_is_right(messages: list[dict], sampling: dict) -> str:
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    right = sampling["temperature"] > 0.5 or number % 3 == 0
    return f"```python\ndef f(x):\n    return x + {number if right else number + 1}\n```"


def small_space(model) -> gl.Program:
    drafts = gl.Generate(model=model, temperature=gl.Choice([0.2, 0.8]))
    return gl.Resample(generate=drafts, samples=1)


def test_few_tasks_are_cross_fitted_where_the_budget_reaches() -> None:
    model = ScriptedModel(three_is_right)
    made = gl.OptunaTuner(budget=gl.Budget(n_trials=4), store="sqlite://", replicates=1)
    tuned = made.compile(small_space(model), trainset=TASKS)
    evidence = tuned.evidence
    assert evidence.how == "cross-fitted over 5 folds"
    assert evidence.confirmed.n == 20
    assert evidence.confirmed.rate == 1.0
    assert evidence.baselines[0].name == "the defaults"
    assert evidence.baselines[0].comparison.n == 20
    assert evidence.baselines[0].figure.rate < 0.5
    assert "better than the defaults" in evidence.verdict
    assert "tuning like this, cross-fitted over 5 folds" in str(evidence)
    assert "take these tunings as given" in str(evidence)
    assert tuned.generate.temperature.value == 0.8
    assert len(evidence.tasks["tuned"]) == 20
    # The folds' searches ask what the first search asked: they cost nothing but their confirmations.
    assert evidence.saved.paid_calls <= 40


def test_a_rerun_of_a_cross_fitted_tuning_pays_nothing(tmp_path) -> None:
    model = ScriptedModel(three_is_right)

    def tune() -> gl.Program:
        made = gl.OptunaTuner(budget=gl.Budget(n_trials=4), store=f"sqlite:///{tmp_path}/t.db", replicates=1)
        return made.compile(small_space(model), trainset=TASKS)

    first = tune()
    calls = len(model.calls)
    again = tune()
    assert len(model.calls) == calls
    assert again.evidence.paid == first.evidence.paid
    assert again.evidence.verdict == first.evidence.verdict


def test_a_rerun_under_a_budget_of_wall_seconds_plans_as_the_first_run_did(tmp_path) -> None:
    model = ScriptedModel(three_is_right)

    def estimate() -> object:
        budget = gl.Budget(timeout_s=3600, n_trials=2)
        made = gl.OptunaTuner(budget=budget, store=f"sqlite:///{tmp_path}/t.db", replicates=1, folds=0)
        made.compile(small_space(model), trainset=TASKS[:4], valset=TASKS[4:8])
        return made.estimate

    first, again = estimate(), estimate()
    assert first.affordable_runs > 1
    assert again == first  # answered by the store in no time, and yet no budget without an end


def test_folds_can_be_refused_or_asked_for() -> None:
    def tune(folds: int, valset) -> gl.Evidence:
        made = gl.OptunaTuner(budget=gl.Budget(n_trials=4), store="sqlite://", replicates=1, folds=folds)
        return made.compile(
            small_space(ScriptedModel(three_is_right)), trainset=TASKS[:10], valset=valset
        ).evidence

    assert tune(0, TASKS[10:]).how == "locked tasks"
    assert tune(2, None).how == "cross-fitted over 2 folds"
    with pytest.raises(UsageError, match="10 tasks cannot be cross-fitted over 6 folds"):
        tune(6, None)
    model = ScriptedModel(three_is_right)
    made = gl.OptunaTuner(budget=gl.Budget(n_trials=5), store="sqlite://", folds=5)
    drafts = gl.Generate(model=model, temperature=gl.Float(0, 1))
    with pytest.raises(UsageError, match="n_trials is at least 6"):
        made.compile(gl.Resample(generate=drafts, samples=1), trainset=TASKS)
    assert not model.calls
    for wrong in (1, -2, "many"):
        with pytest.raises(UsageError, match="folds is 0"):
            gl.OptunaTuner(folds=wrong)


def test_tasks_given_as_valset_stay_locked_however_few_they_are() -> None:
    seen: set[str] = set()

    def tune(**settings) -> gl.Evidence:
        made = gl.OptunaTuner(
            budget=gl.Budget(n_trials=4),
            store="sqlite://",
            replicates=1,
            on_progress=lambda p: seen.update(s.task_id for s in p.scoring.scores if p.phase != "confirm"),
            **settings,
        )
        model = ScriptedModel(three_is_right)
        return made.compile(small_space(model), trainset=TASKS[:10], valset=TASKS[10:]).evidence

    locked = tune()
    assert locked.how == "locked tasks"
    assert locked.confirmed.n == 10
    assert seen == {task.task_id for task in TASKS[:10]}
    assert tune(folds="few").how == "cross-fitted over 5 folds"


def test_the_pilot_tells_what_the_budget_buys_before_the_search() -> None:
    model = ScriptedModel(three_is_right)
    seen: list[tuple[str, int, object]] = []
    made = gl.OptunaTuner(
        budget=gl.Budget(calls=300),
        store="sqlite://",
        replicates=1,
        folds=0,
        on_progress=lambda p: seen.append((p.phase, len(model.calls), p.estimate)),
    )
    made.compile(small_space(model), trainset=TASKS[:10], valset=TASKS[10:])
    phases = [phase for phase, _, _ in seen]
    first = next(i for i, (_, _, estimate) in enumerate(seen) if estimate is not None)
    assert phases[first] == "pilot"
    assert seen[first][1] == 4
    estimate = made.estimate
    assert estimate.configurations == 2
    assert estimate.cost.calls == 1.0
    assert "tuned on 10 tasks, confirmed on 10 locked ones" in estimate.line()
    assert "about 2 configurations" in estimate.line()


def test_a_small_budget_keeps_no_more_for_finalists_than_there_can_be() -> None:
    model = ScriptedModel(three_is_right)
    drafts = gl.Generate(model=model, temperature=gl.Float(0.0, 1.0, default=0.2))
    made = gl.OptunaTuner(
        budget=gl.Budget(calls=100), store="sqlite://", finalists=5, replicates=1, folds=0, racing=False
    )
    made.compile(gl.Resample(generate=drafts, samples=1), trainset=TASKS[:10], valset=TASKS[10:])
    # 35 of the 100 calls are the confirmation's; each configuration takes ten, and ten more as a finalist.
    assert made.estimate.configurations == 3
    assert made.estimate.finalist_runs == 30
    assert len([trial for trial in made.study.trials if trial.state.is_finished()]) >= 3


def test_a_hopeless_budget_is_said_at_once_and_nothing_more_is_spent() -> None:
    model = ScriptedModel(three_is_right)
    made = gl.OptunaTuner(budget=gl.Budget(calls=30), store="sqlite://", folds=0)
    with pytest.raises(BudgetExhausted, match="one configuration and its confirmation need about") as said:
        made.compile(small_space(model), trainset=TASKS[:10], valset=TASKS[10:])
    assert len(model.calls) == 4
    assert "\n" not in str(said.value)


def test_a_token_budget_is_never_overrun_by_calls_in_flight() -> None:
    meter = Meter(Budget(tokens=1000))
    refused: list[BudgetExhausted] = []

    def call() -> None:
        try:
            with meter.reserve(tokens=90) as settle:
                settle(Usage(calls=1, tokens_in=20, tokens_out=40))
        except BudgetExhausted as error:
            refused.append(error)

    threads = [threading.Thread(target=call) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.paid.tokens <= 1000
    assert meter.paid.tokens > 1000 - 90
    assert meter.paid.calls + len(refused) == 40
    assert meter.left() == {"tokens": 1000 - meter.paid.tokens}

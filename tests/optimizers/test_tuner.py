"""The tuner: finds knobs, resumes, confirms on locked tasks, never pays twice."""

from __future__ import annotations

import dspy
import greenloop as gl
import pytest
from greenloop.errors import BudgetExhausted, UsageError
from greenloop.testing import ScriptedModel, adding_tasks

TASKS = adding_tasks(12)


def hot_is_better(messages: list[dict], sampling: dict) -> str:
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    right = sampling["temperature"] > 0.5 or number % 3 == 0
    return f"```python\ndef f(x):\n    return x + {number if right else number + 1}\n```"


def program(model) -> gl.Program:
    return gl.Resample(
        generate=gl.Generate(model=model, temperature=gl.Float(0.0, 1.0, default=0.2)), samples=gl.Int(1, 2)
    )


def tuner(url: str, **settings) -> gl.OptunaTuner:
    return gl.OptunaTuner(**{"budget": gl.Budget(n_trials=8), "store": url, "replicates": 1, **settings})


def test_it_finds_the_better_setting_and_confirms_it(tmp_path) -> None:
    model = ScriptedModel(hot_is_better)
    start = program(model)
    made = tuner(f"sqlite:///{tmp_path}/t.db")
    tuned = made.compile(start, trainset=TASKS[:6], valset=TASKS[6:])
    assert tuned.generate.temperature.value > 0.5
    assert start.generate.temperature.value == 0.2
    evidence = tuned.evidence
    assert evidence.confirmed.n == 6
    assert evidence.confirmed.rate == 1.0
    names = [b.name for b in evidence.baselines]
    assert names[0] == "the defaults"
    assert names[1] == "the strongest single model"
    assert names[2].startswith("resampling at equal compute")
    assert evidence.baselines[0].figure.rate < 1.0
    assert all(b.comparison.p_adjusted is not None for b in evidence.baselines)
    assert evidence.detectable_points is None
    assert "too few" in str(evidence)
    assert evidence.trials == 8
    assert len(made.study.trials) == 8
    assert made.study.trials[0].params["generate.temperature"] == 0.2
    assert evidence.tasks["validation"][0].startswith("t")


def test_a_rerun_pays_nothing_and_finds_the_same(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    model = ScriptedModel(hot_is_better)
    first = tuner(url).compile(program(model), trainset=TASKS[:6], valset=TASKS[6:])
    paid = len(model.calls)
    again = tuner(url).compile(program(model), trainset=TASKS[:6], valset=TASKS[6:])
    assert len(model.calls) == paid
    assert again.evidence.settings == first.evidence.settings
    assert again.evidence.paid == first.evidence.paid


def test_an_interrupted_search_goes_on_without_paying_twice(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    whole = ScriptedModel(hot_is_better, identity="one")
    tuner(f"sqlite:///{tmp_path}/whole.db").compile(program(whole), trainset=TASKS[:6], valset=TASKS[6:])

    def interrupted(progress) -> None:
        if progress.scoring.paid.calls >= 20:
            raise KeyboardInterrupt

    model = ScriptedModel(hot_is_better, identity="one")
    with pytest.raises(KeyboardInterrupt):
        tuner(url, on_progress=interrupted, concurrency=1).compile(
            program(model), trainset=TASKS[:6], valset=TASKS[6:]
        )
    tuned = tuner(url).compile(program(model), trainset=TASKS[:6], valset=TASKS[6:])
    assert tuned.evidence.trials == 8
    keys = [(str(c.messages), c.seed, str(c.sampling)) for c in model.calls]
    assert len(keys) == len(set(keys))
    assert tuned.evidence.paid["calls"] == len(model.calls)


def test_the_budget_is_kept(tmp_path) -> None:
    model = ScriptedModel(hot_is_better)
    made = tuner(f"sqlite:///{tmp_path}/t.db", budget=gl.Budget(calls=60))
    tuned = made.compile(program(model), trainset=TASKS[:6], valset=TASKS[6:])
    assert len(model.calls) <= 60
    assert tuned.evidence.paid["calls"] <= 60


def test_a_budget_too_small_for_one_configuration_says_so(tmp_path) -> None:
    with pytest.raises(BudgetExhausted, match="budget"):
        tuner(f"sqlite:///{tmp_path}/t.db", budget=gl.Budget(calls=2)).compile(
            program(ScriptedModel(hot_is_better)), trainset=TASKS[:6], valset=TASKS[6:]
        )


def test_a_budget_under_the_pilot_is_refused_with_the_budget_that_was_given(tmp_path) -> None:
    model = ScriptedModel(hot_is_better)
    with pytest.raises(BudgetExhausted, match=r"pilot of 4 tasks.*, 100 of the budget are left"):
        tuner(f"sqlite:///{tmp_path}/t.db", budget=gl.Budget(tokens=100)).compile(
            program(model), trainset=TASKS[:6], valset=TASKS[6:]
        )
    assert not model.calls


@pytest.mark.parametrize(
    "wish", [{"budget": 1000}, {"sampler": "tpe"}, {"pruner": "wilcoxon"}, {"objectives": "quality"}]
)
def test_a_wish_of_another_kind_is_refused_and_the_line_says_what_is_meant(wish: dict) -> None:
    (name,) = wish
    with pytest.raises(UsageError, match=rf"^{name} is .*, such as "):
        gl.OptunaTuner(**wish)


def test_a_program_without_knobs_is_refused(tmp_path) -> None:
    plain = gl.Resample(generate=gl.Generate(model=ScriptedModel(hot_is_better)))
    with pytest.raises(UsageError, match="no knobs"):
        tuner(f"sqlite:///{tmp_path}/t.db").compile(plain, trainset=TASKS[:2], valset=TASKS[2:])


def test_a_task_in_both_sets_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="trainset and valset"):
        tuner(f"sqlite:///{tmp_path}/t.db").compile(
            program(ScriptedModel(hot_is_better)), trainset=TASKS[:3], valset=TASKS[2:]
        )


def test_knobs_of_a_users_own_module_are_tuned(tmp_path) -> None:
    class Own(dspy.Module):
        def __init__(self, model) -> None:
            super().__init__()
            self.draft = gl.Generate(model=model, temperature=0.9)
            self.offset = gl.Choice([1, 0])

        def forward(self, problem):
            code = self.draft(problem=problem).code
            return dspy.Prediction(code=code.replace("return x", f"return {self.offset.value} + x"))

    tuned = tuner(f"sqlite:///{tmp_path}/t.db").compile(
        Own(ScriptedModel(hot_is_better)), trainset=TASKS[:6], valset=TASKS[6:]
    )
    assert tuned.offset.value == 0
    assert tuned.evidence.confirmed.rate == 1.0
    assert tuned.evidence.trials == 2


def test_without_validation_tasks_nothing_is_claimed(tmp_path) -> None:
    tuned = tuner(f"sqlite:///{tmp_path}/t.db").compile(program(ScriptedModel(hot_is_better)), trainset=TASKS)
    assert tuned.evidence.verdict.startswith("not confirmed")
    assert tuned.evidence.confirmed is None

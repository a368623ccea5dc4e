"""The study is Optuna's own: its plots, pruners and samplers work; what it says is told."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import greenloop as gl
import optuna
import pytest
from greenloop.cli.main import main
from greenloop.errors import ModelUnavailable, UsageError
from greenloop.optimizers.baselines import resampling, single_shot
from greenloop.optimizers.importances import importances
from greenloop.optimizers.metric_name import metric_name
from greenloop.optimizers.study import study_names
from greenloop.optimizers.study_page import read_study, study_page, summary
from greenloop.optimizers.trials import tried
from greenloop.runtime.backends.embedded import embedded_model_path
from greenloop.testing import ScriptedModel, adding_tasks
from greenloop.testing.ollama_stand_in import OllamaStandIn

TASKS = adding_tasks(12)

GOOD = "Write it step by step."


def obeys(messages: list[dict], sampling: dict) -> str:
    text = messages[-1]["content"]
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    right = GOOD in text or number % 3 == 0
    return f"```python\ndef f(x):\n    return x + {number if right else number + 1}\n```"


def program() -> gl.Program:
    drafts = gl.Generate(
        model=ScriptedModel(obeys),
        temperature=gl.Float(0.0, 1.0, default=0.2),
        instructions=gl.Choice([None, "Write short code.", GOOD]),
    )
    return gl.Resample(generate=drafts, samples=1)


def tuner(**settings) -> gl.OptunaTuner:
    return gl.OptunaTuner(
        **{"budget": gl.Budget(n_trials=12), "store": "sqlite://", "replicates": 1, "folds": 0, **settings}
    )


def test_prompt_variants_are_knobs_and_what_mattered_is_told(tmp_path, capsys) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    made = tuner(store=url, racing=False)
    tuned = made.compile(program(), trainset=TASKS)
    evidence = tuned.evidence
    assert tuned.generate.instructions.value == GOOD
    assert next(iter(evidence.importances)) == "generate.instructions"
    assert evidence.importances == made.importances()
    assert sum(evidence.importances.values()) == pytest.approx(1)
    assert evidence.path[0].trial == 0
    assert evidence.path[0].changed["generate.temperature"] == 0.2
    assert evidence.path[-1].score == 1.0
    assert [s.score for s in evidence.path] == sorted(s.score for s in evidence.path)
    assert "what mattered in the search: generate.instructions" in str(evidence)

    page = tmp_path / "study.html"
    with pytest.raises(SystemExit) as ended:
        main(["report", "--study", evidence.study, "--store", url, "--out", str(page)])
    assert ended.value.code == 0
    html = page.read_text(encoding="utf-8")
    assert GOOD in html
    assert "http" not in html.replace("http-equiv", "")
    assert "generate.instructions" in capsys.readouterr().out
    assert summary(read_study(url, evidence.study)).path == evidence.path
    with pytest.raises(UsageError, match="no study 'nothing'"):
        read_study(url, "nothing")


def test_what_a_program_is_compared_with_has_its_instructions() -> None:
    tuned = program()
    tuned.generate.instructions.value = GOOD
    for made in (resampling(tuned, None, 3), single_shot(tuned, None)):
        assert made.generate.instructions.value == GOOD
    assert not hasattr(resampling(gl.GenerateExecuteRefine(), None, 3).generate, "instructions")


def test_a_knob_whose_bad_values_lose_their_races_matters() -> None:
    models = {"a": optuna.distributions.CategoricalDistribution(["good", "bad"])}
    heat = {"b": optuna.distributions.FloatDistribution(0, 1)}
    study = optuna.create_study(direction="maximize")
    for number in range(24):
        name = ("good", "bad")[number % 2]
        # Every other task is easy; who is bad solves these alone, and is ended after six.
        tasks = range(20 if name == "good" else 6)
        scores = {f"t{i}": float(name == "good" or i % 2) for i in tasks}
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.COMPLETE if name == "good" else optuna.trial.TrialState.PRUNED,
                params={"a": name, "b": (number * 7 % 24) / 24},
                distributions={**models, **heat},
                value=sum(scores.values()) / len(scores),
                user_attrs={"scores": scores},
            )
        )
    shares = importances(study, ["a", "b"])
    assert list(shares) == ["a", "b"]
    assert shares["a"] > 0.5


def test_optunas_plots_work_on_the_study() -> None:
    made = tuner()
    made.compile(program(), trainset=TASKS)
    assert optuna.visualization.plot_optimization_history(made.study).data
    assert optuna.visualization.plot_param_importances(made.study).data
    assert optuna.visualization.plot_parallel_coordinate(made.study).data
    assert "Study" in study_page(made.study)


def test_the_plot_of_a_front_works_on_the_study() -> None:
    made = tuner(objectives=("quality", "seconds"))
    made.compile(program(), trainset=TASKS)
    assert optuna.visualization.plot_pareto_front(made.study).data
    assert "Study" in study_page(made.study)


@pytest.mark.parametrize(
    "pruner",
    [
        optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=4),
        optuna.pruners.PercentilePruner(25.0, n_startup_trials=2, n_warmup_steps=4),
    ],
    ids=["wilcoxon", "percentile"],
)
def test_a_pruner_of_optuna_ends_what_cannot_win(pruner) -> None:
    good_first = gl.Resample(
        generate=gl.Generate(
            model=ScriptedModel(obeys), instructions=gl.Choice([GOOD, None, "Short.", "Long.", "Terse."])
        ),
        samples=1,
    )
    made = tuner(pruner=pruner, concurrency=1, sampler=optuna.samplers.RandomSampler(seed=1))
    tuned = made.compile(good_first, trainset=TASKS)
    states = [trial.state for trial in made.study.trials]
    assert optuna.trial.TrialState.PRUNED in states
    assert tuned.generate.instructions.value == GOOD
    assert tuned.evidence.saved.races_lost == states.count(optuna.trial.TrialState.PRUNED)
    assert tuned.evidence.saved.runs_spared > 0


def test_stored_calls_are_told_as_saved() -> None:
    drafts = gl.Generate(model=ScriptedModel(obeys), temperature=0.2)
    made = tuner()
    tuned = made.compile(gl.Resample(generate=drafts, samples=gl.Int(1, 4)), trainset=TASKS)
    saved = tuned.evidence.saved
    assert saved.calls > 2 * saved.paid_calls
    assert "came from the store" in str(tuned.evidence)


def test_what_the_pilot_and_a_stopped_search_paid_did_not_come_from_the_store(tmp_path) -> None:
    model = ScriptedModel(obeys, identity="counted")

    def compiled(**settings) -> gl.Program:
        made = tuner(store=f"sqlite:///{tmp_path}/t.db", concurrency=1, finalists=1, **settings)
        drafts = gl.Generate(model=model, temperature=gl.Float(0, 1, default=0.2))
        return made.compile(gl.Resample(generate=drafts, samples=1), trainset=TASKS)

    def stopped(progress) -> None:
        if progress.phase == "search" and progress.scoring.paid.calls >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compiled(budget=gl.Budget(n_trials=1), on_progress=stopped)
    before = model.call_count
    assert before < len(TASKS)
    saved = compiled(budget=gl.Budget(n_trials=1)).evidence.saved
    assert model.call_count > before
    assert saved.paid_calls == saved.calls == len(TASKS)


def test_a_trial_that_another_worker_took_over_ends_without_a_word() -> None:
    def taken_over(progress) -> None:
        if progress.phase == "search" and progress.scoring.done == 6 and len(made.study.trials) == 1:
            made.study.tell(0, state=optuna.trial.TrialState.FAIL)

    made = tuner(
        budget=gl.Budget(n_trials=2),
        pruner=optuna.pruners.WilcoxonPruner(),
        concurrency=1,
        on_progress=taken_over,
    )
    assert made.compile(program(), trainset=TASKS).evidence.trials == 2
    assert made.study.trials[0].state.name == "FAIL"


def test_a_configuration_asked_for_again_is_a_fresh_draw_and_is_pooled() -> None:
    model = ScriptedModel(obeys)
    drafts = gl.Generate(model=model, temperature=gl.Choice([0.1, 0.4, 0.7, 0.9]))
    made = tuner(sampler=optuna.samplers.RandomSampler(seed=3), racing=False)
    tuned = made.compile(gl.Resample(generate=drafts, samples=1), trainset=TASKS)
    pooled = tried(made.study, gl.space(tuned))
    again = [one for one in pooled if len(one.trials) > 1]
    assert again
    assert all(len(runs) == len(one.trials) for one in again for runs in one.outcomes.values())
    seeds = [(str(call.messages), call.sampling["temperature"], call.seed) for call in model.calls]
    assert len(seeds) == len(set(seeds))
    assert sum(len(one.trials) for one in pooled) == tuned.evidence.trials
    assert tuned.evidence.saved.paid_calls >= len(TASKS) * (tuned.evidence.trials - 1)


def test_a_pruner_that_ends_every_trial_leaves_the_best_of_them() -> None:
    made = tuner(pruner=optuna.pruners.ThresholdPruner(lower=2.0), concurrency=1)
    tuned = made.compile(program(), trainset=TASKS)
    assert {trial.state.name for trial in made.study.trials} == {"PRUNED"}
    assert tuned.evidence.finalists


def test_optunas_own_log_tells_nothing_of_studies_and_keeps_the_users_verbosity() -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    logging.getLogger("optuna").addHandler(handler)
    try:
        tuner().compile(program(), trainset=TASKS)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        logging.getLogger("optuna").removeHandler(handler)
        optuna.logging.set_verbosity(before)
    assert [record.getMessage() for record in records] == []


def test_scores_of_another_metric_steering_or_task_set_are_never_taken_for_these(tmp_path) -> None:
    model = ScriptedModel(obeys)

    def half(example, prediction, trace=None) -> float:
        return 0.5

    def tune(tasks=TASKS, **settings) -> gl.Evidence:
        student = gl.Resample(generate=gl.Generate(model=model, temperature=gl.Float(0, 1)), samples=1)
        return tuner(store=f"sqlite:///{tmp_path}/t.db", **settings).compile(student, trainset=tasks).evidence

    budget = gl.Budget(n_trials=3)
    kinds = [tune(budget=budget, **how) for how in ({}, {"oracle": True}, {"metric": half})]
    assert len({one.study for one in kinds}) == 3
    assert [one.search_rate for one in kinds][2] == 0.5
    assert [f.figure.steering for one in kinds[:2] for f in one.finalists[:1]] == ["visible", "oracle"]
    first = tune(budget=budget, study="mine")
    assert tune(budget=budget, study="mine").paid == first.paid
    for other in ({"tasks": TASKS[:6]}, {"oracle": True}, {"metric": half}, {"seed": 5}):
        with pytest.raises(UsageError, match="give it another name"):
            tune(budget=budget, study="mine", **other)


def test_a_metric_is_named_by_what_is_bound_in_it_too() -> None:
    def near(example: Any, prediction: Any, trace: Any = None, points: int = 1) -> float:
        return points / 10

    class Near:
        def __init__(self, points: int) -> None:
            self.points, self.server = points, object()

        def __call__(self, example: Any, prediction: Any, trace: Any = None) -> float:
            return self.points / 10

        def method(self, example: Any, prediction: Any, trace: Any = None) -> float:
            return self.points / 10

    def closed_over(points: Any) -> Any:
        return lambda example, prediction, trace=None: near(example, prediction, trace, points["weight"])

    kinds = [
        lambda points: partial(near, points=points),
        lambda points: closed_over({"weight": points}),
        Near,
        lambda points: Near(points).method,
    ]
    for kind in kinds:
        assert metric_name(kind(1)) == metric_name(kind(1))
        assert metric_name(kind(1)) != metric_name(kind(2))
    assert len({metric_name(kind(1)) for kind in kinds}) == len(kinds)


def named(*models: Any) -> str:
    generate = gl.Generate(model=gl.Choice(models), temperature=gl.Float(0, 1))
    program = gl.Resample(generate=generate, samples=1)
    return study_names(program, gl.space(program), 0)(TASKS)


def test_the_options_of_every_model_that_may_be_chosen_tell_studies_apart() -> None:
    first, cool, warm = (ScriptedModel(obeys, name=n, top_p=p) for n, p in (("a", 1), ("b", 0.5), ("b", 0.9)))
    assert named(first, cool) == named(first, ScriptedModel(obeys, name="b", top_p=0.5))
    assert named(first, cool) != named(first, warm)


@pytest.mark.embedded
def test_a_tag_that_was_pulled_again_has_another_study_and_an_outage_has_none() -> None:
    server = OllamaStandIn()
    server.start()
    server.create("m", embedded_model_path())
    name = f"ollama:m@{server.url}?retry_s=0"

    def asked_anew() -> str:
        gl.language_model(name).engine.backend.forget()
        return named(name, ScriptedModel(obeys))

    try:
        first = asked_anew()
        assert asked_anew() == first
        server.create("m", embedded_model_path(), system="Other weights.")
        assert asked_anew() != first
    finally:
        server.kill()
    with pytest.raises(ModelUnavailable):
        asked_anew()

"""What every experiment states, on simulated models."""

from __future__ import annotations

import greenloop as gl
import pytest
from greenloop.errors import UsageError
from greenloop.evals.experiments import EXPERIMENTS, ExperimentConfig, ExperimentResult, run_experiment
from greenloop.testing import ScriptedModel

QUICK = {"replicates": 2, "max_iterations": 2, "resample_max": 3}
SHORT = {"inflation": {"candidates": 3, "draws": 40, "replicates": 3}, "text-only": {"rounds": 1}}


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_it_states_all_that_a_figure_needs(name: str, tasks, models, store: str) -> None:
    tasks = tasks[:4]
    given = QUICK | SHORT.get(name, {})
    with gl.session(store) as session:
        result = run_experiment(name, tasks=tasks, models=models, **given)
        tier = session.sandbox.tier
    assert result.status == "done"
    assert result.simulated
    assert result.verdict.startswith("SIMULATED: ")
    for figure in result.figures.values():
        assert figure.n in (4, 2)
        assert figure.interval[0] <= figure.rate <= figure.interval[1]
        assert figure.steering == "visible"
        assert figure.tier == tier
        assert all(figure.models.values())
        assert figure.model_calls > 0
        assert figure.tokens_in > 0
    for contrast in result.comparisons:
        assert contrast.family == len(result.comparisons)
        assert contrast.p_adjusted >= contrast.p
        assert contrast.name in result.figures
        assert contrast.other in result.figures
        assert contrast.spent is not None
        assert contrast.spent[0].tokens_in > 0
    for key in ("n", "replicates", "steering", "sandbox", "temperature", "max_tokens", "stop_rule", "seed"):
        assert key in result.settings
    for key in ("resample_max", "margin_points", "limit", "data", "seed_of_statistics"):
        assert key in result.settings
    assert result.settings["limits"]["memory_mb"] == 512
    assert {m.digest for m in result.models} == {m.backend.digest() for m in models}
    again = ExperimentResult.model_validate_json(result.to_json())
    assert again.figures == result.figures
    assert again.comparisons == result.comparisons
    text = result.markdown()
    assert result.verdict in text
    assert "Simulated" in text
    assert all(digest[:16] in text for digest in {m.digest for m in result.models})
    assert result.scores


def test_a_rerun_pays_nothing_and_finds_the_same(tasks, models, store: str) -> None:
    results = []
    for _ in range(2):
        with gl.session(store) as session:
            results.append(run_experiment("routing", tasks=tasks[:4], models=models[:1], **QUICK))
            paid = session.meter.paid.calls
    assert paid == 0
    assert results[0].figures == results[1].figures
    assert results[0].comparisons == results[1].comparisons


def test_the_family_grows_with_its_comparisons_and_so_do_its_p_values(tasks, models, store: str) -> None:
    with gl.session(store):
        one = run_experiment("routing", tasks=tasks[:4], models=models[:1], **QUICK)
        two = run_experiment("routing", tasks=tasks[:4], models=models, **QUICK)
    assert len(two.comparisons) == 2 * len(one.comparisons)
    same = {(c.name, c.other): c for c in two.comparisons}
    assert all(same[c.name, c.other].p_adjusted >= c.p_adjusted for c in one.comparisons)


@pytest.mark.parametrize("name", ["matrix", "specialised"])
def test_too_few_models_are_not_run_and_it_says_what_to_give(name: str, tasks, models) -> None:
    with gl.session() as session:
        result = run_experiment(name, tasks=tasks, models=models[:1])
        assert session.meter.as_if.calls == 0
    assert result.status == "not run"
    assert "--model" in result.verdict
    assert result.figures == {}


def test_aliases_of_one_model_count_once(tasks, models) -> None:
    alias = ScriptedModel(["pass"], name="alias", identity="general")
    with gl.session():
        result = run_experiment("matrix", tasks=tasks, models=[models[0], alias])
    assert result.status == "not run"
    assert any("another name" in note for note in result.notes)


def test_with_one_model_baselines_say_that_cross_model_was_not_run(tasks, models, store: str) -> None:
    with gl.session(store):
        result = run_experiment("baselines", tasks=tasks[:4], models=models[:1], **QUICK)
    assert any("cross-model was not run" in note for note in result.notes)


def test_the_papers_set_up_is_stamped(tasks, models, store: str) -> None:
    with gl.session(store):
        result = run_experiment("routing", tasks=tasks[:3], models=models[:1], paper_faithful=True, **QUICK)
    assert result.paper_faithful
    assert {f.steering for f in result.figures.values()} == {"oracle"}
    assert result.settings["returned"] == "the last code"
    assert "paper" in result.markdown()


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean early-stopping"):
        run_experiment("early-stoping")


def test_tasks_given_in_python_do_not_bear_the_name_of_a_set(tasks, models, store: str) -> None:
    with gl.session(store):
        said = [
            run_experiment("routing", config, tasks=tasks[:2], models=models[:1], **QUICK).settings["tasks"]
            for config in (None, ExperimentConfig(level=0.9), ExperimentConfig(tasks="mine"))
        ]
    assert said == ["given in Python", "given in Python", "mine"]

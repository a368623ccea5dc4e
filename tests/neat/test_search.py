"""The search: finds structure that helps, repeats and resumes exactly, keeps its budget, says what is shown."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import dspy
import greenloop as gl
import pytest
from greenloop.errors import BudgetExhausted, ProgramError, UsageError
from greenloop.evals.compare_searches import Search
from greenloop.evals.evidence import Evidence
from greenloop.optimizers.confirming import SINGLE, confirm
from greenloop.optimizers.neat.building import build_program
from greenloop.optimizers.neat.paper_prompts import REFINE
from greenloop.optimizers.neat.paper_space import PaperSpace
from greenloop.optimizers.neat.reckoning import has_room
from greenloop.optimizers.neat.search import NeatSearch
from greenloop.runtime.budget import Usage
from greenloop.runtime.replay_meter import ReplayMeter
from greenloop.runtime.run import CallRecord
from greenloop.testing import ScriptedModel, adding_tasks
from hypothesis import given, settings
from hypothesis import strategies as st

TASKS = adding_tasks(12)


def mending_helps(messages: list[dict]) -> str:
    """Every third draft is right; code that is mended after a failed test always is."""
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    mended = any(m["role"] == "assistant" or "Previous code" in m["content"] for m in messages)
    right = number % 3 == 0 or mended
    return f"```python\ndef f(x):\n    return x + {number if right else number + 1}\n```"


def adds_what_is_asked(messages: list[dict]) -> str:
    return f"```python\ndef f(x):\n    return x + {messages[1]['content'].split('adds ')[1].split()[0]}\n```"


def search(url: str, **given_settings) -> NeatSearch:
    base = {"store": url, "population": 6, "generations": 4, "replicates": 1, "finalists": 2}
    return NeatSearch(**{**base, **given_settings})


def told(made: NeatSearch) -> list:
    return [
        [(i.number, i.parents, i.origin, repr(i.genome), f, s) for i, f, s in zip(*rows, strict=True)]
        for rows in ((g.individuals, g.fitness, g.species) for g in made.history)
    ]


def test_it_finds_structure_where_structure_helps_and_confirms_it(tmp_path) -> None:
    model = ScriptedModel(mending_helps)
    made = search(f"sqlite:///{tmp_path}/n.db", models=[model], generations=8, seed=1)
    found = made.compile(
        gl.Resample(generate=gl.Generate(model=model), samples=1), trainset=TASKS[:6], valset=TASKS[6:]
    )
    evidence = found.evidence
    assert isinstance(evidence, Evidence)
    assert {"execute", "refine"} <= {name.split("_")[0] for name in found.names}
    assert evidence.confirmed.rate == 1.0
    assert evidence.trials == len(made.archive) > 6
    assert evidence.settings["graph"] == found.parsed_wiring.text
    assert evidence.baselines[0].figure.rate < 1.0
    assert gl.knobs(found)
    report = json.loads(json.dumps(made.report()))
    assert set(report["graphs"]) == set(made.archive)
    assert all(sum(g["species"].values()) == 6 for g in report["generations"])
    gl.export(found, tmp_path / "best")
    again = gl.load(tmp_path / "best")
    assert again.wiring.value == found.wiring.value
    assert again.evidence.settings == evidence.settings


def test_a_run_repeats_exactly_and_a_rerun_makes_no_call(tmp_path) -> None:
    runs = []
    for name in ("one", "two"):
        model = ScriptedModel(mending_helps, identity="same")
        made = search(f"sqlite:///{tmp_path}/{name}.db", models=[model], generations=3)
        found = made.compile(trainset=TASKS[:4], valset=TASKS[4:8])
        runs.append((told(made), found.evidence.settings, found.evidence.paid["calls"]))
    assert runs[0] == runs[1]
    model = ScriptedModel(mending_helps, identity="same")
    made = search(f"sqlite:///{tmp_path}/two.db", models=[model], generations=3)
    found = made.compile(trainset=TASKS[:4], valset=TASKS[4:8])
    assert model.calls == []
    assert (told(made), found.evidence.settings, found.evidence.paid["calls"]) == runs[1]


def test_an_interrupted_search_goes_on_and_ends_as_if_it_had_not_been(tmp_path) -> None:
    whole = ScriptedModel(mending_helps, identity="one")
    uncut = search(f"sqlite:///{tmp_path}/whole.db", models=[whole], budget=gl.Budget(calls=150))
    expected = uncut.compile(trainset=TASKS[:4], valset=TASKS[4:8])

    def interrupted(progress) -> None:
        if progress.scoring.paid.calls >= 40:
            raise KeyboardInterrupt

    model = ScriptedModel(mending_helps, identity="one")
    settings_of = {"models": [model], "budget": gl.Budget(calls=150)}
    url = f"sqlite:///{tmp_path}/cut.db"
    with pytest.raises(KeyboardInterrupt):
        search(url, on_progress=interrupted, **settings_of).compile(trainset=TASKS[:4], valset=TASKS[4:8])
    resumed = search(url, **settings_of)
    found = resumed.compile(trainset=TASKS[:4], valset=TASKS[4:8])
    assert told(resumed) == told(uncut)
    assert found.evidence.settings == expected.evidence.settings
    assert found.evidence.verdict == expected.evidence.verdict
    keys = [(str(c.messages), c.seed, str(c.sampling)) for c in model.calls]
    assert len(keys) == len(set(keys))
    assert found.evidence.paid["calls"] == len(model.calls)


def test_the_budget_is_kept(tmp_path) -> None:
    model = ScriptedModel(mending_helps)
    made = search(f"sqlite:///{tmp_path}/n.db", models=[model], budget=gl.Budget(calls=60), generations=20)
    found = made.compile(trainset=TASKS[:4], valset=TASKS[4:8])
    assert len(model.calls) <= 60
    assert found.evidence.paid["calls"] == len(model.calls)
    few = search(f"sqlite:///{tmp_path}/m.db", models=[model], budget=gl.Budget(n_trials=3))
    assert few.compile(trainset=TASKS[:3]).evidence.trials == 3
    with pytest.raises(BudgetExhausted, match="budget"):
        search(f"sqlite:///{tmp_path}/o.db", models=[model], budget=gl.Budget(calls=2)).compile(
            trainset=TASKS[:4]
        )


def test_the_paper_preset_runs_on_rotating_tasks(tmp_path) -> None:
    models = [ScriptedModel(mending_helps, name=name) for name in ("a", "b")]
    made = search(
        f"sqlite:///{tmp_path}/n.db", preset="paper", models=models, generations=3, rotating=4, seed=3
    )
    found = made.compile(trainset=TASKS[:6], valset=TASKS[6:9])
    assert len(made.history) == 3
    assert {"generate", "execute", "refine"} <= {n.split("_")[0] for n in found.names}
    best = max(made.history[-1].fitness)
    assert best == pytest.approx(1 - 0.02 * 3)
    assert type(found.node2).__name__ == "PaperExecute"


def test_the_papers_prompts_survive_the_export(tmp_path) -> None:
    space = PaperSpace(["a"])
    (genome,) = space.start(1, random.Random(0))
    stage = genome.stages[0]
    one, other = (
        replace(genome, stages=(replace(stage, refiner=replace(stage.refiner, prompt=n)),)) for n in (0, 2)
    )
    gl.export(build_program(space.express(other), {"a": "ollama:a"}), tmp_path / "g")
    loaded = gl.load(tmp_path / "g")
    assert loaded.node3.step.predict.signature.instructions == REFINE[2]
    assert space.express(one).digest != space.express(other).digest


def test_it_follows_dspys_own_model(tmp_path) -> None:
    model = ScriptedModel(mending_helps)
    made = search(f"sqlite:///{tmp_path}/n.db", generations=2, population=3)
    with dspy.context(lm=model):
        found = made.compile(trainset=TASKS[:3], valset=TASKS[3:6])
    assert found.evidence.confirmed.n == 3
    assert model.calls


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_genome_of_the_paper_is_valid_and_equal_parents_have_equal_children(seed: int) -> None:
    rng, space = random.Random(seed), PaperSpace(["a", "b"])
    population = space.start(4, rng)
    for _ in range(40):
        one, other = rng.choice(population), rng.choice(population)
        assert space.crossover(one, one, rng) == one
        assert space.distance(one, one) == 0
        assert space.distance(one, other) == space.distance(other, one) >= 0
        child, _ = space.mutate(space.crossover(one, other, rng), rng)
        made = space.express(child)
        assert 1 <= len(child.stages) <= 3
        assert made.size <= 8
        assert made.most_calls <= 1 + 3 * 3 * 2
        json.dumps(space.to_json(child))
        population.append(child)
    build_program(space.express(population[-1]), {"a": "ollama:a", "b": "ollama:b"})


def test_where_the_given_program_does_best_it_comes_back_and_the_verdict_says_so(tmp_path) -> None:
    model = ScriptedModel(mending_helps)
    loop = gl.GenerateExecuteRefine(generate=gl.Generate(model=model), refine=gl.Refine(model=model))
    made = search(f"sqlite:///{tmp_path}/n.db", generations=1, population=2)
    found = made.compile(loop, trainset=TASKS[:4], valset=TASKS[4:8])
    assert isinstance(found, gl.GenerateExecuteRefine)
    assert found is not loop
    assert found.evidence.verdict.startswith("the defaults themselves were chosen")
    assert found.evidence.settings["graph"] == "given: GenerateExecuteRefine"
    assert 0 < found.evidence.search_rate < 1
    best = found.evidence.finalists[0]
    told = Search("NEAT", "topology", 0, 0, found, found.evidence, "", "", Usage())
    assert (told.own_score, told.fresh_score) == (best.search_rate, best.figure.rate)


def test_the_evidence_says_how_it_was_confirmed_and_counts_looks_at_the_locked_tasks(tmp_path) -> None:
    model = ScriptedModel(mending_helps, identity="looks")
    url = f"sqlite:///{tmp_path}/n.db"

    def found(**given_settings) -> Evidence:
        made = search(url, models=[model], generations=8, seed=1, **given_settings)
        return made.compile(
            gl.Resample(generate=gl.Generate(model=model), samples=1), trainset=TASKS[:6], valset=TASKS[6:]
        ).evidence

    first, again = found(budget=gl.Budget(n_trials=1)), found(budget=gl.Budget(n_trials=1))
    more = found()
    assert [one.how for one in (first, again, more)] == ["locked tasks"] * 3
    assert first.settings != more.settings
    assert [one.choices_confirmed for one in (first, again, more)] == [1, 1, 2]
    assert "2 choices were confirmed" in str(more)


def test_equal_compute_weighs_models_by_their_size(tmp_path, monkeypatch) -> None:
    seen = []

    def spy(*args, cost, models, **how):
        seen.extend([cost, models])
        return confirm(*args, cost=cost, models=models, **how)

    monkeypatch.setattr("greenloop.optimizers.neat.running.confirm", spy)
    models = [ScriptedModel(mending_helps, name=name) for name in ("small", "large")]
    sizes = {"simulated/small": 1e9, "simulated/large": 7e9}
    made = search(f"sqlite:///{tmp_path}/n.db", models=models, parameters=sizes, generations=1, population=2)
    made.compile(trainset=TASKS[:2], valset=TASKS[2:4])
    with gl.session():
        scores = gl.score(gl.Resample(generate=gl.Generate(model=models[1]), samples=1), TASKS[:1])
    assert seen[0](scores) == 7e9 * scores.usage().tokens
    assert seen[1] == models  # though the loop, which may win, has the first alone


def test_other_steering_or_another_metric_is_another_search() -> None:
    def name(**how) -> str:
        return NeatSearch(models=["a"], **how).name({"a": "a"}, TASKS)

    names = [
        name(),
        name(oracle=True),
        name(metric=lambda example, prediction, trace=None: 1.0),
        name(seed=1),
    ]
    assert len(set(names)) == 4
    assert name() == names[0]


def test_models_come_from_the_program_where_none_are_named(tmp_path) -> None:
    model = ScriptedModel(mending_helps, name="own")
    made = search(f"sqlite:///{tmp_path}/n.db", generations=1, population=2)
    made.compile(gl.Resample(generate=gl.Generate(model=model)), trainset=TASKS[:2])
    assert {n["attributes"]["model"] for r in made.archive.values() for n in r.genome["nodes"]} == {
        "simulated/own"
    }


def test_without_validation_tasks_nothing_is_claimed_and_nonsense_is_refused(tmp_path) -> None:
    model = ScriptedModel(mending_helps)
    made = search(f"sqlite:///{tmp_path}/n.db", models=[model], generations=1, population=2)
    with pytest.raises(ProgramError, match="before compile"):
        made.history  # noqa: B018
    found = made.compile(trainset=TASKS[:3])
    assert found.evidence.verdict.startswith("not confirmed")
    with pytest.raises(UsageError, match="trainset and valset"):
        made.compile(trainset=TASKS[:3], valset=TASKS[2:])
    with pytest.raises(UsageError, match="empty"):
        made.compile(trainset=[])
    for wrong in (
        {"preset": "huge"},
        {"finalists": 0},
        {"most_nodes": 9},
        {"kinds": ["dream"]},
        {"generations": 0},
        {"population": 1},
    ):
        with pytest.raises(UsageError):
            NeatSearch(**wrong)


def test_a_call_counts_once_however_twins_of_it_are_booked() -> None:
    def call(cached: bool) -> CallRecord:
        return CallRecord("k", "m", "d", 0, Usage(1, 2, 3, 0.5), cached)

    meter = ReplayMeter(gl.Budget())
    meter.booked(call(cached=True))
    meter.booked(call(cached=True))
    assert meter.paid == Usage(1, 2, 3, 0.5)
    with meter.reserve(5) as settle:
        settle(Usage(1, 2, 3, 0.5))
    meter.booked(call(cached=False))
    meter.booked(call(cached=True))
    assert meter.paid == Usage(1, 2, 3, 0.5)


def test_workers_change_nothing_and_a_second_one_finds_what_the_first_has_paid_for(tmp_path) -> None:
    def compiled(url: str, model: ScriptedModel, workers: int) -> tuple:
        made = search(url, models=[model], generations=3, workers=workers)
        found = made.compile(trainset=TASKS[:4], valset=TASKS[4:8])
        return told(made), found.evidence.settings, found.evidence.paid["calls"]

    alone = compiled(f"sqlite:///{tmp_path}/one.db", ScriptedModel(mending_helps, identity="same"), 1)
    url = f"sqlite:///{tmp_path}/many.db"
    models = [ScriptedModel(mending_helps, identity="same") for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda m: compiled(url, m, 3), models))
    assert runs == [alone, alone]
    keys = [(str(c.messages), c.seed, str(c.sampling)) for m in models for c in m.calls]
    assert len(keys) == len(set(keys)) == alone[2]


def test_an_error_in_a_worker_ends_the_search_with_it(tmp_path) -> None:
    def broken(messages: list[dict]) -> str:
        raise KeyboardInterrupt

    made = search(f"sqlite:///{tmp_path}/n.db", models=[ScriptedModel(broken)], workers=3)
    with pytest.raises(KeyboardInterrupt):
        made.compile(trainset=TASKS[:4])


def test_the_strongest_single_model_is_one_of_those_that_were_given() -> None:
    weak, strong = (
        ScriptedModel(answer, name=answer.__name__) for answer in (mending_helps, adds_what_is_asked)
    )
    loop = gl.GenerateExecuteRefine(generate=gl.Generate(model=weak), refine=gl.Refine(model=weak))

    def scored(program, tasks, what):
        return gl.score(program, tasks)

    with gl.session():
        found = confirm(
            loop,
            None,
            trainset=TASKS[:3],
            locked=TASKS[3:6],
            replicates=1,
            score=scored,
            seed=0,
            models=[weak, strong],
        )
    single = next(b for b in found.baselines if b.name == SINGLE)
    assert set(single.figure.models) == {"simulated/adds_what_is_asked"}
    assert single.figure.rate == 1.0


def test_without_validation_tasks_it_searches_with_all_that_its_finalists_do_not_need(tmp_path) -> None:
    def compiled(model: ScriptedModel) -> Evidence:
        budget = gl.Budget(calls=150)
        made = search(f"sqlite:///{tmp_path}/n.db", models=[model], budget=budget, generations=50)
        return made.compile(trainset=TASKS[:2]).evidence

    model = ScriptedModel(mending_helps, identity="same")
    evidence = compiled(model)
    assert 0.7 * 150 < len(model.calls) <= 150
    assert len(evidence.finalists) == 3
    again = ScriptedModel(mending_helps, identity="same")
    told = compiled(again)
    assert again.calls == []
    assert (told.settings, told.paid["calls"]) == (evidence.settings, len(model.calls))


def test_workers_share_the_first_generation_too_where_the_budget_has_room(tmp_path, monkeypatch) -> None:
    at_once = []
    monkeypatch.setattr(
        "greenloop.optimizers.neat.running.side_by_side",
        lambda work, graphs, *how: at_once.append(len(graphs)),
    )
    for calls in (1000, 30):
        made = search(
            f"sqlite:///{tmp_path}/{calls}.db",
            models=[ScriptedModel(mending_helps)],
            budget=gl.Budget(calls=calls),
            generations=1,
            workers=3,
        )
        made.compile(trainset=TASKS[:2])
    assert len(at_once) == 1
    assert at_once[0] > 1


def test_a_limit_of_model_seconds_ends_a_search_in_order_too() -> None:
    paid, cost = Usage(calls=10, tokens_in=10, model_seconds=50.0), (10.0, 10.0, 20.0)
    assert has_room(gl.Budget(model_seconds=90), paid, cost)
    assert not has_room(gl.Budget(model_seconds=89), paid, cost)
    assert has_room(gl.Budget(timeout_s=1), paid, cost)

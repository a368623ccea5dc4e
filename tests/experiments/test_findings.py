"""What single experiments find where the truth is known."""

from __future__ import annotations

from dataclasses import replace

import greenloop as gl
import numpy as np
import pytest
from greenloop.evals.experiments import run_experiment
from greenloop.evals.experiments.equal_compute import (
    SECONDS,
    TOKENS,
    climb,
    measure_for,
    parameter_tokens,
    read_at,
)
from greenloop.evals.experiments.inflation import _Plan, search_inflation
from greenloop.evals.experiments.pool import describe_pool
from greenloop.testing import ScriptedModel


def code(number: int, extra: int = 0, name: str = "x") -> str:
    return f"```python\ndef f(x):\n    return {name} + {number + extra}\n```"


def adds(messages) -> int:
    return int(messages[1]["content"].split("adds ")[1].split()[0])


def figure(result, ending: str):
    return next(f for name, f in result.figures.items() if name.endswith(ending))


def breaks_what_was_right(messages) -> str:
    """Even tasks: right at first, wrong when refined. Odd tasks: wrong at first, right when refined once."""
    number, turns = adds(messages), len(messages)
    refined = turns > 2
    if number % 2 == 0:
        return code(number, int(refined))
    right = refined and f"+ {number}\n" not in messages[2]["content"]
    return code(number, 0 if right else 1)


def test_early_stopping_counts_what_refining_on_breaks(tasks) -> None:
    with gl.session():
        result = run_experiment(
            "early-stopping",
            tasks=tasks,
            models=[ScriptedModel(breaks_what_was_right)],
            replicates=2,
            max_iterations=1,
        )
    assert figure(result, "never stop, return last").rate == 0.5
    assert figure(result, ": stop, return last").rate == 1.0
    assert figure(result, "never stop, return best").rate == 1.0
    by_iteration = next(t for t in result.tables if t.title.endswith("by iteration"))
    row = dict(zip(by_iteration.columns, by_iteration.rows[1], strict=True))
    assert (row["fixed"], row["broken"], row["plain change"]) == (6, 6, 0)
    assert "of 6 drafts that passed, 6 were broken" in result.verdict
    matrix = next(t for t in result.tables if t.kind == "matrix")
    assert matrix.columns == ("from \\ to", "passed", "wrong answer")
    assert matrix.rows == (("passed", 0, 6), ("wrong answer", 6, 0))
    stop = next(c for c in result.curves if c.name.endswith(": stop, return last"))
    assert [p[1] for p in stop.points] == [0.5, 1.0]


def test_stopping_costs_less_than_going_on_and_is_a_prefix_of_it(tasks) -> None:
    with gl.session() as session:
        result = run_experiment(
            "early-stopping", tasks=tasks, models=[ScriptedModel(breaks_what_was_right)], replicates=1
        )
        assert session.meter.paid.calls == figure(result, "never stop, return last").model_calls
    assert figure(result, ": stop, return last").model_calls < 4 * 6


def test_error_classes_compare_refining_with_fresh_drafts_from_the_same_drafts(tasks) -> None:
    def mends_names_only(messages) -> str:
        number = adds(messages)
        if len(messages) == 2:
            return code(number, name="y") if number % 2 else code(number, 1)
        return code(number) if "NameError" in messages[3]["content"] else code(number, 1)

    with gl.session():
        result = run_experiment(
            "error-classes", tasks=tasks, models=[ScriptedModel(mends_names_only)], replicates=2
        )
    table = result.tables[0]
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows["NameError"]["fixed by refining"] == 6
    assert rows["NameError"]["fixed by fresh drafts"] == 0
    assert rows["wrong answer"]["fixed by refining"] == 0
    assert rows["NameError"]["tasks"] == 3
    assert "rate, mean of tasks" in table.columns


def test_where_no_draft_was_mended_no_class_is_said_to_stay_unfixed(tasks) -> None:
    def green_and_wrong(messages) -> str:
        number = adds(messages)
        return f"```python\ndef f(x):\n    return {number}\n```"

    with gl.session():
        result = run_experiment(
            "error-classes", tasks=tasks[:2], models=[ScriptedModel(green_and_wrong)], replicates=1
        )
    assert result.tables == ()
    assert "nothing was mended" in result.verdict
    assert any("2 passed them and are wrong" in note for note in result.notes)


def test_routing_tells_what_followed_each_class(tasks) -> None:
    def crashes_then_wrong(messages) -> str:
        return code(adds(messages), name="y") if len(messages) == 2 else code(adds(messages))

    with gl.session():
        result = run_experiment(
            "routing", tasks=tasks, models=[ScriptedModel(crashes_then_wrong)], replicates=1
        )
    assert result.tables[0].rows == (("NameError", 6, 0),)
    route = next(c for c in result.comparisons if c.name.startswith("route") and "resample" in c.other)
    assert route.points == 100
    assert route.p == pytest.approx(2 / 2**6)
    assert not route.shown, "six tasks show nothing in a family of four"


def test_ablation_shows_each_arm_what_it_says(tasks) -> None:
    model = ScriptedModel(lambda messages: code(adds(messages), name="y"))
    with gl.session():
        run_experiment("feedback-ablation", tasks=tasks[:2], models=[model], replicates=1, max_iterations=1)
    refined = [call.messages[3]["content"] for call in model.calls if len(call.messages) == 4]
    assert any("NameError" in text for text in refined)
    assert any("NameError" not in text and "not correct" in text for text in refined)
    assert all("return y" in call.messages[2]["content"] for call in model.calls if len(call.messages) == 4)


def test_text_only_runs_no_code_and_is_read_against_execution_at_its_tokens(tasks, models, store) -> None:
    with gl.session(store):
        result = run_experiment(
            "text-only",
            tasks=tasks[:4],
            models=models[:1],
            replicates=2,
            max_iterations=2,
            rounds=1,
            resample_max=3,
        )
    text = next(f for name, f in result.figures.items() if name.startswith("text only"))
    assert text.false_green.green == 0
    assert text.unverified == 8
    at = [c for c in result.comparisons if c.at]
    assert len(at) == 3
    for contrast in at:
        other = result.figures[contrast.other]
        spent = (other.tokens_in + other.tokens_out) / (text.tokens_in + text.tokens_out)
        assert (contrast.at == "equal tokens") == (spent == pytest.approx(1, abs=0.006))
        if contrast.at != "equal tokens":
            assert f"unequal tokens ({100 * spent:.0f} %)" == contrast.at
            assert contrast.at in result.verdict
            assert "nearest to" in contrast.other
        ours, theirs = contrast.spent
        assert (ours.tokens_in, theirs.tokens_out) == (text.tokens_in / 8, other.tokens_out / 8)
        assert "prompt and" in contrast.line()


def test_a_ladder_that_ends_too_early_is_not_called_equal(tasks) -> None:
    def only_refining_is_long(messages) -> str:
        return code(adds(messages), 1) + ("# " + "long " * 200 if len(messages) > 2 else "")

    with gl.session():
        result = run_experiment(
            "baselines",
            tasks=tasks,
            models=[ScriptedModel(only_refining_is_long)],
            replicates=1,
            max_iterations=2,
            resample_max=2,
        )
    (read,) = (c for c in result.comparisons if "tokens" in c.at)
    assert read.at.startswith("unequal tokens (")
    assert "its curve ends there" in read.note
    assert f"at {read.at}" in result.verdict
    assert read.spent[0].tokens_out > 10 * read.spent[1].tokens_out


def test_parameters_times_tokens_count_calls_that_are_no_attempt(tasks) -> None:
    model = ScriptedModel(lambda messages: code(adds(messages)))
    with gl.session():
        pool = describe_pool([model])
        sized = pool.models[0].card.model_copy(update={"parameters": 10})
        pool = replace(pool, models=(replace(pool.models[0], card=sized),))
        scores = gl.score(
            gl.GenerateCritiqueRefine(
                generate=gl.Generate(model=model),
                critique=gl.Critique(model=model),
                refine=gl.Refine(model=model),
            ),
            tasks[:2],
        )
    measure = parameter_tokens(pool)
    assert measure is not None
    assert measure.mean(scores) == 10 * scores.usage().tokens / 2
    assert scores.usage().calls == 6


def test_parameters_times_tokens_know_a_model_by_its_other_name(tasks) -> None:
    named = [
        ScriptedModel(lambda messages: code(adds(messages)), name=name, identity="one")
        for name in ("first", "again")
    ]
    with gl.session():
        pool = describe_pool(named)
        sized = pool.models[0].card.model_copy(update={"parameters": 10})
        pool = replace(pool, models=(replace(pool.models[0], card=sized),))
        scores = gl.score(gl.Resample(generate=gl.Generate(model=named[1]), samples=1), tasks[:2])
    measure = parameter_tokens(pool)
    assert measure is not None
    assert measure.mean(scores) == 10 * scores.usage().tokens / 2


def test_tokens_are_never_held_equal_between_models(models) -> None:
    pool = describe_pool(models)
    first, second = pool.models
    unsized = replace(second, card=second.card.model_copy(update={"parameters": None}))
    assert measure_for(replace(pool, models=(first,))) is TOKENS
    assert measure_for(pool).name == "parameters × tokens"
    assert measure_for(replace(pool, models=(first, unsized))) is SECONDS


def test_matches_is_claimed_only_by_an_equivalence_test(tasks, models, store) -> None:
    with gl.session(store):
        result = run_experiment("matrix", tasks=tasks[:4], models=models, replicates=2, max_iterations=2)
    table = next(t for t in result.tables if "one-sided" in t.title)
    assert {row[-1] for row in table.rows} == {"not shown"}
    assert "No mixed pair is shown equal" in result.verdict
    assert [len(t.rows) for t in result.tables if t.kind == "matrix"] == [2]


def test_reading_a_ladder_between_two_rungs_spends_what_was_asked(tasks) -> None:
    model = ScriptedModel(lambda messages: code(adds(messages), adds(messages) % 2))
    with gl.session():

        def rung(k: int):
            program = gl.Resample(generate=gl.Generate(model=model), samples=k)
            return gl.score(program, tasks, replicates=2)

        low, high = TOKENS.mean(rung(1)), TOKENS.mean(rung(2))
        target = 0.75 * low + 0.25 * high
        found = read_at(climb(rung, range(1, 5), TOKENS, target), TOKENS, target)
        assert (found.lower, found.upper) == (1, 2)
        assert found.weight == pytest.approx(0.25)
        assert found.reached == pytest.approx(1)
        assert found.usage.tokens == pytest.approx(12 * target, rel=0.01)
        short = read_at(climb(rung, [1, 2], TOKENS, 10 * high), TOKENS, 10 * high)
        assert short.reached == pytest.approx(0.1, rel=0.01)
        assert "its curve ends there" in short.note
        dear = read_at(climb(rung, [1, 2], TOKENS, low / 2), TOKENS, low / 2)
        assert dear.reached == pytest.approx(2)
        assert "even its cheapest point" in dear.note


def test_false_greens_are_read_between_two_rungs(tasks) -> None:
    def half_false(messages) -> str:
        number = adds(messages)
        return f"```python\ndef f(x):\n    return {number} + {'x' if number % 2 else 0 * number}\n```"

    with gl.session():
        rungs = {
            k: gl.score(gl.Resample(generate=gl.Generate(model=model), samples=k), tasks, replicates=2)
            for k, model in ((1, ScriptedModel(["pass"])), (2, ScriptedModel(half_false)))
        }
    low, high = (TOKENS.mean(rungs[k]) for k in (1, 2))
    found = read_at(rungs, TOKENS, 0.5 * low + 0.5 * high).figure(0.95).false_green
    assert found is not None
    assert (found.count, found.green) == (3, 6)
    assert found.interval is not None
    assert found.interval[0] < 0.5 < found.interval[1]
    assert rungs[2].figure().false_green == read_at(rungs, TOKENS, high).figure(0.95).false_green


def test_a_ladder_ends_where_nothing_more_is_drawn(tasks) -> None:
    model = ScriptedModel(lambda messages: code(adds(messages)))

    def rung(k: int):
        return gl.score(gl.Resample(generate=gl.Generate(model=model), samples=k), tasks)

    with gl.session():
        rungs = climb(rung, range(1, 17), TOKENS, 1e9)
    assert list(rungs) == [1, 2]


def test_search_inflation_grows_with_candidates_and_shrinks_with_replicates() -> None:
    rng = np.random.default_rng(1)
    difficulty = rng.beta(1, 1, size=60)
    grid = (rng.random((20, 60, 6)) < difficulty[None, :, None]).astype(float)

    def too_high(candidates: int, replicates: int) -> float:
        return search_inflation(grid, _Plan(candidates, replicates, 600, 0))[0]

    assert abs(too_high(1, 1)) < 0.01
    assert too_high(20, 1) > too_high(4, 1) > 0.01
    assert too_high(20, 4) < 0.7 * too_high(20, 1)

"""Reproducing the paper: its figures as the facts have them, ours beside them, what was not run visibly empty."""

from __future__ import annotations

import statistics

import greenloop as gl
import pytest
from greenloop.cli.reproduce_command import roles
from greenloop.errors import UsageError
from greenloop.evals.experiments.cast import Cast, cast_models
from greenloop.evals.experiments.pool import Model, ModelCard, Pool
from greenloop.evals.experiments.published import ERROR_CLASSES, FORCED, MAIN, ROWS, SMALL
from greenloop.evals.experiments.reproduce import reproduce
from greenloop.evals.statistics import pass_at_k


def test_published_means_and_deviations_follow_from_the_runs() -> None:
    for row in ROWS:
        for benchmark, runs in row.runs.items():
            mean, sd = row.solved[benchmark]
            assert statistics.mean(runs) == pytest.approx(mean, abs=0.05)
            assert statistics.stdev(runs) == pytest.approx(sd, abs=0.06)


def test_the_recomputed_resampling_rows_are_pass_at_four_of_the_solo_runs() -> None:
    solved_in = {0: 56, 1: 21, 2: 14, 3: 10, 4: 11, 5: 52}
    for k, wanted in ((1, 76.6), (2, 90.2), (3, 98.2), (4, 103.8)):
        assert sum(n * pass_at_k(5, c, k) for c, n in solved_in.items()) == pytest.approx(wanted, abs=0.05)
    row = next(r for r in ROWS if r.name.startswith(f"{MAIN} resampled"))
    assert row.solved["humaneval"] == (103.8, None)
    assert row.recomputed


def test_the_published_classes_add_up() -> None:
    assert sum(n for _, n in ERROR_CLASSES.values()) == 301
    assert {f.row for f in FORCED} < {r.name for r in ROWS}


@pytest.fixture
def stub_tasks(tasks):
    return [
        t.copy(prompt=f'import math\n\n\ndef f(x):\n    """{t.prompt}"""\n', preamble="import math\n")
        for t in tasks[:4]
    ]


def cells(result, title: str, row: str) -> dict:
    table = next(t for t in result.tables if t.title.startswith(title))
    return dict(zip(table.columns, next(r for r in table.rows if str(r[0]).startswith(row)), strict=True))


def test_ours_stand_beside_theirs_and_what_was_not_run_is_empty(stub_tasks, process) -> None:
    from greenloop.testing.error_process import simulated_model

    players = {
        role: simulated_model(process, stub_tasks, name=name)
        for role, name in ((MAIN, "one"), (SMALL, "two"))
    }
    with gl.session():
        result = reproduce(cast_models(players), {"humaneval": stub_tasks}, runs=2)
    assert result.paper_faithful
    assert {f.steering for f in result.figures.values()} == {"oracle"}
    assert any(note.startswith("STAND-INS: simulated/one stands in for llama3.2:3b") for note in result.notes)
    assert any("reduced to 4 of 164" in note for note in result.notes)
    assert not any("llama" in name or "qwen" in name for name in result.figures)
    ours = cells(result, "humaneval: tasks solved", f"{SMALL} → execute")
    assert ours["published, of 164"] == "93.6 ± 3"
    assert ours["models here"] == "simulated/two → execute → simulated/one"
    assert ours["tasks here"] == 4
    for row in ("qwen2.5-coder:3b alone", "qwen2.5-coder:3b → execute"):
        assert cells(result, "humaneval: tasks solved", row)["here"] is None
    assert cells(result, "mbpp: tasks solved", f"{MAIN} alone")["here"] is None
    assert cells(result, "mbpp: tasks solved", f"{MAIN} alone")["published, of 427"] == "255.8 ± 5.5"
    assert cells(result, "humaneval: tasks solved", "best evolved")["here"] is not None
    welch = cells(result, "humaneval: Welch", "best evolved")
    assert (welch["published: t"], welch["published: df"]) == (2.17, 7.7)
    early = cells(result, "humaneval: early", f"{MAIN} → execute")
    assert early["published: with stopping"] == "76 / 90 / 92 / 93"
    assert early["here: without"].count("/") == 3
    evolved = cells(result, "humaneval: early", "best evolved")
    assert evolved["here: without"].count("/") == 3
    assert evolved["tasks here"] == 4
    assert " – " in result.markdown()


def test_every_pipeline_stands_beside_as_many_calls_without_feedback(stub_tasks, process) -> None:
    from greenloop.testing.error_process import simulated_model

    players = {
        role: simulated_model(process, stub_tasks, name=name)
        for role, name in ((MAIN, "one"), (SMALL, "two"))
    }
    benchmarks = {"humaneval": stub_tasks[:2], "mbpp": stub_tasks[2:]}
    with gl.session():
        result = reproduce(cast_models(players), benchmarks, runs=1, early_stopping=False)
    beside = {c.name: c.other for c in result.comparisons if c.at == "equal calls"}
    one, two = "simulated/one", "simulated/two"
    for b in benchmarks:
        assert beside[f"{b}: {one} → execute → {one}"] == f"{b}: {one} resampled, 4 calls"
        assert beside[f"{b}: {two} → execute → {one}"] == f"{b}: {one} resampled, 4 calls"
        assert beside[f"{b}: {two} → execute → analyse, {one}"] == f"{b}: {one} resampled, 7 calls"
    assert result.settings["n"] == {"humaneval": 2, "mbpp": 2}
    assert len(set(result.settings["tasks_digest"].values())) == 2
    assert "temperature" not in result.settings
    assert result.settings["temperatures"][f"{two} → execute → analyse, {one}"] == {
        "generate": 0.35,
        "critique": 0.48,
        "refine": 0.15,
    }


@pytest.mark.parametrize("options", ["", "@http://gpu:11434", "?keep_alive=1h"])
def test_options_behind_its_name_make_no_stand_in_of_the_papers_model(options: str) -> None:
    card = ModelCard(
        label="m",
        name=f"ollama:{MAIN}{options}",
        digest="d",
        parameters=None,
        quantisation=None,
        context=None,
        simulated=False,
    )
    model = Model(None, card)
    assert not Cast(Pool((model,), {}), {MAIN: model}, ()).stands_in(MAIN)
    assert Cast(Pool((model,), {}), {SMALL: model}, ()).stands_in(SMALL)


def test_one_model_in_two_roles_counts_once(tasks) -> None:
    from greenloop.testing import ScriptedModel

    model = ScriptedModel(["pass"])
    cast = cast_models({MAIN: model, SMALL: model})
    assert list(cast.by_role) == [MAIN]
    assert any("plays another role already" in note for note in cast.notes)


def test_roles_on_the_command_line() -> None:
    assert roles(None) is None
    assert roles(["embedded"]) == {MAIN: "embedded"}
    assert roles(["qwen2.5:1.5b=embedded", "gguf:a.gguf"]) == {SMALL: "embedded", MAIN: "gguf:a.gguf"}
    with pytest.raises(UsageError, match="twice"):
        roles(["llama3.2:3b=a", "llama3.2:3b=b"])
    with pytest.raises(UsageError, match="3 models at most"):
        roles(["a", "b", "c", "d"])
    with pytest.raises(UsageError, match="the paper has no model"):
        cast_models({"gpt": "embedded"})

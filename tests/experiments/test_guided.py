"""The guided experiment on a scripted model whose truth is known: it is right only where it sees the signal."""

from __future__ import annotations

import greenloop as gl
import pytest
from greenloop.cli.main import main
from greenloop.evals.experiments import read_config, run_experiment
from greenloop.evals.experiments.config import GuidedConfig
from greenloop.modules.guided_signal import HEADER
from greenloop.testing import ScriptedModel, TokenModel

QUICK = {"replicates": 1, "max_iterations": 1, "resample_max": 3, "gammas": (0.0, 1.0, 3.0)}


def task(i: int, tests: list[str]) -> gl.Task:
    return gl.Task(
        task_id=f"t{i}",
        prompt=f"Write f(x) that adds one, number {i}.",
        entry_point="f",
        visible_tests=tests,
        hidden_tests=["assert f(5) == 6"],
    )


WRONG = "```python\ndef f(x):\n    return x\n```"
TASKS = [task(i, ["assert f(1) == 2"]) for i in range(3)]


def model(mode="true guidance embedded") -> TokenModel:
    right, wrong = (f"```python\ndef f(x):\n    y = x + {n}\n    return y\n```" for n in (1, 2))
    return TokenModel(
        lambda prompt: right if HEADER in prompt else wrong,
        lambda text, seed: "y = x\n    return y\n",
        mode=mode,
        identity=mode,
    )


def test_arms_ablations_equal_tokens_and_the_union(tmp_path) -> None:
    without = task(9, [])
    quick = QUICK | {
        "max_iterations": 16,
        "resample_max": 24,
    }  # what guiding costs, and so what the others may spend
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        found = run_experiment("guided", tasks=[*TASKS, without], models=[model()], **quick)
        paid = session.meter.paid.calls
    name = "simulated/tokens"
    main = f"guided {name} (true guidance embedded)"
    assert found.figures[main].rate == 1
    assert found.figures[f"{main}, γ = 0"].rate == 0
    assert {f"{main}, one candidate", f"{main}, final values", f"{main}, γ = 3"} <= found.figures.keys()
    at = {c.other: c.at for c in found.comparisons}
    assert (
        at[f"resample {name} at the tokens of {main}"]
        == at[f"refine {name} at the tokens of {main}"]
        == "equal tokens"
    )
    ran = next(t for t in found.tables if t.title == "What ran")
    assert all(row[1] == "true guidance embedded (3)" for row in ran.rows), "a row never mixes modes"
    union = next(t for t in found.tables if t.title.startswith("Union"))
    assert union.rows[0][1] == "100.0 %"
    assert "any of 5 plain draws" in str(union.rows[1][0])
    assert any("1 of 4 tasks are left out" in note for note in found.notes)
    assert any("patented" in note for note in found.notes)
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        again = run_experiment("guided", tasks=[*TASKS, without], models=[model()], **quick)
        assert (paid > 0, session.meter.paid.calls) == (True, 0)
    assert again.figures == found.figures


def test_the_authors_set_up_is_steered_by_the_tests_that_score(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = ({"gamma": 0.0}, {"gamma": 1.0}, {"gamma": 1.0, "prompt_style": "few_shot"})
    monkeypatch.setattr("greenloop.evals.experiments.guided.PUBLISHED_GRID", grid)
    with gl.session() as session:
        found = run_experiment("guided", tasks=TASKS, models=[model()], faithful=True, **QUICK)
        tried = [
            a["sampling"] for run in session.store.runs() for a in run["attempts"] if "gamma" in a["sampling"]
        ]
    assert {f.steering for f in found.figures.values()} == {"oracle"}
    (union,) = found.tables
    assert [row[1] for row in union.rows] == ["100.0 %", "0.0 %"]
    assert "3 attempts" in union.title
    assert [s["prompt_style"] for s in tried if s["gamma"] == 1] == ["instruction"] * 3, (
        "a pass ends the task"
    )


def test_the_authors_set_up_is_mbpp_s_500_tasks_once_each_unless_said_otherwise() -> None:
    preset = read_config(GuidedConfig, faithful=True)
    assert (preset.tasks, preset.replicates, preset.steered_by_oracle) == ("mbpp-full", 1, True)
    given = read_config(GuidedConfig, faithful=True, tasks="starter", replicates=2)
    assert (given.tasks, given.replicates) == ("starter", 2)
    assert read_config(GuidedConfig).tasks == "starter"


def test_faithful_is_an_option_of_this_experiment_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["experiment", "baselines", "--faithful"])
    assert ended.value.code == 2
    assert "--faithful is an option of the experiment `guided` only" in capsys.readouterr().err


def test_a_model_that_cannot_be_guided_is_said_so() -> None:
    with gl.session():
        found = run_experiment("guided", tasks=TASKS, models=[ScriptedModel([WRONG])], **QUICK)
    assert "Nothing was guided" in found.verdict
    assert "plain" in "".join(found.figures)

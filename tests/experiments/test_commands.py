"""`greenloop experiment` and `greenloop reproduce` as a user meets them."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from greenloop.cli.main import main
from greenloop.testing import ChatServer


def answers(body) -> list[str]:
    """Right where the number is even; when refined, always."""
    messages = body["messages"]
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    right = number % 2 == 0 or len(messages) > 2
    return [f"```python\ndef f(x):\n    return x + {number if right else number + 1}\n```"]


@pytest.fixture(scope="module")
def server():
    with ChatServer(answers) as running:
        yield running


@pytest.fixture
def task_file(tasks, tmp_path: Path) -> Path:
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(task.fields()) + "\n" for task in tasks[:4]))
    return path


def greenloop(*arguments: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
        main(list(map(str, arguments)))
    return int(left.value.code or 0), out.getvalue(), err.getvalue()


def test_an_experiment_prints_figures_differences_and_a_verdict_and_writes_them(
    server: ChatServer, task_file: Path, tmp_path: Path
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("replicates: 3\nmax_iterations: 1\nresample_max: 2\n")
    command = ["experiment", "baselines", "--model", server.name(), "--tasks", task_file, "--config", config]
    code, out, err = greenloop(*command, "--replicates", 2, "--out", tmp_path / "results")
    assert code == 0, err
    assert "done: " in out
    assert "after Holm" in out
    for words in ("4 tasks, 2 replicates", "steering: visible; sandbox: ", "as if run alone", "prompt and"):
        assert words in out
    assert "passed the tests that steered, but not all (with intervals): single" in out
    assert "paid now" in out
    written = json.loads((tmp_path / "results" / "baselines.json").read_text())
    assert written["settings"]["replicates"] == 2
    assert written["settings"]["max_iterations"] == 1
    assert written["settings"]["tasks"] == str(task_file)
    assert written["simulated"] is False
    figures = written["figures"]
    assert [f["rate"] for name, f in figures.items() if name.startswith("refine")] == [1.0]
    assert written["verdict"] in (tmp_path / "results" / "baselines.md").read_text()
    assert "<html" in (tmp_path / "results" / "baselines-report.html").read_text()

    asked = len(server.requests)
    code, out, err = greenloop(*command, "--replicates", 2, "--json")
    again = json.loads(out)
    assert len(server.requests) == asked
    assert again["paid"]["calls"] == 0
    assert again["figures"] == figures


def test_what_needs_more_models_says_not_run_with_exit_code_0(server: ChatServer, task_file: Path) -> None:
    for name in ("matrix", "specialised"):
        code, out, err = greenloop("experiment", name, "--model", server.name(), "--tasks", task_file)
        assert code == 0, err
        assert "not run: it needs" in out
        assert "--model" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["experiment", "early-stoping"], "did you mean early-stopping"),
        (["experiment", "routing", "--config", "none.yaml"], "cannot be read"),
        (["experiment", "routing", "--specialised", "embedded"], "option of the experiment"),
        (["reproduce", "attention"], "there is feedback-over-form"),
        (["reproduce", "feedback-over-form", "--tasks", "apps"], "the paper has no benchmark 'apps'"),
    ],
)
def test_mistakes_are_one_clear_line(arguments: list[str], said: str) -> None:
    code, _, err = greenloop(*arguments)
    assert code == 2
    assert said in err.replace("\n", " ")


@pytest.mark.embedded
def test_a_context_too_small_for_the_papers_prompts_is_said_before_anything_is_spent(
    data: Path, tmp_path: Path
) -> None:
    code, out, err = greenloop(
        "reproduce", "feedback-over-form", "--model", "embedded?num_ctx=640", "--tasks", "humaneval",
        "--data", data, "--limit", 1, "--store", f"sqlite:///{tmp_path}/s.db",
    )  # fmt: skip
    assert code == 2, err
    assert out == ""
    assert "need" in err
    assert "the context has 640" in err
    assert not (tmp_path / "s.db").exists()


@pytest.mark.slow
@pytest.mark.embedded
def test_the_paper_runs_in_small_with_the_embedded_model(data: Path, tmp_path: Path) -> None:
    code, out, err = greenloop(
        "reproduce", "feedback-over-form", "--model", "embedded", "--tasks", "humaneval", "--data", data,
        "--limit", 1, "--runs", 1, "--no-early-stopping", "--json",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    assert result["notes"][0].startswith("STAND-INS: embedded stands in for llama3.2:3b")
    assert set(result["figures"]) == {
        "humaneval: embedded alone",
        "humaneval: embedded resampled, 4 calls",
        "humaneval: embedded → execute → embedded",
    }
    assert not result["simulated"]

"""Scoring: honest figures, resumable, an outage never a score."""

from __future__ import annotations

import sys
import threading
import time

import dspy
import greenloop as gl
import pytest
from greenloop.errors import ModelUnavailable, ProgramError, TaskError, UsageError
from greenloop.modules.blueprint import program_digest
from greenloop.modules.paper import paper_single
from greenloop.runtime.sandbox import Sandbox
from greenloop.testing import ScriptedModel, adding_tasks

TASKS = adding_tasks(6)


def by_content(messages: list[dict]) -> str:
    """Solves every second task."""
    text = messages[1]["content"]
    number = int(text.split("adds ")[1].split()[0])
    return f"```python\ndef f(x):\n    return x + {number if number % 2 == 0 else number + 1}\n```"


def program(model) -> gl.Program:
    return gl.GenerateExecuteRefine(
        generate=gl.Generate(model=model), refine=gl.Refine(model=model), max_iterations=1
    )


def test_a_figure_carries_what_it_must() -> None:
    with gl.session() as session:
        figure = gl.score(program(ScriptedModel(by_content)), TASKS, replicates=2).figure()
        assert figure.n == 6
        assert figure.replicates == 2
        assert figure.rate == 0.5
        assert figure.solved == 3
        assert 0 <= figure.interval[0] < 0.5 < figure.interval[1] <= 1
        assert figure.steering == "visible"
        assert figure.tier == session.sandbox.tier
        assert figure.simulated
        assert figure.model_calls == 18
        assert len(figure.models) == 1


def test_a_scoring_that_ends_early_counts_what_was_under_way_and_is_paid_for() -> None:
    together = threading.Barrier(4, timeout=60)

    def answer(messages: list[dict]) -> str:
        together.wait()
        return by_content(messages)

    model = ScriptedModel(answer)
    with gl.session() as session:
        drafts = gl.Resample(generate=gl.Generate(model=model), samples=1)
        scores = gl.score(drafts, TASKS[:4], concurrency=4, stop_early=lambda found: True)
        assert len(scores.items) == session.meter.paid.calls == 4


def test_a_second_scoring_pays_nothing_and_shows_the_same_figure(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    model = ScriptedModel(by_content)
    figures = []
    for _ in range(2):
        with gl.session(url) as session:
            figures.append(gl.score(program(model), TASKS).figure())
            paid = session.meter.paid.calls
    assert paid == 0
    assert figures[0] == figures[1]


def test_oracle_is_stamped() -> None:
    with gl.session():
        assert (
            gl.score(program(ScriptedModel(by_content)), TASKS[:2], oracle=True).figure().steering == "oracle"
        )


def test_an_outage_stops_the_run_keeps_what_was_paid_and_a_rerun_goes_on(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    lock = threading.Lock()
    left = [4]

    def sometimes_away(messages: list[dict]) -> str:
        with lock:
            left[0] -= 1
            if left[0] < 0:
                raise ModelUnavailable("the server is away")
        return by_content(messages)

    model = ScriptedModel(sometimes_away, retry_s=0)
    with gl.session(url), pytest.raises(ModelUnavailable):
        gl.score(program(model), TASKS, concurrency=1)
    left[0] = 1000
    with gl.session(url) as session:
        figure = gl.score(program(model), TASKS, concurrency=1).figure()
        assert session.meter.paid.calls == 9 - 4
    assert figure.rate == 0.5


def test_a_program_that_raises_is_named_not_scored() -> None:
    class Broken(dspy.Module):
        def forward(self, problem):
            raise KeyError("x")

    with gl.session(), pytest.raises(ProgramError, match="KeyError on task t0"):
        gl.score(Broken(), TASKS[:1])


def test_an_answer_that_dspy_cannot_read_is_an_attempt_without_code(tmp_path) -> None:
    class Plain(dspy.Module):
        def __init__(self):
            super().__init__()
            self.write = dspy.Predict("problem -> code")

        def forward(self, problem):
            return self.write(problem=problem.render())

    def answer(messages: list[dict]) -> str:
        right = "adds 0" in messages[-1]["content"]
        return "[[ ## code ## ]]\ndef f(x): return x\n\n[[ ## completed ## ]]" if right else "Let me think."

    with gl.session() as session, dspy.context(lm=ScriptedModel(answer), adapter=dspy.ChatAdapter()):
        scores = gl.score(Plain(), TASKS[:2])
        rows = {row["task_id"]: row for row in session.store.runs()}
    assert [item.score for item in scores.items] == [1.0, 0.0]
    assert rows["t1"]["outcome"] == "no_code"
    (attempt,) = rows["t1"]["attempts"]
    assert (attempt["answer"], attempt["flags"]) == ("Let me think.", ["unread_answer"])
    assert attempt["usage"]["calls"] == 1


def test_a_program_without_code_is_named() -> None:
    class Empty(dspy.Module):
        def forward(self, problem):
            return dspy.Prediction(answer=1)

    with gl.session(), pytest.raises(ProgramError, match="returned no code"):
        gl.score(Empty(), TASKS[:1])


def test_a_metric_that_raises_is_named_not_scored_and_no_outage() -> None:
    def metric(example, prediction, trace=None):
        raise KeyError("x")

    with gl.session(), pytest.raises(ProgramError, match="the metric raised KeyError on task t0"):
        gl.score(program(ScriptedModel(by_content)), TASKS[:1], metric=metric)


@pytest.mark.parametrize("value", [7, -0.1, float("nan")])
def test_a_metric_that_is_no_share_is_refused_at_its_first_score(value: float) -> None:
    model = ScriptedModel(by_content)
    with gl.session() as session:
        with pytest.raises(UsageError, match=r"metric gave .* on task t0: it has to lie in \[0, 1\]"):
            gl.score(program(model), TASKS, metric=lambda *_: value, concurrency=1)
        assert len({str(call.messages[1]) for call in model.calls}) == 1
        assert list(session.store.runs()) == []


def test_a_task_given_twice_is_refused_not_counted_as_replicates() -> None:
    with gl.session(), pytest.raises(TaskError, match="'t0' is given more than once"):
        gl.score(program(ScriptedModel(by_content)), [*TASKS[:2], TASKS[0]])


def test_tasks_without_tests_are_refused() -> None:
    bare = gl.Task(task_id="bare", prompt="p", entry_point="f")
    with gl.session(), pytest.raises(TaskError, match="bare"):
        gl.score(program(ScriptedModel(by_content)), [bare])
    with gl.session(), pytest.raises(TaskError, match="no tasks"):
        gl.score(program(ScriptedModel(by_content)), [])


def test_the_ledger_has_one_row_per_task_and_replicate(tmp_path) -> None:
    model = ScriptedModel(by_content)
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        for _ in range(2):
            gl.score(program(model), TASKS[:3], replicates=2)
        rows = list(session.store.runs())
    assert len(rows) == 6
    assert all(row["attempts"] for row in rows)


def test_dspys_evaluate_and_bootstrap_run_unchanged() -> None:
    model = ScriptedModel(by_content)
    with gl.session():
        evaluate = dspy.Evaluate(devset=TASKS, metric=gl.solved, num_threads=2, display_progress=False)
        assert evaluate(program(model)).score == 50.0
        made = dspy.BootstrapFewShot(metric=gl.solved, max_bootstrapped_demos=1, max_labeled_demos=0).compile(
            program(model), trainset=TASKS
        )
        demos = [demo for predictor in made.predictors() for demo in predictor.demos]
    assert demos
    assert all("hidden" not in repr(demo) for demo in demos)


def test_check_runs_the_tests_it_is_asked_for() -> None:
    code = "def f(x):\n    return 0"
    with gl.session():
        assert gl.check(TASKS[0], code, tests="visible").outcome == "passed"
        assert gl.check(TASKS[0], code, tests="hidden").outcome == "failed"
        assert gl.check(TASKS[0], "", tests="hidden").outcome == "no_code"
        assert gl.check(TASKS[0], "def f(x:", tests="hidden").outcome == "syntax_error"


def test_the_ledger_holds_limits_stop_rule_and_what_the_model_is(tmp_path) -> None:
    from greenloop.evals.report import build_report, rows_from_store

    with gl.session(f"sqlite:///{tmp_path}/s.db", seed=7) as session:
        limits = gl.Limits(wall_s=4, cpu_s=4)
        gl.score(program(ScriptedModel(by_content)), TASKS[:2], limits=limits)
        (made,) = build_report(rows_from_store(session.store)).programs
    assert made.settings["limits"]["wall_s"] == 10
    assert made.settings["scoring limits"]["wall_s"] == 4
    assert made.settings["stop rule"]["stop"] == "on_pass"
    assert made.settings["stop rule"]["max_iterations"] == 1
    assert made.settings["session seeds"] == [7]
    assert [card["quantisation"] for card in made.settings["models"].values()] == ["simulated"]
    assert made.settings["digest of the tasks"] != "not recorded"


def test_the_ledger_and_the_report_tell_compute_by_stage_and_model(tmp_path) -> None:
    from greenloop.evals.report import build_report, rows_from_store, write

    writer, mender = (ScriptedModel(by_content, seconds=s) for s in (2.0, 3.0))
    made = gl.GenerateExecuteRefine(
        generate=gl.Generate(model=writer), refine=gl.Refine(model=mender), max_iterations=1
    )
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        scores = gl.score(made, TASKS)
        report = build_report(rows_from_store(session.store))
    spent = {row["stage"]: row for row in report.programs[0].spent}
    assert (spent["generate"]["calls"], spent["generate"]["model_seconds"]) == (6, 12.0)
    assert (spent["refine"]["calls"], spent["refine"]["model_seconds"]) == (3, 9.0)
    assert {row["model"] for row in spent.values()} == set(scores.models)
    assert sum(row["tokens_in"] + row["tokens_out"] for row in spent.values()) == scores.usage().tokens
    assert build_report({"loop": scores}).programs[0].spent == report.programs[0].spent
    written = write(report, tmp_path / "r.html")
    for text in (written.html.read_text(), written.markdown.read_text()):
        assert "Compute by stage and model" in text


def test_two_models_of_one_name_with_other_options_make_two_programs() -> None:
    def digest(**options) -> str:
        model = gl.language_model("ollama:m@127.0.0.1:1", **options)
        return program_digest(program(model))

    assert digest() == digest(retry_s=0)
    digests = {digest(), digest(num_ctx=8192), digest(think=True), digest(think=False), digest(stop="x")}
    assert len(digests) == 5
    named = program(gl.language_model("ollama:m@127.0.0.1:1?num_ctx=8192"))
    assert program_digest(named) == program_digest(program("ollama:m@127.0.0.1:1?num_ctx=8192"))
    servers = [dspy.LM("openai/m", api_base=f"http://127.0.0.1:{port}/v1") for port in (1, 2)]
    assert len({program_digest(program(lm)) for lm in servers}) == 2


class Constant(gl.Program):
    """Answers as its attributes say, without a model."""

    def __init__(self, right: bool, *, by=None, model=None) -> None:
        super().__init__()
        self.right, self._by, self.cache, self._seen = right, by, {}, []
        self.model = model

    def solve(self, problem) -> str:
        self._seen.append(problem.task_id)
        return (
            f"def f(x):\n    return x + {problem.prompt.split('adds ')[1].split()[0]}" if self.right else ""
        )


def test_attributes_of_an_own_program_tell_it_from_another() -> None:
    programs = [Constant(True), Constant(False)]
    with gl.session() as session:
        assert [gl.score(made, TASKS[:2]).figure().rate for made in programs] == [1.0, 0.0]
        assert sorted(row["score"] for row in session.store.runs()) == [0, 0, 1, 1]
    assert (
        program_digest(programs[0])
        == program_digest(Constant(True))
        == program_digest(programs[0].deepcopy())
    )

    def adding(number: int):
        return lambda x: x + number

    models = [dspy.LM("openai/m", api_base=f"http://127.0.0.1:{port}/v1") for port in (1, 2)]
    others = [*(Constant(True, by=adding(n)) for n in (1, 2)), *(Constant(True, model=lm) for lm in models)]
    assert len({program_digest(made) for made in (*programs, *others)}) == 6
    optimized = Constant(True)
    optimized.trial_logs = [{"score": 0.5}]  # as MIPROv2 leaves them
    assert program_digest(optimized) == program_digest(programs[0])


def test_paper_faithful_drops_the_preamble_steers_by_all_tests_and_is_stamped(tmp_path) -> None:
    task = gl.Task(
        task_id="stub",
        prompt="from typing import List\n\ndef f(x: List[int]) -> int:\n    '''Sum.'''\n",
        entry_point="f",
        preamble="from typing import List\n",
        visible_tests=["assert f([1]) == 1"],
        hidden_tests=["assert f([1, 2]) == 3"],
    )
    answer = "```python\ndef f(x: List[int]) -> int:\n    return sum(x)\n```"
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        faithful = gl.score(paper_single(ScriptedModel([answer])), [task], paper_faithful=True)
        usual = gl.score(paper_single(ScriptedModel([answer])), [task])
        rows = [row["settings"].get("paper faithful", False) for row in session.store.runs()]
    missing = (
        "error" if sys.version_info < (3, 14) else "passed"
    )  # annotations are not evaluated from there on
    assert (faithful.items[0].outcome, usual.items[0].outcome) == (missing, "passed")
    assert faithful.steering == "oracle"
    assert faithful.figure().paper_faithful
    assert "the paper's set-up" in faithful.figure().line()
    assert sorted(rows) == [False, True]


@pytest.mark.parametrize(("version", "told"), [("3.13.9", False), ("3.14.0", True)])
def test_paper_faithful_warns_where_annotations_are_not_evaluated(
    version: str, told: bool, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(Sandbox, "python_version", version)
    with gl.session():
        gl.score(paper_single(ScriptedModel(by_content)), TASKS[:1], paper_faithful=True)
    said = [w for w in recwarn if "does not evaluate annotations" in str(w.message)]
    assert bool(said) is told


def test_paper_faithful_is_stamped_on_the_papers_programs_alone() -> None:
    with gl.session(), pytest.raises(UsageError, match=r"generate\.predict.*others: take a program of"):
        gl.score(program(ScriptedModel(by_content)), TASKS, paper_faithful=True)


def test_progress_tells_the_rate_so_far_with_its_interval() -> None:
    told = []
    with gl.session():
        gl.score(program(ScriptedModel(by_content)), TASKS, replicates=2, on_progress=told.append)
    last = told[11].interval()
    assert (told[11].done, last.estimate) == (12, 0.5)
    assert 0 < last.low < 0.5 < last.high < 1
    assert told[0].interval().high - told[0].interval().low > last.high - last.low


def test_time_left_is_not_told_by_the_pace_of_stored_answers(tmp_path) -> None:
    pause_s = [0.0]

    def at_its_pace(messages: list[dict]) -> str:
        time.sleep(pause_s[0])
        return by_content(messages)

    url, told, timed = f"sqlite:///{tmp_path}/s.db", [], program(ScriptedModel(at_its_pace))
    with gl.session(url):
        gl.score(timed, TASKS[:3])
    pause_s[0] = 0.2
    with gl.session(url) as session:
        gl.score(timed, TASKS, concurrency=1, on_progress=told.append)
        assert session.meter.paid.calls == 5
    assert told[3].left_s > 2 * 0.2
    assert told[-1].left_s == 0


def test_runs_under_other_conditions_are_other_runs_in_the_ledger_and_the_report(tmp_path) -> None:
    from greenloop.evals.report import build_report, rows_from_store

    made, one, two = (
        program(None),
        ScriptedModel(by_content, name="one"),
        ScriptedModel(by_content, name="two"),
    )

    def half(example, pred, trace=None) -> float:
        return 0.5

    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        for lm in (one, two):  # one digest: the program follows dspy.configure
            with dspy.context(lm=lm):
                gl.score(made, TASKS)
        with dspy.context(lm=one):
            gl.score(made, TASKS, limits=gl.Limits(wall_s=4, cpu_s=4))
            gl.score(made, TASKS, metric=half)
            gl.score(made, TASKS)
        report = build_report(rows_from_store(session.store))
        assert len(list(session.store.runs())) == 4 * len(TASKS)
    assert [(p.figure.n, p.figure.replicates) for p in report.programs] == [(6, 1)] * 4
    names = [p.name.partition(" (")[2].rstrip(")") for p in report.programs]
    assert names == [
        "",
        "with simulated/two",
        "other limits",
        "by test_runs_under_other_conditions_are_other_runs_in_the_ledger_and_the_report.<locals>.half",
    ]
    assert [list(p.figure.models) for p in report.programs] == [
        ["simulated/one"],
        ["simulated/two"],
        ["simulated/one"],
        ["simulated/one"],
    ]


def test_new_weights_under_an_old_name_are_no_replicates(tmp_path) -> None:
    from greenloop.evals.report import build_report, rows_from_store

    made = program(None)
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        for identity in ("old", "new"):
            with dspy.context(lm=ScriptedModel(by_content, name="m", identity=identity)):
                gl.score(made, TASKS)
        first, second = build_report(rows_from_store(session.store)).programs
    assert second.name == f"{first.name} (other weights of simulated/m)"
    assert first.figure.replicates == second.figure.replicates == 1
    assert first.figure.models != second.figure.models

"""Guided generation on a scripted model: the loop, what is counted, what is stored, and what it says of itself."""

from __future__ import annotations

import itertools
import threading
import time

import greenloop as gl
import pytest
from greenloop.errors import BudgetExhausted, InfrastructureError, ModelUnavailable, ProgramError
from greenloop.modules.guided_signal import HEADER
from greenloop.modules.guided_watch import EndEvent, LineEvent, watch_guidance
from greenloop.modules.prompt_needs import prompt_needs
from greenloop.runtime.budget import Budget, Meter
from greenloop.runtime.run import check_not_stopped
from greenloop.testing import ScriptedModel, TokenModel

PLAIN = "```python\ndef f(x):\n    y = x + 2\n    return y\n```\nDone."
RIGHT = "```python\ndef f(x):\n    y = x + 1\n    return y\n```\nDone."
TASK = gl.Task(
    task_id="t",
    prompt="Write f(x) that adds one.",
    entry_point="f",
    visible_tests=["assert f(1) == 2"],
    hidden_tests=["assert f(5) == 6"],
)


def model(**given) -> TokenModel:
    """Writes the right program where it sees the signal, else the wrong one."""
    return TokenModel(
        lambda prompt: RIGHT if HEADER in prompt else PLAIN,
        lambda text, seed: ["y = x\n    return y\n", "y = x * 2  # twice\n    return y\n"][seed % 2],
        **given,
    )


def solve(lm: TokenModel, task: gl.Task = TASK, store: str = "sqlite://", **settings):
    with gl.session(store) as session:
        found = gl.GuidedGenerate(model=lm, **settings)(problem=task.problem)
    return found, session


def test_gamma_0_writes_the_plain_answer_and_draws_nothing() -> None:
    lm = model()
    found, _ = solve(lm, gamma=0.0)
    assert found.code == "def f(x):\n    y = x + 2\n    return y"
    assert found.attempt.sampling["guided_lines"] == 0
    assert "never_guided" in found.attempt.flags


@pytest.mark.parametrize("signal", ["trace", "final_values", "verdict"])
@pytest.mark.parametrize("style", ["instruction", "few_shot"])
def test_gamma_1_writes_what_the_guided_context_says(signal: str, style: str) -> None:
    found, _ = solve(model(), gamma=1.0, signal=signal, prompt_style=style)
    assert found.code == "def f(x):\n    y = x + 1\n    return y"
    assert found.attempt.execution.passed
    assert found.attempt.sampling["mode"] == "true guidance embedded"
    assert found.attempt.sampling["stop"] == "passed"


def test_the_signal_tells_of_calls_and_values_and_never_of_what_was_expected() -> None:
    found, _ = solve(model(), gamma=1.0)
    signal = found.attempt.feedback
    assert "# Call: f(1)" in signal
    assert "y (int) = 2" in signal
    assert "returned 2 (int)" in signal
    assert "# twice" not in signal
    assert "assert" not in signal
    told, _ = solve(model(), gamma=1.0, signal="verdict")
    assert "got 1, expected 2" in told.attempt.feedback


def test_everything_is_counted_and_a_rerun_pays_nothing(tmp_path) -> None:
    store = f"sqlite:///{tmp_path}/s.db"
    lm = model()
    first, session = solve(lm, store=store, gamma=0.5)
    usage, asked = first.attempt.usage, lm.backend.asked
    assert session.meter.paid.tokens == session.meter.as_if.tokens == usage.tokens
    assert len(first.attempt.call_keys) == usage.calls
    lines = first.attempt.sampling["guided_lines"]
    assert usage.calls >= 2 * lines + 2
    assert usage.tokens_out >= asked - 3 * lines, "each token of each context, and all of every continuation"
    again, session = solve(model(), store=store, gamma=0.5)
    assert again.attempt == first.attempt
    assert session.meter.paid.calls == 0
    assert session.meter.as_if.tokens == usage.tokens


@pytest.mark.parametrize("signal", ["trace", "final_values", "verdict"])
def test_a_rerun_pays_nothing_where_values_show_addresses_and_names_in_no_order(
    tmp_path, signal: str
) -> None:
    store = f"sqlite:///{tmp_path}/s.db"
    lm = TokenModel(lambda prompt: PLAIN, lambda text, seed: "z = f\n    a, k = 1, object()\n    return k\n")
    first, _ = solve(lm, store=store, gamma=1.0, signal=signal)
    assert "0x" not in first.attempt.feedback
    again, session = solve(lm, store=store, gamma=1.0, signal=signal)
    assert session.meter.paid.calls == 0
    assert again.attempt.feedback == first.attempt.feedback


def test_attempts_with_other_settings_share_what_is_the_same(tmp_path) -> None:
    store = f"sqlite:///{tmp_path}/s.db"
    solve(model(), store=store, gamma=1.0)
    _, session = solve(model(), store=store, gamma=3.0)
    paid, as_if = session.meter.paid, session.meter.as_if
    assert 0 < paid.calls < as_if.calls, (
        "the lines ahead of the function and the first continuations were there"
    )


def test_a_budget_ends_it_between_lines_and_what_was_paid_is_kept(tmp_path) -> None:
    store = f"sqlite:///{tmp_path}/s.db"
    full, _ = solve(model(), gamma=1.0)
    meter = Meter(Budget(calls=3))
    with gl.session(store, meter=meter) as session, pytest.raises(BudgetExhausted):
        gl.GuidedGenerate(model=model(), gamma=1.0)(problem=TASK.problem)
    assert meter.paid.calls == 3
    resumed, session = solve(model(), store=store, gamma=1.0)
    assert resumed.code == full.code
    assert session.meter.paid.calls == full.attempt.usage.calls - 3


def test_an_outage_is_an_outage(tmp_path) -> None:
    lm = model()
    lm.backend.trouble = [ModelUnavailable("away")]
    with gl.session() as session:
        with pytest.raises(ModelUnavailable, match="away"):
            gl.score(gl.Resample(generate=gl.GuidedGenerate(model=lm), samples=1), [TASK])
        assert list(session.store.runs()) == []


def test_without_tests_it_is_plain_and_says_so() -> None:
    task = gl.Task(task_id="t", prompt="Write f(x).", entry_point="f")
    found, _ = solve(model(), task)
    assert found.code == "def f(x):\n    y = x + 2\n    return y"
    assert found.attempt.sampling["mode"] == "plain"
    assert found.attempt.flags == ("plain_no_tests",)
    unusual = TASK.copy(visible_tests=["import unittest\nclass T(unittest.TestCase):\n    pass"])
    assert solve(model(), unusual)[0].attempt.sampling["why_plain"] == "plain_no_calls"


def test_a_model_of_whole_answers_is_asked_for_one_and_says_so() -> None:
    lm = ScriptedModel([RIGHT])
    with gl.session():
        found = gl.GuidedGenerate(model=lm)(problem=TASK.problem)
    assert found.attempt.sampling["mode"] == "plain"
    assert found.attempt.flags == ("plain_no_completions",)


def test_line_mode_guides_by_the_guided_context_alone_and_says_so() -> None:
    found, _ = solve(model(mode="line mode"), gamma=3.0)
    assert found.attempt.execution.passed
    assert found.attempt.sampling["mode"] == "line mode"
    assert found.attempt.sampling["gamma"] == 1
    assert "line_mode_gamma_1" in found.attempt.flags


def test_a_program_that_does_not_grow_ends_the_attempt() -> None:
    endless = "```python\ndef f(x):\n" + "    # and so on\n" * 60
    found, _ = solve(TokenModel(lambda prompt: endless), gamma=1.0)
    assert found.attempt.sampling["stop"] == "loop"
    assert "loop_break" in found.attempt.flags
    assert found.attempt.sampling["guided_lines"] == 5


def test_a_long_literal_that_runs_only_when_it_is_closed_is_no_such_program() -> None:
    table = "".join(f"        {n}: {n + 1},\n" for n in range(9))
    found, _ = solve(
        TokenModel(lambda prompt: f"def f(x):\n    known = {{\n{table}    }}\n    return known[x]\n")
    )
    assert found.attempt.sampling["stop"] == "passed"


def test_the_best_draft_by_visible_tests_is_returned_when_none_passes() -> None:
    worse = "```python\ndef f(x):\n    if x == 2: return 3\n    return 1 / 0\n```"
    task = TASK.copy(visible_tests=["assert f(2) == 3", "assert f(1) == 2"])
    found, _ = solve(TokenModel(lambda prompt: worse), task, gamma=1.0)
    assert not found.attempt.execution.passed
    assert found.attempt.execution.tests_passed == 1


def test_the_oracle_s_tests_steer_where_they_may_and_are_run_nowhere_else() -> None:
    hidden = TASK.copy(visible_tests=["assert f(0) == 1"])
    lm = model()
    plain, _ = solve(lm, hidden)
    assert "f(5)" not in plain.attempt.feedback
    with gl.session():
        told = gl.GuidedGenerate(model=model())(problem=hidden.problem_for("oracle"))
    assert "f(5)" in told.attempt.feedback


def test_what_is_checked_beforehand_has_the_oracle_s_tests_that_the_prompt_will_show() -> None:
    stages = {"plain": gl.Generate(model="embedded"), "guided": gl.GuidedGenerate(model="embedded")}
    for oracle in (False, True):
        shown = {name: "f(5)" in prompt_needs(s, [TASK], oracle=oracle)[0].text for name, s in stages.items()}
        assert shown == {"plain": False, "guided": oracle}


def test_it_stands_where_generate_does_and_is_tuned_exported_and_loaded(tmp_path) -> None:
    stage = gl.GuidedGenerate(
        model="embedded", gamma=gl.Float(0, 3, default=1), signal=gl.Choice(["trace", "verdict"])
    )
    program = gl.GenerateExecuteRefine(generate=stage, refine=gl.Refine(model="embedded"))
    assert {"generate.gamma", "generate.signal"} <= gl.knobs(program).keys()
    gl.export(program, tmp_path / "best")
    loaded = gl.load(tmp_path / "best")
    assert isinstance(loaded.generate, gl.GuidedGenerate)
    assert loaded.generate.guidance() == stage.guidance()


def test_an_attempt_holds_its_seat_so_that_nobody_takes_its_caches() -> None:
    tasks = [TASK.copy(task_id=f"t{i}", prompt=f"Write f(x) that adds one, number {i}.") for i in range(4)]
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt.split("number ")[1][0])
        return RIGHT if HEADER in prompt else PLAIN

    with gl.session():
        gl.score(gl.Resample(generate=gl.GuidedGenerate(model=TokenModel(answer, seats=1)), samples=1), tasks)
    blocks = [task for task, _ in itertools.groupby(asked)]
    assert sorted(blocks) == ["0", "1", "2", "3"], "the tasks took turns on one seat"


def test_a_line_that_is_longer_than_a_call_is_guided_to_its_end() -> None:
    terms = " + 0" * 40
    right = f"```python\ndef f(x):\n    y = x + 1{terms}\n    return y\n```"
    lm = TokenModel(
        lambda prompt: right if HEADER in prompt else PLAIN, lambda text, seed: "y = x\n    return y\n"
    )
    found, _ = solve(lm, gamma=1.0)
    assert found.code == f"def f(x):\n    y = x + 1{terms}\n    return y"
    assert found.attempt.sampling["guided_lines"] == 2


def test_instructions_are_a_knob_as_in_generate_and_end_both_prompts() -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return RIGHT if HEADER in prompt else PLAIN

    stage = gl.GuidedGenerate(
        model=TokenModel(answer),
        instructions=gl.Choice([None, "Use no recursion."], default="Use no recursion."),
    )
    assert "instructions" in gl.knobs(stage)
    with gl.session():
        stage(problem=TASK.problem)
    assert all("Use no recursion." in prompt for prompt in asked)
    assert any(HEADER in prompt for prompt in asked)


def test_watchers_see_lines_with_candidates_and_the_end() -> None:
    seen: list[LineEvent | EndEvent] = []
    with watch_guidance(seen.append):
        solve(model(), gamma=1.0)
    lines = [e for e in seen if isinstance(e, LineEvent)]
    assert "".join(e.text for e in lines).startswith("```python\ndef f(x):\n")
    assert any(e.guided and e.trials for e in lines)
    assert isinstance(seen[-1], EndEvent)
    assert seen[-1].stop == "passed"


@pytest.mark.parametrize(
    "wrong", [{"gamma": -1}, {"candidates": 0}, {"signal": "x"}, {"prompt_style": "x"}, {"next_token": "x"}]
)
def test_settings_out_of_range_are_one_line(wrong) -> None:
    with pytest.raises(ProgramError, match="GuidedGenerate: "):
        gl.GuidedGenerate(**wrong)


GRID = [{"gamma": 0.0}, {"gamma": 0.0, "prompt_style": "few_shot"}, {"gamma": 1.0}, {"gamma": 3.0}]


def attempts(lm: TokenModel, **given) -> gl.GuidedAttempts:
    return gl.GuidedAttempts(generate=gl.GuidedGenerate(model=lm), grid=GRID, **given)


def test_the_first_attempt_that_passes_ends_the_task_and_all_are_in_the_ledger(tmp_path) -> None:
    store = f"sqlite:///{tmp_path}/s.db"
    with gl.session(store) as session:
        scores = gl.score(attempts(model()), [TASK])
        (run,) = session.store.runs()
    assert scores.mean == 1
    assert [a["sampling"]["gamma"] for a in run["attempts"]] == [0.0, 0.0, 1.0, 3.0], "two rounds of two"
    assert all(a["usage"]["tokens_out"] > 0 for a in run["attempts"])
    chosen = scores.items[0].trajectory.best
    assert chosen is not None
    assert chosen.sampling["gamma"] == 1.0, "the earliest of the grid that passes"
    one = attempts(model(), parallel=1)
    with gl.session(store) as session:
        assert len(one(problem=TASK.problem).trajectory.attempts) == 3
        assert session.meter.paid.calls == 0


def test_no_more_attempts_run_at_a_time_than_there_are_seats() -> None:
    with gl.session():
        found = attempts(model(seats=1), parallel=2)(problem=TASK.problem)
    gammas = [a.sampling["gamma"] for a in found.trajectory.attempts]
    assert gammas == [0.0, 0.0, 1.0], "the fourth would only have waited for the third, and been paid for"


@pytest.mark.parametrize("parallel", [1, 2])
def test_where_nothing_can_be_guided_the_grid_is_one_plain_draft(parallel: int) -> None:
    task = gl.Task(task_id="t", prompt="Write f(x).", entry_point="f")
    with gl.session():
        found = attempts(model(), stop_on_pass=False, parallel=parallel)(problem=task.problem)
    (attempt,) = found.trajectory.attempts
    assert attempt.flags == ("plain_no_tests",)
    assert found.trajectory.usage.calls == 1


@pytest.mark.parametrize(
    ("mode", "left"), [("true guidance embedded", [0, 3, 4, 6, 7]), ("line mode", [0, 3, 4, 6])]
)
def test_settings_that_write_the_same_draft_are_one_attempt(mode: str, left: list[int]) -> None:
    grid = [{"gamma": 0.0, "temperature": t} for t in (0.7, 1.2)]
    grid += [{"gamma": 0.0, "signal": "verdict"}, {"gamma": 0.0, "prompt_style": "few_shot"}]
    grid += [{"gamma": 1.0}, {"gamma": 1.0}, {"gamma": 1.0, "temperature": 1.2}, {"gamma": 3.0}]
    program = gl.GuidedAttempts(
        generate=gl.GuidedGenerate(model=model(mode=mode)), grid=grid, stop_on_pass=False
    )
    with gl.session():
        tried = program(problem=TASK.problem).trajectory.attempts
    assert [attempt.iteration for attempt in tried] == left


def test_all_attempts_run_where_a_task_counts_as_solved_by_any() -> None:
    with gl.session():
        found = attempts(model(), stop_on_pass=False)(problem=TASK.problem)
    assert len(found.trajectory.attempts) == 4
    assert found.trajectory.usage == sum(
        (a.usage for a in found.trajectory.attempts), gl.Attempt("", "").usage
    )


@pytest.mark.parametrize("where", ["attempts", "score"])
def test_ctrl_c_ends_it_with_the_line_under_way_and_the_same_call_goes_on(tmp_path, where: str) -> None:
    """One attempt is done when Ctrl-C comes, while another writes its first guided line."""
    under_way, was_stopped = threading.Event(), threading.Event()

    def answer_when_stopped(prompt: str) -> str:
        ends = time.monotonic() + 120
        while HEADER in prompt and not was_stopped.is_set() and time.monotonic() < ends:
            under_way.set()
            try:
                check_not_stopped()
            except InfrastructureError:
                was_stopped.set()
            time.sleep(0.01)
        return RIGHT if HEADER in prompt else PLAIN

    def ctrl_c(*_: object) -> None:
        assert under_way.wait(120)
        raise KeyboardInterrupt

    class CtrlC(gl.Execute):
        def forward(self, *_: object, **__: object) -> None:
            ctrl_c()

    def paid(store: str, interrupted: bool = False) -> int:
        lm = model()
        if interrupted:
            lm.backend.answer = answer_when_stopped
        attempts = where == "attempts"
        program = gl.GuidedAttempts(
            generate=gl.GuidedGenerate(model=lm),
            grid=GRID[1:3] if attempts else GRID[2:3],
            execute=CtrlC() if interrupted and attempts else None,
        )
        tasks = [TASK.copy(task_id="plain", visible_tests=[]), TASK]
        with gl.session(store) as session:
            try:
                if attempts:
                    program(problem=TASK.problem)
                else:
                    gl.score(program, tasks, on_progress=ctrl_c if interrupted else None)
            except KeyboardInterrupt:
                assert interrupted
            return session.meter.paid.calls

    store = f"sqlite:///{tmp_path}/s.db"
    stopped, rest, whole = paid(store, interrupted=True), paid(store), paid("sqlite://")
    assert was_stopped.is_set()
    assert stopped + rest == whole
    assert rest > 0


def test_the_published_grid_has_192_settings_and_grids_are_checked(tmp_path) -> None:
    program = gl.GuidedAttempts(generate=gl.GuidedGenerate(model="embedded"), grid="published")
    settings = program.settings_of_attempts()
    assert len(set(settings)) == 192
    assert {s.max_tokens for s in settings} == {512}
    gl.export(program, tmp_path / "best")
    assert gl.load(tmp_path / "best").settings_of_attempts() == settings
    with pytest.raises(ProgramError, match="unknown settings \\['gama'\\]"):
        gl.GuidedAttempts(grid=[{"gama": 1}])
    with pytest.raises(ProgramError, match="empty"):
        gl.GuidedAttempts(grid=[])

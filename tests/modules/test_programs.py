"""The ready-made programs do what their docstrings say, on a scripted model and the real sandbox."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import dspy
import greenloop as gl
import pytest
from greenloop.errors import ProgramError
from greenloop.modules.direct_calls import MOST_BY_HAND
from greenloop.modules.settings import settings
from greenloop.modules.stage import run_of
from greenloop.testing import ScriptedModel

GOOD = "```python\ndef add(a, b):\n    return a + b\n```"
WRONG = "```python\ndef add(a, b):\n    return a - b\n```"
CRASH = "```python\ndef add(a, b):\n    return a + c\n```"
NO_CODE = "I am sorry, I cannot do that."


@pytest.fixture
def task() -> gl.Task:
    return gl.Task(
        task_id="add",
        prompt="Write add(a, b).",
        entry_point="add",
        visible_tests=["assert add(1, 2) == 3"],
        hidden_tests=["assert add(5, 5) == 10"],
    )


def ger(answers: list[str], **settings) -> tuple[gl.GenerateExecuteRefine, ScriptedModel]:
    model = ScriptedModel(answers)
    return gl.GenerateExecuteRefine(
        generate=gl.Generate(model=model), refine=gl.Refine(model=model), **settings
    ), model


def outcomes(prediction: dspy.Prediction) -> list[str]:
    return [a.execution.outcome for a in prediction.trajectory.attempts]


def test_it_stops_with_the_first_code_that_passes(task: gl.Task) -> None:
    program, model = ger([CRASH, GOOD, WRONG])
    with gl.session():
        result = program(problem=task.problem)
    assert outcomes(result) == ["error", "passed"]
    assert result.trajectory.chosen == 1
    assert result.execution.passed
    assert len(model.calls) == 2


def test_the_refining_model_sees_the_error_and_its_own_code(task: gl.Task) -> None:
    program, model = ger([CRASH, GOOD])
    with gl.session():
        program(problem=task.problem)
    messages = model.calls[1].messages
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert "return a + c" in messages[2]["content"]
    assert "NameError" in messages[3]["content"]
    first = model.calls[0].messages
    assert messages[0] == first[0]
    assert first[1]["content"].startswith(messages[1]["content"])


def test_the_best_is_returned_by_default_and_the_last_on_request(task: gl.Task) -> None:
    for keep, wanted in (("best", "a - b"), ("last", "")):
        program, _ = ger([WRONG, NO_CODE, NO_CODE], max_iterations=2, keep=keep)
        with gl.session():
            code = program(problem=task.problem).code
        assert (wanted in code) if wanted else code == ""


def test_an_answer_without_code_is_an_attempt_not_an_exception(task: gl.Task) -> None:
    program, _ = ger([NO_CODE, GOOD])
    with gl.session():
        result = program(problem=task.problem)
    assert outcomes(result) == ["no_code", "passed"]
    assert [attempt.answer for attempt in result.trajectory.attempts] == [NO_CODE, ""]


def test_never_runs_every_iteration(task: gl.Task) -> None:
    program, _ = ger([GOOD, WRONG, GOOD], max_iterations=2, stop="never")
    with gl.session():
        assert outcomes(program(problem=task.problem)) == ["passed", "failed", "passed"]


def test_repeated_code_ends_the_loop(task: gl.Task) -> None:
    program, model = ger([WRONG, WRONG, GOOD], stop="repeated_code")
    with gl.session():
        program(problem=task.problem)
    assert len(model.calls) == 2


def test_no_progress_ends_the_loop_after_patience(task: gl.Task) -> None:
    for patience, calls in ((1, 2), (2, 3)):
        program, model = ger([WRONG, NO_CODE, NO_CODE, GOOD], stop="no_progress", patience=patience)
        with gl.session():
            program(problem=task.problem)
        assert len(model.calls) == calls


def test_without_visible_tests_it_loads_once_and_is_unverified() -> None:
    bare = gl.Task(
        task_id="t", prompt="Write add(a, b).", entry_point="add", hidden_tests=["assert add(1, 1) == 2"]
    )
    program, model = ger([WRONG])
    with gl.session():
        result = program(problem=bare.problem)
    assert result.execution.outcome == "unverified"
    assert not result.execution.passed
    assert len(model.calls) == 1


def test_resample_draws_until_green_and_shows_no_feedback(task: gl.Task) -> None:
    model = ScriptedModel([WRONG, CRASH, GOOD, GOOD])
    program = gl.Resample(generate=gl.Generate(model=model, temperature=0.6), samples=4)
    with gl.session():
        result = program(problem=task.problem)
    assert outcomes(result) == ["failed", "error", "passed"]
    assert all(len(call.messages) == 2 for call in model.calls)
    assert len({call.seed for call in model.calls}) == 3


def test_the_same_call_is_paid_once_per_store_and_draws_differ_by_replicate(task: gl.Task) -> None:
    program, model = ger([WRONG, GOOD])
    with gl.session() as session:
        first = program(problem=task.problem)
        again = program(problem=task.problem)
        assert session.meter.paid.calls == 2
        assert session.meter.as_if.calls == 4
    assert again.trajectory.usage == first.trajectory.usage
    assert len(model.calls) == 2


def test_more_iterations_share_the_calls_of_fewer(task: gl.Task) -> None:
    model = ScriptedModel([WRONG])
    with gl.session() as session:
        for iterations in (1, 3):
            program = gl.GenerateExecuteRefine(
                generate=gl.Generate(model=model), refine=gl.Refine(model=model), max_iterations=iterations
            )
            program(problem=task.problem)
        assert session.meter.paid.calls == 4


class Own(dspy.Module):
    def __init__(self, model) -> None:
        super().__init__()
        self.draft = gl.Generate(model=model)

    def forward(self, problem):
        codes = [self.draft(problem=problem).code for _ in range(3)]
        return dspy.Prediction(code=codes[-1])


def test_a_plain_dspy_module_draws_afresh_in_its_loop(task: gl.Task) -> None:
    model = ScriptedModel([WRONG])
    with gl.session():
        Own(model)(problem=task.problem)
    assert len({call.seed for call in model.calls}) == 3


def test_a_plain_dspy_module_draws_the_same_in_every_call_on_any_thread(task: gl.Task) -> None:
    model = ScriptedModel([WRONG])
    with gl.session():
        own = Own(model)
        for _ in range(3):
            own(problem=task.problem)
        for program in (own, own.deepcopy()):
            with ThreadPoolExecutor(2) as pool:
                jobs = [pool.submit(copy_context().run, program, problem=task.problem) for _ in range(4)]
            assert all(job.result().code for job in jobs)
    assert len(model.calls) == 3


def test_a_stage_called_by_hand_draws_afresh_and_keeps_a_bounded_number_of_runs(task: gl.Task) -> None:
    model = ScriptedModel([WRONG])
    stage = gl.Generate(model=model)
    problems = [gl.Task(task_id="t", prompt=str(i), entry_point="f").problem for i in range(MOST_BY_HAND + 1)]
    with gl.session():
        for _ in range(3):
            stage(problem=task.problem)
        assert len({call.seed for call in model.calls}) == 3
        with dspy.context(caller_modules=[stage]):
            runs = [run_of(problem) for problem in problems]
            assert run_of(problems[-1]) is runs[-1]
            assert run_of(problems[0]) is not runs[0]


def test_a_stage_without_a_model_follows_dspy_configure(task: gl.Task) -> None:
    model = ScriptedModel([GOOD])
    with gl.session(), dspy.context(lm=model):
        assert gl.GenerateExecuteRefine()(problem=task.problem).execution.passed
    assert len(model.calls) == 1


def test_no_model_at_all_says_what_to_do(task: gl.Task) -> None:
    with gl.session(), dspy.context(lm=None), pytest.raises(ProgramError, match=r"dspy\.configure"):
        gl.Generate()(problem=task.problem)


def test_a_task_in_place_of_its_problem_is_named(task: gl.Task) -> None:
    program, _ = ger([GOOD])
    with pytest.raises(ProgramError, match=r"problem=task\.problem"):
        program(problem=task)


def test_nonsense_settings_are_refused_at_once() -> None:
    with pytest.raises(ProgramError, match="stop must be one of"):
        gl.GenerateExecuteRefine(stop="sometimes")
    with pytest.raises(ProgramError, match="keep must be"):
        gl.GenerateExecuteRefine(keep="worst")
    with pytest.raises(ProgramError, match="samples must be a whole number of at least 1"):
        gl.Resample(samples=0)
    with pytest.raises(ProgramError, match="Generate: temperature must be a number of at least 0, not 'hot'"):
        gl.Generate(temperature="hot")
    with pytest.raises(ProgramError, match="max_tokens must be a whole number of at least 1, not 0"):
        gl.Refine(max_tokens=gl.Int(0, 512, default=64))
    with pytest.raises(ProgramError, match=r"feedback must be one of 'none', .*, not 'pertest'"):
        gl.Execute(feedback=gl.Choice(["per_test", "pertest"]))


def test_a_plain_value_set_later_is_checked_and_stays_a_setting() -> None:
    program, _ = ger([GOOD])
    program.max_iterations = 1
    program.generate.model = "ollama:other"
    program.execute.limits = gl.Limits(wall_s=3)
    with pytest.raises(ProgramError, match="max_iterations must be"):
        program.max_iterations = -1
    kept = settings(program)
    assert [kept[path].value for path in ("max_iterations", "generate.model")] == [1, "ollama:other"]
    assert kept["execute.limits"].value["wall_s"] == 3


def test_oracle_steering_runs_the_hidden_tests_and_says_so(task: gl.Task) -> None:
    sneaky = "```python\ndef add(a, b):\n    return 3\n```"
    program, _ = ger([sneaky, GOOD])
    with gl.session():
        visible = program(problem=task.problem)
        oracle = program(problem=task.problem_for("oracle"))
    assert outcomes(visible) == ["passed"]
    assert outcomes(oracle) == ["failed", "passed"]

"""DSPy's own optimizers run on tasks, and no prompt they write holds a hidden test or a reference.

MIPROv2 prints training examples into a prompt of its own, GEPA reflects on them, BootstrapFewShot makes them
into demonstrations: whatever they do, all of it reaches a model through the engine, and this one records it.
"""

from __future__ import annotations

from typing import Any

import dspy
import pytest
from dspy import lm15
from greenloop.runtime.problem import Problem
from greenloop.runtime.task import Task

ANSWER = """[[ ## reasoning ## ]]
Because.

[[ ## code ## ]]
def f(x): return x

[[ ## observations ## ]]
Short Python functions.

[[ ## summary ## ]]
Short Python functions.

[[ ## program_description ## ]]
Writes code.

[[ ## module_description ## ]]
Writes code.

[[ ## proposed_instruction ## ]]
Write the function.

```
Write the function.
```

[[ ## completed ## ]]
"""


class Recorder:
    """An engine that gives one answer to everything and keeps every request as text."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Recorder:
        return self

    def complete(self, request: lm15.Request) -> lm15.Response:
        self.requests.append(repr(request).replace("\\\\", "\\"))
        return lm15.Response(
            id=None,
            model=request.model,
            message=lm15.Message.assistant(ANSWER),
            finish_reason="stop",
            usage=lm15.Usage(input_tokens=1, output_tokens=1),
        )


class Writer(dspy.Module):
    """The plainest program that takes a problem."""

    def __init__(self) -> None:
        super().__init__()
        self.write = dspy.Predict("problem -> code")

    def forward(self, problem: Problem) -> dspy.Prediction:
        return self.write(problem=problem.render())


def make_tasks() -> list[Task]:
    return [
        Task(
            task_id=f"t{number}",
            prompt=f"Give back the argument, in case {number}.",
            entry_point="f",
            visible_tests=[f"assert f({number}) == {number}"],
            hidden_tests=[f"assert f('hidden-marker-{number}') == 'hidden-marker-{number}'"],
            reference=f"def f(x): return x  # reference-marker-{number}",
        )
        for number in range(8)
    ]


def leaky(tasks: list[Task]) -> list[dspy.Example]:
    """What a task would be as a plain example: the control, which has to leak."""
    return [
        dspy.Example(problem=task.problem, hidden_tests=task.hidden_tests).with_inputs("problem")
        for task in tasks
    ]


def solved(example: Any, pred: Any, trace: Any = None, *_: Any) -> float:
    """A metric that reads the hidden tests, as a real one does."""
    return float(bool(example.hidden_tests) and "def f" in pred.code)


def mipro(examples: list[Any]) -> Any:
    optimizer = dspy.MIPROv2(
        metric=solved,
        auto=None,
        num_candidates=2,
        num_threads=1,
        max_bootstrapped_demos=2,
        max_labeled_demos=2,
    )
    return optimizer.compile(
        Writer(),
        trainset=examples[:4],
        valset=examples[4:],
        num_trials=2,
        minibatch=False,
        view_data_batch_size=4,
    )


def gepa(examples: list[Any]) -> Any:
    pytest.importorskip("gepa")
    optimizer = dspy.GEPA(
        metric=solved, max_metric_calls=12, reflection_lm=dspy.settings.lm, num_threads=1, track_stats=False
    )
    return optimizer.compile(Writer(), trainset=examples[:4], valset=examples[4:])


def bootstrap(examples: list[Any]) -> Any:
    optimizer = dspy.BootstrapFewShot(metric=solved, max_bootstrapped_demos=2, max_labeled_demos=3)
    return optimizer.compile(Writer(), trainset=examples)


@pytest.fixture
def recorder() -> Any:
    engine = Recorder()
    lm = dspy.LM("recorded/model", engine=engine, cache=False)
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
        yield engine


@pytest.mark.parametrize("optimize", [mipro, gepa, bootstrap])
def test_no_prompt_holds_a_hidden_test_or_a_reference(recorder, optimize, tmp_path):
    tasks = make_tasks()
    program = optimize(tasks)
    program(problem=tasks[0].problem)
    assert len(recorder.requests) >= 3
    assert any("in case" in request for request in recorder.requests)
    assert not [request for request in recorder.requests if "hidden-marker" in request]
    assert not [request for request in recorder.requests if "reference-marker" in request]
    program.save(tmp_path / "program.json")
    assert "-marker" not in (tmp_path / "program.json").read_text()


def test_mipro_shows_training_examples_to_a_model_and_would_leak_a_stored_field(recorder):
    mipro(leaky(make_tasks()))
    assert any("hidden-marker" in request for request in recorder.requests)

"""A task hides what scores it, and behaves as a `dspy.Example` otherwise."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import types
from typing import Any

import dspy
import pytest
from greenloop.errors import TaskError
from greenloop.runtime.problem import Problem
from greenloop.runtime.task import Task

HIDDEN = "assert add(20, 3) == 23, 'hidden-marker'"
REFERENCE = "def add(a, b):\n    return a + b  # reference-marker"


def make(**changes: Any) -> Task:
    fields: dict[str, Any] = {
        "task_id": "add",
        "prompt": "Add two numbers.",
        "entry_point": "add",
        "preamble": "import math\n",
        "visible_tests": ["assert add(1, 2) == 3"],
        "hidden_tests": [HIDDEN],
        "reference": REFERENCE,
    }
    return Task(**{**fields, **changes})


def reachable(root: object) -> list[str]:
    """Every string that references lead to from `root`, not through modules, classes or functions."""
    seen: dict[int, object] = {}
    border: list[object] = [root]
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.CodeType)
    while border:
        item = border.pop()
        if id(item) in seen or isinstance(item, code):
            continue
        seen[id(item)] = item
        border += gc.get_referents(item)
        if isinstance(item, Problem):  # its slots, whatever the collector says
            border += [getattr(item, name) for name in Problem.__slots__]
    return [item for item in seen.values() if isinstance(item, str)]


def assert_clean(texts: list[str]) -> None:
    assert not [text for text in texts if "hidden-marker" in text or "reference-marker" in text]


def test_nothing_hidden_is_reachable_from_the_problem_or_what_a_program_is_called_with():
    task = make()
    assert "Add two numbers." in reachable(task.problem)
    assert_clean(reachable(task.problem))
    assert_clean(reachable(task.inputs()))
    assert_clean(reachable(task.inputs().problem))
    assert_clean(reachable(task.labels()))


def test_the_walk_would_find_a_hidden_test():
    assert HIDDEN in reachable(make().problem_for("oracle"))
    assert HIDDEN in reachable(make())


def test_nothing_hidden_is_stored_or_printed():
    task = make()
    stored = [task._store, task.toDict(), task.items(), task.values(), task.keys(), dict(task._store)]
    assert_clean([text for part in stored for text in reachable(part)])
    assert_clean([repr(task), str(task), f"{task}", repr(vars(task)), repr(task.inputs()), repr([task])])
    assert list(task.keys()) == ["problem"]


def test_examples_made_from_a_task_carry_nothing_hidden():
    task = make()
    for example in (dspy.Example(**task), dspy.Example(base=task), dspy.Example(task.toDict())):
        assert_clean(reachable(example))
        assert example.problem == task.problem


def test_a_program_is_called_with_the_problem_alone():
    assert dict(**make().inputs()) == {"problem": make().problem}


def test_oracle_steering_is_only_in_the_problem_of_such_a_run():
    task = make()
    oracle = task.problem_for("oracle")
    assert task.problem_for("visible").steering_tests == task.visible_tests
    assert oracle.steering == "oracle"
    assert oracle.steering_tests == (*task.visible_tests, HIDDEN)
    assert oracle.visible_tests == task.visible_tests
    assert "hidden-marker" not in repr(oracle)
    assert "hidden-marker" not in oracle.render()


@pytest.mark.parametrize(
    "twin",
    [
        lambda task: task.copy(),
        lambda task: task.with_inputs("problem"),
        lambda task: task.without(),
        copy.copy,
        copy.deepcopy,
        lambda task: pickle.loads(pickle.dumps(task)),
    ],
    ids=["copy", "with_inputs", "without", "copy.copy", "deepcopy", "pickle"],
)
def test_copies_are_whole(twin):
    task = make()
    other = twin(task)
    assert type(other) is Task
    assert other == task
    assert hash(other) == hash(task)
    assert other.digest == task.digest
    assert (other.hidden_tests, other.reference) == ((HIDDEN,), REFERENCE)
    assert other.inputs().problem == task.problem


def test_a_copy_can_change_fields_and_keep_dspy_values():
    task = make().copy(augmented=True)
    assert task["augmented"] is True
    assert task.labels().augmented is True
    changed = task.copy(prompt="Sum up.", hidden_tests=["assert True"])
    assert (changed.prompt, changed.hidden_tests, changed["augmented"]) == ("Sum up.", ("assert True",), True)
    assert changed.reference == REFERENCE
    assert make().hidden_tests == (HIDDEN,)
    assert make().copy(reference=None).reference is None
    with pytest.raises(TaskError):
        make().copy(hidden_tests="assert True")


def test_the_digest_covers_every_field():
    changes: list[dict[str, Any]] = [
        {"task_id": "other"},
        {"prompt": "Other."},
        {"entry_point": "plus"},
        {"preamble": ""},
        {"visible_tests": []},
        {"hidden_tests": [HIDDEN, HIDDEN]},
        {"reference": None},
    ]
    digests = {make().digest, *(make(**change).digest for change in changes)}
    assert len(digests) == len(changes) + 1
    assert make().digest == make().digest


def test_equal_problems_with_other_hidden_tests_are_other_tasks():
    assert make() != make(hidden_tests=["assert add(0, 0) == 0"])
    assert len({make(), make(), make(hidden_tests=[])}) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_tests": "assert True"}, "hidden_tests must be a list of strings, got str"),
        ({"visible_tests": [1]}, r"visible_tests\[0\] must be a string, got int"),
        ({"visible_tests": None}, "visible_tests must be a list"),
        ({"prompt": None}, "prompt must be a string, got NoneType"),
        ({"task_id": " "}, "task_id must not be empty"),
        ({"reference": 3}, "reference must be a string"),
    ],
)
def test_wrong_fields_are_named(changes, words):
    with pytest.raises(TaskError, match=words):
        make(**changes)


def test_fields_cannot_be_assigned():
    with pytest.raises(AttributeError):
        make().hidden_tests = ()


def test_dspy_evaluate_runs_on_tasks_and_its_metric_reads_the_hidden_tests():
    class Constant(dspy.Module):
        def forward(self, problem: Problem) -> dspy.Prediction:
            assert type(problem) is Problem
            return dspy.Prediction(code="def add(a, b): return a + b")

    seen: list[tuple[str, ...]] = []

    def metric(example: Task, pred: dspy.Prediction, trace: Any = None) -> bool:
        seen.append(example.hidden_tests)
        return True

    evaluate = dspy.Evaluate(devset=[make(), make(task_id="b")], metric=metric, num_threads=1)
    assert evaluate(Constant()).score == 100
    assert seen == [(HIDDEN,), (HIDDEN,)]


def test_importing_greenloop_does_not_import_dspy():
    code = "import sys, greenloop; sys.exit('dspy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Every stage of the wider space, alone, once on the real embedded model."""

from __future__ import annotations

import greenloop as gl
import pytest
from greenloop.modules.plan import GenerateByPlan

pytestmark = [pytest.mark.slow, pytest.mark.embedded]

TASK = gl.Task(
    task_id="add",
    prompt="Write a function add(a, b) that returns the sum of a and b.",
    entry_point="add",
    visible_tests=["assert add(1, 2) == 3"],
)
WRONG = "def add(a, b):\n    return a - b"
ASK = {"model": "embedded", "max_tokens": 64}


@pytest.fixture(autouse=True)
def _session(tmp_path):
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        yield
        assert session.meter.paid.calls > 0
        assert session.meter.paid.tokens > 0


def test_plan_and_generate_by_plan() -> None:
    plan = gl.Plan(**ASK)(problem=TASK.problem).plan
    assert plan.strip()
    assert isinstance(GenerateByPlan(**ASK)(problem=TASK.problem, plan=plan).code, str)


def test_write_tests_lets_through_only_asserts_that_name_the_function() -> None:
    made = gl.WriteTests(drafts=2, **ASK)(problem=TASK.problem)
    assert all("add(" in test for test in made.tests)


def test_critique() -> None:
    execution = gl.check(TASK, WRONG)
    assert gl.Critique(**ASK)(problem=TASK.problem, code=WRONG, execution=execution).note.strip()


def test_select_takes_what_passes_the_visible_tests() -> None:
    draft = gl.Generate(**ASK)(problem=TASK.problem).code
    right = "def add(a, b):\n    return a + b"
    made = gl.Select()(problem=TASK.problem, codes=[WRONG, right, draft])
    assert made.execution.passed


def test_route() -> None:
    program = gl.Route(generate=gl.Generate(**ASK), refine=gl.Refine(**ASK))
    made = program(problem=TASK.problem)
    assert isinstance(made.code, str)
    assert made.trajectory.attempts


def test_escalate() -> None:
    small = gl.Generate(temperature=0.9, name="small", **ASK)
    made = gl.Escalate(generate=small, larger=gl.Generate(name="large", **ASK))(problem=TASK.problem)
    assert isinstance(made.code, str)
    assert made.trajectory.attempts

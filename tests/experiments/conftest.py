"""Tasks and simulated models whose truth is known."""

from __future__ import annotations

import greenloop as gl
import pytest
from greenloop.testing import ScriptedModel
from greenloop.testing.error_process import ErrorProcess, simulated_model

PROCESS = ErrorProcess(
    pass_rate=0.4,
    class_mix={"wrong answer": 0.6, "NameError": 0.4},
    fix_rates={"wrong answer": 0.1, "NameError": 0.8},
    break_rate=0.3,
)


def make_tasks(count: int) -> list[gl.Task]:
    return [
        gl.Task(
            task_id=f"t{i}",
            prompt=f"Write f(x) that adds {i} to x, number {i}.",
            entry_point="f",
            visible_tests=[f"assert f(0) == {i}"],
            hidden_tests=[f"assert f(1) == {i + 1}"],
            reference=f"def f(x):\n    return x + {i}",
        )
        for i in range(count)
    ]


@pytest.fixture(scope="session")
def tasks() -> list[gl.Task]:
    return make_tasks(6)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('experiments')}/s.db"


@pytest.fixture(scope="session")
def models(tasks: list[gl.Task]) -> list[ScriptedModel]:
    return [
        simulated_model(PROCESS, tasks, name=name, identity=name) for name in ("general", "made-for-code")
    ]


@pytest.fixture(scope="session")
def process() -> ErrorProcess:
    return PROCESS

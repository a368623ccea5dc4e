"""The starter set: references pass, wrong mutants do not, nothing hidden stands in a prompt."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from greenloop.evals.tasks import STARTER, load_tasks
from greenloop.runtime.execution import Candidate
from greenloop.runtime.task import Task

MUTANTS = Path(__file__).parent / "starter_mutants.jsonl"


def mutants() -> dict[str, list[str]]:
    lines = MUTANTS.read_text(encoding="utf-8").splitlines()
    return {record["task_id"]: record["mutants"] for record in map(json.loads, lines)}


def starter() -> list[Task]:
    return load_tasks("starter")


def candidate(task: Task, source: str | None = None) -> Candidate:
    return Candidate(source or task.reference or "", task.entry_point, task.preamble)


def test_there_are_sixty_tasks_half_of_them_stubs():
    tasks = starter()
    stubs = [task for task in tasks if f"def {task.entry_point}(" in task.prompt]
    assert (
        len(tasks) == len({task.task_id for task in tasks}) == len({task.entry_point for task in tasks}) == 60
    )
    assert len(stubs) == 30
    assert [task.task_id for task in tasks] == sorted(task.task_id for task in tasks)


@pytest.mark.parametrize("task", starter(), ids=lambda task: task.task_id)
def test_a_task_is_well_made(task):
    assert 1 <= len(task.visible_tests) <= 2
    assert len(task.hidden_tests) >= 4
    assert len(set(task.tests)) == len(task.tests)
    assert all(isinstance(ast.parse(test).body[0], ast.Assert) for test in task.tests)
    assert task.entry_point in task.prompt
    assert task.problem.render().count(task.entry_point) >= 2


@pytest.mark.parametrize("task", starter(), ids=lambda task: task.task_id)
def test_no_prompt_holds_a_hidden_test(task):
    shown = task.problem.render()
    for test in task.hidden_tests:
        assert test.removeprefix("assert ") not in shown
        call = test.removeprefix("assert ").rpartition(" == ")[0]
        assert not call or call not in shown


def test_every_reference_passes_twice(run_all):
    tasks = starter() * 2
    runs = run_all([(candidate(task), task.tests) for task in tasks])
    assert {run.outcome for run in runs} == {"passed"}


def test_hidden_tests_reject_every_mutant(run_all):
    tasks, wrong = starter(), mutants()
    assert set(wrong) == {task.task_id for task in tasks}
    jobs, names = [], []
    for task in tasks:
        assert len(set(wrong[task.task_id])) >= 3
        for mutant in wrong[task.task_id]:
            assert mutant != task.reference
            jobs.append((candidate(task, mutant), task.hidden_tests))
            names.append(f"{task.task_id}\n{mutant}")
    runs = run_all(jobs)
    assert {run.outcome for run in runs} <= {"failed", "error", "timeout", "passed"}
    survivors = [name for name, run in zip(names, runs, strict=True) if run.passed]
    assert survivors == []


def test_some_mutant_of_every_task_passes_the_visible_tests(run_all):
    """So that visible tests alone do not tell right from wrong: refining has something to get wrong."""
    tasks, wrong = starter(), mutants()
    pairs = [(task, mutant) for task in tasks for mutant in wrong[task.task_id]]
    runs = run_all([(candidate(task, mutant), task.visible_tests) for task, mutant in pairs])
    fooled = {task.task_id for (task, _), run in zip(pairs, runs, strict=True) if run.passed}
    assert fooled == {task.task_id for task in tasks}


def test_the_file_ships_with_the_package():
    assert STARTER.is_file()
    assert STARTER.suffix == ".jsonl"

"""The simulated model: its empirical rates are its parameters, and its code has the class that it claims."""

from __future__ import annotations

from collections import Counter

import greenloop as gl
import numpy as np
import pytest
from greenloop.errors import UsageError
from greenloop.evals.transitions import error_ledger
from greenloop.testing.error_process import (
    ErrorProcess,
    paper_process,
    simulated_coder,
    simulated_model,
)
from greenloop.testing.faulty_code import code_of_class

SIMPLE = ErrorProcess(
    pass_rate=0.4,
    class_mix={"wrong answer": 0.7, "NameError": 0.3},
    fix_rates={"wrong answer": 0.1, "NameError": 0.6},
    break_rate=0.25,
    keep_rate=0.5,
)

TASKS = [
    gl.Task(
        task_id=f"add-{i}",
        prompt=f"Write add(x) that adds {i} to x.",
        entry_point="add",
        visible_tests=[f"assert add(0) == {i}"],
        hidden_tests=[f"assert add(1) == {i + 1}", f"assert add(-1) == {i - 1}"],
        reference=f"import math\n\n\ndef add(x):\n    return x + math.floor({i})\n",
    )
    for i in range(10, 22)
]


def test_generated_rates_are_the_parameters() -> None:
    seen = Counter(SIMPLE.next_class("t", seed=seed) for seed in range(20_000))
    shares = {name: count / 20_000 for name, count in seen.items()}
    assert shares == {
        "passed": pytest.approx(0.4, abs=0.01),
        "wrong answer": pytest.approx(0.42, abs=0.01),
        "NameError": pytest.approx(0.18, abs=0.01),
    }


@pytest.mark.parametrize(("previous", "rate"), [("wrong answer", 0.1), ("NameError", 0.6), ("passed", 0.75)])
def test_refining_rates_are_the_parameters(previous: str, rate: float) -> None:
    seen = [SIMPLE.next_class("t", seed=s, stage="refine", previous=previous) for s in range(20_000)]
    assert seen.count("passed") / 20_000 == pytest.approx(rate, abs=0.012)
    if previous != "passed":
        share = SIMPLE.class_mix[previous]
        assert seen.count(previous) / 20_000 == pytest.approx((1 - rate) * (0.5 + 0.5 * share), abs=0.012)


def test_the_ledger_finds_the_rates_again() -> None:
    process = paper_process()
    rows = [process.trajectory(f"t{i}", r, seed=r, stop=False) for i in range(600) for r in range(5)]
    ledger = error_ledger(rows)
    assert ledger.initial["passed"] / 3_000 == pytest.approx(76.6 / 164, abs=0.04)
    rates = {rate.name: rate for rate in ledger.by_step}
    for name in ("wrong answer", "NameError"):
        rate, n = process.fix_rates[name], rates[name].n
        assert n > 200
        assert rates[name].fixed / n == pytest.approx(rate, abs=4 * (rate * (1 - rate) / n) ** 0.5)
    broken = sum(step.broken for step in ledger.steps)
    passing = ledger.initial["passed"] + sum(step.passing for step in ledger.steps[:-1])
    assert broken / passing == pytest.approx(process.break_rate, abs=0.03)


def test_replicates_of_a_task_correlate_as_stated() -> None:
    process = paper_process(correlation=0.67)
    solved = np.array(
        [[process.next_class(f"t{i}", r, 1) == "passed" for r in range(10)] for i in range(1_500)],
        dtype=float,
    )
    within = solved.var(axis=1, ddof=1).mean()
    total = solved.mean() * (1 - solved.mean())
    assert 1 - within / total == pytest.approx(0.67, abs=0.04)


def test_the_same_arguments_give_the_same_class_and_stopping_only_cuts() -> None:
    for seed in range(50):
        forced = SIMPLE.trajectory("t", 1, seed, stop=False)
        stopped = SIMPLE.trajectory("t", 1, seed, stop=True)
        assert forced[: len(stopped)] == stopped
        assert len(forced) == 4
        assert "passed" not in stopped[:-1]


def test_impossible_processes_are_refused() -> None:
    mix, fixes = {"NameError": 1.0}, {"NameError": 0.5}
    bad: list[dict] = [
        {"pass_rate": 1.2, "class_mix": mix, "fix_rates": fixes},
        {"pass_rate": 0.5, "class_mix": {"NameError": 0.9}, "fix_rates": fixes},
        {"pass_rate": 0.5, "class_mix": mix, "fix_rates": {}},
        {"pass_rate": 0.5, "class_mix": mix, "fix_rates": fixes, "correlation": 1.0},
    ]
    for settings in bad:
        with pytest.raises(UsageError):
            ErrorProcess(**settings)
    with pytest.raises(UsageError):
        SIMPLE.next_class("t", stage="refine")


def executed(code: str, task: gl.Task) -> str:
    """The class of the code, run here: it is our own."""
    space: dict = {}
    try:
        exec(compile(code, "candidate", "exec"), space)
        for test in task.problem.visible_tests:
            exec(test, space)
    except SyntaxError:
        return "SyntaxError"
    except AssertionError:
        return "wrong answer"
    except (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError) as error:
        return type(error).__name__
    return "passed"


@pytest.mark.parametrize(
    "name",
    "passed,wrong answer,NameError,TypeError,IndexError,KeyError,AttributeError,ZeroDivisionError,ValueError,"
    "SyntaxError,UnboundLocalError,OverflowError".split(","),
)
def test_code_has_the_class_that_it_claims(name: str) -> None:
    code = code_of_class(name, TASKS[0])
    assert f"simulated: {name}" in code
    assert executed(code, TASKS[0]) == name


def test_wrong_answers_are_wrong_for_every_type() -> None:
    for value in ("True", "3", "2.5", "'a'", "[1]", "(1,)", "{1: 2}", "{1}", "None"):
        task = gl.Task(
            task_id="v", prompt="p", entry_point="add", visible_tests=[f"assert add(0) == {value}"],
            reference=f"def add(x):\n    return {value}\n",
        )  # fmt: skip
        assert executed(code_of_class("passed", task), task) == "passed"
        assert executed(code_of_class("wrong answer", task), task) == "wrong answer"


def test_recursion_stays_inside_the_reference() -> None:
    task = gl.Task(
        task_id="f", prompt="p", entry_point="fact", visible_tests=["assert fact(5) == 120"],
        reference="def fact(n):\n    return 1 if n < 2 else n * fact(n - 1)\n",
    )  # fmt: skip
    for name, value in (("passed", 120), ("wrong answer", 121)):
        space: dict = {}
        exec(code_of_class(name, task), space)
        assert space["fact"](5) == value


def test_what_cannot_be_simulated_is_refused() -> None:
    bare = gl.Task(task_id="b", prompt="p", entry_point="f", visible_tests=["assert f()"])
    with pytest.raises(UsageError, match="reference"):
        code_of_class("passed", bare)
    with pytest.raises(UsageError, match="reference"):
        simulated_coder(SIMPLE, [bare])
    with pytest.raises(UsageError, match="no error class"):
        code_of_class("no such thing", TASKS[0])
    with pytest.raises(UsageError, match="no task"):
        simulated_coder(SIMPLE, TASKS)([{"role": "user", "content": "something else"}])


def test_behind_a_real_loop_every_class_is_what_the_sandbox_finds() -> None:
    model = simulated_model(SIMPLE, TASKS)
    program = gl.GenerateExecuteRefine(
        generate=gl.Generate(model=model), refine=gl.Refine(model=model), max_iterations=2
    )
    with gl.session(seed=3):
        scores = gl.score(program, TASKS, replicates=3)
    assert scores.figure().simulated
    assert "SIMULATED" in scores.figure().line()
    rows = []
    for item in scores.items:
        claimed = [a.code.split("simulated: ")[1].split('"')[0] for a in item.trajectory.attempts]
        found = [a.execution.error_class for a in item.trajectory.attempts if a.execution]
        assert found == claimed
        rows.append(found)
    ledger = error_ledger(rows)
    assert ledger.n == 36
    assert {"passed", "wrong answer", "NameError"} >= set(ledger.initial)

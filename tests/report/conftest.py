"""Scores made up without a model or a sandbox: what a report shows of them is known."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from greenloop.evals.scoring import Scores, TaskScore
from greenloop.runtime.attempt import Attempt, Trajectory
from greenloop.runtime.budget import Usage
from greenloop.runtime.execution import Execution, TestResult

FAILURES = [("failed", "AssertionError"), ("error", "NameError"), ("error", "TypeError"), ("timeout", None)]


def attempt(number: int, outcome: str, error_type: str | None, code: str, message: str = "") -> Attempt:
    """One attempt as the stages make them."""
    passed = outcome == "passed"
    result = TestResult(
        "assert f(1) == 2",
        passed,
        call="f(1)",
        got="2" if passed else "3",
        expected="2",
        error_type=error_type,
    )
    return Attempt(
        code=code,
        stage="refine" if number else "generate",
        iteration=max(0, number - 1),
        execution=Execution(
            outcome,  # type: ignore[arg-type]
            error_type=error_type,
            message=message or (None if passed else "what went wrong"),
            line=None if passed else 2,
            tests=(result,),
            tests_total=1,
            tier="namespaces",
        ),
        model="embedded",
        sampling={"temperature": 0.3, "top_p": 0.95, "max_tokens": 512},
        seed=1000 + number,
        usage=Usage(1, 120, 60, 1.5),
        answer=code,
    )


def made_up(
    rate: float,
    *,
    tasks: int = 20,
    replicates: int = 2,
    most: int = 4,
    seed: int = 0,
    forced: bool = False,
    program: str = "p",
    false_greens: float = 0.1,
    stage: str | None = None,
) -> Scores:
    """Scores of a program whose every attempt passes with a chance of `rate`, tasks differing."""
    dice = random.Random(seed)
    items: list[TaskScore] = []
    for replicate in range(replicates):
        for number in range(tasks):
            attempts: list[Attempt] = []
            chance = rate * (0.4 + 1.2 * (number % 5) / 4)
            for place in range(most):
                passed = dice.random() < chance
                outcome, error_type = ("passed", None) if passed else dice.choice(FAILURES)
                code = "\n".join(
                    ["def f(x):", f"    y = x + {dice.randrange(3)}", *["    y += 0"] * 4, "    return y"]
                )
                made = attempt(place, outcome, error_type, code)
                if stage:
                    made = Attempt(**{f: getattr(made, f) for f in made.__slots__} | {"stage": stage})
                attempts.append(made)
                if passed and not forced:
                    break
            green = [i for i, a in enumerate(attempts) if a.execution and a.execution.passed]
            chosen = green[0] if green else len(attempts) - 1
            solved = bool(green) and dice.random() >= false_greens
            task_id = f"Set/{number}"
            usage = sum((a.usage for a in attempts), Usage())
            outcome = "passed" if solved else "failed"
            steered = attempts[chosen].execution.outcome  # type: ignore[union-attr]
            trajectory = Trajectory(task_id, replicate, tuple(attempts), chosen, usage)
            items.append(TaskScore(task_id, replicate, float(solved), outcome, steered, trajectory))
    models = {"embedded": "9a" * 32}
    return Scores(program, "visible", "namespaces", models, tuple(items))


@pytest.fixture(scope="session")
def some_scores() -> Callable[..., Scores]:
    """See `made_up`."""
    return made_up


@pytest.fixture(scope="session")
def one_attempt() -> Callable[..., Attempt]:
    """See `attempt`."""
    return attempt

"""The base of ready-made programs, and how the best of several attempts is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import dspy

from ..runtime.attempt import Attempt
from ..runtime.execution import Execution
from ..runtime.problem import Problem
from .allowed import Tunable
from .stage import open_run, trajectory_of


class Program(Tunable):
    """A program on one problem: its `solve` is a run of its own, and its prediction carries the trajectory.

    Derive from it to have seeds start afresh with each call and the trajectory collected; a plain `dspy.Module`
    works as well, scoring then collects the trajectory.

    Example:
        >>> class Once(Program):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.generate = gl.Generate(model="embedded")
        ...     def solve(self, problem):
        ...         return self.generate(problem=problem).code
    """

    def solve(self, problem: Problem) -> str:
        """The code for a problem. To be written by the derived class.

        Returns:
            Source of the chosen program, one of those that the stages wrote or ran.
        """
        raise TypeError(f"{type(self).__name__} must define solve(problem) -> code")

    def forward(self, problem: Problem) -> dspy.Prediction:
        """Run the program.

        Returns:
            `code`, `execution` (on the steering tests, None if the code was never run) and `trajectory`.
        """
        with open_run(problem) as run:
            code = self.solve(problem)
            trajectory = trajectory_of(run, code)
        execution = trajectory.best.execution if trajectory.best else None
        return dspy.Prediction(code=code, execution=execution, trajectory=trajectory)


_RANKS = {"passed": 6, "unverified": 5, "failed": 4, "error": 3, "no_code": 0, "syntax_error": 1}


def rank(execution: Execution | None) -> tuple[int, float, int]:
    """How good an execution is by the tests that may steer: greater is better.

    Passed before unverified before the share of tests that held before the kind of failure.
    """
    if execution is None:
        return (0, 0.0, 0)
    solved = 2 if execution.passed else int(execution.outcome == "unverified")
    share = execution.tests_passed / execution.tests_total if execution.tests_total else 0.0
    return (solved, share, _RANKS.get(execution.outcome, 2))


def best(attempts: list[Attempt]) -> Attempt:
    """The best attempt by the tests that may steer; among equals the earliest."""
    return max(attempts, key=lambda attempt: rank(attempt.execution))


def executed(prediction: dspy.Prediction, execution: Execution) -> Attempt:
    """A stage's attempt together with its execution."""
    return replace(cast("Attempt", cast("Any", prediction).attempt), execution=execution)

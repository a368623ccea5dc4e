"""Execute: runs code on the tests that may steer, in the sandbox."""

from __future__ import annotations

from typing import Any, ClassVar

import dspy

from ..runtime.execution import Candidate, Execution, Limits
from ..runtime.judge import run_candidate
from ..runtime.problem import Problem
from .allowed import OneOf, Tunable
from .feedback import FEEDBACK_STYLES, feedback
from .settings import Setting, setting
from .stage import run_of


class Execute(Tunable):
    """Runs code in the sandbox on the problem's steering tests; asks no model.

    With no such test it checks only that the code loads and defines the entry point: outcome `unverified`.

    Args:
        limits: Bounds of a run.
        feedback: What a refining stage is told: a style of `modules.feedback`, or a `Choice` of them.

    Example:
        >>> Execute(limits=Limits(wall_s=5)).limits.value["wall_s"]
        5
    """

    allowed: ClassVar = {"feedback": OneOf(FEEDBACK_STYLES)}

    def __init__(self, *, limits: Limits | Setting | None = None, feedback: Any = "error_line") -> None:
        super().__init__()
        self.limits = setting(limits or Limits())
        self.feedback = setting(feedback)

    def forward(self, problem: Problem, code: str) -> dspy.Prediction:
        """Run `code`.

        Returns:
            `execution`, `passed` and `feedback`, the text for a refining stage (empty if it passed).

        Raises:
            SandboxError: The sandbox itself failed.
        """
        run = run_of(problem)
        candidate = Candidate(code=code, entry_point=problem.entry_point, preamble=problem.preamble)
        execution: Execution = run_candidate(
            run.session,
            candidate,
            problem.steering_tests,
            Limits(**self.limits.value),
            trace=self.feedback.value == "values",
        )
        run.add_execution(code, execution)
        return dspy.Prediction(
            execution=execution,
            passed=execution.passed,
            feedback=feedback(execution, self.feedback.value, code=code),
        )

"""Refine: mends code by what running it showed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dspy

from ..runtime.execution import Execution
from ..runtime.problem import Problem
from .feedback import feedback as feedback_text
from .stage import ModelStage, run_of


class MendProgram(dspy.Signature):
    """Write the corrected complete Python program."""

    problem: str = dspy.InputField()
    previous: str = dspy.InputField(desc="the code that did not pass")
    feedback: str = dspy.InputField(desc="what running it showed")
    code: str = dspy.OutputField()


class Refine(ModelStage):
    """Rewrites code that did not pass, with one model call that sees the code and what running it showed.

    Args:
        model: Name of a model, a `dspy.LM`, or a `Choice` of them; without one it follows `dspy.configure(lm=…)`.
        temperature: Sampling temperature; the paper's manual configuration uses 0.2.
        top_p: Nucleus sampling; None leaves it to the server.
        max_tokens: Most tokens of the answer (the paper: 512).
        name: The stage's place in the program, which goes into seeds.
        add_imports: Add missing imports of well-known standard names to the code.
        instructions: Words that end the prompt instead of the built-in ones, or a `Choice` of variants.

    Example:
        >>> Refine(model="embedded").temperature.value
        0.2

    Source: *Feedback Over Form* (arXiv 2604.21950): refinement fixes runtime errors rather than logic errors.
    """

    def __init__(
        self,
        *,
        model: Any = None,
        temperature: Any = 0.2,
        top_p: Any = None,
        max_tokens: Any = 512,
        name: str | None = None,
        add_imports: Any = True,
        instructions: Any = None,
    ) -> None:
        super().__init__(
            MendProgram,
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name,
            add_imports=add_imports,
            instructions=instructions,
        )

    def forward(
        self,
        problem: Problem,
        code: str,
        execution: Execution | None = None,
        feedback: str | None = None,
        iteration: int | None = None,
    ) -> dspy.Prediction:
        """Write a corrected program.

        Args:
            problem: What to solve.
            code: The code that did not pass.
            execution: What running it showed.
            feedback: The text that the model is shown; made from `execution` where none is given.
            iteration: Number of the call at this place.

        Returns:
            `code` (empty if the answer held none) and `attempt`.
        """
        if feedback is None:
            feedback = (
                feedback_text(execution, code=code) if execution else "The program above is not correct."
            )
        prediction, attempt = self.ask(
            problem, iteration=iteration, problem=problem.render(), previous=code, feedback=feedback
        )
        attempt = replace(attempt, feedback=feedback)
        run_of(problem).add_attempt(attempt)
        return dspy.Prediction(code=prediction.code, attempt=attempt)

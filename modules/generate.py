"""Generate: the first draft."""

from __future__ import annotations

from typing import Any

import dspy

from ..runtime.problem import Problem
from .stage import ModelStage, run_of


class WriteProgram(dspy.Signature):
    """Write the complete Python program."""

    problem: str = dspy.InputField()
    code: str = dspy.OutputField()


class Generate(ModelStage):
    """Writes code for a problem with one model call.

    Args:
        model: Name of a model, a `dspy.LM`, or a `Choice` of them; without one it follows `dspy.configure(lm=…)`.
        temperature: Sampling temperature; the paper's manual configuration uses 0.3.
        top_p: Nucleus sampling; None leaves it to the server.
        max_tokens: Most tokens of the answer (the paper: 512).
        name: The stage's place in the program, which goes into seeds.
        add_imports: Add missing imports of well-known standard names to the code.
        instructions: Words that end the prompt instead of the built-in ones, or a `Choice` of variants.

    Example:
        >>> Generate(model="embedded", temperature=0.3).temperature.value
        0.3

    Source: *Feedback Over Form* (arXiv 2604.21950), section on the manual configuration.
    """

    def __init__(
        self,
        *,
        model: Any = None,
        temperature: Any = 0.3,
        top_p: Any = None,
        max_tokens: Any = 512,
        name: str | None = None,
        add_imports: Any = True,
        instructions: Any = None,
    ) -> None:
        super().__init__(
            WriteProgram,
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name,
            add_imports=add_imports,
            instructions=instructions,
        )

    def forward(self, problem: Problem, iteration: int | None = None) -> dspy.Prediction:
        """Write a draft.

        Args:
            problem: What to solve.
            iteration: Number of the draft, where several are drawn in parallel.

        Returns:
            `code` (empty if the answer held none) and `attempt`.
        """
        prediction, attempt = self.ask(problem, iteration=iteration, problem=problem.render())
        run_of(problem).add_attempt(attempt)
        return dspy.Prediction(code=prediction.code, attempt=attempt)

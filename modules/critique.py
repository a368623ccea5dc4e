"""Critique: says in words what is wrong with code, and the program that mends by such notes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import dspy

from ..runtime.attempt import Attempt
from ..runtime.execution import Execution
from ..runtime.problem import Problem
from .allowed import BEST_OR_LAST, COUNT, OneOf
from .execute import Execute
from .feedback import feedback as feedback_text
from .generate import Generate
from .program import Program, best, executed
from .programs import is_green
from .refine import Refine
from .settings import Setting, setting
from .stage import ModelStage


class FindMistake(dspy.Signature):
    """Say in at most three sentences what is wrong with the program above and what to change. Write no code."""

    problem: str = dspy.InputField()
    previous: str = dspy.InputField(desc="the code to criticise")
    feedback: str = dspy.InputField(desc="what running it showed, where it was run")
    note: str = dspy.OutputField()


class Critique(ModelStage):
    """Says in words what is wrong with code, with one model call: a note that `Refine` takes as its feedback.

    It needs no execution: without one the model judges by reading alone. A note is no code, so it is no attempt of
    its own; its tokens count in the run, and it stands in the `feedback` of the refinement that was shown it.

    Args:
        model: Name of a model, a `dspy.LM`, or a `Choice` of them; without one it follows `dspy.configure(lm=…)`.
        temperature: Sampling temperature.
        top_p: Nucleus sampling; None leaves it to the server.
        max_tokens: Most tokens of the note.
        name: The stage's place in the program, which goes into seeds.

    Example:
        >>> Critique(model="embedded").max_tokens.value
        200

    Source: the analysing node of *Feedback Over Form* (arXiv 2604.21950), section on the pipeline.
    """

    add_imports: Setting = setting(False)

    def __init__(
        self,
        *,
        model: Any = None,
        temperature: Any = 0.2,
        top_p: Any = None,
        max_tokens: Any = 200,
        name: str | None = None,
    ) -> None:
        super().__init__(
            FindMistake,
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name,
        )
        del self.add_imports  # the class's own holds: a note has no imports, so that is no setting here

    def forward(
        self,
        problem: Problem,
        code: str,
        execution: Execution | None = None,
        feedback: str | None = None,
        iteration: int | None = None,
    ) -> dspy.Prediction:
        """Criticise code.

        Args:
            problem: What to solve.
            code: The code.
            execution: What running it showed, where it was run.
            feedback: The text that the model is shown of it; made from `execution` where none is given.
            iteration: Number of the call at this place.

        Returns:
            `note`, and `usage` of the call.
        """
        if feedback is None:
            feedback = feedback_text(execution, code=code) if execution else ""
        prediction, attempt = self.ask(
            problem, iteration=iteration, problem=problem.render(), previous=code, feedback=feedback
        )
        return dspy.Prediction(note=str(prediction.note or ""), usage=attempt.usage)


class GenerateCritiqueRefine(Program):
    """Writes a draft, has it criticised in words, and mends it by the note.

    Without `execute` it is a pipeline of text alone: nothing is run, every round is made, the last code is returned.
    With `execute` the critic also sees what running showed, the loop ends with the first code that passes, and the
    best code by the visible tests is returned.

    Args:
        generate: Stage that writes the draft.
        critique: Stage that says what is wrong.
        refine: Stage that mends it.
        execute: Stage that runs code; None for text alone.
        rounds: Most rounds of critique and refinement.
        stop: "on_pass" ends with the first code that passes; "never" makes all rounds, as to study what mending breaks.
            Text alone always makes all.
        keep: "best" or "last" where code is run; text alone has nothing to choose by and returns the last.

    Example:
        >>> GenerateCritiqueRefine(rounds=2).execute is None
        True
    """

    allowed: ClassVar = {"rounds": COUNT, "stop": OneOf(("on_pass", "never")), "keep": BEST_OR_LAST}

    def __init__(
        self,
        *,
        generate: Generate | None = None,
        critique: Critique | None = None,
        refine: Refine | None = None,
        execute: Execute | None = None,
        rounds: int | Setting = 1,
        stop: Literal["on_pass", "never"] | Setting = "on_pass",
        keep: Literal["best", "last"] | Setting = "best",
    ) -> None:
        super().__init__()
        self.generate = generate or Generate()
        self.critique = critique or Critique()
        self.refine = refine or Refine()
        self.execute = execute
        self.rounds = setting(rounds)
        self.stop = setting(stop)
        self.keep = setting(keep)

    def solve(self, problem: Problem) -> str:
        """Run the loop."""
        if self.execute is None:
            return self._by_text_alone(problem)
        draft = self.generate(problem=problem)
        result = self.execute(problem=problem, code=draft.code)
        attempts: list[Attempt] = [executed(draft, result.execution)]
        for _ in range(self.rounds.value):
            if self.stop.value == "on_pass" and is_green(attempts[-1]):
                break
            note = self.critique(
                problem=problem, code=draft.code, execution=result.execution, feedback=result.feedback
            ).note
            told = "\n\n".join(part for part in (result.feedback, note) if part)
            draft = self.refine(problem=problem, code=draft.code, execution=result.execution, feedback=told)
            result = self.execute(problem=problem, code=draft.code)
            attempts.append(executed(draft, result.execution))
        return (best(attempts) if self.keep.value == "best" else attempts[-1]).code

    def _by_text_alone(self, problem: Problem) -> str:
        code = self.generate(problem=problem).code
        for _ in range(self.rounds.value):
            note = self.critique(problem=problem, code=code).note
            code = self.refine(problem=problem, code=code, feedback=note or None).code
        return code

"""Plan: says in steps how the program should work, and the draft that is written by it."""

from __future__ import annotations

from typing import Any

import dspy
from pydantic import BaseModel, Field

from ..runtime.problem import Problem
from ..runtime.structured import Form, read_answer
from .generate import Generate
from .settings import Setting, setting
from .stage import ModelStage, run_of


class PlanProgram(dspy.Signature):
    """Say in at most five short steps how the program should work and which cases are easily missed. Write no code."""

    problem: str = dspy.InputField()
    plan: str = dspy.OutputField()


class PlanSteps(BaseModel):
    """A plan as data; the limits are the server's to keep, a longer plan is read all the same."""

    steps: list[str] = Field(min_length=1, json_schema_extra={"maxItems": 5})
    missed: list[str] = Field(default=[], json_schema_extra={"maxItems": 3})

    def text(self) -> str:
        """The plan as the next stage is shown it."""
        lines = [f"{number}. {step.strip()}" for number, step in enumerate(self.steps, 1)]
        return "\n".join([*lines, *(f"Easily missed: {case.strip()}" for case in self.missed)])


PLAN_FORM = Form(
    PlanSteps, 'Answer as JSON with "steps", a list of sentences, and "missed", a list of cases.'
)


class WriteByPlan(dspy.Signature):
    """Write the complete Python program by this plan; where the plan is wrong, follow the problem."""

    problem: str = dspy.InputField()
    plan: str = dspy.InputField()
    code: str = dspy.OutputField()


class Plan(ModelStage):
    """Says in words how the program should work, with one model call.

    Args:
        model: Name of a model, a `dspy.LM`, or a `Choice` of them; without one it follows `dspy.configure(lm=…)`.
        temperature: Sampling temperature.
        top_p: Nucleus sampling; None leaves it to the server.
        max_tokens: Most tokens of the plan.
        structured: Ask for the steps as data, by a JSON schema where the server knows schemas; read leniently in any
            case. The draft is shown numbered lines, not data. Off by default: a plan is read by a model, which reads
            anything, and the data's form costs tokens.
        name: The stage's place in the program, which goes into seeds.

    Example:
        >>> Plan(model="embedded").max_tokens.value
        200
    """

    add_imports: Setting = setting(False)

    def __init__(
        self,
        *,
        model: Any = None,
        temperature: Any = 0.2,
        top_p: Any = None,
        max_tokens: Any = 200,
        structured: bool | Setting = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            PlanProgram,
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name,
        )
        del self.add_imports  # the class's own holds: a plan has no imports, so that is no setting here
        self.structured = setting(structured)

    def form(self, problem: Problem) -> Form | None:
        """See `ModelStage.form`."""
        return PLAN_FORM

    def forward(self, problem: Problem, iteration: int | None = None) -> dspy.Prediction:
        """Plan.

        Args:
            problem: What to solve.
            iteration: Number of the call at this place.

        Returns:
            `plan`, and `usage` of the call. An answer that was to be data and cannot be read as such is the plan as it
            stands: it is shown to a model, which reads anything.
        """
        prediction, attempt = self.ask(problem, iteration=iteration, problem=problem.render())
        text = str(prediction.plan or "")
        steps = read_answer(text, PlanSteps) if self.structured.value else None
        return dspy.Prediction(plan=steps.text() if steps else text, usage=attempt.usage)


class GenerateByPlan(Generate):
    """`Generate` that is shown a plan as well. Arguments as there.

    Example:
        >>> GenerateByPlan(model="embedded").name
        'generate'
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
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name or "generate",
            add_imports=add_imports,
            instructions=instructions,
        )
        self.predict = dspy.Predict(WriteByPlan)

    def forward(self, problem: Problem, iteration: int | None = None, plan: str = "") -> dspy.Prediction:
        """Write a draft.

        Args:
            problem: What to solve.
            iteration: Number of the draft, where several are drawn in parallel.
            plan: What `Plan` said; an empty one is not shown.

        Returns:
            `code` (empty if the answer held none) and `attempt`.
        """
        prediction, attempt = self.ask(problem, iteration=iteration, problem=problem.render(), plan=plan)
        run_of(problem).add_attempt(attempt)
        return dspy.Prediction(code=prediction.code, attempt=attempt)

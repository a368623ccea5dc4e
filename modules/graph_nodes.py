"""The nodes of a graph that are loops of their own: drawing drafts, and mending code until it passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import dspy

from ..runtime.execution import Execution
from ..runtime.problem import Problem
from .allowed import AT_LEAST_ONE, BEST_OR_LAST, COUNT, Number, Tunable
from .critique import Critique
from .escalate import over_cap
from .execute import Execute
from .generate import Generate
from .plan import GenerateByPlan
from .program import rank
from .refine import Refine
from .route import Route
from .settings import Setting, setting
from .write_tests import with_tests


@dataclass(frozen=True, slots=True)
class Draft:
    """Code in a graph, with its execution once it was run."""

    code: str
    execution: Execution | None = None

    @property
    def green(self) -> bool:
        """Nothing is left to mend by the tests that may steer."""
        return self.execution is not None and self.execution.outcome in ("passed", "unverified")


class Drafts(Tunable):
    """A generating node: draws drafts until one passes, at most `samples`, and gives the best.

    Args:
        write: Stage that writes a draft, by a plan where it is a `GenerateByPlan`.
        execute: Stage that runs drafts; with a single sample none is run here.
        samples: Most drafts.

    Example:
        >>> Drafts(samples=2).samples.value
        2
    """

    allowed: ClassVar = {"samples": AT_LEAST_ONE}

    def __init__(
        self,
        *,
        write: Generate | None = None,
        execute: Execute | None = None,
        samples: int | Setting = 1,
    ) -> None:
        super().__init__()
        self.write = write or Generate()
        self.execute = execute or Execute()
        self.samples = setting(samples)

    def forward(self, problem: Problem, plan: str = "") -> dspy.Prediction:
        """Draw.

        Returns:
            `code`, and `execution` where several samples were allowed.
        """
        drafts: list[Draft] = []
        for _ in range(self.samples.value):
            if isinstance(self.write, GenerateByPlan):
                code = self.write(problem=problem, plan=plan).code
            else:
                code = self.write(problem=problem).code
            if self.samples.value == 1:
                return dspy.Prediction(code=code, execution=None)
            drafts.append(Draft(code, self.execute(problem=problem, code=code).execution))
            if drafts[-1].green:
                break
        chosen = max(drafts, key=lambda d: rank(d.execution))
        return dspy.Prediction(code=chosen.code, execution=chosen.execution)


class Mend(Tunable):
    """A mending node: takes code further until it passes, at most `iterations` times.

    Args:
        step: What follows code that did not pass: `Refine` mends it, `Generate` draws anew (with a larger model:
            escalation), `Route` decides by the class of error.
        iterations: Most steps.
        keep: "best" gives the best code by the tests that steer, never worse than what came in; "last" the last.
        most_tokens: Once the run has used so many tokens no further step is begun; None for no cap.

    Example:
        >>> Mend(iterations=3).keep.value
        'best'
    """

    allowed: ClassVar = {
        "iterations": COUNT,
        "keep": BEST_OR_LAST,
        "most_tokens": Number(1, whole=True, or_none=True),
    }

    def __init__(
        self,
        *,
        step: Refine | Generate | Route | None = None,
        iterations: int | Setting = 1,
        keep: Literal["best", "last"] | Setting = "best",
        most_tokens: int | Setting | None = None,
    ) -> None:
        super().__init__()
        self.step = step or Refine()
        self.iterations = setting(iterations)
        self.keep = setting(keep)
        self.most_tokens = setting(most_tokens)

    def forward(
        self,
        problem: Problem,
        code: str,
        execute: Execute,
        critique: Critique | None = None,
        tests: tuple[str, ...] = (),
    ) -> dspy.Prediction:
        """Mend.

        Args:
            problem: What to solve.
            code: The code that came in.
            execute: Stage that runs code.
            critique: Stage that is asked for a note before each step.
            tests: Further tests that steer.

        Returns:
            `code` and `execution`.
        """
        steered = with_tests(problem, tests)
        result = execute(problem=steered, code=code)
        drafts = [Draft(code, result.execution)]
        for _ in range(self.iterations.value):
            if drafts[-1].green or over_cap(problem, self.most_tokens.value):
                break
            told = result.feedback
            if critique is not None:
                note = critique(
                    problem=problem, code=drafts[-1].code, execution=result.execution, feedback=told
                ).note
                told = "\n\n".join(part for part in (told, note) if part)
            code = self._next(problem, drafts[-1], told)
            result = execute(problem=steered, code=code)
            drafts.append(Draft(code, result.execution))
        chosen = max(drafts, key=lambda d: rank(d.execution)) if self.keep.value == "best" else drafts[-1]
        return dspy.Prediction(code=chosen.code, execution=chosen.execution)

    def _next(self, problem: Problem, draft: Draft, told: str) -> str:
        assert draft.execution is not None
        step: Any = self.step
        if isinstance(step, Route):
            step = step.refine if step.action(draft.execution) == "refine" else step.generate
        if isinstance(step, Generate):
            return step(problem=problem).code
        return step(problem=problem, code=draft.code, execution=draft.execution, feedback=told).code

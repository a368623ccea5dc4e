"""Route: mends what crashes, draws anew what answers wrongly."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from ..runtime.attempt import Attempt
from ..runtime.execution import Execution
from ..runtime.problem import Problem
from .allowed import BEST_OR_LAST, COUNT, OneOf
from .execute import Execute
from .generate import Generate
from .program import Program, best, executed
from .programs import is_green
from .refine import Refine
from .settings import Setting, setting

Action = Literal["refine", "resample"]
"""What follows code that did not pass: mending it, or a fresh draft."""

ACTIONS: tuple[str, ...] = get_args(Action)

Failure = Literal["runtime_error", "wrong_answer", "limit", "no_code"]
"""The kinds of failure that are told apart. `runtime_error`: the code raised, does not compile, crashed or was stopped
by the sandbox's policy. `wrong_answer`: it ran and answered wrongly. `limit`: time, memory or output ran out.
`no_code`: the answer held none."""

_KINDS: dict[str, Failure] = {
    "failed": "wrong_answer",
    "unserialisable": "wrong_answer",
    "timeout": "limit",
    "out_of_memory": "limit",
    "output_limit": "limit",
    "no_code": "no_code",
}


def failure_kind(execution: Execution) -> Failure:
    """The kind of an execution that did not pass.

    Example:
        >>> failure_kind(Execution("error", error_type="NameError"))
        'runtime_error'
    """
    return _KINDS.get(execution.outcome, "runtime_error")


class Route(Program):
    """Writes a draft and runs it; what fails is mended or drawn anew by its class of error, until green.

    The idea behind it: small models mend NameErrors, SyntaxErrors and TypeErrors often (59 % of the NameErrors in the
    paper's data) and wrong answers seldom (16 %), where a fresh draft does as well. Whether that pays is a hypothesis:
    `greenloop experiment routing` tests it against always refining and always resampling.

    Each of the rules takes "refine", "resample" or a `Choice` of them, so that a tuner can decide. An answer without
    code is always drawn anew: there is nothing to mend.

    Args:
        generate: Stage that writes a draft.
        execute: Stage that runs code.
        refine: Stage that mends it.
        max_iterations: Most further calls after the first draft.
        on_runtime_error: After code that raised, does not compile or crashed.
        on_wrong_answer: After code that ran and answered wrongly.
        on_limit: After code that ran out of time, memory or output.
        keep: "best" returns the best code by the visible tests, "last" the last.

    Example:
        >>> Route(on_wrong_answer="resample").max_iterations.value
        3

    Source: error classes and their fix rates recomputed from the raw results of *Feedback Over Form* (arXiv
    2604.21950).
    """

    allowed: ClassVar = {
        "max_iterations": COUNT,
        "on_runtime_error": OneOf(ACTIONS),
        "on_wrong_answer": OneOf(ACTIONS),
        "on_limit": OneOf(ACTIONS),
        "keep": BEST_OR_LAST,
    }

    def __init__(
        self,
        *,
        generate: Generate | None = None,
        execute: Execute | None = None,
        refine: Refine | None = None,
        max_iterations: int | Setting = 3,
        on_runtime_error: Action | Setting = "refine",
        on_wrong_answer: Action | Setting = "resample",
        on_limit: Action | Setting = "resample",
        keep: Literal["best", "last"] | Setting = "best",
    ) -> None:
        super().__init__()
        self.generate = generate or Generate()
        self.execute = execute or Execute()
        self.refine = refine or Refine()
        self.max_iterations = setting(max_iterations)
        self.on_runtime_error = setting(on_runtime_error)
        self.on_wrong_answer = setting(on_wrong_answer)
        self.on_limit = setting(on_limit)
        self.keep = setting(keep)

    def solve(self, problem: Problem) -> str:
        """Run the loop."""
        draft = self.generate(problem=problem)
        result = self.execute(problem=problem, code=draft.code)
        attempts: list[Attempt] = [executed(draft, result.execution)]
        for _ in range(self.max_iterations.value):
            if is_green(attempts[-1]):
                break
            if self.action(result.execution) == "refine":
                draft = self.refine(
                    problem=problem, code=draft.code, execution=result.execution, feedback=result.feedback
                )
            else:
                draft = self.generate(problem=problem)
            result = self.execute(problem=problem, code=draft.code)
            attempts.append(executed(draft, result.execution))
        return (best(attempts) if self.keep.value == "best" else attempts[-1]).code

    def action(self, execution: Execution) -> Action:
        """What follows this execution."""
        rules = {
            "runtime_error": self.on_runtime_error,
            "wrong_answer": self.on_wrong_answer,
            "limit": self.on_limit,
        }
        rule = rules.get(failure_kind(execution))
        return "resample" if rule is None else rule.value

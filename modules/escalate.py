"""Escalate: a small model first, a larger one where it fails, under a cap on what that may cost."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..runtime.attempt import Attempt
from ..runtime.problem import Problem
from .allowed import AT_LEAST_ONE, BEST_OR_LAST, COUNT, Number
from .execute import Execute
from .generate import Generate
from .program import Program, best, executed
from .programs import is_green
from .settings import Setting, setting
from .stage import run_of


class Escalate(Program):
    """Writes a draft with a small model; while none passes the visible tests, a larger model writes anew.

    Whether the small model failed is for the tests to say: on a task without visible tests nothing escalates.

    Args:
        generate: Stage with the small model.
        larger: Stage with the larger one.
        execute: Stage that runs code.
        small_tries: Most drafts of the small model.
        larger_tries: Most drafts of the larger one.
        most_tokens: Cost cap: once the run has used so many tokens, no further draft is begun; None for no cap. Tokens
            of both models are added up as they are: the larger one's cost more seconds.
        keep: "best" returns the best code by the visible tests, "last" the last.

    Example:
        >>> program = Escalate(generate=Generate(model="embedded"), most_tokens=2000)
        >>> program.larger_tries.value
        1

    Source: the cascade of FrugalGPT (arXiv 2305.05176), with tests in place of its learned judge.
    """

    allowed: ClassVar = {
        "small_tries": AT_LEAST_ONE,
        "larger_tries": COUNT,
        "most_tokens": Number(1, whole=True, or_none=True),
        "keep": BEST_OR_LAST,
    }

    def __init__(
        self,
        *,
        generate: Generate | None = None,
        larger: Generate | None = None,
        execute: Execute | None = None,
        small_tries: int | Setting = 1,
        larger_tries: int | Setting = 1,
        most_tokens: int | Setting | None = None,
        keep: Literal["best", "last"] | Setting = "best",
    ) -> None:
        super().__init__()
        self.generate = generate or Generate()
        self.larger = larger or Generate(name="escalate")
        self.execute = execute or Execute()
        self.small_tries = setting(small_tries)
        self.larger_tries = setting(larger_tries)
        self.most_tokens = setting(most_tokens)
        self.keep = setting(keep)

    def solve(self, problem: Problem) -> str:
        """Run the cascade."""
        attempts: list[Attempt] = []
        plan = [self.generate] * self.small_tries.value + [self.larger] * self.larger_tries.value
        for write in plan:
            if attempts and (is_green(attempts[-1]) or over_cap(problem, self.most_tokens.value)):
                break
            draft = write(problem=problem)
            attempts.append(executed(draft, self.execute(problem=problem, code=draft.code).execution))
        return (best(attempts) if self.keep.value == "best" else attempts[-1]).code


def over_cap(problem: Problem, most_tokens: int | None) -> bool:
    """Whether the run under way has used up its tokens (as-if: a stored call counts)."""
    return most_tokens is not None and run_of(problem).usage().tokens >= most_tokens

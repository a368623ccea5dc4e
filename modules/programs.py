"""The ready-made programs: generate-execute-refine, and plain resampling."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

from ..runtime.attempt import Attempt
from ..runtime.problem import Problem
from .allowed import AT_LEAST_ONE, BEST_OR_LAST, COUNT, YES_OR_NO, OneOf
from .execute import Execute
from .generate import Generate
from .program import Program, best, executed, rank
from .refine import Refine
from .settings import Setting, setting

Stop = Literal["on_pass", "no_progress", "repeated_code", "never"]
"""When a loop ends before its last iteration. `on_pass`: the code passes the visible tests, or there are none and it
loads. `no_progress`: also after `patience` iterations that were no better by the visible tests. `repeated_code`:
also when the model writes code that it wrote before. `never`: all iterations, as to study what refining breaks."""

STOPS: tuple[str, ...] = get_args(Stop)


class GenerateExecuteRefine(Program):
    """Writes a draft, runs it on the visible tests, and mends it by what that showed, until green.

    Args:
        generate: Stage that writes the draft.
        execute: Stage that runs code.
        refine: Stage that mends it.
        max_iterations: Most refinements, 0 for none (the paper: 3).
        stop: When to end earlier, see `Stop`.
        patience: Iterations without progress that `no_progress` allows.
        keep: "best" returns the best code by the visible tests, never worse than what it had; "last" the last code,
            as the paper does.

    Example:
        >>> program = GenerateExecuteRefine(generate=Generate(model="embedded"), refine=Refine(model="embedded"))
        >>> program.max_iterations.value
        3

    Source: *Feedback Over Form* (arXiv 2604.21950), the manual configuration.
    """

    allowed: ClassVar = {
        "max_iterations": COUNT,
        "stop": OneOf(STOPS),
        "patience": AT_LEAST_ONE,
        "keep": BEST_OR_LAST,
    }

    def __init__(
        self,
        *,
        generate: Generate | None = None,
        execute: Execute | None = None,
        refine: Refine | None = None,
        max_iterations: int | Setting = 3,
        stop: Stop | Setting = "on_pass",
        patience: int | Setting = 1,
        keep: Literal["best", "last"] | Setting = "best",
    ) -> None:
        super().__init__()
        self.generate = generate or Generate()
        self.execute = execute or Execute()
        self.refine = refine or Refine()
        self.max_iterations = setting(max_iterations)
        self.stop = setting(stop)
        self.patience = setting(patience)
        self.keep = setting(keep)

    def solve(self, problem: Problem) -> str:
        """Run the loop."""
        draft = self.generate(problem=problem)
        result = self.execute(problem=problem, code=draft.code)
        attempts = [executed(draft, result.execution)]
        for _ in range(self.max_iterations.value):
            if self._done(attempts):
                break
            draft = self.refine(
                problem=problem, code=draft.code, execution=result.execution, feedback=result.feedback
            )
            result = self.execute(problem=problem, code=draft.code)
            attempts.append(executed(draft, result.execution))
        return (best(attempts) if self.keep.value == "best" else attempts[-1]).code

    def _done(self, attempts: list[Attempt]) -> bool:
        stop = self.stop.value
        if stop == "never":
            return False
        last = attempts[-1]
        if is_green(last):
            return True
        if stop == "repeated_code":
            return any(a.code.strip() == last.code.strip() for a in attempts[:-1])
        if stop == "no_progress" and len(attempts) > self.patience.value:
            recent = attempts[-self.patience.value :]
            before = attempts[: -self.patience.value]
            return max(rank(a.execution) for a in recent) <= max(rank(a.execution) for a in before)
        return False


class Resample(Program):
    """Draws several independent drafts and takes the first that passes the visible tests: the honest baseline.

    It spends on fresh draws what a loop spends on mending, and shows the model no feedback.

    Args:
        generate: Stage that writes a draft.
        execute: Stage that runs code.
        samples: Most drafts (4 equal the calls of a loop with 3 refinements).
        stop_on_pass: End with the first draft that passes; False draws all.

    Example:
        >>> Resample(generate=Generate(model="embedded", temperature=0.6), samples=4).samples.value
        4
    """

    allowed: ClassVar = {"samples": AT_LEAST_ONE, "stop_on_pass": YES_OR_NO}

    def __init__(
        self,
        *,
        generate: Generate | None = None,
        execute: Execute | None = None,
        samples: int | Setting = 4,
        stop_on_pass: bool | Setting = True,
    ) -> None:
        super().__init__()
        self.generate = generate or Generate(temperature=0.6)
        self.execute = execute or Execute()
        self.samples = setting(samples)
        self.stop_on_pass = setting(stop_on_pass)

    def solve(self, problem: Problem) -> str:
        """Draw until one is green, at most `samples` times."""
        attempts: list[Attempt] = []
        for _ in range(self.samples.value):
            draft = self.generate(problem=problem)
            attempts.append(executed(draft, self.execute(problem=problem, code=draft.code).execution))
            if self.stop_on_pass.value and is_green(attempts[-1]):
                break
        return best(attempts).code


def is_green(attempt: Attempt) -> bool:
    """Nothing is left to mend by the tests that may steer: it passes, or there is none and it loads."""
    return attempt.execution is not None and attempt.execution.outcome in ("passed", "unverified")


def single(**generate: Any) -> Resample:
    """The single shot: one draft, run once. Takes the arguments of `Generate`."""
    return Resample(generate=Generate(**generate), samples=1)

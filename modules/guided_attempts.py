"""Guided generation over a grid of settings: the first attempt that passes ends the task.

See the notice in `modules.guided` about the patent claim on the technique.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import fields, replace
from typing import Any, cast

from ..errors import ProgramError
from ..runtime.attempt import Attempt
from ..runtime.engine import Engine
from ..runtime.problem import Problem
from ..runtime.run import stoppable
from ..runtime.token_calls import calls_to
from .execute import Execute
from .guided import GuidedGenerate
from .guided_run import Guidance
from .program import Program, best
from .settings import Setting, setting
from .stage import run_of

PUBLISHED_GRID: tuple[dict[str, Any], ...] = tuple(
    {
        "temperature": temperature,
        "lines_ahead": lines,
        "prompt_style": style,
        "gamma": gamma,
        "candidates": 3,
        "max_tokens": 512,
    }
    for gamma, temperature, lines, style in itertools.product(
        (0.0, 0.5, 1.0, 3.0),
        (0.7, 0.75, 0.85, 0.95, 1.2, 1.5),
        (2, 3, 6, 8),
        ("instruction", "few_shot"),
    )
)
"""The 192 settings that the method's authors ship. At γ = 0 nothing is drawn, so the 24 settings of a prompt are one
attempt, and 146 are left."""

SMALL_GRID: tuple[dict[str, Any], ...] = (
    {"gamma": 1.0, "temperature": 0.8, "lines_ahead": 3, "prompt_style": "instruction"},
    {"gamma": 1.0, "temperature": 0.8, "lines_ahead": 3, "prompt_style": "few_shot"},
    {"gamma": 3.0, "temperature": 1.2, "lines_ahead": 6, "prompt_style": "instruction"},
    {"gamma": 0.5, "temperature": 1.2, "lines_ahead": 6, "prompt_style": "few_shot"},
)


class GuidedAttempts(Program):
    """Independent guided attempts with other settings each; the first that passes the tests that steer ends the task.

    Attempts run `parallel` at a time, in the grid's order; settings that write the same draft as earlier ones are left
    out (see `GuidedGenerate.distinct`). Where several of one round pass the earliest of the grid is taken, so a rerun
    finds the same. If none passes, the best one by the tests that steer is returned. Every attempt is in the trajectory
    with its own settings and tokens.

    Args:
        generate: The stage whose settings the grid changes.
        execute: Stage that runs finished code.
        grid: Settings of the attempts: mappings from setting to value, or "published" for the authors' 192. What a
            mapping leaves out is the stage's.
        parallel: Attempts at a time; no more than the model has seats for (`TokenSource.seats`): another one would only
            wait, and be paid for although one ahead of it passes.
        stop_on_pass: End with the first that passes; False runs all, for counting a task as solved by any attempt.

    Raises:
        ProgramError: The grid is empty, or has unknown settings.

    Example:
        >>> len(GuidedAttempts(grid="published").settings_of_attempts())
        192
    """

    def __init__(
        self,
        *,
        generate: GuidedGenerate | None = None,
        execute: Execute | None = None,
        grid: Sequence[dict[str, Any]] | str | Setting = SMALL_GRID,
        parallel: int | Setting = 2,
        stop_on_pass: bool | Setting = True,
    ) -> None:
        super().__init__()
        self.generate = generate or GuidedGenerate()
        self.execute = execute or Execute()
        self.grid = setting(grid if isinstance(grid, str | Setting) else [dict(g) for g in grid])
        self.parallel = setting(parallel)
        self.stop_on_pass = setting(stop_on_pass)
        self.settings_of_attempts()

    def settings_of_attempts(self) -> list[Guidance]:
        """The settings of all attempts, in order."""
        grid = self.grid.value
        if isinstance(grid, str) and grid != "published":
            raise ProgramError(f'grid is a list of settings or "published", not {grid!r}')
        rows = PUBLISHED_GRID if isinstance(grid, str) else cast("Sequence[dict[str, Any]]", grid)
        known = {field.name for field in fields(Guidance)}
        unknown = sorted({name for row in rows for name in row} - known)
        if unknown or not rows:
            raise ProgramError(
                f"the grid has the unknown settings {unknown}; settings are {', '.join(sorted(known))}"
                if unknown
                else "the grid is empty"
            )
        return [self.generate.guidance(**row) for row in rows]

    def solve(self, problem: Problem) -> str:
        """Run the attempts."""
        run = run_of(problem)
        place = run.next_iteration(self.generate.name)
        settings = self.generate.distinct(problem, self.settings_of_attempts())
        done: list[Attempt] = []
        width = self._width()
        with ThreadPoolExecutor(width, thread_name_prefix="greenloop-guided") as pool, stoppable():
            for start in range(0, len(settings), width):
                futures = [
                    (number, pool.submit(copy_context().run, self.generate.write, problem, run, place, one))
                    for number, one in settings[start : start + width]
                ]
                for number, future in futures:
                    attempt = replace(future.result(), iteration=number)
                    run.add_attempt(attempt)
                    execution = self.execute(problem=problem, code=attempt.code).execution
                    done.append(replace(attempt, execution=execution))
                if self.stop_on_pass.value and any(a.execution and a.execution.passed for a in done):
                    break
        return best(done).code

    def _width(self) -> int:
        wanted = max(1, int(self.parallel.value))
        asked = calls_to(cast("Engine", self.generate.language_model().engine))
        return wanted if asked is None else min(wanted, asked.source.seats)

"""The ready-made programs by their names on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ..errors import UsageError
from ..modules.execute import Execute
from ..modules.feedback import FEEDBACK_STYLES
from ..modules.generate import Generate
from ..modules.knobs import Choice, Float, Int
from ..modules.paper import paper_refine, paper_resample, paper_single
from ..modules.program import Program
from ..modules.programs import GenerateExecuteRefine, Resample
from ..modules.refine import Refine
from ..runtime.execution import Limits

PROGRAMS = {
    "single": "one draft, run once",
    "resample": "independent drafts until one passes the visible tests, at most 4",
    "ger": "generate, execute, refine: one draft and at most 3 refinements",
}


ProgramOption = Annotated[
    str, typer.Option("--program", help="; ".join(f"{k}: {v}" for k, v in PROGRAMS.items()))
]


def named_program(
    name: str, model: str, *, calls: int = 4, max_tokens: int = 512, wall_s: float = 10
) -> Program:
    """A ready-made program.

    Args:
        name: One of `PROGRAMS`.
        model: The model of every stage.
        calls: Most model calls of a task; "single" makes one.
        max_tokens: Most tokens of an answer.
        wall_s: Seconds that a candidate may run with all its tests, of wall and of processor time.

    Raises:
        UsageError: There is no such program.
    """
    execute = Execute(limits=Limits(wall_s=wall_s, cpu_s=wall_s))
    if name == "single":
        return Resample(generate=Generate(model=model, max_tokens=max_tokens), execute=execute, samples=1)
    if name == "resample":
        drafts = Generate(model=model, temperature=0.6, max_tokens=max_tokens)
        return Resample(generate=drafts, execute=execute, samples=calls)
    if name == "ger":
        return GenerateExecuteRefine(
            generate=Generate(model=model, max_tokens=max_tokens),
            execute=execute,
            refine=Refine(model=model, max_tokens=max_tokens),
            max_iterations=calls - 1,
        )
    raise _no_program(name)


def paper_program(name: str, model: str) -> Program:
    """A ready-made program in the set-up of *Feedback Over Form*: its prompts, temperatures, limits, the last code.

    Raises:
        UsageError: There is no such program.
    """
    made = {"single": paper_single, "resample": paper_resample, "ger": paper_refine}
    if name not in made:
        raise _no_program(name)
    return made[name](model)


def _no_program(name: str) -> UsageError:
    near = difflib.get_close_matches(name, PROGRAMS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return UsageError(f"there is no program {name!r}: {hint}programs are {', '.join(PROGRAMS)}")


def tunable_program(models: Sequence[str], *, max_tokens: int = 512) -> GenerateExecuteRefine:
    """Generate-execute-refine with every knob that the command line tunes; its defaults are the paper's settings."""
    pool: Any = Choice(list(models)) if len(models) > 1 else models[0]
    other: Any = Choice(list(models)) if len(models) > 1 else models[0]
    return GenerateExecuteRefine(
        generate=Generate(model=pool, temperature=Float(0.0, 1.0, default=0.3), max_tokens=max_tokens),
        execute=Execute(feedback=Choice(list(FEEDBACK_STYLES), default="error_line")),
        refine=Refine(model=other, temperature=Float(0.0, 1.0, default=0.2), max_tokens=max_tokens),
        max_iterations=Int(0, 5, default=3),
    )

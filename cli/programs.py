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
from ..modules.program import Program
from ..modules.programs import GenerateExecuteRefine, Resample, single
from ..modules.refine import Refine

PROGRAMS = {
    "single": "one draft, run once",
    "resample": "independent drafts until one passes the visible tests, at most 4",
    "ger": "generate, execute, refine: one draft and at most 3 refinements",
}


ProgramOption = Annotated[
    str, typer.Option("--program", help="; ".join(f"{k}: {v}" for k, v in PROGRAMS.items()))
]


def named_program(name: str, model: str, *, calls: int = 4, max_tokens: int = 512) -> Program:
    """A ready-made program.

    Args:
        name: One of `PROGRAMS`.
        model: The model of every stage.
        calls: Most model calls of a task; "single" makes one.
        max_tokens: Most tokens of an answer.

    Raises:
        UsageError: There is no such program.
    """
    if name == "single":
        return single(model=model, max_tokens=max_tokens)
    if name == "resample":
        return Resample(generate=Generate(model=model, temperature=0.6, max_tokens=max_tokens), samples=calls)
    if name == "ger":
        return GenerateExecuteRefine(
            generate=Generate(model=model, max_tokens=max_tokens),
            refine=Refine(model=model, max_tokens=max_tokens),
            max_iterations=calls - 1,
        )
    near = difflib.get_close_matches(name, PROGRAMS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no program {name!r}: {hint}programs are {', '.join(PROGRAMS)}")


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

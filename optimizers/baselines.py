"""The programs that a chosen one must be better than, made from its own models and limits."""

from __future__ import annotations

from typing import Any

import dspy

from ..modules.generate import Generate
from ..modules.knobs import Choice
from ..modules.programs import Resample
from ..modules.settings import settings, to_plain

_TEMPERATURE = 0.6
_SINGLE_TEMPERATURE = 0.3


def models_of(program: dspy.Module) -> list[Any]:
    """Every model that the program's settings name or may choose, once each; [None] where it follows DSPy's setting."""
    found: dict[str, Any] = {}
    for path, one in settings(program).items():
        if path.split(".")[-1] == "model":
            for option in one.options if isinstance(one, Choice) else [one.value]:
                if option is not None:
                    found.setdefault(str(to_plain(option)), option)
    return list(found.values()) or [None]


def single_shot(program: dspy.Module, model: Any) -> Resample:
    """One draft of one model, at the paper's temperature, with the program's own limit of tokens and instructions."""
    return Resample(generate=_generate(program, model, _SINGLE_TEMPERATURE), samples=1)


def resampling(program: dspy.Module, model: Any, samples: int) -> Resample:
    """At most `samples` independent drafts of one model, with the program's own instructions: the first that passes the
    visible tests.

    What the program is better by is then not its prompt alone.
    """
    return Resample(generate=_generate(program, model, _TEMPERATURE), samples=samples)


def _generate(program: dspy.Module, model: Any, temperature: float) -> Generate:
    limits = [s.value for path, s in settings(program).items() if path.split(".")[-1] == "max_tokens"]
    drafts = [part for _, part in program.named_sub_modules() if isinstance(part, Generate)]
    instructions = getattr(drafts[0], "instructions", None) if drafts else None
    return Generate(
        model=model,
        temperature=temperature,
        max_tokens=max(limits, default=512),
        instructions=instructions.value if instructions is not None else None,
    )

"""Evidence on a program, with a mark of what it is about: a program that was changed since has none."""

from __future__ import annotations

import warnings
from typing import Any, cast

import dspy

from ..errors import GreenloopWarning
from ..evals.evidence import Evidence
from ..modules.blueprint import program_digest

_MARK = "_evidence_of"


def stamp(program: dspy.Module, evidence: Evidence | None, *, is_about: bool = True) -> None:
    """Give a program its evidence.

    Args:
        program: What the evidence is about, as it is now.
        evidence: What is known; None for nothing.
        is_about: False where the program was changed already: it carries the evidence, and is not exported with it.
    """
    cast("Any", program).evidence = evidence
    setattr(program, _MARK, program_digest(program) if is_about else "another")


def evidence_for_export(program: dspy.Module) -> Evidence | None:
    """The evidence of a program; None, with a warning, where its settings, prompts or models were changed since.

    Evidence that somebody else put there is taken as it is.
    """
    evidence = cast("Evidence | None", getattr(program, "evidence", None))
    about = getattr(program, _MARK, None)
    if evidence is None or about in (None, program_digest(program)):
        return evidence
    warnings.warn(
        "the program was changed since its evidence was gathered (a setting, prompts, or a model): it is exported"
        " without; tune it anew, or export what `compile` or `load` gave",
        GreenloopWarning,
        stacklevel=3,
    )
    return None

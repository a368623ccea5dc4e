"""Who plays which model of *Feedback Over Form* (arXiv 2604.21950)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dspy

from ...errors import UnknownModel, UsageError
from ...modules import paper
from ...modules.program import Program
from ...runtime.language_model import language_model
from .pool import Model, Pool, describe_pool
from .published import ROLES, ROWS, PublishedRow

PAPER_CONTEXT = 4096
"""Context in tokens that the paper's models had on Ollama."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Which model plays which of the paper's.

    Attributes:
        pool: The distinct models.
        by_role: The paper's model → the model here; roles that nobody plays are missing.
        notes: What a reader must know of it.
    """

    pool: Pool
    by_role: dict[str, Model]
    notes: tuple[str, ...]

    def stands_in(self, role: str) -> bool:
        """Whether another model plays the paper's."""
        if role not in self.by_role:
            return False
        name = self.by_role[role].card.name.partition("?")[0]
        return name != f"ollama:{role}" and not name.startswith(f"ollama:{role}@")

    def can_run(self, row: PublishedRow) -> bool:
        """Whether the models of a row are there; of resampling, those of a pipeline that it stands beside."""
        if row.kind == "resample":
            return any(self.can_run(o) for o in ROWS if (o.refiner, o.calls) == (row.generator, row.calls))
        return row.generator in self.by_role and (not row.refiner or row.refiner in self.by_role)

    def arm(self, row: PublishedRow) -> str:
        """The row's name with the models that play it: no figure of a stand-in bears the paper's model's name."""
        generator = self.by_role[row.generator].label
        refiner = self.by_role[row.refiner].label if row.refiner else ""
        names = {
            "single": f"{generator} alone",
            "resample": f"{generator} resampled, {row.calls} calls",
            "refine": f"{generator} → execute → {refiner}",
            "evolved": f"{generator} → execute → analyse, {refiner}",
        }
        return names[row.kind]

    def program(self, row: PublishedRow, *, stop: str = "on_pass") -> Program:
        """The row's program, in the paper's set-up."""
        generator = self.by_role[row.generator].lm
        if row.kind == "single":
            return paper.paper_single(generator)
        if row.kind == "resample":
            return paper.paper_resample(generator, row.calls)
        refiner = self.by_role[row.refiner].lm
        if row.kind == "evolved":
            return paper.paper_evolved(generator, refiner, stop=stop)
        return paper.paper_refine(generator, refiner, stop=stop)


def cast_models(models: Mapping[str, str | dspy.BaseLM] | None = None) -> Cast:
    """Describe the models that play the paper's roles; those that a server does not have stay out.

    Args:
        models: The paper's model → the model here; the paper's own on Ollama where none are given.

    Raises:
        UsageError: An unknown role.
        UnknownModel: None of the models is there.
        ModelUnavailable: A server does not answer.
    """
    given = models or {role: f"ollama:{role}" for role in ROLES}
    if unknown := [role for role in given if role not in ROLES]:
        raise UsageError(f"the paper has no model {unknown[0]!r}: its rows are of {', '.join(ROLES)}")
    found: dict[str, Any] = {}
    notes: list[str] = []
    missing: UnknownModel | None = None
    for role in ROLES:
        if role not in given:
            notes.append(f"{role}: no model plays it, its rows stay empty (--model {role}=NAME)")
            continue
        model = given[role]
        if isinstance(model, str) and model.startswith("ollama:"):
            model = language_model(model, num_ctx=PAPER_CONTEXT)
        try:
            describe_pool([model])
        except UnknownModel as error:
            missing = error
            notes.append(f"{role}: {error}; its rows stay empty")
            continue
        found[role] = model
    if not found:
        raise missing or UsageError("no model was given")
    pool = describe_pool(list(found.values()))
    by_role: dict[str, Model] = {}
    for role, model in found.items():
        digest = describe_pool([model]).models[0].card.digest
        player = next(m for m in pool.models if m.card.digest == digest)
        if player in by_role.values():
            notes.append(
                f"{role}: {player.label} plays another role already; one model counts once, its rows stay empty"
            )
            continue
        by_role[role] = player
    made = Cast(pool, by_role, tuple(notes))
    stand_ins = [f"{by_role[r].label} stands in for {r}" for r in by_role if made.stands_in(r)]
    extra = (
        [f"STAND-INS: {'; '.join(stand_ins)}: these figures say nothing about the paper's models"]
        if stand_ins
        else []
    )
    return Cast(pool, by_role, (*extra, *notes))

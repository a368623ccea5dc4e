"""The models of an experiment: described by their servers or files, aliases of one model counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import dspy
from pydantic import BaseModel, ConfigDict

from ...runtime.engine import Engine
from ...runtime.language_model import language_model


class ModelCard(BaseModel):
    """What is stated of a model beside every figure.

    Attributes:
        label: The name by which the experiment calls it; unique in its pool.
        name: The name as the user wrote it.
        digest: Digest of its weights.
        parameters: Number of parameters; None where its server does not say.
        quantisation: Such as "Q4_K_M".
        context: Context in tokens; None where its server does not say.
        simulated: It is no real model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    name: str
    digest: str
    parameters: int | None
    quantisation: str | None
    context: int | None
    simulated: bool


@dataclass(frozen=True, slots=True)
class Model:
    """A model of an experiment: what stages take as `model=`, and its card."""

    lm: Any
    card: ModelCard

    @property
    def label(self) -> str:
        """Its name in the experiment."""
        return self.card.label


@dataclass(frozen=True, slots=True)
class Pool:
    """The distinct models of an experiment.

    Attributes:
        models: One entry for each digest, in the order given.
        aliases: Names that were left out, and what they are another name of.
    """

    models: tuple[Model, ...]
    aliases: dict[str, str]

    @property
    def comparable(self) -> tuple[Model, ...]:
        """The models that count where several are needed: the real ones, or (if all are) the simulated ones."""
        real = tuple(m for m in self.models if not m.card.simulated)
        return real or self.models

    def notes(self) -> list[str]:
        """What a reader must know of the pool."""
        notes = [
            f"{alias} is another name of {name}: one model, counted once"
            for alias, name in self.aliases.items()
        ]
        sizes = {m.card.parameters for m in self.models}
        digests = len(self.models)
        if (
            digests > 1
            and len(sizes) == 1
            and None not in sizes
            and not any(m.card.simulated for m in self.models)
        ):
            notes.append(
                "the models have the same number of parameters: they may be quantisations of one model, and differ less"
                " than models of different families do"
            )
        return notes


def describe_pool(models: Sequence[str | dspy.BaseLM]) -> Pool:
    """Ask servers and files what the models are; names with one digest are one model.

    Raises:
        ModelUnavailable: A server does not answer.
        UnknownModel: There is no such model.
    """
    chosen: list[Model] = []
    by_digest: dict[str, str] = {}
    aliases: dict[str, str] = {}
    labels: set[str] = set()
    for given in models:
        lm = language_model(given)
        engine = cast(Engine, lm.engine)
        spec = engine.describe()
        digest = spec.digest or engine.backend.digest()
        if digest in by_digest:
            if spec.name != by_digest[digest]:
                aliases[spec.name] = by_digest[digest]
            continue
        label = spec.name
        while label in labels:
            label += "'"
        labels.add(label)
        by_digest[digest] = label
        card = ModelCard(
            label=label,
            name=spec.name,
            digest=digest,
            parameters=spec.parameters,
            quantisation=spec.quantisation,
            context=spec.context,
            simulated=spec.name.startswith("simulated"),
        )
        chosen.append(Model(given if isinstance(given, str) else lm, card))
    return Pool(tuple(chosen), aliases)

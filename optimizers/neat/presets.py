"""The two presets of the search, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .evolution import Settings

PresetName = Literal["wide", "paper"]


@dataclass(frozen=True, slots=True)
class Preset:
    """What a search does where its caller does not say otherwise.

    Attributes:
        settings: Of the evolution.
        generations: Most generations.
        rotating: Tasks of a generation; None for all.
        replicates: Runs of a task in a genome's first evaluation.
        most_replicates: See `evaluating.Fitness`.
        node_penalty: Off the fitness per node.
    """

    settings: Settings
    generations: int
    rotating: int | None
    replicates: int
    most_replicates: int
    node_penalty: float


PRESETS: dict[PresetName, Preset] = {
    "wide": Preset(
        settings=Settings(),
        generations=20,
        rotating=None,
        replicates=2,
        most_replicates=6,
        node_penalty=0.002,
    ),
    "paper": Preset(
        settings=Settings(
            population=20,
            elitism=2,
            champions=False,
            crossover=0.75,
            mutated=1.0,
            interspecies=0.0,
            parents=0.5,
            stagnation=8,
            threshold=2.0,
            step=0.0,
            species=(0, 20),
            single=0.6,
        ),
        generations=20,
        rotating=25,
        replicates=1,
        most_replicates=1,
        node_penalty=0.02,
    ),
}

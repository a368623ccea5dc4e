"""Speciation: who competes with whom, with a threshold that moves toward a wanted number of species."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Species:
    """Genomes that are close to one another.

    Attributes:
        number: Its number, from 0; never used again.
        representative: The genome that newcomers are compared with.
        members: Indices into the generation.
        best: Best fitness it ever had.
        stale: Generations since that last grew.
    """

    number: int
    representative: Any
    members: list[int] = field(default_factory=list[int])
    best: float = float("-inf")
    stale: int = 0


def speciate(
    genomes: Sequence[Any],
    species: Sequence[Species],
    threshold: float,
    distance: Callable[[Any, Any], float],
    next_number: int,
) -> tuple[list[Species], int]:
    """Put every genome into the first species whose representative is closer than the threshold, else into a new one.

    Returns:
        The species that have members, and the next free number.
    """
    found = [Species(s.number, s.representative, [], s.best, s.stale) for s in species]
    for i, genome in enumerate(genomes):
        home = next((s for s in found if distance(genome, s.representative) < threshold), None)
        if home is None:
            home = Species(next_number, genome)
            next_number += 1
            found.append(home)
        home.members.append(i)
    return [s for s in found if s.members], next_number


def renewed(species: Species, genomes: Sequence[Any], rng: random.Random) -> None:
    """Let a member at random represent the species in the next generation, as in NEAT."""
    species.representative = genomes[rng.choice(species.members)]


def shares(species: Sequence[Species], fitness: Sequence[float], places: int) -> list[int]:
    """How many of the next generation's places each species gets: in proportion to its members' shared fitness.

    Sharing divides a member's fitness by the size of its species, so a species' sum is its mean. Fitness is moved up by
    the least one where that is negative. Rounding goes to the largest remainders, ties to the older species; a species
    far behind can get no place and dies.

    Example:
        >>> shares([Species(0, None, [0, 1]), Species(1, None, [2])], [0.2, 0.4, 0.9], 8)
        [2, 6]
    """
    base = min(0.0, *fitness) if fitness else 0.0
    means = [sum(fitness[i] - base for i in s.members) / len(s.members) for s in species]
    total = sum(means)
    wanted = [m / total * places if total > 0 else places / len(species) for m in means]
    given = [int(w) for w in wanted]
    while sum(given) < places:
        i = max(range(len(given)), key=lambda k: (wanted[k] - given[k], -k))
        given[i] += 1
    return given

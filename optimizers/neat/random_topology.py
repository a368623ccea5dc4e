"""Random topology: the yardstick of evolution, graphs drawn at random from the same space under the same rules."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .evolution import Evolution, Generation
from .search import NeatSearch
from .spaces import Space

MOST_CHANGES = 20


@dataclass(slots=True)
class RandomDraws(Evolution):
    """Generations drawn at random: nothing is inherited, but the best genome goes on and so is replicated.

    A genome is a minimal one after 0 to `MOST_CHANGES` random changes, as many as evolution could have made.
    """

    def __post_init__(self) -> None:
        for _ in range(self.settings.population):
            self._draw(self.individuals)

    def tell(self, fitness: Sequence[float]) -> None:
        """Take the fitness of `individuals`, in order, and draw the next generation."""
        self.history.append(
            Generation(
                len(self.history), tuple(self.individuals), tuple(fitness), (0,) * len(self.individuals), 0.0
            )
        )
        ranked = sorted(range(len(fitness)), key=lambda i: self._key(i, fitness[i]), reverse=True)
        made: list[Any] = []
        for i in ranked[: self.settings.elitism]:
            self._add(made, self.individuals[i].genome, (self.individuals[i].number,), "elite")
        while len(made) < self.settings.population:
            self._draw(made)
        self.individuals = made

    def _draw(self, to: list[Any]) -> None:
        (genome,) = self.space.start(1, self.rng)
        for _ in range(self.rng.randint(0, MOST_CHANGES)):
            genome, _what = self.space.mutate(genome, self.rng)
        self._add(to, genome, (), "random")


class RandomTopology(NeatSearch):
    """Draws graphs at random from the space of `NeatSearch("wide")`: what evolution must be better than.

    Space, replicated fitness, finalists, confirmation, budget and evidence are those of `NeatSearch`, and so are its
    arguments; there are no species, no parents and no crossover.

    Example:
        >>> RandomTopology(models=["embedded"], generations=3).preset
        'wide'
    """

    def evolution(self, space: Space, rng: random.Random) -> Evolution:
        """Random draws instead of breeding."""
        return RandomDraws(space, self.numbers.settings, rng)

"""The evolution itself, apart from what fitness is: ask for genomes, tell their fitness, get the next generation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import UsageError
from .spaces import Space
from .species import Species, renewed, shares, speciate


@dataclass(frozen=True, slots=True)
class Settings:
    """Numbers of an evolution.

    Attributes:
        population: Genomes of a generation.
        elitism: Best genomes of a generation that go on unchanged.
        champions: Whether the best of every species of at least `champion_size` members goes on unchanged too.
        champion_size: See `champions`.
        crossover: Share of children with two parents; the others have one. Children of one parent are always mutated.
        mutated: Share of children of two parents that are mutated as well.
        interspecies: Share of second parents that come from any species.
        parents: Share of a species, the best of it, that may be parents.
        stagnation: Generations without progress after which a species dies; the best one never does.
        threshold: Distance below which genomes are of one species.
        step: How far the threshold moves toward the wanted number of species; 0 for not at all.
        species: Least and most species wanted.
        single: Factor of the threshold while there is a single species.
    """

    population: int = 20
    elitism: int = 1
    champions: bool = True
    champion_size: int = 5
    crossover: float = 0.6
    mutated: float = 0.8
    interspecies: float = 0.05
    parents: float = 0.5
    stagnation: int = 8
    threshold: float = 8.0
    step: float = 2.0
    species: tuple[int, int] = (4, 6)
    single: float = 1.0

    def __post_init__(self) -> None:
        if self.population < 2 or not 0 <= self.elitism < self.population:
            raise UsageError("a population has at least two genomes, and fewer that go on unchanged")


@dataclass(frozen=True, slots=True)
class Individual:
    """One genome of one generation.

    Attributes:
        number: Its number in the run.
        genome: The genome.
        parents: Numbers of its parents.
        origin: How it came about: "start", "elite", "crossover", or what mutation did.
    """

    number: int
    genome: Any
    parents: tuple[int, ...] = ()
    origin: str = "start"


@dataclass(frozen=True, slots=True)
class Generation:
    """What is kept of a generation: the family tree and the species over time.

    Attributes:
        number: From 0.
        individuals: Its genomes.
        fitness: Of each.
        species: Number of each one's species.
        threshold: The distance that told species apart.
    """

    number: int
    individuals: tuple[Individual, ...]
    fitness: tuple[float, ...]
    species: tuple[int, ...]
    threshold: float


@dataclass(slots=True)
class Evolution:
    """A population of genomes, one generation after the other.

    What comes next depends on the space, the settings, the generator's state and the fitness that was told, on nothing
    else: a run that is told the same fitness again goes the same way.

    Args:
        space: Genomes and operators.
        settings: Its numbers.
        rng: Source of chance.

    Attributes:
        individuals: The generation whose fitness is asked for.
        history: All generations that were told.
    """

    space: Space
    settings: Settings
    rng: random.Random
    individuals: list[Individual] = field(default_factory=list[Individual])
    history: list[Generation] = field(default_factory=list[Generation])
    _species: list[Species] = field(default_factory=list[Species])
    _numbers: int = 0
    _species_numbers: int = 0
    _threshold: float = 0.0

    def __post_init__(self) -> None:
        self._threshold = self.settings.threshold
        if not self.individuals:
            for genome in self.space.start(self.settings.population, self.rng):
                self._add(self.individuals, genome, (), "start")

    def tell(self, fitness: Sequence[float]) -> None:
        """Take the fitness of `individuals`, in order, and breed the next generation.

        Ties go to the genome that can cost fewer calls (in the paper's space: that has fewer iterations), then to the
        smaller, then to the older.
        """
        genomes = [one.genome for one in self.individuals]
        factor = self.settings.single if len(self._species) <= 1 else 1.0
        self._species, self._species_numbers = speciate(
            genomes, self._species, self._threshold * factor, self.space.distance, self._species_numbers
        )
        homes = {i: s.number for s in self._species for i in s.members}
        self.history.append(
            Generation(
                len(self.history),
                tuple(self.individuals),
                tuple(fitness),
                tuple(homes[i] for i in range(len(genomes))),
                self._threshold * factor,
            )
        )
        self._move_threshold()
        self.individuals = self._bred(list(fitness))

    def _bred(self, fitness: list[float]) -> list[Individual]:
        settings, rng = self.settings, self.rng
        key = [self._key(i, fitness[i]) for i in range(len(fitness))]
        ranked = sorted(range(len(fitness)), key=lambda i: key[i], reverse=True)
        self._age(fitness, ranked[0])
        made: list[Individual] = []
        kept = ranked[: settings.elitism]
        if settings.champions:
            kept += [
                max(s.members, key=lambda i: key[i])
                for s in self._species
                if len(s.members) >= settings.champion_size
            ]
        for i in list(dict.fromkeys(kept))[: settings.population]:
            self._add(made, self.individuals[i].genome, (self.individuals[i].number,), "elite")
        for species, places in zip(
            self._species,
            shares(self._species, fitness, settings.population - len(made)),
            strict=True,
        ):
            best = sorted(species.members, key=lambda i: key[i], reverse=True)
            parents = best[: max(1, round(len(best) * settings.parents))]
            for _ in range(places):
                self._child(made, parents, key)
        for species in self._species:
            renewed(species, [one.genome for one in self.individuals], rng)
        return made

    def _child(self, made: list[Individual], parents: list[int], key: list[Any]) -> None:
        settings, rng = self.settings, self.rng
        one = rng.choice(parents)
        genome, numbers, origin = self.individuals[one].genome, (self.individuals[one].number,), ""
        if rng.random() < settings.crossover:
            anyone = rng.random() < settings.interspecies
            other = rng.choice(range(len(self.individuals)) if anyone else parents)
            fitter, weaker = (one, other) if key[one] >= key[other] else (other, one)
            genome = self.space.crossover(
                self.individuals[fitter].genome, self.individuals[weaker].genome, rng
            )
            numbers = (self.individuals[fitter].number, self.individuals[weaker].number)
            origin = "crossover"
        if not origin or rng.random() < settings.mutated:
            genome, what = self.space.mutate(genome, rng)
            origin = f"{origin}, {what}" if origin else what
        self._add(made, genome, numbers, origin)

    def _age(self, fitness: list[float], best: int) -> None:
        """Count generations without progress, and let stale species die."""
        for species in self._species:
            top = max(fitness[i] for i in species.members)
            species.stale = 0 if top > species.best else species.stale + 1
            species.best = max(species.best, top)
        alive = [s for s in self._species if s.stale < self.settings.stagnation or best in s.members]
        self._species = alive

    def _move_threshold(self) -> None:
        low, high = self.settings.species
        if len(self._species) < low:
            self._threshold = max(self.settings.step, self._threshold - self.settings.step)
        elif len(self._species) > high:
            self._threshold += self.settings.step

    def _key(self, i: int, fitness: float) -> tuple[float, int, int, int]:
        expressed = self.space.express(self.individuals[i].genome)
        calls = expressed.loops if expressed.style == "paper" else expressed.most_calls
        return (fitness, -calls, -expressed.size, -self.individuals[i].number)

    def _add(self, to: list[Individual], genome: Any, parents: tuple[int, ...], origin: str) -> None:
        to.append(Individual(self._numbers, genome, parents, origin))
        self._numbers += 1

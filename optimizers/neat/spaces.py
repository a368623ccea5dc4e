"""What a search evolves: genomes of a kind, with their operators, behind one seam."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from ...modules.wiring import DEFAULT_KINDS, MOST_NODES, Kind
from .expressing import Expressed, express
from .genome import Genome, minimal
from .innovations import Innovations
from .operators import Rates, Weights, crossover, distance, mutate
from .sketch import fresh


class Space(Protocol):
    """Genomes of one kind and what can be done with them; a genome is any immutable value."""

    def start(self, count: int, rng: random.Random) -> list[Any]:
        """The first generation."""
        ...

    def mutate(self, genome: Any, rng: random.Random) -> tuple[Any, str]:
        """A changed genome that is valid, and what was done."""
        ...

    def crossover(self, fitter: Any, other: Any, rng: random.Random) -> Any:
        """A child that is valid."""
        ...

    def distance(self, one: Any, other: Any) -> float:
        """Compatibility distance."""
        ...

    def express(self, genome: Any) -> Expressed:
        """The graph that a genome stands for."""
        ...

    def to_json(self, genome: Any) -> dict[str, Any]:
        """A genome as plain JSON data."""
        ...


class WideSpace:
    """Typed-port graphs of all stages.

    Deviations from NEAT (Stanley and Miikkulainen 2002): nodes have kinds and ports have types; a new node brings along
    what its required ports need (an `execute`, a second draft), so one mutation can add two nodes; a split connection
    is disabled only where the new node replaces it; a gene that is disabled in both parents stays disabled; of equally
    fit parents the smaller counts as the fitter; attributes take the place of weights and differ by 0 to 1 each;
    innovation numbers are kept for the whole run; nodes can be removed; there is no recurrence, loops are an attribute;
    what is not valid or passes the limits is never let out.

    Args:
        models: Models to choose from.
        kinds: Kinds of nodes that may be added.
        most_nodes: Most live nodes.
        most_calls: Most model calls per task.
        rates: Chances of mutations.
        weights: Of the distance.
    """

    def __init__(
        self,
        models: Sequence[str],
        *,
        kinds: Sequence[Kind] = DEFAULT_KINDS,
        most_nodes: int = MOST_NODES,
        most_calls: int = 12,
        rates: Rates | None = None,
        weights: Weights | None = None,
    ) -> None:
        self.models = list(models)
        self.kinds = tuple(kinds)
        self.rates, self.weights = rates or Rates(), weights or Weights()
        self.innovations = Innovations()
        self._express = partial(express, most_nodes=most_nodes, most_calls=most_calls)

    def start(self, count: int, rng: random.Random) -> list[Genome]:
        """One draft each, with a model and a temperature by chance: minimal, as in NEAT."""
        return [minimal(self.innovations, fresh("generate", self.models, rng)) for _ in range(count)]

    def mutate(self, genome: Genome, rng: random.Random) -> tuple[Genome, str]:
        """See `operators.mutate`."""
        return mutate(
            genome,
            self.innovations,
            rng,
            models=self.models,
            kinds=self.kinds,
            rates=self.rates,
            valid=self._express,
        )

    def crossover(self, fitter: Genome, other: Genome, rng: random.Random) -> Genome:
        """See `operators.crossover`."""
        return crossover(fitter, other, rng, rates=self.rates, valid=self._express)

    def distance(self, one: Genome, other: Genome) -> float:
        """See `operators.distance`."""
        return distance(one, other, self.weights)

    def express(self, genome: Genome) -> Expressed:
        """See `expressing.express`."""
        return self._express(genome)

    def to_json(self, genome: Genome) -> dict[str, Any]:
        """The genome as plain JSON data."""
        return genome.to_json()

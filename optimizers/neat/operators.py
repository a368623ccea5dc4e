"""Mutation, aligned crossover and compatibility distance of genomes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import UsageError
from ...modules.wiring import DEFAULT_KINDS, KINDS, MOST_NODES, Kind
from .attributes import difference, perturbed
from .expressing import Expressed, InvalidGenome, express
from .genome import Genome
from .innovations import Innovations
from .sketch import Sketch

_TRIES = 8
_MOST_GENES = 2 * MOST_NODES


@dataclass(frozen=True, slots=True)
class Rates:
    """Chances of a mutation.

    Attributes:
        add_node: A node is put on a connection.
        add_connection: Two nodes are connected.
        toggle: A connection is switched.
        remove: A node is taken out.
        attributes: Where none of these happens, and this often besides, a node's attribute is changed.
        reenable: Chance that a gene disabled in one parent alone is enabled in the child.
    """

    add_node: float = 0.25
    add_connection: float = 0.1
    toggle: float = 0.1
    remove: float = 0.1
    attributes: float = 0.5
    reenable: float = 0.25


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the compatibility distance; NEAT's published 1, 1 and 2, and one of our own.

    Attributes:
        genes: Of a node or connection gene that stands in one genome alone, excess and disjoint alike.
        switches: Of a connection that is enabled in one genome and disabled in the other; at most twice `genes`.
        attributes: Of a matching node's difference, which lies from 0 to 1; at most twice `genes`.
    """

    genes: float = 1.0
    switches: float = 0.5
    attributes: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= max(self.switches, self.attributes) <= 2 * self.genes:
            raise UsageError("a matching gene may not weigh more than twice a missing one")


def mutate(
    genome: Genome,
    innovations: Innovations,
    rng: random.Random,
    *,
    models: Sequence[str] = ("",),
    kinds: Sequence[Kind] = DEFAULT_KINDS,
    rates: Rates | None = None,
    valid: Callable[[Genome], Expressed] = express,
) -> tuple[Genome, str]:
    """A changed genome that is valid again.

    A change that is not valid is drawn again, eight times; then the genome stays as it is.

    Args:
        genome: What to change.
        innovations: The run's registry.
        rng: Source of chance.
        models: Models to choose from.
        kinds: Kinds of nodes that may be added.
        rates: Chances of each change.
        valid: Raises `InvalidGenome` for what must not come out.

    Returns:
        The genome, and what was done to it.
    """
    rates = rates or Rates()
    for _ in range(_TRIES):
        sketch = Sketch(genome, innovations, rng, models)
        what = _structural(sketch, kinds, rates)
        if what is None or rng.random() < rates.attributes:
            node = rng.choice(sorted(sketch.nodes))
            gene = sketch.nodes[node]
            changed = perturbed(gene.kind, gene.attributes, models, rng)
            sketch.nodes[node] = replace(gene, attributes=changed)
            what = what or "attributes"
        made = sketch.genome()
        if _is_valid(made, valid):
            return made, what
    return genome, "unchanged"


def _structural(sketch: Sketch, kinds: Sequence[Kind], rates: Rates) -> str | None:
    rng = sketch.rng
    changes = ("add_node", "add_connection", "toggle", "remove", "")
    chances = [getattr(rates, name) for name in changes[:-1]]
    change = rng.choices(changes, [*chances, max(0.0, 1 - sum(chances))])[0]
    makings = sketch.makings(kinds) if change == "add_node" else []
    if makings:
        # the kind first, so that kinds that fit many connections are not drawn more often
        wanted: list[Kind] = [kind for kind in KINDS if any(k == kind for _, k in makings)]
        kind = rng.choice(wanted)
        sketch.insert(rng.choice([c for c, k in makings if k == kind]), kind)
        return f"add {kind}"
    pairs = sketch.additions() if change == "add_connection" else []
    if pairs:
        sketch.wire(*rng.choice(pairs))
        return "add connection"
    if change == "toggle":
        connection = sketch.wires[rng.choice(sorted(sketch.wires))]
        sketch.switch(connection, not connection.enabled)
        return "toggle"
    if change == "remove" and len(sketch.nodes) > 1:
        node = rng.choice(sorted(sketch.nodes))
        kind = sketch.nodes[node].kind
        sketch.remove(node)
        return f"remove {kind}"
    return None


def crossover(
    fitter: Genome,
    other: Genome,
    rng: random.Random,
    *,
    rates: Rates | None = None,
    valid: Callable[[Genome], Expressed] = express,
) -> Genome:
    """A child: matching genes of either parent at random, all others of the fitter.

    A connection that is disabled in one parent stays disabled with 75 %; one that is disabled in both stays so (NEAT
    draws there too; then the crossover of equal parents would not be the identity). A child that is not valid gets the
    fitter's switches, then the fitter's attributes too.
    """
    rates = rates or Rates()
    nodes = {n.node: n for n in other.nodes}
    wires = {c.innovation: c for c in other.connections}
    mixed = tuple(
        nodes[n.node] if n.node in nodes and nodes[n.node].kind == n.kind and rng.random() < 0.5 else n
        for n in fitter.nodes
    )
    connections: list[Any] = []
    for c in fitter.connections:
        twin = wires.get(c.innovation, c)
        enabled = c.enabled if c.enabled == twin.enabled else rng.random() < rates.reenable
        connections.append(replace(c, enabled=enabled))
    for child in (Genome(mixed, tuple(connections)), Genome(mixed, fitter.connections)):
        if _is_valid(child, valid):
            return child
    return fitter


def distance(one: Genome, other: Genome, weights: Weights | None = None) -> float:
    """Compatibility distance: genes that stand in one genome alone, and how far matching ones are apart.

    A pseudo-metric: non-negative, symmetric, 0 for equal genomes, and the triangle inequality holds, as every gene adds
    a metric of its own (missing, or there with its settings). What differs from NEAT for that: excess and disjoint
    genes weigh alike (as in its published settings), nothing is divided by the genome's size (NEAT leaves that out for
    fewer than 20 genes), and differences of matching genes are added up where NEAT takes their mean.
    """
    weights = weights or Weights()
    mine = {c.innovation: c.enabled for c in one.connections}
    theirs = {c.innovation: c.enabled for c in other.connections}
    nodes = {n.node: n for n in one.nodes}
    others = {n.node: n for n in other.nodes}
    alone = len(mine.keys() ^ theirs.keys()) + len(nodes.keys() ^ others.keys())
    switched = sum(mine[i] != theirs[i] for i in mine.keys() & theirs.keys())
    apart = sum(
        difference(nodes[i].kind, nodes[i].attributes, others[i].attributes)
        for i in sorted(nodes.keys() & others.keys())
    )
    return weights.genes * alone + weights.switches * switched + weights.attributes * apart


def _is_valid(genome: Genome, valid: Callable[[Genome], Expressed]) -> bool:
    if len(genome.nodes) > _MOST_GENES:
        return False
    try:
        valid(genome)
    except InvalidGenome:
        return False
    return True

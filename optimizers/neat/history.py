"""What a search leaves behind for a report: the family tree, the species over time, every graph that was scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import dspy

from ...modules.graph import Graph
from .drawing import draw, draw_species
from .evaluating import Record, rate_of
from .evolution import Generation, Individual
from .family_drawing import draw_family
from .spaces import Space


def report(history: Sequence[Generation], archive: Mapping[str, Record], space: Space) -> dict[str, Any]:
    """A search as plain JSON data.

    Args:
        history: Its generations.
        archive: Its expressed genomes by digest.
        space: Its genomes' space.

    Returns:
        `generations` (number, threshold, size of each species, individuals with number, parents, origin, species,
        fitness, digest and genome) and `graphs` (digest to text, nodes, most calls, rate in the search and runs).
    """
    return {
        "generations": [_generation(g, space) for g in history],
        "graphs": {
            digest: {
                "graph": record.expressed.wiring.text,
                "nodes": record.expressed.size,
                "most_calls": record.expressed.most_calls,
                "search_rate": rate_of(record),
                "runs": len(record.scores.items) if record.scores else 0,
            }
            for digest, record in archive.items()
        },
    }


def champion(history: Sequence[Generation], ranked: Sequence[Record], space: Space) -> Individual | None:
    """The last individual that expresses to the best graph of the generations that were told; None where none was.

    A graph that was first scored in a generation which the budget cut short stands in no family tree.
    """
    told = {space.express(one.genome).digest: one for generation in history for one in generation.individuals}
    return next((told[r.expressed.digest] for r in ranked if r.expressed.digest in told), None)


def drawings(
    history: Sequence[Generation], ranked: Sequence[Record], space: Space, found: dspy.Module
) -> dict[str, str]:
    """Title to SVG text: the graph that was found, the family tree, the species over time.

    Args:
        history: The search's generations.
        ranked: Its expressed genomes, the best first, as its finalists are taken.
        space: Its genomes' space.
        found: The program that it returned; only a `Graph` is drawn.
    """
    made: dict[str, str] = {}
    if isinstance(found, Graph):
        made["The graph that was found"] = draw(found)
    best = champion(history, ranked, space)
    if best is not None:
        title = "Family tree: every genome by generation; the ancestors of the search's best are joined"
        made[title] = draw_family(history, best.number)
        made["Species over time"] = draw_species(history)
    return made


def _generation(generation: Generation, space: Space) -> dict[str, Any]:
    rows = zip(generation.individuals, generation.fitness, generation.species, strict=True)
    return {
        "number": generation.number,
        "threshold": generation.threshold,
        "species": {str(s): n for s, n in sorted(Counter(generation.species).items())},
        "individuals": [
            {
                "number": one.number,
                "parents": list(one.parents),
                "origin": one.origin,
                "species": species,
                "fitness": fitness,
                "digest": space.express(one.genome).digest,
                "genome": space.to_json(one.genome),
            }
            for one, fitness, species in rows
        ],
    }

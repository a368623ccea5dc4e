"""Expression: which graph a genome stands for, whatever its genes, and the canonical hash of that graph."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from ...errors import UsageError
from ...modules.wiring import MENDERS, MOST_NODES, Kind, Port, WiredNode, Wiring, binds
from .attributes import USED, Attributes, plain
from .genome import Genome, NodeGene, reachable
from .innovations import OUTPUT, TASK

WRITTEN_DRAFTS = 3
"""Model calls of a `write_tests` node."""
GUIDED_ANSWERS = 6
"""What a `guided` node counts as among whole answers: its calls are of a line each, its tokens those of several."""

_CALLS: Mapping[Kind, int] = {"plan": 1, "write_tests": WRITTEN_DRAFTS, "guided": GUIDED_ANSWERS}

Style = Literal["own", "paper"]


class InvalidGenome(UsageError):
    """A genome expresses to no program within its limits; operators never let one out."""


@dataclass(frozen=True, slots=True)
class Expressed:
    """The live part of a genome in canonical form: equal for genomes that behave alike.

    Attributes:
        wiring: The graph.
        attributes: Of each node in order, those that its kind does not use at their defaults.
        keep: What mending nodes give back, see `modules.graph.Mend`.
        style: Whose prompts are used.
    """

    wiring: Wiring
    attributes: tuple[Attributes, ...]
    keep: Literal["best", "last"] = "best"
    style: Style = "own"

    @property
    def size(self) -> int:
        """How many nodes are live."""
        return len(self.wiring.nodes)

    @property
    def most_calls(self) -> int:
        """Most model calls that one task can cost; a guided draft counts as `GUIDED_ANSWERS` of them."""
        total = 0
        for node, own in zip(self.wiring.nodes, self.attributes, strict=True):
            if node.kind in MENDERS:
                total += own.iterations * (2 if "note" in node.takes else 1)
            elif node.kind == "generate":
                total += own.samples
            else:
                total += _CALLS.get(node.kind, 0)
        return total

    @property
    def loops(self) -> int:
        """Iterations of all mending nodes together."""
        pairs = zip(self.wiring.nodes, self.attributes, strict=True)
        return sum(own.iterations for node, own in pairs if node.kind in MENDERS)

    @property
    def digest(self) -> str:
        """Canonical hash: neutral genomes share it, and with it their evaluations."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """The expressed graph as plain JSON data."""
        return {
            "wiring": self.wiring.to_plain(),
            "attributes": [plain(a) for a in self.attributes],
            "keep": self.keep,
            "style": self.style,
        }


@lru_cache(maxsize=4096)
def express(genome: Genome, *, most_nodes: int = MOST_NODES, most_calls: int | None = None) -> Expressed:
    """The graph that a genome stands for.

    Rules, which make every set of genes mean one thing: disabled connections are left out; of connections that close a
    circle the older ones stay out; a node whose required ports are not filled is dead, and so is what needs it; a port
    that takes one source takes the newest; what does not bear on the output is dead.

    Args:
        genome: The genome.
        most_nodes: Most live nodes.
        most_calls: Most model calls that one task may cost.

    Raises:
        InvalidGenome: No code reaches the output, or a limit is passed.
    """
    feeds = _acyclic(genome)
    ports = {n.node: genome.port(n.node) for n in genome.nodes}
    chosen: dict[int, dict[Port, tuple[int, ...]]] = {}
    for node in _in_order(genome, feeds):
        picked = _filled(genome, node, feeds.get(node, []), ports, set(chosen))
        if picked is not None:
            chosen[node] = picked
    if OUTPUT not in chosen:
        raise InvalidGenome("no code reaches the output")
    made = _canonical(genome, chosen, chosen[OUTPUT]["code"][0])
    if made.size > most_nodes or (most_calls is not None and made.most_calls > most_calls):
        raise InvalidGenome(f"{made.size} nodes and {made.most_calls} calls pass the limits")
    return made


def _acyclic(genome: Genome) -> dict[int, list[int]]:
    """Node to its sources, the newest first, circles left out."""
    pairs: list[tuple[int, int]] = []
    feeds: dict[int, list[int]] = {}
    for c in reversed(genome.connections):
        if c.enabled and c.source not in reachable(pairs, c.target):
            pairs.append((c.source, c.target))
            feeds.setdefault(c.target, []).append(c.source)
    return feeds


def _in_order(genome: Genome, feeds: dict[int, list[int]]) -> list[int]:
    """Every node after its sources."""
    order: list[int] = []
    done = {TASK}

    def visit(node: int) -> None:
        if node in done:
            return
        done.add(node)
        for source in feeds.get(node, []):
            visit(source)
        order.append(node)

    for node in [*(n.node for n in genome.nodes), OUTPUT]:
        visit(node)
    return order


def _filled(
    genome: Genome, node: int, sources: list[int], ports: dict[int, Any], alive: set[int]
) -> dict[Port, tuple[int, ...]] | None:
    """The sources that a node's ports take among those alive; None where a required one stays empty."""
    picked: dict[Port, tuple[int, ...]] = {}
    for port, intake in genome.intakes(node).items():
        if port == "task":
            found = [s for s in sources if s == TASK]
        else:
            found = [s for s in sources if s in alive and ports.get(s) == port]
        if len(found) < intake.least:
            return None
        picked[port] = tuple(found if intake.many else found[:1])
    return picked


def _canonical(genome: Genome, chosen: dict[int, dict[Port, tuple[int, ...]]], root: int) -> Expressed:
    """Number the nodes that bear on the output by what they are, not by their ids; smaller branches come first."""
    genes = {n.node: n for n in genome.nodes}
    texts: dict[int, str] = {}
    pairs = _pairs(chosen, genes)

    def binding(node: int) -> list[tuple[Port, tuple[int, ...]]]:
        kind = genes[node].kind
        return [
            (port, tuple(sorted(sources, key=text)))
            for port, sources in sorted(chosen[node].items())
            if sources and binds(kind, port)
        ]

    def text(node: int) -> str:
        if node not in texts:
            gene = genes[node]
            inner = [[port, [text(s) for s in sources]] for port, sources in binding(node)]
            own = [getattr(gene.attributes, name) for name in USED[gene.kind]]
            content = json.dumps([gene.kind, own, inner])
            size = len(reachable(pairs, node))
            texts[node] = f"{size:03d}{hashlib.sha256(content.encode()).hexdigest()}"
        return texts[node]

    numbers: dict[int, int] = {}
    nodes: list[WiredNode] = []
    attributes: list[Attributes] = []

    def place(node: int) -> int:
        if node not in numbers:
            takes: dict[Port, tuple[int, ...]] = {
                port: tuple(place(s) for s in sources) for port, sources in binding(node)
            }
            gene = genes[node]
            nodes.append(WiredNode(gene.kind, takes))
            attributes.append(gene.attributes.used(gene.kind))
            numbers[node] = len(nodes)
        return numbers[node]

    live = len(reachable(pairs, root))
    if live > MOST_NODES:
        raise InvalidGenome(f"{live} live nodes, more than a graph may have")
    output = place(root)
    return Expressed(Wiring(tuple(nodes), output), tuple(attributes))


def _pairs(
    chosen: dict[int, dict[Port, tuple[int, ...]]], genes: dict[int, NodeGene]
) -> list[tuple[int, int]]:
    """Each node with each node that it depends on."""
    return [
        (node, source)
        for node, ports in chosen.items()
        if node in genes
        for port, sources in ports.items()
        if binds(genes[node].kind, port)
        for source in sources
    ]

"""A genome under change: what mutations build on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from ...modules.wiring import MENDERS, PORTS, Kind, Port
from .attributes import Attributes
from .genome import ConnectionGene, Genome, NodeGene, reachable
from .innovations import OUTPUT, TASK, Innovations

Making = tuple[ConnectionGene, Kind]
"""A connection gene and the kind of node that can be put on it."""


class Sketch:
    """Genes that can be added to and switched; `genome` makes them a genome again.

    Args:
        genome: Where it starts.
        innovations: Gives numbers.
        rng: Source of chance.
        models: Models for new nodes.
    """

    def __init__(
        self, genome: Genome, innovations: Innovations, rng: random.Random, models: Sequence[str]
    ) -> None:
        self.start, self.numbers, self.rng, self.models = genome, innovations, rng, models
        self.nodes = {n.node: n for n in genome.nodes}
        self.wires = {c.innovation: c for c in genome.connections}

    def genome(self) -> Genome:
        """What was made."""
        return Genome(tuple(self.nodes.values()), tuple(self.wires.values()))

    def enabled(self) -> list[ConnectionGene]:
        """Enabled connections by innovation."""
        return [c for _, c in sorted(self.wires.items()) if c.enabled]

    def downstream(self, node: int) -> set[int]:
        """The node and everything that enabled connections lead to from it."""
        return reachable([(c.source, c.target) for c in self.enabled()], node)

    def switch(self, connection: ConnectionGene, on: bool) -> None:
        """Enable or disable a connection; one that is enabled takes a single port for itself."""
        if on:
            self._clear(connection.source, connection.target)
        self.wires[connection.innovation] = replace(connection, enabled=on)

    def wire(self, source: int, target: int) -> None:
        """Connect two nodes, or enable their connection."""
        self._clear(source, target)
        number = self.numbers.connection(source, target)
        self.wires[number] = ConnectionGene(number, source, target)

    def makings(self, kinds: Sequence[Kind]) -> list[Making]:
        """Which kinds of nodes can be put on which enabled connection."""
        found: list[Making] = []
        for c in self.enabled():
            gives, target = self.start.port(c.source), self.start.kind(c.target)
            fitting: list[Kind] = []
            if gives == "task" and target == "generate":
                fitting = ["plan"]
            elif gives == "code" and target == "execute":
                fitting = ["write_tests"]
            elif gives == "result" and target == "refine":
                fitting = ["critique"]
            elif gives == "code" and (c.target == OUTPUT or target in (*MENDERS, "select")):
                drafts: list[Kind] = ["generate", "guided"] if target == "select" else ["guided"]
                fitting = [*MENDERS, "select", *drafts]
            for kind in fitting:
                if kind in kinds:
                    found.append((c, kind))
        return found

    def insert(self, connection: ConnectionGene, kind: Kind) -> None:
        """Put a node of the kind on a connection a → b, with what its required ports need.

        The connection is disabled where the new node's output takes its place in b, as in NEAT (a guided draft takes
        the place of other code without taking it in); it stays where b needs both (a plan, a note, tests, a further
        candidate stand beside it).
        """
        a, b = connection.source, connection.target
        new = self._add(kind, "split", connection.innovation)
        if kind in (*MENDERS, "select"):
            self.switch(connection, False)
            executors = self._others("execute", b)
            candidates = [n for n in self._coders(b) if n not in (a, new)]
            self.wire(a, new)
            if kind == "select":
                other = (
                    self.rng.choice(candidates)
                    if candidates and self.rng.random() < 0.5
                    else self._companion(new, "generate", TASK)
                )
                self.wire(other, new)
            else:
                executor = self.rng.choice(executors) if executors else self._companion(new, "execute", a)
                self.wire(executor, new)
            self.wire(new, b)
        elif kind == "critique":
            codes = [c.source for c in self.enabled() if c.target == b and self._gives_code(c.source)]
            for source in (*codes[-1:], a):
                self.wire(source, new)
            self.wire(new, b)
        else:
            self.wire(TASK, new)
            self.wire(new, b)

    def remove(self, node: int) -> None:
        """Take a node out with its connections; what it fed with code is fed by what fed it.

        Its numbers stay in the registry: should it come again, it is the same gene.
        """
        into = [c.source for c in self.enabled() if c.target == node and self._gives_code(c.source)]
        onto = [c.target for c in self.enabled() if c.source == node and self._gives_code(node)]
        self.wires = {i: c for i, c in self.wires.items() if node not in (c.source, c.target)}
        del self.nodes[node]
        for target in onto if into else ():
            if into[0] != target:
                self.wire(into[0], target)

    def additions(self) -> list[tuple[int, int]]:
        """Pairs of nodes that could be connected: of one type, not connected yet, closing no circle."""
        known = {(c.source, c.target) for c in self.wires.values()}
        pairs: list[tuple[int, int]] = []
        for target in (*sorted(self.nodes), OUTPUT):
            beyond = self.downstream(target)
            for source in sorted(self.nodes):
                port = self.start.port(source)
                if source in beyond or (source, target) in known:
                    continue
                if port in self.start.intakes(target):
                    pairs.append((source, target))
        return pairs

    def _clear(self, source: int, target: int) -> None:
        """Disable what else stands at a port that takes one source."""
        port = self._port(source)
        if target != OUTPUT and PORTS[self.nodes[target].kind].takes[port].many:
            return
        for number, c in self.wires.items():
            if c.target == target and c.source != source and self._port(c.source) == port:
                self.wires[number] = replace(c, enabled=False)

    def _add(self, kind: Kind, how: str, at: int) -> int:
        again = 0
        while (new := self.numbers.node(how, at, kind, again)) in self.nodes:
            again += 1
        self.nodes[new] = NodeGene(new, kind, fresh(kind, self.models, self.rng))
        return new

    def _companion(self, of: int, kind: Kind, source: int) -> int:
        made = self._add(kind, "beside", of)
        self.wire(source, made)
        return made

    def _others(self, kind: Kind, before: int) -> list[int]:
        """Nodes of the kind that do not depend on `before`."""
        beyond = self.downstream(before)
        return [n for n, gene in sorted(self.nodes.items()) if gene.kind == kind and n not in beyond]

    def _coders(self, before: int) -> list[int]:
        beyond = self.downstream(before)
        return [n for n in sorted(self.nodes) if self._gives_code(n) and n not in beyond]

    def _gives_code(self, node: int) -> bool:
        return node in self.nodes and PORTS[self.nodes[node].kind].gives == "code"

    def _port(self, node: int) -> Port:
        return "task" if node == TASK else PORTS[self.nodes[node].kind].gives


def fresh(kind: Kind, models: Sequence[str], rng: random.Random) -> Attributes:
    """Attributes of a new node: a model and a temperature by chance, the rest at its least."""
    spans = {"generate": (0.2, 0.8), "escalate": (0.2, 0.8), "guided": (0.6, 1.0)}
    low, high = spans.get(kind, (0.1, 0.4))
    made = Attributes(
        model=rng.choice(list(models)) if models else "", temperature=round(rng.uniform(low, high), 3)
    )
    return made.used(kind)

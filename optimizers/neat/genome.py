"""The genome: node genes and connection genes with historical innovation numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ...errors import UsageError
from ...modules.wiring import PORTS, Intake, Kind, Port
from .attributes import Attributes
from .innovations import FIRST, OUTPUT, TASK, Innovations


@dataclass(frozen=True, slots=True)
class NodeGene:
    """A stage.

    Attributes:
        node: Its id, the same in every genome in which the same change made it.
        kind: What it does.
        attributes: Its settings.
    """

    node: int
    kind: Kind
    attributes: Attributes = field(default_factory=Attributes)


@dataclass(frozen=True, slots=True)
class ConnectionGene:
    """A connection; the port that it fills follows from what its source gives.

    Attributes:
        innovation: Its historical number.
        source: Id of the node whose output flows along it.
        target: Id of the node that takes it.
        enabled: Whether it is expressed.
    """

    innovation: int
    source: int
    target: int
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Genome:
    """Nodes by id, connections by innovation number. Task and output are in every genome and stand in none.

    Raises:
        UsageError: Two genes share a number, or a connection leads nowhere or between ports of different types.

    Example:
        >>> genome = minimal(Innovations())
        >>> [node.kind for node in genome.nodes], len(genome.connections)
        (['generate'], 2)
    """

    nodes: tuple[NodeGene, ...]
    connections: tuple[ConnectionGene, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(sorted(self.nodes, key=lambda n: n.node)))
        object.__setattr__(self, "connections", tuple(sorted(self.connections, key=lambda c: c.innovation)))
        if len({n.node for n in self.nodes}) != len(self.nodes):
            raise UsageError("two node genes share an id")
        pairs = {(c.source, c.target) for c in self.connections}
        if len({c.innovation for c in self.connections}) != len(self.connections) or len(pairs) != len(
            self.connections
        ):
            raise UsageError("two connection genes share an innovation number or both ends")
        for c in self.connections:
            if self.port(c.source) not in self.intakes(c.target):
                raise UsageError(f"the connection {c.source} → {c.target} joins no ports of one type")

    def kind(self, node: int) -> Kind | None:
        """A node's kind; None for the task, the output and what is not there."""
        return next((n.kind for n in self.nodes if n.node == node), None)

    def port(self, node: int) -> Port | None:
        """What a node gives; None for the output and what is not there."""
        if node == TASK:
            return "task"
        kind = self.kind(node)
        return PORTS[kind].gives if kind else None

    def intakes(self, node: int) -> dict[Port, Intake]:
        """What a node takes."""
        if node == OUTPUT:
            return {"code": Intake(1)}
        kind = self.kind(node)
        return dict(PORTS[kind].takes) if kind else {}

    def to_json(self) -> dict[str, Any]:
        """The genome as plain JSON data."""
        return {
            "nodes": [
                {"node": n.node, "kind": n.kind, "attributes": n.attributes.to_json()} for n in self.nodes
            ],
            "connections": [[c.innovation, c.source, c.target, c.enabled] for c in self.connections],
        }


def minimal(innovations: Innovations, attributes: Attributes | None = None) -> Genome:
    """The genome that a search starts from: one draft, which is the output."""
    first = NodeGene(FIRST, "generate", attributes or Attributes())
    ends = [(TASK, FIRST), (FIRST, OUTPUT)]
    return Genome((first,), tuple(ConnectionGene(innovations.connection(a, b), a, b) for a, b in ends))


def reachable(pairs: Iterable[tuple[int, int]], start: int) -> set[int]:
    """The nodes that connections lead to from `start`, itself included."""
    table: dict[int, list[int]] = {}
    for source, target in pairs:
        table.setdefault(source, []).append(target)
    found, todo = {start}, [start]
    while todo:
        for target in table.get(todo.pop(), ()):
            if target not in found:
                found.add(target)
                todo.append(target)
    return found

"""Which stage feeds which: typed ports, and a graph of stages as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from ..errors import ProgramError

Kind = Literal[
    "plan",
    "generate",
    "write_tests",
    "execute",
    "critique",
    "refine",
    "route",
    "escalate",
    "select",
    "guided",
]
Port = Literal["task", "plan", "tests", "code", "result", "note"]
"""What flows along a connection, named for the port that takes it."""

KINDS: tuple[Kind, ...] = get_args(Kind)
DEFAULT_KINDS: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "guided")
"""Without execution-guided drafts, which are used only where they are asked for: see the notice in `modules.guided`."""
DRAFTING: tuple[Kind, ...] = ("generate", "guided")
MENDERS: tuple[Kind, ...] = ("refine", "route", "escalate")
MOST_NODES = 8


@dataclass(frozen=True, slots=True)
class Intake:
    """How many sources a port takes.

    Attributes:
        least: Fewest, 0 for an optional port.
        many: Whether it takes more than that; else one at most.
    """

    least: int
    many: bool = False


@dataclass(frozen=True, slots=True)
class Ports:
    """What a kind of node takes and gives."""

    takes: Mapping[Port, Intake]
    gives: Port


_ONE, _MAYBE = Intake(1), Intake(0)

PORTS: Mapping[Kind, Ports] = {
    "plan": Ports({"task": _ONE}, "plan"),
    "generate": Ports({"task": _ONE, "plan": _MAYBE}, "code"),
    "write_tests": Ports({"task": _ONE}, "tests"),
    "execute": Ports({"code": Intake(1, many=True), "tests": _MAYBE}, "result"),
    "critique": Ports({"code": _ONE, "result": _ONE}, "note"),
    "refine": Ports({"code": _ONE, "result": _ONE, "note": _MAYBE}, "code"),
    "route": Ports({"code": _ONE, "result": _ONE}, "code"),
    "escalate": Ports({"code": _ONE, "result": _ONE}, "code"),
    "select": Ports({"code": Intake(2, many=True), "result": _MAYBE}, "code"),
    "guided": Ports({"task": _ONE}, "code"),
}


def binds(kind: Kind, port: Port) -> bool:
    """Whether what stands at a port changes what the program does.

    Every node sees the task. An `execute` or `critique` works on the code of whoever asks it, round after round of a
    loop: its own code and result ports place it in the graph and bind nothing.
    """
    if port == "task":
        return False
    return not (kind == "critique" or (kind == "execute" and port == "code"))


@dataclass(frozen=True, slots=True)
class WiredNode:
    """One node with its binding inputs.

    Attributes:
        kind: What it does.
        takes: Port to the numbers of the nodes that feed it, each smaller than the node's own.
    """

    kind: Kind
    takes: Mapping[Port, tuple[int, ...]] = field(default_factory=dict[Port, tuple[int, ...]])


@dataclass(frozen=True, slots=True)
class Wiring:
    """A graph of stages; the nodes are numbered from 1 in an order in which they can be run.

    Attributes:
        nodes: The nodes.
        output: Number of the node whose code is the program's.

    Raises:
        ProgramError: A node takes what does not exist, comes later or has another type; a required port is empty; the
            output is no code; there are no nodes or more than `MOST_NODES`.

    Example:
        >>> simple_loop().names
        ('generate', 'execute', 'refine')
    """

    nodes: tuple[WiredNode, ...]
    output: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.nodes) <= MOST_NODES:
            raise ProgramError(f"a graph has 1 to {MOST_NODES} nodes, not {len(self.nodes)}")
        for number, node in enumerate(self.nodes, 1):
            self._check(number, node)
        if not 1 <= self.output <= len(self.nodes) or PORTS[self.nodes[self.output - 1].kind].gives != "code":
            raise ProgramError(f"the output of a graph is a node that gives code, not node {self.output}")

    def _check(self, number: int, node: WiredNode) -> None:
        if node.kind not in PORTS:
            raise ProgramError(f"node {number} is of the unknown kind {node.kind!r}")
        takes = PORTS[node.kind].takes
        for port, sources in node.takes.items():
            if port not in takes or not binds(node.kind, port):
                raise ProgramError(f"node {number}, {node.kind}, has no port {port!r}")
            if len(set(sources)) != len(sources) or (len(sources) > 1 and not takes[port].many):
                raise ProgramError(f"port {port} of node {number} takes one source, not {list(sources)}")
            for source in sources:
                if not 1 <= source < number or PORTS[self.nodes[source - 1].kind].gives != port:
                    raise ProgramError(f"port {port} of node {number} cannot take node {source}")
        for port, intake in takes.items():
            if binds(node.kind, port) and len(node.takes.get(port, ())) < intake.least:
                raise ProgramError(
                    f"port {port} of node {number}, {node.kind}, needs {intake.least} source(s)"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """A name per node: its kind, and its number among its kind from the second on.

        Names go into seeds: the first draft of a large graph is the draw that the simple loop makes.
        """
        kinds = [node.kind for node in self.nodes]
        counts = [kinds[: i + 1].count(kind) for i, kind in enumerate(kinds)]
        return tuple(f"{k}_{n}" if n > 1 else k for k, n in zip(kinds, counts, strict=True))

    @property
    def text(self) -> str:
        """The graph in one line, from the output backwards; a node that stands in it again is named alone.

        Example:
            >>> simple_loop().text
            'refine(generate, execute)'
        """
        seen: set[int] = set()

        def told(number: int) -> str:
            sources = [s for taken in self.nodes[number - 1].takes.values() for s in taken]
            name = self.names[number - 1]
            if number in seen or not sources:
                return name
            seen.add(number)
            return f"{name}({', '.join(map(told, sources))})"

        return told(self.output)

    def to_plain(self) -> dict[str, Any]:
        """The wiring as plain JSON data."""
        nodes = [{"kind": n.kind, "takes": {p: list(s) for p, s in n.takes.items()}} for n in self.nodes]
        return {"nodes": nodes, "output": self.output}

    @classmethod
    def from_plain(cls, data: Any) -> Wiring:
        """Read what `to_plain` wrote.

        Raises:
            ProgramError: It is no wiring.
        """
        try:
            nodes = tuple(
                WiredNode(n["kind"], {cast("Port", p): tuple(map(int, s)) for p, s in n["takes"].items()})
                for n in data["nodes"]
            )
            return cls(nodes, int(data["output"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ProgramError(f"these data are no wiring of a graph: {error}") from error


def simple_loop() -> Wiring:
    """Generate, execute, refine."""
    return Wiring(
        (WiredNode("generate"), WiredNode("execute"), WiredNode("refine", {"code": (1,), "result": (2,)})), 3
    )

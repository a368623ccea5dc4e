"""Historical numbers: the same structural change has the same number for as long as a search lives."""

from __future__ import annotations

from typing import Any

TASK, OUTPUT, FIRST = 0, 1, 2
"""Ids of the nodes that every genome has: the task, the program's output, and the first draft."""


class Innovations:
    """Gives ids to nodes and innovation numbers to connections, by what they are and not by when they came up.

    Numbers are kept for the whole run: numbers per generation, as in the first description of NEAT, waste matches in
    small populations. The registry depends on the order of requests alone, so a run that is replayed numbers alike.

    Example:
        >>> numbers = Innovations()
        >>> numbers.connection(0, 2) == numbers.connection(0, 2) != numbers.connection(2, 1)
        True
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[Any, ...], int] = {}
        self._connections: dict[tuple[int, int], int] = {}

    def node(self, *change: Any) -> int:
        """The id of the node that a structural change makes.

        Args:
            *change: What names the change: how it came about, at which gene, the new node's kind, and its number
                where one genome makes the same change again.
        """
        return self._nodes.setdefault(change, FIRST + 1 + len(self._nodes))

    def connection(self, source: int, target: int) -> int:
        """The innovation number of a connection, from 0."""
        return self._connections.setdefault((source, target), len(self._connections))

"""Graphs of the paper's search on a simulated world: who passes, how many calls it takes, and the true score."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import UsageError
from ..optimizers.neat.expressing import Expressed
from .error_process import uniform
from .simulated_program import SimulatedWorld


class WorldOfGraphs:
    """A truth (see `simulated_search`) in a `SimulatedWorld`: drafts and mends pass with its chances.

    Equal calls draw the same and are counted once, as with stored answers. An analyser's note is a call and changes
    nothing, prompts make other calls and change no chance: both are assumptions.

    Args:
        world: The world; the search's tasks are named as its own.
        seed: Of the draws.

    Attributes:
        calls: Model calls that were made.
    """

    def __init__(self, world: SimulatedWorld, seed: int) -> None:
        self._world, self._seed = world, seed
        self._made: set[int] = set()

    @property
    def calls(self) -> int:
        """Model calls that were made, equal ones once."""
        return len(self._made)

    def __call__(self, graph: Expressed) -> Callable[[str, int], bool]:
        """What solves what."""
        steps = list(_steps(graph))

        def solves(task: str, replicate: int) -> bool:
            write, mend = self._world.eases[task]
            path: list[object] = [self._seed, task, replicate]
            for kind, model, temperature, prompt in steps:
                path += [kind, model, temperature, prompt]
                chance = self._chance(kind, model, temperature, write if kind == "generate" else mend)
                self._made.add(hash(tuple(path)))
                if kind != "critique" and uniform(*path) < chance:
                    return True
            return False

        return solves

    def rate(self, graph: Expressed) -> float:
        """The true score: the mean chance over the world's population of tasks."""
        total = 0.0
        for write, mend in self._world.population:
            fails = 1.0
            for kind, model, temperature, _ in _steps(graph):
                fails *= 1 - self._chance(kind, model, temperature, write if kind == "generate" else mend)
            total += 1 - fails
        return total / len(self._world.population)

    def _chance(self, kind: str, model: str, temperature: float, ease: float) -> float:
        if kind == "critique":
            return 0.0
        chance = self._world.write_chance if kind == "generate" else self._world.mend_chance
        return chance(model, temperature, ease)


def _steps(graph: Expressed) -> Iterator[tuple[str, str, float, int]]:
    """(kind, model, temperature, prompt) of the calls that a graph makes while nothing passes, in their order."""
    nodes = graph.wiring.nodes
    for node, own in zip(nodes, graph.attributes, strict=True):
        if node.kind == "generate":
            yield "generate", own.model, own.temperature, own.prompt
        elif node.kind == "refine":
            notes = [graph.attributes[number - 1] for number in node.takes.get("note", ())]
            for _ in range(own.iterations):
                for note in notes:
                    yield "critique", note.model, note.temperature, note.prompt
                yield "refine", own.model, own.temperature, own.prompt
        elif node.kind not in ("execute", "critique"):
            raise UsageError(f"a simulated world knows the paper's stages, not {node.kind!r}")

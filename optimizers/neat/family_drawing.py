"""The family tree of a search as SVG text: every genome by generation, the best one's ancestors joined."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .drawing import hue, svg
from .evolution import Generation, Individual

_STEP_X, _STEP_Y, _EDGE, _HEAD = 46.0, 15.0, 24.0, 26.0

_OWN = """<style>
circle { stroke: var(--box); stroke-width: 1; }
circle.line { stroke: var(--ink); stroke-width: 2; }
path.faint { stroke: var(--soft); stroke-width: .7; opacity: .35; }
path.line { stroke: var(--ink); stroke-width: 1.6; }
</style>"""


def draw_family(history: Sequence[Generation], number: int) -> str:
    """The family tree: a column per generation, a dot per genome in its species' colour, the fittest on top.

    Faint lines lead to every genome's parents, dark ones along the ancestors of the individual `number`.

    Args:
        history: What `NeatSearch.history` holds.
        number: The individual whose ancestors are joined.
    """
    places: dict[int, tuple[float, float]] = {}
    known: dict[int, Individual] = {}
    dots: list[tuple[Individual, int, float]] = []
    for generation in history:
        rows = zip(generation.individuals, generation.species, generation.fitness, strict=True)
        ordered = sorted(rows, key=lambda row: (-row[2], row[0].number))
        for row, (one, species, fitness) in enumerate(ordered):
            places[one.number] = (_EDGE + generation.number * _STEP_X, _HEAD + _EDGE + row * _STEP_Y)
            known[one.number] = one
            dots.append((one, species, fitness))
    ancestors = _ancestors(known, number)
    lines: list[str] = []
    for faint in (True, False):
        for one, _, _ in dots:
            for parent in one.parents:
                joined = one.number in ancestors and parent in ancestors
                if parent in places and joined is not faint:
                    lines.append(_line(places[parent], places[one.number], "faint" if faint else "line"))
    marks = [
        f'<circle cx="{places[one.number][0]:g}" cy="{places[one.number][1]:g}" r="4.5"'
        f' style="fill:hsl({hue(species)} 60% 52%)"{_mark(one, ancestors)}>'
        f"<title>{escape(f'#{one.number}: {one.origin}, fitness {fitness:.3f}, species {species}')}</title></circle>"
        for one, species, fitness in dots
    ]
    width = max(300.0, 2 * _EDGE + max(len(history) - 1, 0) * _STEP_X)
    tallest = max((len(g.individuals) for g in history), default=0)
    height = _HEAD + 2 * _EDGE + max(tallest - 1, 0) * _STEP_Y
    said = f"{len(history)} generations; the fittest on top, a colour per species"
    head = f'<text x="{_EDGE:g}" y="{_EDGE:g}" class="small">{said}</text>'
    return svg(width, height, "Family tree", [_OWN, head, *lines, *marks])


def _ancestors(known: dict[int, Individual], number: int) -> set[int]:
    found: set[int] = set()
    todo = [number]
    while todo:
        one = todo.pop()
        if one in known and one not in found:
            found.add(one)
            todo += known[one].parents
    return found


def _mark(one: Individual, ancestors: set[int]) -> str:
    return ' class="line"' if one.number in ancestors else ""


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    middle = (start[0] + end[0]) / 2
    return (
        f'<path class="{kind}" d="M{start[0]:g} {start[1]:g} C{middle:g} {start[1]:g} {middle:g} {end[1]:g}'
        f' {end[0]:g} {end[1]:g}"/>'
    )

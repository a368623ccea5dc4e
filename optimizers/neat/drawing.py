"""Drawings as SVG text: a graph, and the species of a search over time. Readable in light and in dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ...modules.graph import Graph
from ...modules.settings import settings, to_plain
from ...modules.wiring import PORTS, WiredNode, Wiring
from .attributes import USED
from .evolution import Generation
from .expressing import Expressed

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _EDGE, _LANE = 168, 58, 64, 26, 20, 12

STYLE = """<style>
svg { --ink: #1f2328; --soft: #6e7781; --box: #f6f8fa; --code: #0a5fc2; --other: #8a5a00; }
@media (prefers-color-scheme: dark) {
svg { --ink: #e6edf3; --soft: #9aa4ae; --box: #1c2128; --code: #6cb6ff; --other: #e0b050; } }
text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.small { font-size: 11px; fill: var(--soft); }
rect { fill: var(--box); stroke: var(--soft); rx: 6px; }
.end { fill: none; stroke-dasharray: 4 3; }
path { fill: none; stroke: var(--other); stroke-width: 1.5; }
path.code { stroke: var(--code); stroke-width: 2; }
path.task { stroke: var(--soft); stroke-dasharray: 2 3; }
</style>"""


def draw(graph: Expressed | Graph) -> str:
    """A graph as SVG: task on the left, program on the right, every node with its settings.

    Code flows along blue lines, plans, tests, results and notes along brown ones, the task along dotted ones.

    Args:
        graph: An expressed genome, or a program that a search found.

    Example:
        >>> from greenloop.modules.graph import Graph
        >>> draw(Graph()).startswith("<svg")
        True
    """
    wiring = graph.wiring if isinstance(graph, Expressed) else graph.parsed_wiring
    columns = _columns(wiring)
    rows: dict[int, list[int]] = {}
    for number, column in enumerate(columns, 1):
        rows.setdefault(column, []).append(number)
    width = 2 * _EDGE + (max(columns) + 2) * (_WIDTH + _GAP_X) - _GAP_X
    tallest = max(map(len, rows.values()))
    height = 2 * _EDGE + tallest * (_HEIGHT + _GAP_Y) - _GAP_Y
    places: dict[int, tuple[float, float]] = {}
    for column, numbers in rows.items():
        top = (height - len(numbers) * (_HEIGHT + _GAP_Y) + _GAP_Y) / 2
        for row, number in enumerate(numbers):
            places[number] = (_EDGE + column * (_WIDTH + _GAP_X), top + row * (_HEIGHT + _GAP_Y))
    task = (float(_EDGE), (height - _HEIGHT) / 2)
    program = (float(_EDGE + (max(columns) + 1) * (_WIDTH + _GAP_X)), (height - _HEIGHT) / 2)
    edges = [
        (places[a], places[b], columns[b - 1] - columns[a - 1], "code" if port == "code" else "")
        for a, b, port in _edges(wiring)
    ]
    edges += [
        (task, places[number], columns[number - 1], "task")
        for number, node in enumerate(wiring.nodes, 1)
        if "task" in PORTS[node.kind].takes
    ]
    edges.append((places[wiring.output], program, max(columns) + 1 - columns[wiring.output - 1], "code"))
    parts: list[str] = []
    lane = float(height)
    for one, other, span, kind in edges:
        parts.append(_path(one, other, kind, lane if span > 1 else None))
        lane += _LANE if span > 1 else 0
    parts += [_box(task, "task", [], "end"), _box(program, "program", [], "end")]
    for number, name in enumerate(wiring.names, 1):
        parts.append(_box(places[number], name.replace("_", " "), _facts(graph, number)))
    return svg(width, lane + _EDGE / 2, f"Graph {wiring.text}", parts)


def draw_species(history: Sequence[Generation]) -> str:
    """The species of a search over time as SVG: one band per species, as high as it has members.

    Args:
        history: What `NeatSearch.history` holds.
    """
    numbers = sorted({s for g in history for s in g.species})
    population = max((len(g.species) for g in history), default=1)
    step, top = max(6.0, min(40.0, 640 / max(len(history), 1))), 200.0
    parts: list[str] = []
    below = [0.0] * len(history)
    for number in numbers:
        counts = [g.species.count(number) for g in history]
        upper = [b + c for b, c in zip(below, counts, strict=True)]
        points = [(i, u) for i, u in enumerate(upper)] + [(i, b) for i, b in reversed(list(enumerate(below)))]
        line = " ".join(f"{_EDGE + i * step:g},{_EDGE + top * (1 - v / population):g}" for i, v in points)
        colour = hue(number)
        born = next(i for i, c in enumerate(counts) if c)
        said = f"species {number}: generation {born} on, {max(counts)} members at most"
        parts.append(
            f'<polygon points="{line}" style="fill:hsl({colour} 60% 55% / .75);stroke:hsl({colour} 60% 45%)">'
            f"<title>{said}</title></polygon>"
        )
        below = upper
    width = 2 * _EDGE + step * max(len(history) - 1, 1)
    parts.append(
        f'<text x="{_EDGE}" y="{_EDGE + top + 20:g}" class="small">'
        f"generations 0 to {max(len(history) - 1, 0)}, {len(numbers)} species</text>"
    )
    return svg(max(width, 260), top + 3 * _EDGE, "Species over time", parts)


def _columns(wiring: Wiring) -> list[int]:
    """The column of each node: one right of the last of its sources."""
    columns: list[int] = []
    pairs = _edges(wiring)
    for number in range(1, len(wiring.nodes) + 1):
        columns.append(1)
        columns[-1] = max([1, *(columns[a - 1] + 1 for a, b, _ in pairs if b == number and a < number)])
    for _ in wiring.nodes:  # what a node is placed behind may be numbered after it
        for a, b, _port in pairs:
            columns[b - 1] = max(columns[b - 1], min(columns[a - 1] + 1, len(wiring.nodes)))
    return columns


def _edges(wiring: Wiring) -> list[tuple[int, int, str]]:
    """What feeds what, also what only places an executing or criticising node."""
    found: dict[tuple[int, int, str], None] = {}
    for number, node in enumerate(wiring.nodes, 1):
        for port, sources in node.takes.items():
            found.update(((s, number, port), None) for s in sources)
        found.update((edge, None) for edge in _placing(wiring, number, node))
    return list(found)


def _placing(wiring: Wiring, number: int, node: WiredNode) -> list[tuple[int, int, str]]:
    """Code goes to the executor that a node asks, code and result to its critic: once, lest circles are drawn."""
    edges: list[tuple[int, int, str]] = []
    codes = node.takes.get("code", ())
    for executor in node.takes.get("result", ()):
        first = next(n for n, w in enumerate(wiring.nodes, 1) if executor in w.takes.get("result", ()))
        if first == number:
            edges += [(c, executor, "code") for c in codes if executor not in _before(wiring, c)]
        for critic in node.takes.get("note", ()):
            edges.append((executor, critic, "result"))
    return edges


def _before(wiring: Wiring, number: int) -> set[int]:
    """Everything that a node depends on."""
    found: set[int] = set()
    todo = [number]
    while todo:
        for sources in wiring.nodes[todo.pop() - 1].takes.values():
            todo += [s for s in sources if s not in found]
            found |= set(sources)
    return found


def _facts(graph: Expressed | Graph, number: int) -> list[str]:
    """A node's settings in at most two short lines: its model, and its numbers."""
    values: dict[str, object] = {}
    if isinstance(graph, Expressed):
        kind, own = graph.wiring.nodes[number - 1].kind, graph.attributes[number - 1]
        values = {name: getattr(own, name) for name in USED[kind]}
    else:
        kind = graph.parsed_wiring.nodes[number - 1].kind
        for path, one in settings(getattr(graph, f"node{number}")).items():
            if (name := path.split(".")[-1]) in USED[kind]:
                values.setdefault(name, to_plain(one.value))
    model = str(values.get("model") or "")
    numbers = [
        f"{word} {values[name]:g}"
        for name, word in (("temperature", "T"), ("iterations", "rounds"), ("samples", "samples"))
        if isinstance(values.get(name), int | float)
    ]
    return [line for line in (model[-26:], ", ".join(numbers)) if line]


def _box(place: tuple[float, float], title: str, facts: list[str], kind: str = "") -> str:
    x, y = place
    first = y + _HEIGHT / 2 + 5 - 8 * len(facts)
    lines = [f'<text x="{x + _WIDTH / 2:g}" y="{first:g}" text-anchor="middle">{escape(title)}</text>']
    lines += [
        f'<text x="{x + _WIDTH / 2:g}" y="{first + 15 * (i + 1):g}" text-anchor="middle" class="small">'
        f"{escape(fact)}</text>"
        for i, fact in enumerate(facts)
    ]
    mark = f' class="{kind}"' if kind else ""
    return f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}"{mark}/>' + "".join(lines)


def _path(one: tuple[float, float], other: tuple[float, float], kind: str, lane: float | None = None) -> str:
    """A line to the next column, or along a lane beneath the boxes where it leads further."""
    x1, y1 = one[0] + _WIDTH, one[1] + _HEIGHT / 2
    x2, y2 = other[0], other[1] + _HEIGHT / 2
    mark = f' class="{kind}"' if kind else ""
    if lane is None:
        bend = (x1 + x2) / 2
        return f'<path{mark} d="M{x1:g} {y1:g} C{bend:g} {y1:g} {bend:g} {y2:g} {x2:g} {y2:g}"/>'
    down, up = x1 + _GAP_X / 2, x2 - _GAP_X / 2
    return (
        f'<path{mark} d="M{x1:g} {y1:g} C{down:g} {y1:g} {down:g} {lane:g} {x1 + _GAP_X:g} {lane:g}'
        f' H{x2 - _GAP_X:g} C{up:g} {lane:g} {up:g} {y2:g} {x2:g} {y2:g}"/>'
    )


def hue(species: int) -> int:
    """The colour of a species, in degrees."""
    return species * 137 % 360


def svg(width: float, height: float, title: str, parts: list[str]) -> str:
    """A drawing from its parts."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
        f' height="{height:g}" role="img"><title>{escape(title)}</title>{STYLE}' + "".join(parts) + "</svg>"
    )

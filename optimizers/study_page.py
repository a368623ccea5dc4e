"""A study as one HTML page that needs no network: what mattered, the path to the best, quality against cost."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import optuna
from pydantic import BaseModel, ConfigDict

from ..errors import UsageError
from ..evals.search_record import Cost, Saved, Step, short_number, short_settings
from .importances import importances, path_to_best
from .recording import saved
from .trials import Tried, tried

_WIDTH, _HEIGHT, _MARGIN = 640, 300, 48

_STYLE = """
:root { --ink: #1f2328; --soft: #6e7781; --line: #d0d7de; --mark: #0a5fc2; --page: #ffffff; }
@media (prefers-color-scheme: dark) {
:root { --ink: #e6edf3; --soft: #9aa4ae; --line: #3d444d; --mark: #6cb6ff; --page: #0d1117; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
       max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.soft { color: var(--soft); } svg { max-width: 100%; } svg text { font: 12px system-ui; fill: var(--soft); }
.bar { background: var(--mark); height: .8rem; display: inline-block; } .wide { overflow-x: auto; }
"""


class StudySummary(BaseModel):
    """What a study's trials say, as data.

    Attributes:
        study: Its name.
        objectives: How many it has.
        configurations: Distinct configurations that were scored on every task.
        importances: Share of each knob in the differences of the search score, lost races among them.
        path: The configurations that became the search's best.
        saved: What stored calls and races saved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    objectives: int
    configurations: int
    importances: dict[str, float]
    path: tuple[Step, ...]
    saved: Saved


def read_study(url: str, name: str) -> optuna.Study:
    """A study of a store, to look at.

    Args:
        url: SQLAlchemy URL of the store.
        name: Name of the study, as evidence and `greenloop tune --json` give it.

    Raises:
        UsageError: The store has no such study; the message names those that it has.
    """
    try:
        storage = optuna.storages.RDBStorage(url)
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        names = ", ".join(optuna.get_all_study_names(url)) or "none"
        raise UsageError(f"the store has no study {name!r}; its studies: {names}") from None


def summary(study: optuna.Study) -> StudySummary:
    """What the study's trials say."""
    paths = _paths(study)
    return StudySummary(
        study=study.study_name,
        objectives=len(study.directions),
        configurations=sum(one.complete for one in tried(study, paths)),
        importances=importances(study, paths),
        path=path_to_best(study, paths),
        saved=saved(study),
    )


def study_page(study: optuna.Study) -> str:
    """The page as HTML.

    Raises:
        UsageError: No trial of the study has finished.
    """
    found = tried(study, _paths(study))
    if not found:
        raise UsageError(f"the study {study.study_name} has no finished trial yet")
    told = summary(study)
    complete = sorted((one for one in found if one.complete), key=lambda one: -one.rate)
    parts = [
        f"<h1>Study {escape(told.study)}</h1>",
        "<p>Scores on this page are the search's own, on the tuned tasks: the best of many is inflated by selection."
        " What is shown of the chosen program stands in its evidence.</p>",
        f"<p>{escape(told.saved.line())}</p>",
        "<h2>What mattered</h2>",
        _shares(told.importances),
        "<h2>The path to the best</h2>",
        _table(
            ["trial", "score", "changed"],
            [
                [str(step.trial), f"{100 * step.score:.0f} %", short_settings(step.changed)]
                for step in told.path
            ],
        ),
        "<h2>Quality against compute, as-if</h2>",
        _scatter([(one, one.cost) for one in complete if one.cost is not None]),
        "<h2>Configurations</h2>",
        _table(
            ["score", "runs", "compute a run", "model s a run", "settings"],
            [_row(one) for one in [*complete, *(one for one in found if not one.complete)]],
        ),
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Study {escape(told.study)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>"
    )


def _paths(study: optuna.Study) -> list[str]:
    trials = study.get_trials(deepcopy=False)
    return list(next((t.params for t in trials if t.params), {}))


def _shares(shares: dict[str, float]) -> str:
    if not shares:
        return '<p class="soft">Too few configurations to say.</p>'
    rows = "".join(
        f'<tr><td>{escape(path)}</td><td class="n">{100 * share:.0f} %</td>'
        f'<td><span class="bar" style="width:{20 * share:.2f}rem"></span></td></tr>'
        for path, share in shares.items()
    )
    return f"<table>{rows}</table>"


def _row(one: Tried) -> list[str]:
    ended = "" if one.complete else " (lost its race)"
    runs = sum(len(outcomes) for outcomes in one.outcomes.values())
    compute = short_number(one.cost.compute) if one.cost else "–"
    seconds = f"{one.cost.seconds:.2f}" if one.cost else "–"
    return [f"{100 * one.rate:.0f} %{ended}", str(runs), compute, seconds, short_settings(one.values)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def _scatter(points: Sequence[tuple[Tried, Cost]]) -> str:
    if not points:
        return '<p class="soft">No configuration was scored on every task.</p>'
    most = max(cost.compute for _, cost in points) or 1.0
    inner = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN

    def mark(one: Tried, cost: Cost) -> str:
        x = _MARGIN + inner[0] * cost.compute / most
        y = _HEIGHT - _MARGIN - inner[1] * one.rate
        told = f"{100 * one.rate:.0f} %, {short_number(cost.compute)}: {short_settings(one.values)}"
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="var(--mark)"><title>{escape(told)}</title></circle>'

    base, right = _HEIGHT - _MARGIN, _WIDTH - _MARGIN
    axes: list[Any] = [
        f'<path d="M{_MARGIN},{_MARGIN} V{base} H{right}" fill="none" stroke="var(--line)"/>',
        f'<text x="{_MARGIN - 8}" y="{_MARGIN + 4}" text-anchor="end">100 %</text>',
        f'<text x="{_MARGIN - 8}" y="{base + 4}" text-anchor="end">0 %</text>',
        f'<text x="{right}" y="{base + 20}" text-anchor="end">{short_number(most)} compute a run</text>',
    ]
    marks = "".join(mark(one, cost) for one, cost in points)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="search score against compute">'
        f"{''.join(axes)}{marks}</svg>"
    )

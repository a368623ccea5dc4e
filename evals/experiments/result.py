"""What an experiment found: figures, comparisons, tables and a verdict in words, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr

from ..figures import Comparison, Figure
from ..scores import Scores
from .pool import ModelCard

EMPTY = "–"
"""What stands in a cell that was not run."""

Cell = str | int | float | None
"""A table's cell; None was not run."""


class RunCost(BaseModel):
    """Mean compute of a run, as if run alone.

    Attributes:
        calls: Model calls.
        tokens_in: Prompt tokens.
        tokens_out: Answer tokens.
        model_seconds: Seconds of model time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: float
    tokens_in: float
    tokens_out: float
    model_seconds: float

    @classmethod
    def of(cls, figure: Figure) -> RunCost:
        """The compute of a figure's runs, for one of them."""
        runs = figure.n * figure.replicates
        return cls(
            calls=figure.model_calls / runs,
            tokens_in=figure.tokens_in / runs,
            tokens_out=figure.tokens_out / runs,
            model_seconds=figure.model_seconds / runs,
        )


class Contrast(Comparison):
    """A comparison inside a family: its verdict rests on the p value adjusted by Holm's method.

    Attributes:
        at: What both sides spend alike: "equal calls" (the same most calls), "equal tokens", "equal parameters ×
            tokens", "equal model seconds"; "unequal …" where that could not be had; empty where they don't.
        family: How many comparisons are in the family.
        note: Why it is to be read with care, where it is.
        spent: What a run of the first and of the second spent, prompt and answer apart.
    """

    at: str = ""
    family: int = 1
    note: str = ""
    spent: tuple[RunCost, RunCost] | None = None

    @property
    def shown(self) -> bool:
        """Whether the difference is shown at the family's level."""
        return (self.p if self.p_adjusted is None else self.p_adjusted) < 1 - self.level

    def line(self) -> str:
        """The comparison in one line for a person."""
        at = f", at {self.at}" if self.at else ""
        note = f" ({self.note})" if self.note else ""
        return f"{super().line()}{at}, in a family of {self.family}{note}{self._spent()}"

    def _spent(self) -> str:
        if self.spent is None:
            return ""
        a, b = self.spent
        return (
            f"; a run spends {a.calls:.1f} against {b.calls:.1f} calls, {a.tokens_in:,.0f} against {b.tokens_in:,.0f}"
            f" prompt and {a.tokens_out:,.0f} against {b.tokens_out:,.0f} answer tokens, {a.model_seconds:.1f} against"
            f" {b.model_seconds:.1f} model s"
        )


class Table(BaseModel):
    """A table of an experiment.

    Attributes:
        title: What it shows.
        columns: The headings, units in them.
        rows: One tuple for each row; None is a cell that was not run.
        kind: "matrix" is a square of counts or rates, as for a heat map; its first column names the rows.
        note: What to read it with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kind: Literal["table", "matrix"] = "table"
    note: str = ""

    def markdown(self) -> str:
        """The table as Markdown."""
        lines = [f"**{self.title}**", "", _row(self.columns), _row(["---"] * len(self.columns))]
        lines += [_row([_cell(value) for value in row]) for row in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else [])])


class Curve(BaseModel):
    """A line in a plot: quality against cost or iterations.

    Attributes:
        name: Its name in the legend.
        x_name: What x is, with its unit.
        y_name: What y is, with its unit.
        points: (x, y, low, high); low and high are the interval of y, None where there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    x_name: str
    y_name: str = "solved, share of tasks"
    points: tuple[tuple[float, float, float | None, float | None], ...]


class Drawing(BaseModel):
    """A drawing in a report; it is shown as an image, so nothing in it can run.

    Attributes:
        title: What it shows.
        svg: SVG text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    svg: str


class ExperimentResult(BaseModel):
    """What an experiment found.

    Attributes:
        experiment: Its name on the command line.
        title: Its title.
        question: What it asks.
        status: "done", or "not run" with what to give in the verdict.
        verdict: What is and is not shown, in words.
        models: The models, with digests and quantisation.
        settings: Everything it was run with: sampling, limits, seeds, the exact stop rule, versions, task digests.
        figures: Arm → its figure.
        comparisons: Paired differences, Holm-adjusted over the whole list.
        tables: Further tables.
        curves: Lines for plots.
        notes: What the figures must be read with.
        drawings: Drawings, shown in HTML only.
        simulated: A simulated model had a part in it.
        paper_faithful: It ran in the paper's set-up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: str
    title: str
    question: str
    status: Literal["done", "not run"]
    verdict: str
    models: tuple[ModelCard, ...] = ()
    settings: dict[str, Any] = {}
    figures: dict[str, Figure] = {}
    comparisons: tuple[Contrast, ...] = ()
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    simulated: bool = False
    paper_faithful: bool = False

    _scores: dict[str, Scores] = PrivateAttr(default_factory=dict[str, Scores])

    @property
    def scores(self) -> Mapping[str, Scores]:
        """Arm → its scores with every attempt, as long as the process lives; not part of the JSON."""
        return self._scores

    def with_scores(self, scores: Mapping[str, Scores]) -> ExperimentResult:
        """The same result, holding these scores."""
        twin = self.model_copy()
        twin._scores = dict(scores)
        return twin

    def to_json(self) -> str:
        """The result as JSON text; `ExperimentResult.model_validate_json` reads it back."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)

    def markdown(self) -> str:
        """The result as a section of Markdown."""
        parts = [f"## {self.title}", self.question, f"**{self.status}: {self.verdict}**"]
        if self.simulated:
            parts.append("**Simulated: these figures say nothing about a real model.**")
        if self.paper_faithful:
            parts.append(
                "Run in the paper's set-up (paper_faithful): not comparable with figures of another set-up."
            )
        if self.figures:
            parts.append(_figures(self.figures))
        if self.comparisons:
            parts.append("\n".join(f"- {c.line()}" for c in self.comparisons))
        parts += [table.markdown() for table in self.tables]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        if self.models:
            parts.append(_models(self.models))
        if self.settings:
            shown = ", ".join(f"{name} {_cell(value)}" for name, value in self.settings.items())
            parts.append(f"Settings: {shown}.")
        return "\n\n".join(parts) + "\n"


def _figures(figures: Mapping[str, Figure]) -> str:
    first = next(iter(figures.values()))
    columns = (
        "program",
        "solved",
        "rate",
        f"{100 * first.level:g} % interval",
        "replicates",
        "calls",
        "prompt tokens",
        "answer tokens",
        "model s",
        "false green",
        "steering",
        "sandbox",
    )
    rows = tuple(
        (
            name,
            f"{round(f.solved, 2):g}/{f.n}",
            f"{100 * f.rate:.1f} %",
            f"{100 * f.interval[0]:.1f}–{100 * f.interval[1]:.1f} %",
            f.replicates,
            f.model_calls,
            f.tokens_in,
            f.tokens_out,
            f"{f.model_seconds:.0f}",
            _false_green(f),
            f.steering + (", the paper's set-up" if f.paper_faithful else ""),
            f.tier + (", simulated" if f.simulated else ""),
        )
        for name, f in figures.items()
    )
    return Table(
        title="Programs (compute of all replicates, as if run alone)", columns=columns, rows=rows
    ).markdown()


def _false_green(figure: Figure) -> str:
    found = figure.false_green
    return EMPTY if found is None or found.interval is None else found.line()


def _models(models: tuple[ModelCard, ...]) -> str:
    rows = tuple(
        (
            m.label,
            m.digest[:16],
            m.parameters,
            m.quantisation,
            m.context,
            "simulated" if m.simulated else "real",
        )
        for m in models
    )
    columns = ("model", "digest", "parameters", "quantisation", "context, tokens", "kind")
    return Table(title="Models", columns=columns, rows=rows).markdown()


def _cell(value: Any) -> str:
    if value is None:
        return EMPTY
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def _row(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"

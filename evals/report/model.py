"""The report as data: what its JSON holds, and what HTML and Markdown are written from."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr

from ..figures import Comparison, Figure
from .rows import ProgramRows

Point = tuple[float, float, float, float]
"""x, y, and the interval of y."""

NOT_RECORDED = "not recorded"


class Contrast(BaseModel):
    """A comparison within the report's family, with what both sides cost.

    Attributes:
        comparison: The paired difference on the tasks that both were run on.
        p_adjusted: p after Holm's method over the report's comparisons.
        family: How many comparisons these are.
        verdict: In words, by the adjusted p.
        tokens: Tokens of a run of the first and of the second.
        model_seconds: Model seconds of a run of both.
        left_out: Tasks that only one of the two was run on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    comparison: Comparison
    p_adjusted: float
    family: int
    verdict: str
    tokens: tuple[float, float]
    model_seconds: tuple[float, float]
    left_out: int


class Iteration(BaseModel):
    """What stands after an attempt.

    Attributes:
        number: 0 for the first attempt.
        made: Runs that made this attempt.
        passing: Share of runs whose latest code passes the tests that steered.
        ever: Share of runs that have passed by now: what stopping at the first pass gives.
        interval: Interval of `ever`; the unit is the task.
        fixed: Runs that failed before and pass now.
        broken: Runs that passed before and fail now.
        fix_interval: Interval of the share of failing code that was fixed, clustered by task; None where none failed.
        break_interval: Interval of the share of passing code that was broken; None where none passed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    made: int
    passing: float
    ever: float
    interval: tuple[float, float]
    fixed: int = 0
    broken: int = 0
    fix_interval: tuple[float, float] | None = None
    break_interval: tuple[float, float] | None = None


class ClassRow(BaseModel):
    """How often code of one class was fixed by the next attempt.

    Attributes:
        name: The class.
        n: Pieces of code.
        fixed: How many were followed by code that passed.
        interval: Interval of fixed / n, clustered by task.
        p_adjusted: Fisher's exact test against the other classes at the effective numbers of pieces, after Holm.
        tasks: Tasks that they are of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    n: int
    fixed: int
    interval: tuple[float, float]
    p_adjusted: float
    tasks: int = 0


class ProgramReport(BaseModel):
    """One program.

    Attributes:
        name: What people call it.
        digest: Its content hash.
        figure: Its figure.
        tokens: Tokens of a run, as if alone.
        model_seconds: Model seconds of a run.
        iterations: What stands after each attempt.
        forced: Attempts went on after code that passed: breaks can be seen.
        classes: Error classes in the order of the transition matrix.
        transitions: Counts: row class before, column class after.
        class_rates: Fix rate of each class.
        resampling_at_tokens: What resampling its model solves at the same tokens, read off that model's curve; None
            where there is none, or where it asks several models.
        perfect_judge: That curve is pass@k, see `ResamplingCurve`.
        settings: Everything that it was run with.
        spent: What all its runs cost by stage and model; see `runtime.spending.Spent`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    digest: str
    figure: Figure
    tokens: float
    model_seconds: float
    iterations: tuple[Iteration, ...]
    forced: bool
    classes: tuple[str, ...]
    transitions: tuple[tuple[int, ...], ...]
    class_rates: tuple[ClassRow, ...]
    resampling_at_tokens: float | None = None
    perfect_judge: bool = False
    settings: dict[str, Any] = {}
    spent: tuple[dict[str, Any], ...] = ()


class ResamplingCurve(BaseModel):
    """What plain resampling of a model solves, by its cost.

    Attributes:
        source: How it was found.
        points: (tokens of a run, rate, low, high) for 1, 2, … draws.
        model: The model's name.
        digest: Its digest; empty where that is not known.
        perfect_judge: It is pass@k: the hidden tests choose among the draws, as no program can.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    points: tuple[Point, ...]
    model: str
    digest: str
    perfect_judge: bool


class Report(BaseModel):
    """Everything in a report but the attempts, which are kept beside it.

    Attributes:
        title: Its title.
        created: ISO date and time.
        summary: Verdicts in words.
        programs: The programs.
        comparisons: Paired differences.
        resampling: Resampling's cost–quality curves, one for each model that has one.
        experiments: Results of experiments, as their JSON.
        notes: What the figures must be read with.
        versions: Versions of what had a part in it.
        simulated: A simulated model had a part in it.
        attempts: Attempts in all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    created: str
    summary: tuple[str, ...]
    programs: tuple[ProgramReport, ...]
    comparisons: tuple[Contrast, ...]
    resampling: tuple[ResamplingCurve, ...]
    experiments: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    versions: dict[str, str]
    simulated: bool
    attempts: int

    _rows: tuple[ProgramRows, ...] = PrivateAttr(default=())

    @property
    def rows(self) -> tuple[ProgramRows, ...]:
        """The runs with their attempts; not part of the JSON."""
        return self._rows

    def with_rows(self, rows: tuple[ProgramRows, ...]) -> Report:
        """The same report, holding these runs."""
        twin = self.model_copy()
        twin._rows = rows
        return twin

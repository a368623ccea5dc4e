"""Evidence: what is known about a chosen program, with its uncertainty, and what it was chosen from."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .figures import Comparison, Figure
from .search_record import Estimate, Front, Saved, Step, short_settings


class Finalist(BaseModel):
    """A configuration that was run again on fresh replicates of the tuned tasks.

    Attributes:
        settings: The knobs' values by path.
        search_rate: Its rate in the search, one replicate: inflated by being selected.
        figure: Its fresh replicates on the same tasks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Any]
    search_rate: float
    figure: Figure


class Baseline(BaseModel):
    """What the chosen program was compared with on the locked tasks.

    Attributes:
        name: "the defaults", "the strongest single model", "resampling at equal compute …".
        figure: Its figure on the locked tasks.
        comparison: Chosen minus this, paired by task, Holm-adjusted over the family.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    figure: Figure
    comparison: Comparison


class Evidence(BaseModel):
    """The numbers and the verdict that a tuned program carries, in memory and in its exported folder.

    Attributes:
        verdict: In words, what is and is not shown.
        confirmed: The chosen program on the validation tasks, which no selection saw; None where there were none
            or the budget did not reach.
        baselines: What it was compared with on the same tasks.
        detectable_points: Smallest difference in points that these tasks show with power 0.8 at a rate of 50 %.
        settings: The chosen values by path.
        finalists: What the choice was made from.
        trials: Configurations that the search finished.
        search_rate: The search's own score of the chosen one; never the result.
        paid: What the search spent in all, by this store.
        as_if: What the same calls cost at their first making.
        seed: Seed of the search.
        study: Name of the Optuna study.
        store: URL of the store, without credentials.
        tasks: Digests and ids of the tuned and the validation tasks.
        versions: Versions of what had a part in it.
        created: ISO date of the end of the search.
        how: "locked tasks", "cross-fitted over 5 folds" (the figure is then that of tuning like this, each fold's
            choice on tasks that it was not tuned on; intervals and p take the folds' tunings as given, and are too
            narrow for tuning anew, as a fold's tasks share one), "not confirmed", or "" in evidence of older versions.
        choices_confirmed: Different choices of this study that were confirmed on its locked tasks so far, this one
            among them (cross-fitted: the most on the tasks of one fold): more than one, and these begin to be tuned on.
        objectives: What the search made better.
        pick: How the choice was made, and among which finalists where the budget did not reach all; "" takes the best
            quality.
        front: Pareto front on the tuned tasks.
        saved: What stored calls and races saved.
        importances: Share of each knob in the differences of the search score, lost races among them.
        path: The configurations that became the search's best.
        estimate: What the pilot said beforehand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: str
    confirmed: Figure | None
    baselines: tuple[Baseline, ...] = ()
    detectable_points: float | None = None
    settings: dict[str, Any]
    finalists: tuple[Finalist, ...]
    trials: int
    search_rate: float
    paid: dict[str, float]
    as_if: dict[str, float]
    seed: int
    study: str
    store: str
    tasks: dict[str, list[str]]
    versions: dict[str, str] = Field(default_factory=dict[str, str])
    created: str = ""
    how: str = ""
    choices_confirmed: int = 1
    objectives: tuple[str, ...] = ("quality",)
    pick: str = ""
    front: Front | None = None
    saved: Saved | None = None
    importances: dict[str, float] = Field(default_factory=dict[str, float])
    path: tuple[Step, ...] = ()
    estimate: Estimate | None = None

    def __str__(self) -> str:
        lines = [f"verdict: {self.verdict}"]
        if self.confirmed is not None:
            crossed = self.how.startswith("cross")
            where = f"tuning like this, {self.how}" if crossed else "chosen, on locked tasks"
            lines.append(f"{where}: {self.confirmed.line()}")
            if crossed:
                lines.append(
                    "  each fold's choice on tasks that it was not tuned on; what is returned was tuned on all"
                )
                lines.append(
                    "  intervals and p are over tasks and take these tunings as given, though a fold's tasks share one:"
                    " for tuning anew they are too narrow"
                )
            if self.choices_confirmed > 1:
                lines.append(
                    f"  {self.choices_confirmed} choices were confirmed on these tasks by now: read it so"
                )
        for baseline in self.baselines:
            lines.append(f"{baseline.name}: {baseline.figure.line()}")
            lines.append(f"  difference: {baseline.comparison.line()}")
        if self.confirmed is not None:
            shows = "none: they are too few"
            if self.detectable_points is not None:
                shows = f"{self.detectable_points:.0f} points"
            lines.append(
                f"smallest difference that {self.confirmed.n} tasks show with power 0.8 at a rate of 50 %: {shows}"
            )
        for finalist in self.finalists:
            lines.append(f"finalist {short_settings(finalist.settings)}: {finalist.figure.line()}")
        lines.append(
            f"search: {self.trials} configurations; its own best score was {self.search_rate:.3f} and is inflated"
            f" by selection; paid {self.paid.get('calls', 0):.0f} calls,"
            f" {self.paid.get('tokens_in', 0) + self.paid.get('tokens_out', 0):,.0f} tokens"
        )
        if self.saved is not None:
            lines.append(self.saved.line())
        if self.pick:
            lines.append(f"picked on the tuned tasks: {self.pick}")
        if self.front is not None and len(self.objectives) > 1:
            lines.append(str(self.front))
        if self.importances:
            shares = ", ".join(f"{path} {100 * share:.0f} %" for path, share in self.importances.items())
            lines.append(f"what mattered in the search: {shares}")
        return "\n".join(lines)

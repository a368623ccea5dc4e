"""Evidence: what is known about a chosen program, with its uncertainty, and what it was chosen from."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .figures import Comparison, Figure


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

    def __str__(self) -> str:
        lines = [f"verdict: {self.verdict}"]
        if self.confirmed is not None:
            lines.append(f"chosen, on locked tasks: {self.confirmed.line()}")
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
            lines.append(f"finalist {_short(finalist.settings)}: {finalist.figure.line()}")
        lines.append(
            f"search: {self.trials} configurations; its own best score was {self.search_rate:.3f} and is inflated"
            f" by selection; paid {self.paid.get('calls', 0):.0f} calls,"
            f" {self.paid.get('tokens_in', 0) + self.paid.get('tokens_out', 0):,.0f} tokens"
        )
        return "\n".join(lines)


def _short(settings: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in settings.items())

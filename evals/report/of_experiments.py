"""A report of experiments: a section for each, and the programs of those whose attempts are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..scores import Scores
from .build import build_report
from .model import Report

if TYPE_CHECKING:
    from ..experiments.result import ExperimentResult


def report_of_experiments(results: Sequence[ExperimentResult], *, title: str = "") -> Report:
    """A report whose verdicts are those of the experiments.

    Args:
        results: What `run_experiment` returned; one read from JSON has no attempts to show.
        title: Title; that of the experiment where there is one.
    """
    scores: dict[str, Scores] = {}
    settings: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, Any]] = {}
    for result in results:
        for card in result.models:
            known = {
                "parameters": card.parameters,
                "quantisation": card.quantisation,
                "context": card.context,
            }
            models[card.name] = models[card.label] = {k: v for k, v in known.items() if v is not None}
        for arm, found in result.scores.items():
            name = arm if len(results) == 1 else f"{result.experiment}: {arm}"
            scores[name] = found
            stated = {key.replace("_", " "): value for key, value in result.settings.items()}
            in_words = {"stop rule": stated["stop rule"]} if "stop rule" in stated else {}
            settings[name] = {**in_words, **found.settings, f"experiment {result.experiment}": stated}
    return build_report(
        scores,
        title=title or (results[0].title if len(results) == 1 else "Experiments"),
        settings=settings,
        models=models,
        experiments=results,
        compare=False,
    )

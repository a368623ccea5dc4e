"""Running an experiment by its name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dspy

from ...errors import UsageError
from ...runtime.task import Task
from ..tasks import load_tasks
from .baselines import baselines
from .bench import Bench, Watch, unwatched
from .config import (
    ExperimentConfig,
    FeedbackStylesConfig,
    GuidedConfig,
    InflationConfig,
    SpecialisedConfig,
    TextOnlyConfig,
    read_config,
)
from .early_stopping import early_stopping
from .error_classes import error_classes
from .feedback import feedback_ablation, feedback_styles
from .guided import guided
from .inflation import inflation
from .matrix import matrix
from .pool import Pool, describe_pool
from .result import ExperimentResult
from .routing import routing
from .specialised import specialised, split_pool
from .text_only import text_only

GIVEN = "given in Python"
"""Stands for the name of a task set where the tasks themselves were given."""


def _anything(pool: Pool, config: ExperimentConfig) -> str:
    return ""


def _two_models(pool: Pool, config: ExperimentConfig) -> str:
    if len(pool.comparable) >= 2:
        return ""
    return (
        "it needs at least two real models that differ: give --model A --model B (names with one digest are one model;"
        " `greenloop models requantise Q8_0 FILE` makes a second one)"
    )


def _both_kinds(pool: Pool, config: ExperimentConfig) -> str:
    special, general = split_pool(pool, config)
    missing = [] if special else ["a model made for code (such as --model ollama:qwen2.5-coder:3b)"]
    missing += [] if general else ["a general model (such as --model ollama:llama3.2:3b)"]
    return f"it needs {' and '.join(missing)}" if missing else ""


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment.

    Attributes:
        title: Its title.
        question: What it asks.
        run: Fills the bench and returns the verdict in words.
        config: The class of its settings.
        lacks: What the pool lacks for it, in words; empty if nothing.
    """

    title: str
    question: str
    run: Callable[[Bench], str]
    config: type[ExperimentConfig] = ExperimentConfig
    lacks: Callable[[Pool, ExperimentConfig], str] = _anything


EXPERIMENTS: dict[str, Experiment] = {
    "baselines": Experiment(
        "Single, self-refine, cross-model, resampling",
        "Does refining solve more than drawing again with the same calls, and with the same compute?",
        baselines,
    ),
    "early-stopping": Experiment(
        "Early stopping on and off",
        "What does refining on do to code that was right, iteration by iteration?",
        early_stopping,
    ),
    "error-classes": Experiment(
        "Error classes",
        "Which classes of mistakes does refining mend, and would a fresh draft have done as well?",
        error_classes,
    ),
    "matrix": Experiment(
        "Generator × refiner",
        "Which model should draft and which should mend?",
        matrix,
        lacks=_two_models,
    ),
    "text-only": Experiment(
        "Text-only pipelines",
        "Does criticising and mending help without running the code, at equal tokens?",
        text_only,
        TextOnlyConfig,
    ),
    "inflation": Experiment(
        "The two inflations",
        "How much too high are a single run and a search's own score?",
        inflation,
        InflationConfig,
    ),
    "specialised": Experiment(
        "Specialised against general models",
        "Is a model made for code better than a pipeline of general ones, at equal compute?",
        specialised,
        SpecialisedConfig,
        _both_kinds,
    ),
    "routing": Experiment(
        "Routing by error class",
        "Does mending what crashes and drawing anew what answers wrongly beat doing only one of them?",
        routing,
    ),
    "feedback-styles": Experiment(
        "Feedback styles",
        "Does it matter how a failure is told?",
        feedback_styles,
        FeedbackStylesConfig,
    ),
    "feedback-ablation": Experiment(
        "Feedback ablation",
        "Is it the message, the previous code, or only the further draw that helps?",
        feedback_ablation,
    ),
    "guided": Experiment(
        "Execution-guided generation",
        "Does it help to see, at every line, what the next lines would do, at equal tokens?",
        guided,
        GuidedConfig,
    ),
}
"""The experiments by their names on the command line."""


def experiment_named(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        UsageError: There is none; the message offers the nearest name.
    """
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    near = difflib.get_close_matches(name, EXPERIMENTS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no experiment {name!r}: {hint}experiments are {', '.join(EXPERIMENTS)}")


def run_experiment(
    name: str,
    config: ExperimentConfig | None = None,
    *,
    tasks: Sequence[Task] | None = None,
    models: Sequence[str | dspy.BaseLM] | None = None,
    watch: Watch = unwatched,
    **settings: Any,
) -> ExperimentResult:
    """Run an experiment in the session in force. What was paid for is stored: the same call goes on where it ended.

    Args:
        name: One of `EXPERIMENTS`.
        config: Its settings.
        tasks: Its tasks; those that the config names where none are given. Where the config names none, the result says
            that they were given.
        models: Its models, as names or language models; those that the config names where none are given.
        watch: Shows progress, see `bench.Watch`.
        **settings: Settings that win over `config`.

    Returns:
        The result; its status is "not run" where the models that it needs were not given.

    Raises:
        UsageError: There is no such experiment, or a setting does not fit.
        InfrastructureError: A model's server or the sandbox failed for good.

    Example:
        >>> run_experiment("matrix", models=[gl.testing.ScriptedModel(["pass"])]).status  # doctest: +SKIP
        'not run'
    """
    experiment = experiment_named(name)
    settled = read_config(experiment.config, **{**(config.model_dump() if config else {}), **settings})
    pool = describe_pool(list(models or settled.models))
    lacking = experiment.lacks(pool, settled)
    if lacking:
        return ExperimentResult(
            experiment=name,
            title=experiment.title,
            question=experiment.question,
            status="not run",
            verdict=f"not run: {lacking}",
            models=tuple(m.card for m in pool.models),
            notes=tuple(pool.notes()),
            simulated=any(m.card.simulated for m in pool.models),
            paper_faithful=settled.paper_faithful,
        )
    given = load_tasks(settled.tasks, data_dir=settled.data) if tasks is None else list(tasks)
    if tasks is not None and (config is None or "tasks" not in config.model_fields_set):
        settled = settled.model_copy(update={"tasks": GIVEN})
    bench = Bench(settled, given[: settled.limit], pool, watch)
    verdict = experiment.run(bench)
    return result_of(bench, name, experiment.title, experiment.question, verdict)


def result_of(bench: Bench, name: str, title: str, question: str, verdict: str) -> ExperimentResult:
    """What the bench holds, as a result."""
    simulated = any(figure.simulated for figure in bench.figures.values())
    label = "SIMULATED: " if simulated else ""
    return ExperimentResult(
        experiment=name,
        title=title,
        question=question,
        status="done",
        verdict=label + verdict,
        models=tuple(m.card for m in bench.pool.models),
        settings=bench.settings(),
        figures=bench.figures,
        comparisons=bench.contrasts(),
        tables=tuple(bench.tables),
        curves=tuple(bench.curves),
        notes=(*bench.notes, bench.power_note()),
        simulated=simulated,
        paper_faithful=bench.config.paper_faithful,
    ).with_scores(bench.scores)

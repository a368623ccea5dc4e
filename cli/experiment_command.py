"""`greenloop experiment`: one of the experiments on your models and tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..errors import UsageError
from ..evals.experiments import EXPERIMENTS, ExperimentResult, experiment_named, read_config, run_experiment
from ..modules.guided import GuidedGenerate
from .common import (
    TASKS_HELP,
    DataOption,
    JsonOption,
    LimitOption,
    StoreOption,
    check_models,
    command_session,
    make_folder,
    out,
    print_json,
    read_tasks,
)
from .programs import tunable_program
from .show import conditions, figure_table, scoring_progress

ModelsOption = Annotated[
    list[str] | None,
    typer.Option("--model", help="a model of the pool, the main one first; repeat for several"),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="folder for the result as Markdown, JSON and an HTML report")
]


def experiment(
    name: Annotated[str, typer.Argument(help=", ".join(EXPERIMENTS))],
    model: ModelsOption = None,
    tasks: Annotated[
        str | None,
        typer.Option("--tasks", help=TASKS_HELP),
    ] = None,
    data: DataOption = None,
    limit: LimitOption = None,
    replicates: Annotated[
        int | None, typer.Option("--replicates", min=1, help="how often each task is run")
    ] = None,
    oracle: Annotated[
        bool | None, typer.Option("--oracle", help="let the hidden tests steer too, as the paper does")
    ] = None,
    paper_faithful: Annotated[
        bool | None,
        typer.Option(
            "--paper-faithful", help="the paper's prompts, limits and steering; no preamble; last code"
        ),
    ] = None,
    specialised: Annotated[
        list[str] | None, typer.Option("--specialised", help="a model made for code; of `specialised` only")
    ] = None,
    faithful: Annotated[
        bool | None,
        typer.Option("--faithful", help="the authors' set-up: 192 attempts a task, oracle; of `guided` only"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML file of settings; options win over it")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="most tokens of one answer")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="seed of everything drawn")] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, max=256, help="tasks run at once")
    ] = None,
    store: StoreOption = None,
    out_folder: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run an experiment: paired arms at equal calls and at equal compute, and a verdict in words."""
    found = experiment_named(name)
    if specialised and name != "specialised":
        raise UsageError("--specialised is an option of the experiment `specialised` only")
    if faithful and name != "guided":
        raise UsageError("--faithful is an option of the experiment `guided` only")
    named: dict[str, Any] = {"specialised": tuple(specialised)} if specialised else {}
    if faithful:
        named["faithful"] = True
    models = list(dict.fromkeys([*(model or []), *(specialised or [])]))
    settings = read_config(
        found.config,
        config,
        models=models or None,
        tasks=tasks,
        data=data,
        limit=limit,
        replicates=replicates,
        oracle=oracle,
        paper_faithful=paper_faithful,
        max_tokens=max_tokens,
        seed=seed,
        concurrency=concurrency,
        **named,
    )
    settings = settings.model_copy(update={"tasks": settings.tasks})  # the default is named, too
    chosen = read_tasks(settings.tasks, settings.data, settings.limit)
    program = tunable_program(list(dict.fromkeys(settings.models)), max_tokens=settings.max_tokens)
    if name == "guided":
        program.generate = GuidedGenerate(model=program.generate.model, max_tokens=settings.max_tokens)
    if out_folder is not None:
        make_folder(out_folder)
    check_models(program, chosen, oracle=settings.steered_by_oracle)
    with command_session(store, settings.seed) as session:
        result = run_experiment(name, settings, tasks=chosen, watch=scoring_progress)
        paid = session.meter.paid
    written = write_result(result, out_folder)
    if as_json:
        print_json({**result.model_dump(mode="json"), "paid": paid.to_json()})
        return
    show_result(result)
    out.print(escape(f"paid now: {paid.calls} model calls, {paid.tokens:,} tokens{written}"))


def write_result(result: ExperimentResult, folder: Path | None) -> str:
    """Write the result into a folder as Markdown, JSON and a report with every attempt; the words that tell where.

    Raises:
        UsageError: It cannot be written there.
    """
    if folder is None:
        return ""
    from ..evals.report import report_of_experiments, write

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, text in (("md", result.markdown()), ("json", result.to_json())):
            (folder / f"{result.experiment}.{suffix}").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be written: {error}") from error
    written = write(report_of_experiments([result]), folder / f"{result.experiment}-report.html")
    return f"; written: {written.html}, {folder / result.experiment}.md and .json"


def show_result(result: ExperimentResult) -> None:
    """The result as a person wants to see it: figures, comparisons, tables, then the verdict."""
    if result.figures:
        out.print(figure_table(dict(result.figures), title=result.title))
        for line in conditions(result.figures):
            out.print(escape(line), soft_wrap=True)
    for contrast in result.comparisons:
        out.print(escape(f"- {contrast.line()}"), soft_wrap=True)
    for table in result.tables:
        out.print(escape(f"\n{table.markdown()}"), soft_wrap=True)
    for note in result.notes:
        out.print(escape(f"- {note}"), soft_wrap=True)
    out.print(escape(f"\n{result.status}: {result.verdict}"), soft_wrap=True)

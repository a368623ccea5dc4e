"""`greenloop neat`: search the structure of a program, confirm the one choice, export it, draw its family tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import dspy
import typer
from rich.markup import escape

from ..errors import ExportError, UsageError
from ..evals.evidence import Evidence
from ..evals.experiments.result import Contrast, Drawing, ExperimentResult, Table
from ..evals.split import split
from ..optimizers.artifact import export
from ..optimizers.artifact_folder import is_replaceable
from ..optimizers.neat.random_topology import RandomTopology
from ..optimizers.neat.search import NeatSearch
from ..runtime.budget import Budget
from .common import (
    ConcurrencyOption,
    DataOption,
    JsonOption,
    LimitOption,
    MaxTokensOption,
    SeedOption,
    StoreOption,
    TasksArgument,
    check_models,
    out,
    print_json,
    read_tasks,
    store_url,
)
from .compare_command import search_progress
from .programs import tunable_program


def neat(
    tasks: TasksArgument,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="a model of the pool; repeat for several")
    ] = None,
    preset: Annotated[
        str, typer.Option("--preset", help="wide, paper (the paper's own search), or random (topology)")
    ] = "wide",
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="where the found program is exported")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="HTML file: evidence, graph, family tree, species over time"),
    ] = None,
    budget_tokens: Annotated[
        int | None, typer.Option("--budget-tokens", min=1, help="tokens paid at most")
    ] = None,
    budget_calls: Annotated[
        int | None, typer.Option("--budget-calls", min=1, help="model calls paid at most")
    ] = None,
    budget_seconds: Annotated[
        float | None, typer.Option("--budget-seconds", min=1, help="wall seconds")
    ] = None,
    population: Annotated[
        int | None, typer.Option("--population", min=2, help="genomes of a generation")
    ] = None,
    generations: Annotated[int | None, typer.Option("--generations", min=1, help="most generations")] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="graphs of a generation scored at once")
    ] = 1,
    train: Annotated[float, typer.Option("--train", help="share of the tasks that is searched on")] = 0.5,
    replicates: Annotated[int, typer.Option("--replicates", min=1, help="of finalists and confirmation")] = 2,
    oracle: Annotated[bool, typer.Option("--oracle", help="let the hidden tests steer too")] = False,
    data: DataOption = None,
    limit: LimitOption = None,
    max_tokens: MaxTokensOption = 512,
    store: StoreOption = None,
    seed: SeedOption = 0,
    concurrency: ConcurrencyOption = 8,
    as_json: JsonOption = False,
) -> None:
    """Evolve the structure of a program on your tasks, confirm the choice on locked ones, export it."""
    if out_folder is None:
        raise UsageError("--out is missing: name the folder for the found program, as in --out best/")
    if out_folder.exists() and not is_replaceable(out_folder):
        raise ExportError(f"{out_folder} exists and is no Greenloop export: name another folder")
    if preset not in ("wide", "paper", "random"):
        raise UsageError(f"--preset is wide, paper or random, not {preset!r}")
    pool = list(dict.fromkeys(model or ["embedded"]))
    chosen = read_tasks(tasks, data, limit)
    searched, locked = split(chosen, train, seed=seed)
    check_models(tunable_program(pool, max_tokens=max_tokens), chosen, oracle=oracle)
    kind = RandomTopology if preset == "random" else NeatSearch
    with search_progress(preset) as tell:
        search = kind(
            "paper" if preset == "paper" else "wide",
            models=pool,
            budget=Budget(tokens=budget_tokens, calls=budget_calls, timeout_s=budget_seconds),
            store=store_url(store),
            seed=seed,
            population=population,
            generations=generations,
            replicates=replicates,
            oracle=oracle,
            max_tokens=max_tokens,
            concurrency=concurrency,
            workers=workers,
            on_progress=tell,
        )
        found = search.compile(trainset=searched, valset=locked)
    folder = export(found, out_folder)
    evidence = cast("Evidence", cast("Any", found).evidence)
    written = _report(search, found, evidence, preset, report)
    if as_json:
        figure = evidence.confirmed.model_dump(mode="json") if evidence.confirmed else {}
        data_out = {**figure, "evidence": evidence.model_dump(mode="json"), "folder": str(folder)}
        print_json({**data_out, "report": written, "search": search.report()})
        return
    out.print(escape(str(evidence)), soft_wrap=True)
    out.print(escape(f"graph: {evidence.settings['graph']}"), soft_wrap=True)
    out.print(
        escape(f"exported to {folder}; use it: greenloop run {folder} --task 'what to write'"), soft_wrap=True
    )
    if written:
        out.print(escape(f"written: {written}, with .md and .json beside it"), soft_wrap=True)


def _report(
    search: NeatSearch, found: dspy.Module, evidence: Evidence, preset: str, to: Path | None
) -> str | None:
    if to is None:
        return None
    from ..evals.report import build_report, write

    graphs = sorted(search.report()["graphs"].values(), key=lambda g: -g["search_rate"])[:20]
    figures = {b.name: b.figure for b in evidence.baselines}
    if evidence.confirmed is not None:
        figures = {"the found program": evidence.confirmed, **figures}
    result = ExperimentResult(
        experiment="neat",
        title=f"Search for structure, {preset}",
        question="Which graph of stages does the search find, and is it better on tasks that it never saw?",
        status="done",
        verdict=evidence.verdict,
        settings={"seed": evidence.seed, "study": evidence.study, "store": evidence.store},
        figures=figures,
        comparisons=tuple(
            Contrast(**b.comparison.model_dump(), family=len(evidence.baselines)) for b in evidence.baselines
        ),
        tables=(
            Table(
                title="The graphs that the search itself scored best",
                columns=("graph", "nodes", "most calls", "search rate", "runs"),
                rows=tuple(
                    (g["graph"], g["nodes"], g["most_calls"], g["search_rate"], g["runs"]) for g in graphs
                ),
                note="Inflated by selection; only the figures on locked tasks count.",
            ),
        ),
        drawings=tuple(Drawing(title=title, svg=svg) for title, svg in search.drawings(found).items()),
        simulated=any(f.simulated for f in figures.values()),
    )
    made = build_report({}, title=result.title, experiments=[result], compare=False)
    return str(write(made, to).html)

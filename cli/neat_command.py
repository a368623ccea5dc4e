"""`greenloop neat`: search the structure of a program, confirm the one choice, export it, draw its family tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import dspy
import typer

from ..errors import UsageError
from ..evals.evidence import Evidence
from ..evals.experiments.result import Contrast, Drawing, ExperimentResult, RunCost, Table
from ..evals.split import split
from ..modules.wiring import DEFAULT_KINDS
from ..optimizers.artifact import export
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
    check_file,
    check_models,
    make_folder,
    read_tasks,
    store_url,
    tell_swaps,
)
from .compare_command import search_progress
from .programs import tunable_program
from .search_options import (
    BudgetCallsOption,
    BudgetSecondsOption,
    BudgetTokensOption,
    FolderOption,
    GenerationsOption,
    OracleOption,
    PoolOption,
    PopulationOption,
    ReplicatesOption,
    TrainOption,
    WorkersOption,
    evidence_of,
    export_target,
    pool_of,
    tell_found,
)


def neat(
    tasks: TasksArgument,
    model: PoolOption = None,
    preset: Annotated[
        str, typer.Option("--preset", help="wide, paper (the paper's own search), or random (topology)")
    ] = "wide",
    guided: Annotated[
        bool,
        typer.Option(
            "--guided",
            help="let graphs draft by execution-guided generation, said to be patented: see its notice",
        ),
    ] = False,
    out_folder: FolderOption = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="HTML file: evidence, graph, family tree, species over time"),
    ] = None,
    budget_tokens: BudgetTokensOption = None,
    budget_calls: BudgetCallsOption = None,
    budget_seconds: BudgetSecondsOption = None,
    population: PopulationOption = None,
    generations: GenerationsOption = None,
    workers: WorkersOption = 1,
    train: TrainOption = 0.5,
    replicates: ReplicatesOption = 2,
    oracle: OracleOption = False,
    data: DataOption = None,
    limit: LimitOption = None,
    max_tokens: MaxTokensOption = 512,
    store: StoreOption = None,
    seed: SeedOption = 0,
    concurrency: ConcurrencyOption = 8,
    as_json: JsonOption = False,
) -> None:
    """Evolve the structure of a program on your tasks, confirm the choice on locked ones, export it."""
    target, pool = export_target(out_folder), pool_of(model)
    if preset not in ("wide", "paper", "random"):
        raise UsageError(f"--preset is wide, paper or random, not {preset!r}")
    if guided and preset == "paper":
        raise UsageError("--guided widens the space of wide and random; the paper's space has no such drafts")
    chosen = read_tasks(tasks, data, limit)
    searched, locked = split(chosen, train, seed=seed)
    if report is not None:
        make_folder(report.absolute().parent, "--report")
        check_file(report, "--report")
    check_models(tunable_program(pool, max_tokens=max_tokens), chosen, oracle=oracle)
    kind = RandomTopology if preset == "random" else NeatSearch
    with search_progress(preset) as tell:
        search = kind(
            "paper" if preset == "paper" else "wide",
            models=pool,
            kinds=(*DEFAULT_KINDS, "guided") if guided else DEFAULT_KINDS,
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
    tell_swaps()
    folder, evidence = export(found, target), evidence_of(found)
    written = _report(search, found, evidence, preset, report)
    lines = [f"graph: {evidence.settings['graph']}"]
    lines += [f"written: {written}, with .md and .json beside it"] if written else []
    more = {"report": written, "search": search.report()}
    tell_found(evidence, folder, lines, as_json=as_json, more=more)


def _report(
    search: NeatSearch, found: dspy.Module, evidence: Evidence, preset: str, to: Path | None
) -> str | None:
    if to is None:
        return None
    from ..evals.report import build_report, write

    spent = RunCost.of(evidence.confirmed) if evidence.confirmed is not None else None
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
            Contrast(
                **b.comparison.model_dump(),
                family=len(evidence.baselines),
                spent=None if spent is None else (spent, RunCost.of(b.figure)),
            )
            for b in evidence.baselines
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

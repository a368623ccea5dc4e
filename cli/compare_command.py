"""`greenloop compare`: ways to find a program at equal budgets, and whether structure helps at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from ..errors import UsageError
from ..evals.compare import Compared, check_comparison, compare
from ..evals.progress import Progress
from ..runtime.budget import Budget
from ..runtime.task import Task
from .common import (
    ConcurrencyOption,
    DataOption,
    JsonOption,
    LimitOption,
    MaxTokensOption,
    SeedOption,
    StoreOption,
    check_models,
    command_session,
    err,
    is_quiet,
    make_folder,
    out,
    print_json,
    read_tasks,
    store_url,
)
from .experiment_command import show_result
from .methods import METHODS, named_methods, resampling_by_model
from .programs import tunable_program
from .search_options import (
    GenerationsOption,
    OracleOption,
    PoolOption,
    PopulationOption,
    ReplicatesOption,
    TrainOption,
    WorkersOption,
    pool_of,
)
from .show import LINE_EVERY_S


def compare_methods(
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--tasks",
            help="humaneval, mbpp, starter, or a path to a JSONL file; repeat for several benchmarks",
        ),
    ] = None,
    model: PoolOption = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help=f"{', '.join(METHODS)} (repeat); all without one"),
    ] = None,
    budget_tokens: Annotated[
        int, typer.Option("--budget-tokens", min=1, help="tokens that each single search may pay")
    ] = 200_000,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="searches of each method")] = 3,
    train: TrainOption = 0.5,
    replicates: ReplicatesOption = 2,
    population: PopulationOption = None,
    generations: GenerationsOption = None,
    workers: WorkersOption = 1,
    oracle: OracleOption = False,
    to: Annotated[
        Path | None, typer.Option("--out", help="HTML file of the report; Markdown and JSON stand beside it")
    ] = None,
    data: DataOption = None,
    limit: LimitOption = None,
    max_tokens: MaxTokensOption = 512,
    store: StoreOption = None,
    seed: SeedOption = 0,
    concurrency: ConcurrencyOption = 8,
    as_json: JsonOption = False,
) -> None:
    """Compare manual loop, resampling, tuner and searches for structure at equal budgets, on locked tasks."""
    pool = pool_of(model)
    methods = named_methods(
        method or [],
        pool,
        max_tokens=max_tokens,
        replicates=replicates,
        population=population,
        generations=generations,
        workers=workers,
    )
    if to is not None and to.is_dir():
        raise UsageError(f"--out {to} is a folder: name the HTML file, as in --out report.html")
    benchmarks = _benchmarks(tasks or ["starter"], data, limit)
    check_comparison(methods, benchmarks, seeds=seeds, train=train, replicates=replicates)
    store = store_url(store)
    if to is not None:
        make_folder(to.parent)
    every = [task for own in benchmarks.values() for task in own]
    check_models(tunable_program(pool, max_tokens=max_tokens), every, oracle=oracle)
    searching = sum(seeds for m in methods.values() if m.searches)
    if searching:
        err.print(
            f"{searching} search{'es' * (searching > 1)} of at most {budget_tokens:,} tokens each,"
            f" {searching * budget_tokens:,} in all at most; then every found program on the locked tasks",
            soft_wrap=True,
        )
    with command_session(store, seed) as session:
        found = compare(
            methods,
            benchmarks,
            budget=Budget(tokens=budget_tokens),
            seeds=seeds,
            train=train,
            replicates=replicates,
            oracle=oracle,
            concurrency=concurrency,
            models=pool,
            resampling=resampling_by_model(pool, max_tokens=max_tokens),
            watch=search_progress,
        )
        paid = session.meter.paid
    written = write_comparison(found, to)
    if as_json:
        data_out = found.result.model_dump(mode="json", exclude={"drawings"})
        print_json({**data_out, "topology_helps": found.topology_helps, "report": written})
        return
    show_result(found.result)
    out.print(escape(f"paid for the locked tasks now: {paid.calls} model calls, {paid.tokens:,} tokens"))
    if written:
        out.print(escape(f"written: {written}, with .md and .json beside it"), soft_wrap=True)


def write_comparison(found: Compared, to: Path | None) -> str | None:
    """Write the report; the path of its HTML.

    Raises:
        UsageError: It cannot be written there.
    """
    if to is None:
        return None
    from ..evals.report import build_report, write

    report = build_report(
        found.result.scores, title=found.result.title, experiments=[found.result], compare=False
    )
    return str(write(report, to).html)


def _benchmarks(names: list[str], data: Path | None, limit: int | None) -> dict[str, list[Task]]:
    """Name to tasks; a file goes by its name without the ending."""
    found: dict[str, list[Task]] = {}
    for name in dict.fromkeys(names):
        label = Path(name).stem if name.endswith(".jsonl") else name
        if label in found:
            raise UsageError(f"two task sets are called {label}: rename one of the files")
        found[label] = read_tasks(name, data, limit)
    return found


@contextmanager
def search_progress(title: str) -> Generator[Callable[[Any], None], None, None]:
    """Shows how far a search or a scoring is; a line now and then where there is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[info]}"),
    )
    quiet, told_at = is_quiet(), time.monotonic()
    with Bar(*columns, console=err, transient=True, disable=quiet) as bar:
        row = bar.add_task(escape(title), total=None, info="")

        def tell(p: Any) -> None:
            nonlocal told_at
            scoring: Progress = getattr(p, "scoring", p)
            where = title if scoring is p else f"{title}: {p.phase} {p.step}/{p.steps}"
            info = (
                f"{100 * scoring.score_sum / scoring.done:.0f} % solved, {scoring.paid.tokens:,} tokens paid"
            )
            bar.update(row, description=escape(where), total=scoring.total, completed=scoring.done, info=info)
            if quiet and time.monotonic() - told_at >= LINE_EVERY_S:
                told_at = time.monotonic()
                err.print(escape(f"{where}: {scoring.done}/{scoring.total} {info}"), soft_wrap=True)

        yield tell

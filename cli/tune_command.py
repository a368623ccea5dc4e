"""`greenloop tune`: find the best settings under a budget, confirm them, export the program."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.markup import escape
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from ..errors import ExportError, UsageError
from ..evals.evidence import Evidence
from ..evals.split import split
from ..optimizers.artifact import export, is_replaceable
from ..optimizers.confirming import detectable_points
from ..optimizers.tuner import OptunaTuner, TunerProgress
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
    err,
    is_quiet,
    out,
    print_json,
    read_tasks,
    store_url,
)
from .programs import tunable_program


def tune(
    tasks: TasksArgument,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="a model of the pool; repeat for several")
    ] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="where the tuned program is exported")
    ] = None,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="configurations tried")] = None,
    budget_tokens: Annotated[
        int | None, typer.Option("--budget-tokens", min=1, help="tokens paid at most")
    ] = None,
    budget_calls: Annotated[
        int | None, typer.Option("--budget-calls", min=1, help="model calls paid at most")
    ] = None,
    budget_seconds: Annotated[
        float | None, typer.Option("--budget-seconds", min=1, help="wall seconds")
    ] = None,
    train: Annotated[float, typer.Option("--train", help="share of the tasks that is tuned on")] = 0.5,
    finalists: Annotated[
        int, typer.Option("--finalists", min=1, help="configurations that are run again")
    ] = 3,
    replicates: Annotated[int, typer.Option("--replicates", min=1, help="of finalists and confirmation")] = 2,
    study: Annotated[
        str | None, typer.Option("--study", help="name of the study; by content without one")
    ] = None,
    oracle: Annotated[bool, typer.Option("--oracle", help="let the hidden tests steer too")] = False,
    data: DataOption = None,
    limit: LimitOption = None,
    max_tokens: MaxTokensOption = 512,
    store: StoreOption = None,
    seed: SeedOption = 0,
    concurrency: ConcurrencyOption = 4,
    as_json: JsonOption = False,
) -> None:
    """Tune generate-execute-refine on your tasks, confirm the choice on locked ones, export it."""
    if out_folder is None:
        raise UsageError("--out is missing: name the folder for the tuned program, as in --out best/")
    if out_folder.exists() and not is_replaceable(out_folder):
        raise ExportError(f"{out_folder} exists and is no Greenloop export: name another folder")
    pool = model or ["embedded"]
    chosen = read_tasks(tasks, data, limit)
    tuned_on, locked = split(chosen, train, seed=seed)
    budget = Budget(tokens=budget_tokens, calls=budget_calls, timeout_s=budget_seconds, n_trials=trials)
    program = tunable_program(list(dict.fromkeys(pool)), max_tokens=max_tokens)
    check_models(program)
    shown = detectable_points(len(locked), replicates)
    err.print(
        f"tuned on {len(tuned_on)} tasks, confirmed on {len(locked)}; smallest difference that these can show: "
        + (f"{shown:.0f} points" if shown is not None else "none, they are too few"),
        soft_wrap=True,
    )
    with tuning_progress() as tell:
        tuner = OptunaTuner(
            budget=budget,
            store=store_url(store),
            seed=seed,
            finalists=finalists,
            replicates=replicates,
            study=study,
            oracle=oracle,
            concurrency=concurrency,
            on_progress=tell,
        )
        tuned = tuner.compile(program, trainset=tuned_on, valset=locked)
    folder = export(tuned, out_folder)
    evidence = cast("Evidence", cast("Any", tuned).evidence)
    if as_json:
        figure = evidence.confirmed.model_dump(mode="json") if evidence.confirmed else {}
        print_json({**figure, "evidence": evidence.model_dump(mode="json"), "folder": str(folder)})
        return
    out.print(escape(str(evidence)), soft_wrap=True)
    for path, value in evidence.settings.items():
        out.print(f"  {path} = {value}")
    out.print(
        escape(f"exported to {folder}; use it: greenloop run {folder} --task 'what to write'"), soft_wrap=True
    )


@contextmanager
def tuning_progress() -> Generator[Callable[[TunerProgress], None], None, None]:
    """Shows how far a search is on standard error."""
    if is_quiet():
        yield _line_by_line()
        return
    with Bar(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[info]}"), console=err
    ) as bar:
        row = bar.add_task("search", total=None, info="")

        def tell(p: TunerProgress) -> None:
            s = p.scoring
            bar.update(
                row,
                description=f"{p.phase} {p.step}/{p.steps}",
                total=p.steps * s.total,
                completed=(p.step - 1) * s.total + s.done,
                info=_info(p),
            )

        yield tell


def _line_by_line() -> Callable[[TunerProgress], None]:
    def tell(p: TunerProgress) -> None:
        if p.scoring.done == p.scoring.total:
            err.print(escape(f"{p.phase} {p.step}/{p.steps}: {_info(p)}"), soft_wrap=True)

    return tell


def _info(p: TunerProgress) -> str:
    s = p.scoring
    rate = f"{100 * s.score_sum / s.done:.0f} %" if s.done else ""
    best = f", search best {100 * p.best:.0f} %" if p.best is not None else ""
    left = f", {s.left_s:.0f} s left here" if s.left_s else ""
    return f"{rate}{best}, paid {s.paid.calls} calls, {s.paid.tokens:,} tokens{left}"

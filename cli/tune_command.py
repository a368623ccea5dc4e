"""`greenloop tune`: find the best settings under a budget, confirm them, export the program."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from ..errors import UsageError
from ..evals.split import split
from ..optimizers.artifact import export
from ..optimizers.front import CheapestWithin
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
    read_tasks,
    store_url,
    tell_swaps,
)
from .programs import tunable_program
from .search_options import (
    BudgetCallsOption,
    BudgetSecondsOption,
    BudgetTokensOption,
    FolderOption,
    OracleOption,
    PoolOption,
    ReplicatesOption,
    TrainOption,
    evidence_of,
    export_target,
    pool_of,
    tell_found,
)
from .show import LINE_EVERY_S


def tune(
    tasks: TasksArgument,
    model: PoolOption = None,
    out_folder: FolderOption = None,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="configurations tried")] = None,
    budget_tokens: BudgetTokensOption = None,
    budget_calls: BudgetCallsOption = None,
    budget_seconds: BudgetSecondsOption = None,
    budget_model_seconds: Annotated[
        float | None, typer.Option("--budget-model-seconds", min=1, help="seconds of model time paid at most")
    ] = None,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="search quality, compute and seconds; print the Pareto front")
    ] = False,
    within: Annotated[
        float | None,
        typer.Option("--within", min=0, help="take the cheapest at most so many points below the best"),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="cheapest by compute (the default) or by seconds")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--parameters",
            metavar="MODEL=COUNT",
            help="number of parameters of a model whose server publishes none; may stand several times",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=0,
            help="cross-fit over so many folds; 0 never; without one few tasks are where the budget reaches",
        ),
    ] = None,
    train: TrainOption = 0.5,
    finalists: Annotated[
        int | None, typer.Option("--finalists", min=1, help="configurations that are run again")
    ] = None,
    replicates: ReplicatesOption = 2,
    study: Annotated[
        str | None, typer.Option("--study", help="name of the study; by content without one")
    ] = None,
    oracle: OracleOption = False,
    data: DataOption = None,
    limit: LimitOption = None,
    max_tokens: MaxTokensOption = 512,
    store: StoreOption = None,
    seed: SeedOption = 0,
    concurrency: ConcurrencyOption = 8,
    as_json: JsonOption = False,
) -> None:
    """Tune generate-execute-refine on your tasks, confirm the choice on locked ones, export it."""
    target, pool, sizes = export_target(out_folder), pool_of(model), _sizes(parameters or [])
    chosen = read_tasks(tasks, data, limit)
    tuned_on, locked = split(chosen, train, seed=seed)
    budget = Budget(
        tokens=budget_tokens,
        calls=budget_calls,
        model_seconds=budget_model_seconds,
        timeout_s=budget_seconds,
        n_trials=trials,
    )
    if by is not None and within is None:
        raise UsageError("--by says by what --within picks: give --within POINTS, too")
    pick = CheapestWithin(points=within, by=by or "compute") if within is not None else None
    program = tunable_program(pool, max_tokens=max_tokens)
    check_models(program, chosen, oracle=oracle)
    with tuning_progress() as tell:
        tuner = OptunaTuner(
            budget=budget,
            store=store_url(store),
            seed=seed,
            finalists=finalists,
            replicates=replicates,
            objectives=("quality", "compute", "seconds") if pareto else ("quality",),
            pick=pick,
            parameters=sizes,
            folds="few" if folds is None else folds,  # the locked tasks are this command's own split
            study=study,
            oracle=oracle,
            concurrency=concurrency,
            on_progress=tell,
        )
        tuned = tuner.compile(program, trainset=tuned_on, valset=locked)
    tell_swaps()
    folder, evidence = export(tuned, target), evidence_of(tuned)
    settings = [f"  {path} = {value}" for path, value in evidence.settings.items()]
    tell_found(evidence, folder, settings, as_json=as_json)


def _sizes(given: list[str]) -> dict[str, float]:
    """Model to its number of parameters; names may hold a = of their own."""
    sizes: dict[str, float] = {}
    for one in given:
        model, _, count = one.rpartition("=")
        try:
            sizes[model] = float(count)
        except ValueError:
            sizes[model] = math.nan
        if not model or not (math.isfinite(sizes[model]) and sizes[model] > 0):
            raise UsageError(f"--parameters is MODEL=COUNT, such as ollama:mine=1.5e9, got {one!r}")
    return sizes


@contextmanager
def tuning_progress() -> Generator[Callable[[TunerProgress], None], None, None]:
    """Shows what the pilot found and how far a search is on standard error."""
    if is_quiet():
        yield _line_by_line()
        return
    with Bar(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[info]}"), console=err
    ) as bar:
        row = bar.add_task("pilot", total=None, info="")
        estimated = _Estimated()

        def tell(p: TunerProgress) -> None:
            estimated.say(p)
            s = p.scoring
            bar.update(
                row,
                description=_where(p),
                total=max(1, p.steps) * s.total,
                completed=max(0, p.step - 1) * s.total + s.done,
                info=_info(p),
            )

        yield tell


class _Estimated:
    """Prints the pilot's estimate once."""

    def __init__(self) -> None:
        self._said = False

    def say(self, p: TunerProgress) -> None:
        if p.estimate is not None and not self._said:
            self._said = True
            err.print(escape(p.estimate.line()), soft_wrap=True)


def _line_by_line() -> Callable[[TunerProgress], None]:
    estimated = _Estimated()
    said: set[str] = set()
    told = time.monotonic()

    def tell(p: TunerProgress) -> None:
        nonlocal told
        if p.estimate is not None or p.phase != "pilot":
            estimated.say(p)
        line = f"{_where(p)}, {p.settings}" if isinstance(p.settings, str) else _where(p)
        is_done = p.scoring.done == p.scoring.total
        is_new = is_done and bool(p.step or line not in said)
        if not is_new and (is_done or time.monotonic() - told < LINE_EVERY_S):
            return
        told = time.monotonic()
        if is_done:
            said.add(line)
        part = "" if is_done else f" {p.scoring.done}/{p.scoring.total} tasks,"
        err.print(escape(f"{line}:{part} {_info(p)}"), soft_wrap=True)

    return tell


def _where(p: TunerProgress) -> str:
    counted = f"{p.phase} {p.step}/{p.steps}" if p.steps else p.phase
    return f"{p.part}, {counted}" if p.part else counted


def _info(p: TunerProgress) -> str:
    s = p.scoring
    rate = f"{100 * s.score_sum / s.done:.0f} %" if s.done else ""
    best = f", search best {100 * p.best:.0f} %" if p.best is not None else ""
    left = f", {s.left_s:.0f} s left here" if s.left_s else ""
    budget = "".join(f", {_amount(name, amount)} of the budget left" for name, amount in p.left.items())
    return f"{rate}{best}, paid {s.paid.calls} calls, {s.paid.tokens:,} tokens{budget}{left}"


def _amount(name: str, amount: float) -> str:
    return f"{amount:,.0f} {name.replace('_', ' ')}"

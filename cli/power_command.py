"""`greenloop power`: what a planned comparison can show, before it is paid for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ..evals.statistics import power
from .common import JsonOption, out, print_json

_USUAL = (1, 3, 5, 10)
"""Replicates per task that are shown beside the planned number."""


def show_power(
    difference: Annotated[float, typer.Option("--difference", help="true difference assumed, in points")],
    tasks: Annotated[int, typer.Option("--tasks", help="tasks, the same for both programs")],
    replicates: Annotated[
        int, typer.Option("--replicates", help="how often each task is run with each program")
    ] = 1,
    rate: Annotated[float, typer.Option("--rate", help="rate of the weaker program, between 0 and 1")] = 0.5,
    correlation: Annotated[
        float, typer.Option("--correlation", help="of replicates within a task, between 0 and 1")
    ] = 0.67,
    alpha: Annotated[float, typer.Option("--alpha", help="level of the two-sided test")] = 0.05,
    target: Annotated[
        float, typer.Option("--target", help="power that the smallest difference shown refers to")
    ] = 0.8,
    as_json: JsonOption = False,
) -> None:
    """Say with what chance a planned comparison shows a difference, and which difference it can show at all."""
    plans = {
        k: power(difference, tasks, k, rate=rate, correlation=correlation, alpha=alpha, target=target)
        for k in sorted({replicates, *_USUAL})
    }
    if as_json:
        print_json({**asdict(plans[replicates]), "by_replicates": [asdict(plan) for plan in plans.values()]})
        return
    table = Table(title=f"a true difference of {difference:g} points on {tasks} tasks", title_justify="left")
    for heading in ("replicates", "power", "unpaired", "shown with " + f"{100 * target:g} %", "test"):
        table.add_column(heading, justify="left" if heading == "test" else "right", no_wrap=heading != "test")
    for k, plan in plans.items():
        least = "nothing" if plan.detectable_points is None else f"{plan.detectable_points:.1f} points"
        table.add_row(
            f"{k} (planned)" if k == replicates else str(k),
            f"{plan.power:.2f}",
            f"{plan.unpaired:.2f}",
            least,
            plan.test,
        )
    out.print(table)
    chosen = plans[replicates]
    enough = next((k for k, plan in plans.items() if plan.power >= target), None)
    advice = (
        f"{enough} replicates reach a power of {target:g}"
        if enough is not None
        else f"none of these numbers of replicates reaches a power of {target:g}: take more tasks"
    )
    verdict = "is enough" if chosen.power >= target else "is not enough"
    out.print(
        escape(
            f"the planned comparison shows the difference with a chance of {100 * chosen.power:.0f} %, which {verdict};"
            f" {advice}. Assumed: rate {100 * rate:g} %, correlation within a task {correlation:g}, level {alpha:g}."
        ),
        soft_wrap=True,
    )

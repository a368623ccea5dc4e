"""How the command line shows progress, figures and attempts to a person."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.syntax import Syntax
from rich.table import Table

from ..evals.figures import Figure
from ..evals.progress import Progress
from ..runtime.attempt import Attempt, Trajectory
from ..runtime.budget import Usage
from .common import err, is_quiet, out

PAPER = ", in the set-up of Feedback Over Form (not comparable with figures of another one)"
LINE_EVERY_S = 15.0
_WIDE = 80
"""Columns from which on every figure has a column of its own."""


@contextmanager
def scoring_progress(title: str) -> Generator[Callable[[Progress], None], None, None]:
    """Shows how far a scoring is on standard error: counts, tokens and time left; lines where there is no terminal."""
    if is_quiet():
        yield _line_by_line(title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[info]}"),
    )
    with Bar(*columns, console=err, transient=True) as bar:
        row = bar.add_task(escape(title), total=None, info="")
        yield lambda p: bar.update(row, total=p.total, completed=p.done, info=escape(_info(p)))


@contextmanager
def download_progress() -> Generator[Callable[[int, int | None], None], None, None]:
    """Shows a download on standard error once there is one."""
    columns = (TextColumn("downloading"), BarColumn(), DownloadColumn())
    with Bar(*columns, console=err, transient=True, disable=is_quiet()) as bar:
        row = bar.add_task("", total=None, visible=False)
        yield lambda done, total: bar.update(row, completed=done, total=total, visible=True)


def figure_table(rows: dict[str, Figure], title: str = "") -> Table:
    """Programs and their figures: rate with interval, and what it cost as if run alone."""
    table = Table(title=title or None, title_justify="left")
    level = next((f"{100 * f.level:g}" for f in rows.values()), "95")
    if out.width < _WIDE:
        table.add_column("program", overflow="fold")
        table.add_column(f"solved ({level} % interval) and cost", overflow="fold")
        for name, f in rows.items():
            rate = f"{100 * f.rate:.0f} % ({100 * f.interval[0]:.0f}–{100 * f.interval[1]:.0f} %)"
            cost = f"{f.model_calls:,} calls, {f.tokens_in + f.tokens_out:,} tokens, {f.model_seconds:.0f} model s"
            table.add_row(escape(name), f"{f.solved_of}, {rate}\n{cost}")
        return table
    for heading in ("program", "solved", "rate", f"{level} % interval", "calls", "tokens", "model s"):
        table.add_column(
            heading, justify="left" if heading == "program" else "right", no_wrap=heading != "program"
        )
    for name, f in rows.items():
        table.add_row(
            escape(name),
            f.solved_of,
            f"{100 * f.rate:.0f} %",
            f"{100 * f.interval[0]:.0f}–{100 * f.interval[1]:.0f} %",
            f"{f.model_calls:,}",
            f"{f.tokens_in + f.tokens_out:,}",
            f"{f.model_seconds:.0f}",
        )
    return table


def figure_notes(figure: Figure, paid: Usage, lost: Usage | None = None) -> str:
    """What a figure is to be read with: steering, tier, models, what was not verified, what was paid now."""
    models = ", ".join(f"{name} ({digest[:12] or 'no digest'})" for name, digest in figure.models.items())
    false_green = figure.false_green
    notes = [
        f"{figure.n} tasks, {figure.replicates} replicate{'s' if figure.replicates > 1 else ''};"
        f" passed the tests that steered, but not all: {false_green.line() if false_green else '0 of 0'}",
        f"steering: {figure.steering}{PAPER if figure.paper_faithful else ''}; sandbox: {figure.tier};"
        f" models: {models or 'none'}",
        f"no visible test: {figure.unverified}; answers cut at max_tokens: {figure.truncated}",
        f"calls, tokens and seconds as if run alone; paid now: {paid.calls} model calls, {paid.tokens:,} tokens"
        + (
            f", {lost.tokens:,} of them in calls that ended without an answer" if lost and lost.tokens else ""
        ),
    ]
    if figure.simulated:
        notes.append("SIMULATED: a scripted model had a part in this; it says nothing about a real one")
    return "\n".join(notes)


def conditions(figures: Mapping[str, Figure]) -> list[str]:
    """What all figures of an experiment are to be read with, in lines: n, replicates, steering, tier, models, cost."""
    found = list(figures.values())
    models = {name: digest for f in found for name, digest in f.models.items()}
    paper = PAPER if any(f.paper_faithful for f in found) else ""
    lines = [
        f"{_all(f.n for f in found)} tasks, {_all(f.replicates for f in found)} replicates; intervals are over tasks;"
        f" calls, tokens and seconds are those of all replicates, as if run alone",
        f"steering: {_all(f.steering for f in found)}{paper}; sandbox: {_all(f.tier for f in found)}; models: "
        + ", ".join(f"{name} ({digest[:12] or 'no digest'})" for name, digest in models.items()),
    ]
    green = {name: f.false_green for name, f in figures.items() if f.false_green and f.false_green.green}
    if green:
        told = "; ".join(f"{name} {one.line()}" for name, one in green.items())
        lines.append(f"passed the tests that steered, but not all (with intervals): {told}")
    return lines


def _all(values: Iterable[object]) -> str:
    """The different values, in order."""
    return " or ".join(dict.fromkeys(map(str, values)))


def beside_code() -> Console:
    """Where a person reads how code came about: not on standard output where that goes into a file or a pipe."""
    return out if out.is_terminal else err


def show_trajectory(trajectory: Trajectory) -> None:
    """The attempts as a person wants to see them: the code, what went wrong, and what was changed."""
    to = beside_code()
    before: Attempt | None = None
    for number, attempt in enumerate(trajectory.attempts, 1):
        outcome = attempt.execution.outcome if attempt.execution else "not run"
        colour = "green" if outcome == "passed" else "yellow" if outcome == "unverified" else "red"
        chosen = " ← chosen" if trajectory.chosen == number - 1 and len(trajectory.attempts) > 1 else ""
        to.print(
            f"[bold]attempt {number}[/bold] {attempt.stage} · {escape(attempt.model)}"
            f" · {attempt.usage.tokens_out} tokens · [{colour}]{outcome}[/{colour}]{chosen}"
        )
        if before is not None and before.code and attempt.code:
            _show_diff(to, before.code, attempt.code)
        elif attempt.code:
            to.print(Syntax(attempt.code, "python", background_color="default", word_wrap=True))
        else:
            to.print(escape(attempt.answer or "(the answer held no code)"), style="dim")
        execution = attempt.execution
        if execution is not None and not execution.passed and (execution.error_type or execution.message):
            text = ": ".join(p for p in (execution.error_type, execution.message) if p)
            to.print(f"  {escape(text)}", style=colour)
        before = attempt


def show_code(code: str) -> None:
    """The program that was chosen; into a file or a pipe as it is."""
    if out.is_terminal:
        out.print(Syntax(code, "python", background_color="default", word_wrap=True))
    else:
        out.out(code, highlight=False)


def _show_diff(to: Console, before: str, after: str) -> None:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]
    if not lines:
        to.print("  (the same code again)", style="dim")
    for line in lines:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
        to.print(f"  {escape(line)}", style=style)


def _line_by_line(title: str) -> Callable[[Progress], None]:
    told = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= LINE_EVERY_S or progress.done == progress.total:
            told = now
            err.print(escape(f"{title}: {progress.done}/{progress.total} {_info(progress)}"), soft_wrap=True)

    return tell


def _info(p: Progress) -> str:
    left = f", {_clock(p.left_s)} left" if p.left_s and p.done < p.total else ""
    interval = p.interval()
    rate = f"{100 * p.score_sum / p.done:.0f} % solved, " if p.done else ""
    if interval is not None:
        rate = (
            f"{100 * interval.estimate:.0f} % solved ({100 * interval.low:.0f}–{100 * interval.high:.0f} %), "
        )
    if p.pace_s:
        rate += f"{60 / p.pace_s:.1f} runs/min, "
    return f"{rate}{p.usage.calls} calls, {p.usage.tokens:,} tokens (paid {p.paid.tokens:,}){left}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"

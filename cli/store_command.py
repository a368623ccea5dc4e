"""`greenloop store`: what is in the store, its integrity, taking things out of it, exporting attempts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.markup import escape

from ..errors import StoreError, UsageError
from ..runtime.store import Store, maintenance, open_store
from ..runtime.store import export as exporting
from ..runtime.store.connection import in_memory, parse_url, shown
from .common import JsonOption, StoreOption, out, print_json, store_url

store = typer.Typer(help="What is in the store: stats, check, prune, export.", no_args_is_help=False)


def existing_store(url: str | None) -> Store:
    """The store that is there.

    Raises:
        UsageError: There is none: looking into a mistyped one must not make it.
    """
    parsed = parse_url(store_url(url))
    if (
        not in_memory(parsed)
        and parsed.get_backend_name() == "sqlite"
        and not Path(str(parsed.database)).exists()
    ):
        raise UsageError(f"there is no store at {shown(parsed)}: name another with --store")
    return open_store(store_url(url))


@store.command("stats")
def show_stats(url: StoreOption = None, as_json: JsonOption = False) -> None:
    """How many answers, executions, runs and attempts there are, by model."""
    with existing_store(url) as opened:
        found = maintenance.stats(opened)
    if as_json:
        print_json(asdict(found))
        return
    size = f"{found.size_bytes / 1e6:.1f} MB" if found.size_bytes is not None else "size unknown"
    out.print(escape(f"{found.url}: schema {found.schema_version}, {size}"), soft_wrap=True)
    out.print(f"{found.answers:,} answers, {found.executions:,} executions")
    out.print(f"{found.runs:,} runs with {found.attempts:,} attempts of {found.programs:,} programs")
    for label, count in found.answers_by_label.items():
        out.print(escape(f"  {label or '(no label)'}: {count:,} answers"))


@store.command("check")
def check_integrity(url: StoreOption = None, as_json: JsonOption = False) -> None:
    """Whether the store is whole; exit code 3 where it is not."""
    with existing_store(url) as opened:
        problems = maintenance.check(opened)
    if as_json:
        print_json({"problems": problems})
    elif not problems:
        out.print("the store is whole")
    if problems:
        raise StoreError("\n".join(problems))


@store.command("prune")
def prune_rows(
    url: StoreOption = None,
    model: Annotated[str | None, typer.Option("--model", help="answers of this model")] = None,
    older_than_days: Annotated[
        float | None, typer.Option("--older-than-days", min=0, help="only older ones")
    ] = None,
    executions: Annotated[
        bool, typer.Option("--executions", help="with --older-than-days: stored executions too")
    ] = False,
    program: Annotated[
        str | None, typer.Option("--program", help="ledger rows of this program (its hash)")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take answers, executions or ledger rows out of the store; what is gone has to be paid for again."""
    if not (model or older_than_days is not None or program):
        raise UsageError("say what to take out: --model, --older-than-days (with --executions) or --program")
    if not yes and not typer.confirm("what is pruned has to be paid for again; go on?", err=True):
        raise UsageError("nothing was pruned")
    with existing_store(url) as opened:
        gone = maintenance.prune(
            opened, label=model, older_than_days=older_than_days, executions=executions, program=program
        )
    if as_json:
        print_json({"pruned": gone})
    else:
        out.print(f"took {gone:,} rows out")


@store.command("export")
def export_attempts(
    path: Annotated[Path, typer.Argument(help="the file to write")],
    form: Annotated[
        str, typer.Option("--format", help="jsonl, parquet, or chat (for fine-tuning)")
    ] = "jsonl",
    url: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every attempt of the ledger to a file."""
    if form not in ("jsonl", "parquet", "chat"):
        raise UsageError(f"--format must be jsonl, parquet or chat, not {form!r}")
    with existing_store(url) as opened:
        count = exporting.write(opened, path, cast("Any", form))
    if as_json:
        print_json({"rows": count, "path": str(path)})
    else:
        out.print(escape(f"wrote {count:,} rows to {path}"))

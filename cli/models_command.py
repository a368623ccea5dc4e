"""`greenloop models`: list, pull, requantise and unload models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from ..errors import GreenloopError, UsageError
from ..runtime.backends.embedded import embedded_model_path
from ..runtime.backends.ollama_api import list_models, pull, unload
from ..runtime.language_model import engine_for
from ..runtime.model_spec import parse_model
from ..runtime.requantise import requantise
from .common import JsonOption, err, is_quiet, out, print_json

models = typer.Typer(help="List, pull, requantise and unload models.", no_args_is_help=False)


@models.command("list")
def list_all(
    url: Annotated[
        str | None, typer.Option("--url", help="of the Ollama server; OLLAMA_HOST without it")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The models at hand: name, parameters, size, quantisation, digest, loaded or not."""
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    try:
        spec = engine_for("embedded").describe()
        rows.append(
            {
                "name": "embedded",
                "digest": spec.digest,
                "size_bytes": spec.size_bytes,
                "parameters": f"{spec.parameters / 1e6:.0f}M" if spec.parameters else "",
                "quantisation": spec.quantisation or "",
                "loaded": False,
            }
        )
    except GreenloopError as error:
        problems.append(str(error))
    try:
        rows += [{**asdict(model), "name": f"ollama:{model.name}"} for model in list_models(url)]
    except GreenloopError as error:
        problems.append(str(error))
    if as_json:
        print_json({"models": rows, "problems": problems})
        return
    table = Table()
    for heading in ("name", "parameters", "size", "quantisation", "digest", "loaded"):
        table.add_column(heading)
    for row in rows:
        size = f"{row['size_bytes'] / 1e6:,.0f} MB" if row["size_bytes"] else "?"
        loaded = "yes" if row["loaded"] else "no"
        table.add_row(
            row["name"],
            row["parameters"],
            size,
            row["quantisation"],
            row["digest"].split(":")[-1][:12],
            loaded,
        )
    out.print(table)
    for problem in problems:
        err.print(escape(problem), soft_wrap=True)


@models.command("pull")
def pull_model(
    name: Annotated[str, typer.Argument(help="such as qwen2.5-coder:3b")],
    url: Annotated[
        str | None, typer.Option("--url", help="of the Ollama server; OLLAMA_HOST without it")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="NAME begins with a registry of yours that speaks plain HTTP")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch a model to the Ollama server, with a progress bar."""
    plain = parse_model(name if name.startswith("ollama:") else f"ollama:{name}").short_name
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=err, transient=True, disable=is_quiet()) as bar:
        row = bar.add_task("pulling", total=None)
        for step in pull(plain, url, insecure=insecure):
            bar.update(
                row, description=step.status, completed=step.done_bytes, total=step.total_bytes or None
            )
    if as_json:
        print_json({"pulled": plain})
    else:
        out.print(escape(f"pulled {plain}; use it: --model ollama:{plain}"))


@models.command("requantise")
def requantise_model(
    quantisation: Annotated[str, typer.Argument(help="F16, Q8_0 or Q4_0")],
    target: Annotated[Path, typer.Argument(help="the GGUF file to write")],
    source: Annotated[
        Path | None, typer.Option("--from", help="a GGUF file; the embedded model without it")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a second GGUF file of a model in another quantisation, so that model choice can be tried offline."""
    wanted = quantisation.upper()
    if wanted not in ("F16", "Q8_0", "Q4_0"):
        raise UsageError(f"quantisation must be F16, Q8_0 or Q4_0, not {quantisation!r}")
    if target.exists():
        raise UsageError(f"{target} exists: name another file")
    columns = (TextColumn("requantising"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=err, transient=True, disable=is_quiet()) as bar:
        row = bar.add_task("", total=None)
        requantise(
            source or embedded_model_path(),
            target,
            wanted,  # pyright: ignore[reportArgumentType]
            lambda done, total: bar.update(row, completed=done, total=total),
        )
    if as_json:
        print_json({"model": f"gguf:{target}", "size_bytes": target.stat().st_size})
    else:
        out.print(
            escape(f"wrote {target} ({target.stat().st_size / 1e6:.0f} MB); use it: --model gguf:{target}")
        )


@models.command("unload")
def unload_model(
    name: Annotated[str, typer.Argument(help="such as qwen2.5-coder:3b")],
    url: Annotated[
        str | None, typer.Option("--url", help="of the Ollama server; OLLAMA_HOST without it")
    ] = None,
) -> None:
    """Free the memory that a loaded Ollama model takes."""
    unload(name.removeprefix("ollama:"), url)
    out.print(escape(f"unloaded {name}"))

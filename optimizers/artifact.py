"""The exported folder: inert JSON that loads anywhere, and says what is known about the program.

::

    best/
    ├── program.json     class, blueprint or settings, prompts
    ├── manifest.json    schema version, models with digests, evidence, versions
    ├── README.md        the same for a person
    └── SHA256SUMS       of the other three: an edited folder is refused

Nothing is pickled and nothing is imported by a name that stands in the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import dspy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ExportError, ProgramError
from ..evals.evidence import Evidence
from ..modules.blueprint import (
    blueprint,
    build,
    class_name,
    is_ready_made,
    load_predictor_state,
    load_settings_state,
    predictor_state,
    settings_state,
    source_hash,
)
from ..modules.knobs import settings, to_plain
from ..runtime.versions import versions

SCHEMA = 1
_FILES = ("program.json", "manifest.json", "README.md")
_SUMS = "SHA256SUMS"
_MOST_BYTES = 50_000_000


class Saved(BaseModel):
    """The content of program.json."""

    model_config = ConfigDict(extra="forbid")

    class_name: str
    source_sha256: str | None
    blueprint: dict[str, Any] | None
    settings: dict[str, Any]
    prompts: dict[str, Any]


class Manifest(BaseModel):
    """The content of manifest.json."""

    model_config = ConfigDict(extra="forbid")

    kind: str = "greenloop-program"
    schema_version: int = SCHEMA
    created: str
    models: dict[str, str] = Field(description="name to digest; empty where no run has shown it")
    evidence: Evidence | None
    versions: dict[str, str]


def export(program: dspy.Module, folder: str | os.PathLike[str]) -> Path:
    """Write a program as one inert folder.

    Args:
        program: A tuned program, or any DSPy module. A class of your own cannot be inert data: the folder records
            its name and a hash of its source, and `load` then takes an instance.
        folder: Where to; an earlier export there is replaced, anything else is left alone.

    Returns:
        The folder.

    Raises:
        ExportError: The folder holds something else, or cannot be written.

    Example:
        >>> export(tuned, "best/")    # doctest: +SKIP
    """
    target = Path(folder)
    if target.exists() and not is_replaceable(target):
        raise ExportError(f"{target} exists and is no Greenloop export: name another folder")
    try:
        saved = Saved(
            class_name=class_name(program),
            source_sha256=None if is_ready_made(program) else source_hash(program),
            blueprint=blueprint(program) if is_ready_made(program) else None,
            settings=settings_state(program),
            prompts=predictor_state(program),
        )
    except ProgramError as error:
        raise ExportError(f"the program cannot be exported: {error}") from error
    evidence = cast("Evidence | None", getattr(program, "evidence", None))
    manifest = Manifest(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        models=_models(program, evidence),
        evidence=evidence,
        versions=versions(),
    )
    texts = {
        "program.json": saved.model_dump_json(indent=2) + "\n",
        "manifest.json": manifest.model_dump_json(indent=2) + "\n",
        "README.md": _card(saved, manifest),
    }
    texts[_SUMS] = "".join(
        f"{hashlib.sha256(t.encode()).hexdigest()}  {n}\n" for n, t in sorted(texts.items())
    )
    _write(target, texts)
    return target


def load(folder: str | os.PathLike[str], program: dspy.Module | None = None) -> dspy.Module:
    """Load an exported program; no code of the folder is run.

    Args:
        folder: What `export` wrote.
        program: An instance of your own class, where the program is none of Greenloop's; it is copied, not changed.

    Returns:
        The program, with `.evidence` where the folder has some.

    Raises:
        ExportError: The folder is no export, was edited, is of a newer schema, or needs `program=`.

    Example:
        >>> best = load("best/")    # doctest: +SKIP
    """
    saved, manifest = read(folder)
    if saved.blueprint is not None:
        loaded = build(saved.blueprint)
    elif program is None:
        raise ExportError(
            f"{folder} holds the class {saved.class_name}: pass load(folder, program=YourClass())"
        )
    else:
        if class_name(program).split(":")[-1] != saved.class_name.split(":")[-1]:
            raise ExportError(f"{folder} holds the class {saved.class_name}, not {class_name(program)}")
        if saved.source_sha256 and source_hash(program) not in (None, saved.source_sha256):
            raise ExportError(
                f"the source of {saved.class_name} changed since the export: its settings and evidence may not hold;"
                " restore it or export again"
            )
        loaded = program.deepcopy()
    load_settings_state(loaded, saved.settings)
    load_predictor_state(loaded, saved.prompts)
    cast("Any", loaded).evidence = manifest.evidence
    return loaded


def read(folder: str | os.PathLike[str]) -> tuple[Saved, Manifest]:
    """Check and read an exported folder without building the program.

    Raises:
        ExportError: See `load`.
    """
    target = Path(folder)
    if not target.is_dir():
        raise ExportError(f"{target} is no folder")
    present = {p.name for p in target.iterdir()}
    wanted = {*_FILES, _SUMS}
    if missing := sorted(wanted - present):
        raise ExportError(f"{target} is no Greenloop export: {missing[0]} is missing")
    if extra := sorted(present - wanted):
        raise ExportError(f"{target} was edited: it holds {extra[0]}, which no export writes")
    try:
        texts = {name: _read(target / name) for name in wanted}
        for line in texts[_SUMS].splitlines():
            digest, _, name = line.partition("  ")
            if hashlib.sha256(texts[name].encode()).hexdigest() != digest:
                raise ExportError(f"{target / name} was edited after the export: export again instead")
        if len(texts[_SUMS].splitlines()) != len(_FILES):
            raise ExportError(f"{target / _SUMS} is incomplete")
        raw = json.loads(texts["manifest.json"])
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        if not isinstance(version, int) or raw.get("kind") != "greenloop-program":
            raise ExportError(f"{target} is no Greenloop export")
        if version > SCHEMA:
            raise ExportError(
                f"{target} was written by a newer Greenloop (schema {version} > {SCHEMA}): upgrade"
            )
        return Saved.model_validate_json(texts["program.json"]), Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ExportError(f"{target} is damaged: {where}: {first['msg']}") from error
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise ExportError(f"{target} cannot be read: {error}") from error


def _read(path: Path) -> str:
    if path.stat().st_size > _MOST_BYTES:
        raise ExportError(f"{path} is larger than any export")
    return path.read_text(encoding="utf-8")


def is_replaceable(target: Path) -> bool:
    """Whether an export may be written there: an empty folder, or an earlier export."""
    if not target.is_dir():
        return False
    names = {p.name for p in target.iterdir()}
    return not names or (names <= {*_FILES, _SUMS} and "manifest.json" in names)


def _write(target: Path, texts: dict[str, str]) -> None:
    """Write all files beside the target, then put them in its place."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            for name, text in texts.items():
                (fresh / name).write_text(text, encoding="utf-8")
            fresh.chmod(0o755)
            if target.exists():
                shutil.rmtree(target)
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise ExportError(f"{target} cannot be written: {error}") from error


def _models(program: dspy.Module, evidence: Evidence | None) -> dict[str, str]:
    """Names of the models in the program's settings, with the digests that the evidence's runs saw."""
    seen: dict[str, str] = {}
    if evidence is not None and evidence.confirmed is not None:
        seen.update(evidence.confirmed.models)
    for finalist in evidence.finalists if evidence else ():
        seen.update(finalist.figure.models)
    named = {
        str(to_plain(s.value))
        for path, s in settings(program).items()
        if path.split(".")[-1] == "model" and s.value
    }
    return {name: seen.get(name, "") for name in sorted(named)}


def _card(saved: Saved, manifest: Manifest) -> str:
    """A readable page about the program."""
    values = [f"| {path} | `{json.dumps(state['value'])}` |" for path, state in saved.settings.items()]
    evidence = (
        str(manifest.evidence) if manifest.evidence else "none: the program was exported without tuning"
    )
    models = [f"- {name}: digest {digest or 'not recorded'}" for name, digest in manifest.models.items()]
    own = "" if saved.blueprint else ", program=YourClass()"
    return "\n".join(
        [
            f"# A Greenloop program: {saved.class_name.split(':')[-1]}",
            "",
            "```python",
            "import greenloop as gl",
            f'program = gl.load("this/folder"{own})',
            "```",
            "",
            "## Evidence",
            "",
            "```text",
            evidence,
            "```",
            "",
            "## Settings",
            "",
            "| setting | value |",
            "|---|---|",
            *values,
            "",
            "## Models",
            "",
            *(models or ["- none named: the program follows dspy.configure(lm=…)"]),
            "",
            f"Exported {manifest.created} with "
            + ", ".join(f"{k} {v}" for k, v in manifest.versions.items())
            + ".",
            "",
        ]
    )

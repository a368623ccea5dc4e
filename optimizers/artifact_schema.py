"""What an exported folder holds, as versioned pydantic models, and how older versions become this one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..errors import ExportError
from ..evals.evidence import Evidence

SCHEMA = 2
"""Version that `export` writes. Raise it when a field changes its meaning, and add a step to `_STEPS`."""

KIND = "greenloop-program"


class ModelRef(BaseModel):
    """A model as it is asked for, where its name in a setting does not say it all.

    Attributes:
        name: Greenloop's name for it.
        options: Options of `ModelOptions` that are not the defaults (context, hosts, …); never a key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    options: dict[str, Any] = {}


class ModelEntry(BaseModel):
    """A model that the program asks, as the exporting machine knew it.

    Attributes:
        name: As the program names it.
        backend: "embedded", "ollama", "openai", "litellm"; "custom" for a language model object of the user's own.
        digest: Digest of the weights: of the evidence's runs, else of the machine that exported; empty where neither
            was to be had.
        quantisation: Such as "Q4_K_M"; None where nothing told it.
        parameters: Number of parameters, likewise.
        context: Tokens of prompt and answer together, likewise.
        size_bytes: Size of the weights, likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    backend: str = ""
    digest: str = ""
    quantisation: str | None = None
    parameters: int | None = None
    context: int | None = None
    size_bytes: int | None = None


class DataEntry(BaseModel):
    """A set of tasks, by content.

    Attributes:
        n: How many tasks.
        sha256: Hash over their ids and digests, in sorted order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    sha256: str

    @classmethod
    def of(cls, tasks: list[str]) -> DataEntry:
        """The entry of tasks given as "id digest"."""
        return cls(n=len(tasks), sha256=hashlib.sha256("\n".join(sorted(tasks)).encode()).hexdigest())


class Saved(BaseModel):
    """The content of program.json: what `load` builds the program from.

    Attributes:
        class_name: "module:Class"; never imported.
        source_sha256: Hash of the class's source; None for ready-made programs.
        blueprint: How a ready-made program is put together; None for a class of the user's own.
        settings: Every setting by its path.
        prompts: Instructions, fields and demonstrations of every predictor by its path.
        model_refs: Path to label to model, for models whose label does not say it all.
    """

    model_config = ConfigDict(extra="forbid")

    class_name: str
    source_sha256: str | None
    blueprint: dict[str, Any] | None
    settings: dict[str, Any]
    prompts: dict[str, Any]
    model_refs: dict[str, dict[str, ModelRef]] = {}


class Manifest(BaseModel):
    """The content of manifest.json: what is known about the program.

    Attributes:
        kind: Always "greenloop-program".
        schema_version: Version of both JSON files.
        created: ISO time of the export.
        program: "module:Class".
        models: The models that the program asks.
        sampling: Stage to model, temperature, top_p, max_tokens.
        limits: Path to the bounds of a run in the sandbox.
        stop_rule: Path to value of the settings that loops go by: iterations, when they end, what is kept.
        prompts: Path to sha256 of a predictor's prompt state (in full in program.json).
        seed: Seed of the search; None without one.
        data: "tuned" and "validation" tasks by content.
        evidence: See `Evidence`; None where the program was not tuned.
        versions: Versions of what had a part in it.
    """

    model_config = ConfigDict(extra="forbid")

    kind: str = KIND
    schema_version: int = SCHEMA
    created: str
    program: str = ""
    models: tuple[ModelEntry, ...] = ()
    sampling: dict[str, dict[str, Any]] = {}
    limits: dict[str, Any] = {}
    stop_rule: dict[str, Any] = {}
    prompts: dict[str, str] = {}
    seed: int | None = None
    data: dict[str, DataEntry] = {}
    evidence: Evidence | None = None
    versions: dict[str, str] = Field(default_factory=dict[str, str])


def up_to_date(
    manifest: dict[str, Any], program: dict[str, Any], where: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The raw content of both files as the newest schema has it.

    Raises:
        ExportError: It is no export, or of a newer schema, or of one that is too old.
    """
    version = manifest.get("schema_version")
    if manifest.get("kind") != KIND or not isinstance(version, int) or isinstance(version, bool):
        raise ExportError(f"{where} is no Greenloop export")
    if version > SCHEMA:
        raise ExportError(f"{where} was written by a newer Greenloop (schema {version} > {SCHEMA}): upgrade")
    for step in range(version, SCHEMA):
        if step not in _STEPS:
            raise ExportError(
                f"{where} has schema {version}, which this Greenloop (schema {SCHEMA}) no longer reads: load and"
                " export it with an older one first"
            )
        manifest, program = _STEPS[step](manifest, program)
    return manifest, program


def _from_1(manifest: dict[str, Any], program: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Models were name to digest; sampling, limits and the like stood in program.json alone."""
    models = [{"name": n, "digest": d} for n, d in dict(manifest.get("models") or {}).items()]
    evidence: dict[str, Any] = manifest.get("evidence") or {}
    added = {
        "schema_version": 2,
        "models": models,
        "program": program.get("class_name", ""),
        "seed": evidence.get("seed"),
        "data": {
            name: DataEntry.of(list(tasks)).model_dump()
            for name, tasks in dict(evidence.get("tasks") or {}).items()
        },
    }
    return {**manifest, **added}, program


_STEPS: dict[int, Callable[..., tuple[dict[str, Any], dict[str, Any]]]] = {1: _from_1}

"""The exported folder: inert JSON that loads anywhere, and says what is known about the program.

::

    best/
    ├── program.json     class, blueprint or settings, prompts
    ├── manifest.json    schema version, models with digests, sampling, limits, stop rule, seeds, evidence, versions
    ├── README.md        the same for a person
    └── SHA256SUMS       of the other three: an edited folder is refused

Nothing is pickled and nothing is imported by a name that stands in the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import dspy
from pydantic import ValidationError

from ..errors import ExportError, GreenloopWarning, ProgramError
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
from ..modules.execute import Execute
from ..modules.settings import Setting, to_plain
from ..runtime.versions import versions
from . import artifact_folder as files
from .artifact_card import card
from .artifact_folder import is_replaceable
from .artifact_models import (
    missing_here,
    models_in_force,
    prompt_servers,
    put_in,
    recorded,
    references,
    same_weights,
)
from .artifact_schema import DataEntry, Manifest, Saved, up_to_date
from .stamp import evidence_for_export, stamp

__all__ = ["Manifest", "Saved", "export", "is_replaceable", "load", "model_notes", "read", "server_notes"]

_SAMPLING = ("model", "temperature", "top_p", "max_tokens")


def export(program: dspy.Module, folder: str | os.PathLike[str]) -> Path:
    """Write a program as one inert folder.

    Evidence goes along where it is about this program: with a setting, a prompt or a model changed since `compile` or
    `load` gave it, it stays behind, with a warning (`GreenloopWarning`).

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
    if (target.exists() or target.is_symlink()) and not is_replaceable(target):
        raise ExportError(f"{target} exists and is no Greenloop export: name another folder")
    own = not is_ready_made(program)
    try:
        saved = Saved(
            class_name=class_name(program),
            source_sha256=source_hash(program) if own else None,
            blueprint=None if own else blueprint(program),
            settings=settings_state(program),
            prompts=predictor_state(program),
            model_refs=references(program),
        )
        manifest = _manifest(program, saved, evidence_for_export(program))
        texts = {
            files.PROGRAM: _json(saved),
            files.MANIFEST: _json(manifest),
            files.CARD: card(saved, manifest, target.name or str(target)),
        }
    except (ProgramError, ValueError) as error:
        raise ExportError(f"the program cannot be exported: {error}") from error
    files.write_folder(target, texts)
    return target


def load(
    folder: str | os.PathLike[str],
    program: dspy.Module | None = None,
    *,
    models: Mapping[str, Any] | None = None,
    check_models: bool = True,
) -> dspy.Module:
    """Load an exported program; no code of the folder is run.

    Args:
        folder: What `export` wrote.
        program: An instance of your own class, where the program is none of Greenloop's; it is copied, not changed.
        models: Other models in the place of the exported ones, by their names: where a GGUF file lies elsewhere
            here, or the program was exported with a language model object.
        check_models: Look whether the models are on this machine, and warn (`GreenloopWarning`) about one that is
            missing, with what to do, about one whose digest is another than the exported one, and about servers
            beyond this machine that the folder names: prompts will go there. Asks their servers.

    Returns:
        The program, with `.evidence` where the folder has some.

    Raises:
        ExportError: The folder is no export, was edited, is of a newer schema, or needs `program=`.

    Example:
        >>> best = load("best/")    # doctest: +SKIP
        >>> best = load("best/", models={"gguf:/home/me/m.gguf": "gguf:m.gguf"})    # doctest: +SKIP
    """
    saved, manifest = read(folder)
    loaded = _built(saved, program, folder)
    given = {k: m for k, m in models_in_force(loaded).items() if isinstance(m, dspy.BaseLM)}
    try:
        load_settings_state(loaded, saved.settings)
        _check_prompts(loaded, saved.prompts)
        load_predictor_state(loaded, saved.prompts)
        named = models_in_force(loaded)
        instead = {**{k: m for k, m in given.items() if k in named}, **(models or {})}
        put_in(loaded, saved.model_refs, instead)
    except (AttributeError, KeyError, LookupError, ProgramError, TypeError, ValueError) as error:
        raise ExportError(f"{folder} is damaged: {' '.join(str(error).split())[:300]}") from error
    is_about = not models or (check_models and same_weights(manifest.models, models))
    stamp(loaded, manifest.evidence, is_about=is_about)
    if check_models:
        known = {*instead, *_objects(manifest)}
        for line in (*prompt_servers(loaded, known), *missing_here(loaded, manifest.models, instead)):
            warnings.warn(line, GreenloopWarning, stacklevel=2)
    return loaded


def server_notes(folder: str | os.PathLike[str], program: dspy.Module) -> list[str]:
    """A line for each server beyond this machine that a loaded program's prompts go to."""
    return prompt_servers(program, _objects(read(folder)[1]))


def model_notes(folder: str | os.PathLike[str], program: dspy.Module) -> list[str]:
    """A line for each model of a loaded program that is missing here, or is another one than was exported."""
    return missing_here(program, read(folder)[1].models, {})


def _objects(manifest: Manifest) -> set[str]:
    """Names of models that were objects of the exporting process, and no servers."""
    return {entry.name for entry in manifest.models if entry.backend == "custom"}


def read(folder: str | os.PathLike[str]) -> tuple[Saved, Manifest]:
    """Check and read an exported folder without building the program.

    Raises:
        ExportError: See `load`.
    """
    target = Path(folder)
    texts = files.read_folder(target)
    raw_manifest = files.parse(texts[files.MANIFEST], target / files.MANIFEST)
    raw_program = files.parse(texts[files.PROGRAM], target / files.PROGRAM)
    try:
        raw_manifest, raw_program = up_to_date(raw_manifest, raw_program, str(target))
        return Saved.model_validate(raw_program), Manifest.model_validate(raw_manifest)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ExportError(f"{target} is damaged: {where}: {first['msg']}") from error
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise ExportError(f"{target} is damaged: {error}") from error


def _built(saved: Saved, program: dspy.Module | None, folder: str | os.PathLike[str]) -> dspy.Module:
    if saved.blueprint is not None:
        return build(saved.blueprint)
    if program is None:
        raise ExportError(
            f"{folder} holds the class {saved.class_name}: pass load(folder, program=YourClass())"
        )
    if class_name(program).split(":")[-1] != saved.class_name.split(":")[-1]:
        raise ExportError(f"{folder} holds the class {saved.class_name}, not {class_name(program)}")
    if saved.source_sha256 and source_hash(program) not in (None, saved.source_sha256):
        raise ExportError(
            f"the source of {saved.class_name} changed since the export: its settings and evidence may not hold;"
            " restore it or export again"
        )
    return program.deepcopy()


def _check_prompts(program: dspy.Module, prompts: dict[str, Any]) -> None:
    """Refuse what no export writes: DSPy would set any attribute of a predictor that stands there."""
    for path, predictor in program.named_predictors():
        state: Any = prompts.get(path)
        if not isinstance(state, dict):
            raise ValueError(f"the prompts of {path} are missing")
        known = {*predictor.dump_state(json_mode=True), "fields"}
        if extra := sorted(set(cast("dict[str, Any]", state)) - known):
            raise ValueError(f"the prompts of {path} hold {extra[0]!r}")
        if cast("dict[str, Any]", state).get("lm") is not None:
            raise ValueError(f"the prompts of {path} name a language model")


def _manifest(program: dspy.Module, saved: Saved, evidence: Evidence | None) -> Manifest:
    parts = dict(_modules(program))
    own = {path: _own_settings(module) for path, module in parts.items()}
    asking = {path: values for path, values in own.items() if "model" in values}
    return Manifest(
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        program=saved.class_name,
        models=recorded(program, evidence),
        sampling={
            path: {k: v for k, v in values.items() if k in _SAMPLING} for path, values in asking.items()
        },
        limits={path: own[path]["limits"] for path, module in parts.items() if isinstance(module, Execute)},
        stop_rule={
            _join(path, key): value
            for path, values in own.items()
            if path not in asking and not isinstance(parts[path], Execute)
            for key, value in values.items()
        },
        prompts={
            path: hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
            for path, state in saved.prompts.items()
        },
        seed=evidence.seed if evidence else None,
        data={name: DataEntry.of(tasks) for name, tasks in evidence.tasks.items()} if evidence else {},
        evidence=evidence,
        versions=versions(),
    )


def _modules(program: dspy.Module) -> Iterator[tuple[str, dspy.Module]]:
    """Every module of the program by its path, predictors left out."""
    for path, module in program.named_sub_modules():
        if isinstance(module, dspy.Module) and not isinstance(module, dspy.Predict):
            yield path.removeprefix("self").removeprefix("."), module


def _own_settings(module: dspy.Module) -> dict[str, Any]:
    return {key: to_plain(s.value) for key, s in vars(module).items() if isinstance(s, Setting)}


def _json(data: Saved | Manifest) -> str:
    """JSON without NaN, which other readers of JSON refuse."""
    text = json.dumps(data.model_dump(mode="json"), indent=2, allow_nan=False, ensure_ascii=False)
    return text + "\n"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key

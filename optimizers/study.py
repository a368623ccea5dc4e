"""The Optuna study of a search: opened or resumed, with what earlier processes spent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import dspy
import optuna

from ..errors import StoreError, UsageError
from ..modules.blueprint import describe
from ..modules.knobs import Knob
from ..runtime.task import Task
from .space import space_digest_data


def study_name(
    program: dspy.Module,
    found: dict[str, Knob],
    tasks: Sequence[Task],
    seed: int,
    objectives: Sequence[str] = ("quality",),
) -> str:
    """Name of a study by its content, so that the same command finds its study again."""
    described = describe(program)
    described["settings"] = {k: v for k, v in described["settings"].items() if k not in found}
    content = [described, space_digest_data(found), sorted(t.digest for t in tasks), seed]
    if tuple(objectives) != ("quality",):
        content.append(list(objectives))
    return (
        "tune-" + hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]
    )


def open_study(
    url: str,
    name: str,
    sampler: optuna.samplers.BaseSampler,
    *,
    directions: Sequence[optuna.study.StudyDirection] = (optuna.study.StudyDirection.MAXIMIZE,),
    pruner: optuna.pruners.BasePruner | None = None,
) -> optuna.Study:
    """Open the study in the store, or make it.

    Raises:
        StoreError: The store cannot be opened.
        UsageError: A study of this name has other objectives.
    """
    storage: Any = None
    if url not in ("sqlite://", "sqlite:///:memory:"):
        connect = {"timeout": 60} if url.startswith("sqlite") else {}
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": connect})
        except (OSError, ImportError, optuna.exceptions.StorageInternalError) as error:
            raise StoreError(f"the study's store {url} cannot be opened: {error}") from error
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=list(directions),
        sampler=sampler,
        pruner=pruner or optuna.pruners.NopPruner(),
        load_if_exists=True,
    )
    if study.directions != list(directions):
        raise UsageError(f"the study {name} has other objectives: give it another name")
    return study

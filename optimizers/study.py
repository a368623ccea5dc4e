"""The Optuna study of a search: opened or resumed, with what earlier processes spent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import dspy
import optuna

from ..errors import StoreError
from ..modules.blueprint import describe
from ..modules.knobs import Knob
from ..runtime.budget import Usage
from ..runtime.task import Task
from .space import space_digest_data


def study_name(program: dspy.Module, found: dict[str, Knob], tasks: Sequence[Task], seed: int) -> str:
    """Name of a study by its content, so that the same command finds its study again."""
    described = describe(program)
    described["settings"] = {k: v for k, v in described["settings"].items() if k not in found}
    content = [described, space_digest_data(found), sorted(t.digest for t in tasks), seed]
    return (
        "tune-" + hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]
    )


def open_study(url: str, name: str, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """Open the study in the store, or make it.

    Raises:
        StoreError: The store cannot be opened.
    """
    storage: Any = None
    if url not in ("sqlite://", "sqlite:///:memory:"):
        connect = {"timeout": 60} if url.startswith("sqlite") else {}
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": connect})
        except (OSError, ImportError, optuna.exceptions.StorageInternalError) as error:
            raise StoreError(f"the study's store {url} cannot be opened: {error}") from error
    return optuna.create_study(
        storage=storage, study_name=name, direction="maximize", sampler=sampler, load_if_exists=True
    )


def take_over_stale_trials(study: optuna.Study) -> int:
    """Close the trials that a killed process left running, and queue their values again.

    Their stored calls are not paid again. Returns how many there were.
    """
    stale = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
    for trial in stale:
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params, user_attrs={"taken_over_from": trial.number})
    return len(stale)


def spent_before(study: optuna.Study) -> Usage:
    """What earlier processes of this study paid."""
    return Usage(**study.user_attrs.get("paid", {}))


def book_spent(study: optuna.Study, paid: Usage) -> None:
    """Note what was paid so far, for a process that goes on after this one."""
    study.set_user_attr("paid", paid.to_json())

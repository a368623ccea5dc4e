"""The Optuna study of a search: opened or resumed."""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import dspy
import optuna

from ..errors import StoreError, UsageError
from ..evals.check import solved
from ..evals.scoring import Metric
from ..modules.blueprint import describe
from ..modules.knobs import Knob
from ..runtime.task import Task
from .space import space_digest_data

_CONTENT = "what is searched"


def study_name(
    program: dspy.Module,
    found: dict[str, Knob],
    tasks: Sequence[Task],
    seed: int,
    objectives: Sequence[str] = ("quality",),
    *,
    oracle: bool = False,
    metric: Metric = solved,
) -> str:
    """Name of a study by all that its scores hang on, so that the same command finds its study again, and no other."""
    described = describe(program)
    described["settings"] = {k: v for k, v in described["settings"].items() if k not in found}
    content: list[Any] = [described, space_digest_data(found), sorted(t.digest for t in tasks), seed]
    if tuple(objectives) != ("quality",):
        content.append(list(objectives))
    if oracle or metric is not solved:
        content.append([oracle, metric_name(metric)])
    return (
        "tune-" + hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]
    )


def metric_name(metric: Metric) -> str:
    """A metric by its name and its source, where that is at hand."""
    named: Any = metric if hasattr(metric, "__qualname__") else type(metric)
    try:
        source = inspect.getsource(named)
    except (OSError, TypeError):
        source = ""
    return f"{named.__module__}:{named.__qualname__} {hashlib.sha256(source.encode()).hexdigest()[:12]}"


_verbosity = threading.Lock()


@contextmanager
def quiet_optuna() -> Generator[None, None, None]:
    """Inside the block Optuna does not tell on standard error that it made or opened a study; its warnings stay."""
    with _verbosity:
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)


def open_study(
    url: str,
    name: str,
    sampler: optuna.samplers.BaseSampler,
    *,
    content: str = "",
    directions: Sequence[optuna.study.StudyDirection] = (optuna.study.StudyDirection.MAXIMIZE,),
    pruner: optuna.pruners.BasePruner | None = None,
) -> optuna.Study:
    """Open the study in the store, or make it.

    Args:
        url: URL of the store.
        name: The study's name.
        sampler: Its sampler.
        content: What `study_name` makes of what is searched: a study of this name that is of another is refused.
        directions: Of its objectives.
        pruner: Its pruner.

    Raises:
        StoreError: The store cannot be opened.
        UsageError: A study of this name has other objectives, or its trials are of something else.
    """
    storage: Any = None
    if url not in ("sqlite://", "sqlite:///:memory:"):
        connect = {"timeout": 60} if url.startswith("sqlite") else {}
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": connect})
        except (OSError, ImportError, optuna.exceptions.StorageInternalError) as error:
            raise StoreError(f"the study's store {url} cannot be opened: {error}") from error
    with quiet_optuna():
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
    if study.user_attrs.get(_CONTENT, content) != content:
        raise UsageError(
            f"the study {name} is of another program, space, metric, steering or seed, or of other tasks: its scores"
            " cannot be set beside new ones; give it another name"
        )
    if _CONTENT not in study.user_attrs:
        study.set_user_attr(_CONTENT, content)
    return study

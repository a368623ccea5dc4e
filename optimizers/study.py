"""The Optuna study of a search: opened or resumed."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import dspy
import optuna

from ..errors import StoreError, UsageError
from ..evals.check import solved
from ..evals.scored_run import Metric
from ..modules.blueprint import describe
from ..modules.knobs import Choice, Knob
from ..modules.settings import label, settings
from ..runtime.engine import Engine
from ..runtime.language_model import language_model
from ..runtime.task import Task
from .metric_name import metric_name
from .space import space_digest_data

_CONTENT = "what is searched"


Named = Callable[[Sequence[Task]], str]
"""Tasks → the name of the study that tunes on them."""


def study_names(
    program: dspy.Module,
    found: dict[str, Knob],
    seed: int,
    objectives: Sequence[str] = ("quality",),
    *,
    oracle: bool = False,
    metric: Metric = solved,
) -> Named:
    """Names studies by all that their scores hang on, so that the same command finds its study again, and no other.

    The models' servers and files are asked once, now, for the digests of their weights: a tag that was pulled again
    meanwhile is another model, and has another study.

    Raises:
        ModelUnavailable: A server is away: which study it is cannot be known then.
    """
    described = describe(program)
    described["settings"] = {k: v for k, v in described["settings"].items() if k not in found}
    described["models"] = _models(program)
    content: list[Any] = [described, space_digest_data(found), seed, list(objectives), oracle]
    if metric is not solved:
        content.append(metric_name(metric))

    def named(tasks: Sequence[Task]) -> str:
        whole = json.dumps([*content, sorted(t.digest for t in tasks)], sort_keys=True, default=str)
        return "tune-" + hashlib.sha256(whole.encode()).hexdigest()[:12]

    return named


def _models(program: dspy.Module) -> dict[str, Any]:
    """Every model that the settings name or may choose, by path and label: its name, options and digest."""
    told: dict[str, Any] = {}
    for path, one in settings(program).items():
        is_model = path.split(".")[-1] == "model"
        for option in one.options if isinstance(one, Choice) else [one.value]:
            if isinstance(option, dspy.BaseLM) or (is_model and isinstance(option, str)):
                told[f"{path} {label(option)}"] = _model(option)
            elif is_model and option is None:
                told[path] = _model(dspy.settings.lm)
    return told or {"": _model(dspy.settings.lm)}


def _model(model: Any) -> list[Any] | None:
    if model is None:
        return None
    lm = language_model(model)
    # What is in an object of the user's own cannot be known, and its digest is new in each process.
    digest = "" if lm.spec.backend == "custom" else cast("Engine", lm.engine).digest()
    own = {k: v for k, v in lm.kwargs.items() if v is not None}
    return [lm.spec.name, lm.spec.unnamed_options, own, digest]


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
        content: What `study_names` makes of what is searched: a study of this name that is of another is refused.
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
            f"the study {name} is of another program, model, space, metric, steering or seed, or of other tasks: its"
            " scores cannot be set beside new ones; give it another name"
        )
    if _CONTENT not in study.user_attrs:
        study.set_user_attr(_CONTENT, content)
    return study

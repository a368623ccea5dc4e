"""What a program is set to: written into the ledger beside its runs, and shown in the report."""

from __future__ import annotations

import dataclasses
from typing import Any, cast
from weakref import WeakKeyDictionary

import dspy

from ..errors import GreenloopError
from ..modules.settings import settings
from ..runtime.engine import Engine
from ..runtime.execution import Limits
from ..runtime.language_model import language_model
from .check import solved

_cards: WeakKeyDictionary[Engine, dict[str, Any]] = WeakKeyDictionary()


def program_settings(program: dspy.Module, scoring: Limits | None = None) -> dict[str, Any]:
    """Every setting of a program by its path, with limits, stop rule and models under the names the report looks for.

    Args:
        program: Any program of stages with settings.
        scoring: Limits of the run that judges, where it was scored.

    Returns:
        Plain values: "class", "program settings", and where there are such "limits" (of the runs that steer), "scoring
        limits", "stop rule" and "models" (parameters, quantisation, context).

    Example:
        >>> import greenloop as gl
        >>> program_settings(gl.GenerateExecuteRefine(max_iterations=2))["stop rule"]["max_iterations"]
        2
    """
    values = {path: _plain(found.value) for path, found in settings(program).items()}
    limits = {path: value for path, value in values.items() if path.rpartition(".")[2] == "limits"}
    rules = {path: v for path, v in values.items() if path.rpartition(".")[2] in _STOP_SETTINGS}
    made: dict[str, Any] = {"class": type(program).__name__, "program settings": values}
    if limits:
        first = next(iter(limits.values()))
        made["limits"] = first if all(one == first for one in limits.values()) else limits
    if scoring is not None:
        made["scoring limits"] = dataclasses.asdict(scoring)
    if rules:
        made["stop rule"] = rules
    if cards := _models(program):
        made["models"] = cards
    return made


def unusual_conditions(stated: dict[str, Any], scoring: Limits, metric: Any) -> dict[str, Any]:
    """What besides program, task and steering tells a run from others in the ledger; empty for the usual.

    Args:
        stated: What `program_settings` says, and "paper faithful" where it is.
        scoring: Limits of the run that judges.
        metric: What scores.
    """
    told: dict[str, Any] = {}
    if scoring != Limits():
        told["scoring limits"] = dataclasses.asdict(scoring)
    if metric is not solved:
        told["metric"] = getattr(metric, "__qualname__", type(metric).__qualname__)
    if stated.get("paper faithful"):
        told["paper faithful"] = True
    return told


_STOP_SETTINGS = ("stop", "stop_on_pass", "patience", "max_iterations", "samples", "rounds", "keep")
"""Settings that say when a program ends and what it returns."""


def _models(program: dspy.Module) -> dict[str, dict[str, Any]]:
    """Name → what server or file says of each model in force."""
    chosen = [one.value for path, one in settings(program).items() if path.rpartition(".")[2] == "model"]
    used: list[Any] = [model for model in chosen if model]
    if dspy.settings.lm is not None and len(used) < len(chosen):
        used.append(dspy.settings.lm)
    found: dict[str, dict[str, Any]] = {}
    for model in used:
        engine = cast(Engine, language_model(model).engine)
        if engine not in _cards:
            try:
                spec = engine.describe()
            except GreenloopError:  # a rerun that is answered by the store needs no server
                continue
            card = {"parameters": spec.parameters, "quantisation": spec.quantisation, "context": spec.context}
            _cards[engine] = {"name": spec.name, **{k: v for k, v in card.items() if v is not None}}
        card = dict(_cards[engine])
        found[str(card.pop("name"))] = card
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dspy.BaseLM):
        return str(value.model)
    if isinstance(value, Limits):
        return dataclasses.asdict(value)
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in cast("dict[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in cast("list[Any]", value)]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)

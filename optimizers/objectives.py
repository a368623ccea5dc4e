"""What a search makes better: quality, and, where asked for, less compute and fewer seconds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

import dspy
import optuna

from ..errors import GreenloopWarning, UsageError
from ..evals.scores import TaskScore
from ..evals.search_record import Cost
from ..runtime.language_model import language_model

QUALITY = "quality"
OBJECTIVES = (QUALITY, "compute", "seconds")
SIZED, TOKENS = "parameters × tokens", "tokens"
"""What compute can be counted in."""


class Costing:
    """How a run's cost is counted: parameters × tokens, or tokens alone.

    Where a model was called whose size is not known (a module of the user's own may call any), tokens are counted from
    then on, with a warning; where compute is an objective that is refused instead.

    Args:
        sizes: Model → number of parameters; empty where tokens are counted.
        must_price: Compute is an objective, or picked by: every model's size must be known.
        several: More than one model is called.
        unsized: Models because of which tokens are counted, where there are several.

    Example:
        >>> Costing({}).unit
        'tokens'
    """

    def __init__(
        self,
        sizes: Mapping[str, float],
        *,
        must_price: bool = False,
        several: bool = False,
        unsized: Sequence[str] = (),
    ) -> None:
        self.unsized = tuple(unsized)
        self._sizes, self._must_price = dict(sizes), must_price
        self._several = several or len(sizes) > 1

    @property
    def unit(self) -> str:
        """What compute is counted in: `SIZED` or `TOKENS`."""
        return SIZED if self._sizes else TOKENS

    @property
    def caveat(self) -> str:
        """What is to be said where compute is called equal; tokens are so within one model alone."""
        return "in tokens of whatever model" if self._several and not self._sizes else ""

    def count_tokens(self) -> None:
        """Count tokens from now on."""
        self._sizes = {}

    def mean(self, items: Sequence[TaskScore]) -> Cost:
        """Mean cost of these runs.

        Raises:
            UsageError: Compute is an objective or picked by, and a model was called whose size is not known.
        """
        self._look(items)
        prompts = [self._weighted(item, answer=False) for item in items]
        answers = [self._weighted(item, answer=True) for item in items]
        n = len(items)
        return Cost(
            compute=math.fsum(prompts + answers) / n,
            compute_in=math.fsum(prompts) / n,
            compute_out=math.fsum(answers) / n,
            seconds=math.fsum(item.usage.model_seconds for item in items) / n,
            tokens=sum(item.usage.tokens for item in items) / n,
            calls=sum(item.usage.calls for item in items) / n,
        )

    def _weighted(self, item: TaskScore, *, answer: bool) -> float:
        def tokens(usage: Any) -> int:
            return usage.tokens_out if answer else usage.tokens_in

        if not self._sizes:
            return float(tokens(item.usage))
        return math.fsum(self._sizes[model] * tokens(usage) for model, usage in item.by_model.items())

    def _look(self, items: Sequence[TaskScore]) -> None:
        unknown = sorted({model for item in items for model in item.by_model} - self._sizes.keys())
        if not self._sizes or not unknown:
            return
        said = f"{unknown[0]} was called and its number of parameters is not known"
        remedy = f"parameters={{{unknown[0]!r}: 1.5e9}}"
        if self._must_price:
            raise UsageError(f"{said}: give {remedy}")
        self._several = True
        self.count_tokens()
        warnings.warn(
            f"{said}: compute counts tokens, of whatever model; {remedy} counts parameters × tokens",
            GreenloopWarning,
            stacklevel=2,
        )


def costing(
    models: Sequence[Any],
    objectives: Sequence[str],
    parameters: Mapping[str, float] | None = None,
    *,
    picked_by: str = "",
) -> Costing:
    """How compute is counted: parameters × tokens where every model's size is known, else tokens.

    Args:
        models: The models that a program may call, as its stages name them; None is that of `dspy.configure`.
        objectives: What is searched for.
        parameters: Model → number of parameters, for models whose server publishes none.
        picked_by: "compute" or "seconds", where the choice is made by one of them.

    Raises:
        UsageError: Compute of several models is asked for, and one's size is not known.
    """
    sizes: dict[str, float] = {name: float(size) for name, size in (parameters or {}).items()}
    sized: dict[str, bool] = {}
    for model in models:
        chosen = model if model is not None else dspy.settings.lm
        if chosen is None:
            continue
        engine = cast("Any", language_model(chosen).engine)
        name = str(engine.spec.name)
        size = sizes.get(name) or engine.describe().parameters
        if size:
            sizes[name] = float(size)
        sized[name] = bool(size)
    unknown = [name for name, is_known in sized.items() if not is_known]
    is_asked = "compute" in (*objectives, picked_by)
    if not unknown and sizes:
        return Costing(sizes, must_price=is_asked)
    several = len(sized) > 1
    if several and unknown and is_asked:
        raise UsageError(f"{_unsized(unknown)}, or leave compute out of objectives and pick")
    return Costing({}, several=several, unsized=unknown if several else ())


def warn_of_tokens(counted: Costing) -> None:
    """Say once, before a search, that tokens of several models are counted as if they were one's."""
    if counted.unsized:
        said = f"{_unsized(counted.unsized)}; now it counts tokens, of whatever model"
        warnings.warn(said, GreenloopWarning, stacklevel=2)


def _unsized(models: Sequence[str]) -> str:
    return (
        f"compute of several models is parameters × tokens, and the size of {', '.join(models)} is not known: give"
        f" parameters={{{models[0]!r}: 1.5e9}} (greenloop tune: --parameters {models[0]}=1.5e9)"
    )


def check_objectives(objectives: Sequence[str]) -> tuple[str, ...]:
    """The objectives in their order, quality first.

    Raises:
        UsageError: One is unknown, or quality is not among them.
    """
    if isinstance(objectives, str):
        raise UsageError(f'objectives is a tuple of names, such as ("quality",), got {objectives!r}')
    if any(name not in OBJECTIVES for name in objectives) or QUALITY not in objectives:
        raise UsageError(f"objectives are {', '.join(OBJECTIVES)}, quality among them; got {objectives!r}")
    return tuple(name for name in OBJECTIVES if name in objectives)


def directions(objectives: Sequence[str]) -> list[optuna.study.StudyDirection]:
    """Optuna's directions: more quality, less of everything else."""
    up, down = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    return [up if name == QUALITY else down for name in objectives]


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether (quality, cost, …) a is as good as b in everything and better in something.

    Example:
        >>> dominates((0.8, 100), (0.8, 120)), dominates((0.9, 130), (0.8, 120))
        (True, False)
    """
    signed = [(x, y) if i == 0 else (-x, -y) for i, (x, y) in enumerate(zip(a, b, strict=True))]
    return all(x >= y for x, y in signed) and any(x > y for x, y in signed)

"""The search space of a program: its knobs, as Optuna suggests them."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import dspy
import optuna

from ..errors import UsageError
from ..modules.knobs import Choice, Float, Int, Knob, knobs
from ..modules.settings import label, to_plain


class Space(dict[str, Knob]):
    """Knobs by path; printed as a table."""

    @property
    def size(self) -> float:
        """Configurations in it; infinite with a continuous knob."""
        return math.prod(knob.size for knob in self.values())

    def __str__(self) -> str:
        width = max(len(path) for path in self)
        lines = [f"{path:{width}}  {_range(knob)}, now {label(knob.value)}" for path, knob in self.items()]
        many = "infinitely many" if math.isinf(self.size) else f"{self.size:,.0f}"
        return "\n".join([*lines, f"{many} configurations"])


def space(program: dspy.Module) -> Space:
    """Every knob of the program that has more than one value: what a tuner searches.

    Raises:
        UsageError: There is none: nothing can be tuned.

    Example:
        >>> from greenloop import Generate, Int, Resample
        >>> print(space(Resample(generate=Generate(model="embedded"), samples=Int(1, 4))))
        samples  1 to 4, now 1
        4 configurations
    """
    found = Space({path: knob for path, knob in knobs(program).items() if knob.size > 1})
    if not found:
        raise UsageError(
            "the program has no knobs to tune: give a stage gl.Choice, gl.Int or gl.Float in place of a value, "
            "as in gl.Generate(temperature=gl.Float(0, 1))"
        )
    return found


def _range(knob: Knob) -> str:
    if isinstance(knob, Choice):
        return "one of " + ", ".join(knob.labels)
    low, high, step = (to_plain(getattr(knob, name)) for name in ("low", "high", "step"))
    return f"{low:g} to {high:g}" + (f" by {step:g}" if step not in (None, 1) else "")


def suggest(trial: optuna.Trial, found: dict[str, Knob]) -> dict[str, Any]:
    """A value for each knob, as Optuna's names and plain values (a `Choice` by its label)."""
    values: dict[str, Any] = {}
    for path, knob in found.items():
        if isinstance(knob, Choice):
            values[path] = trial.suggest_categorical(path, knob.labels)
        elif isinstance(knob, Int):
            values[path] = trial.suggest_int(path, knob.low, knob.largest, step=knob.step, log=knob.log)
        elif isinstance(knob, Float):
            values[path] = trial.suggest_float(path, knob.low, knob.largest, step=knob.step, log=knob.log)
    return values


def plain_values(found: dict[str, Knob], *, default: bool = False) -> dict[str, Any]:
    """The knobs' values (or defaults) as Optuna's plain values."""
    values: dict[str, Any] = {}
    for path, knob in found.items():
        value = knob.default if default else knob.value
        values[path] = label(value) if isinstance(knob, Choice) else value
    return values


def grid(found: dict[str, Knob]) -> list[dict[str, Any]]:
    """Every configuration of a finite space, as Optuna's plain values."""
    axes = [_points(knob) for knob in found.values()]
    return [dict(zip(found, point, strict=True)) for point in itertools.product(*axes)]


def _points(knob: Knob) -> list[Any]:
    if isinstance(knob, Choice):
        return list(knob.labels)
    if isinstance(knob, Int):
        return list(range(knob.low, knob.high + 1, knob.step))
    if isinstance(knob, Float) and knob.step:
        return [knob.nearest(knob.low + i * knob.step) for i in range(int(knob.size))]
    raise UsageError("a continuous knob has no grid")


def on_step(knob: Knob | None, value: Any) -> Any:
    """A drawn value as the grid and the defaults have it: Optuna adds steps up, and one of 0.1 has two values then."""
    return knob.nearest(value) if isinstance(knob, Float) else value


def place_of(knob: Knob, value: Any) -> float:
    """Where a number lies in its knob's range, from 0 to 1; of a `Choice` the number of the label."""
    if isinstance(knob, Choice):
        return float(knob.labels.index(value))
    assert isinstance(knob, Int | Float)
    low, high, at = (math.log(x) if knob.log else x for x in (knob.low, knob.high, value))
    return (at - low) / (high - low) if high > low else 0.0


def with_values(program: dspy.Module, values: dict[str, Any]) -> dspy.Module:
    """A deep copy of the program with these values in its knobs."""
    copy = program.deepcopy()
    own = knobs(copy)
    for path, value in values.items():
        own[path].value = value
    return copy


def space_digest_data(found: dict[str, Knob]) -> str:
    """The space as text, for the name of a study."""
    return json.dumps(
        {
            path: {**knob.dump_state(), "value": None, "default": to_plain(knob.default)}
            for path, knob in found.items()
        },
        sort_keys=True,
    )

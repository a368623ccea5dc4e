"""Knobs: tunable settings that live where they are used.

A stage reads `self.temperature.value`; a tuner finds every knob of a program with `knobs(program)`, whoever wrote the
program.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

from dspy import Module

from ..errors import ProgramError
from .settings import Setting, label, settings, to_plain

_NEAR = 1e-8
"""Of a step: what rounding may be off, as Optuna has it."""


class Knob(Setting):
    """A tunable setting: `Choice`, `Int` or `Float`.

    Attributes:
        default: The value in force before anything was tuned; tried first by a tuner.
    """

    kind = "knob"
    default: Any

    @property
    def size(self) -> float:
        """How many values the knob can take; infinite for a continuous one."""
        raise ProgramError(f"{type(self).__name__} is no knob of its own: use Choice, Int or Float")


class Choice(Knob):
    """One of several values.

    Args:
        options: What to choose from, without repeats: strings, numbers, booleans, None, or `dspy.LM`s.
        default: The option in force at first; the first one where none is named.

    Example:
        >>> Choice(["error_line", "per_test"]).value
        'error_line'
    """

    kind = "choice"

    def __init__(self, options: Sequence[Any], default: Any = None) -> None:
        if isinstance(options, str) or not options:
            raise ProgramError("Choice needs a list of at least one option")
        self.options = list(options)
        labels = [label(o) for o in self.options]
        if len(set(labels)) != len(labels):
            raise ProgramError(f"Choice has the same option twice: {labels}")
        super().__init__(self.options[0] if default is None and None not in self.options else default)
        self.default = self.value

    @property
    def labels(self) -> list[str]:
        """One unique text per option, as studies and reports name them."""
        return [label(o) for o in self.options]

    @property
    def size(self) -> float:
        """How many options there are."""
        return len(self.options)

    def check(self, value: Any) -> Any:
        """The option that equals `value` or bears its label."""
        wanted = label(value)
        for option in self.options:
            if label(option) == wanted:
                return option
        raise ProgramError(f"{value!r} is none of the options {self.labels}")

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """The knob as plain JSON data."""
        return {
            **super().dump_state(json_mode),
            "options": [to_plain(o) for o in self.options],
            "default": to_plain(self.default),
        }


class _Number(Knob):
    """What the two numeric knobs share: a closed range, a step, a log scale."""

    def __init__(self, low: Any, high: Any, *, default: Any, step: Any, log: bool) -> None:
        self.low, self.high, self.step, self.log = low, high, step, log
        super().__init__(default)
        self.default = self.value

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """The knob as plain JSON data."""
        own = {
            "low": self.low,
            "high": self.high,
            "step": self.step,
            "log": self.log,
            "default": self.default,
        }
        return {**super().dump_state(json_mode), **own}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.low}, {self.high}, value={self._value})"


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < _NEAR


def _at(low: float, step: float, number: int) -> float:
    """Where a step lies, in decimal digits as Optuna reckons: 3 steps of 0.3 are 0.9."""
    return float(Decimal(str(low)) + number * Decimal(str(step)))


def _check_range(name: str, low: Any, high: Any, step: Any, log: bool) -> None:
    for number in (low, high) if step is None else (low, high, step):
        if isinstance(number, bool) or not isinstance(number, Real) or not math.isfinite(number):
            raise ProgramError(f"{name}: low, high and step are finite numbers, not {number!r}")
    if not low <= high:
        raise ProgramError(f"{name}: low {low} is above high {high}")
    if step is not None and step <= 0:
        raise ProgramError(f"{name}: step must be positive, got {step}")
    if log and (low <= 0 or step not in (None, 1)):
        raise ProgramError(f"{name}: a log scale needs low > 0 and no step")


class Int(_Number):
    """A whole number in [low, high].

    Args:
        low: Smallest value.
        high: Largest value.
        default: The value in force at first; `low` where none is named.
        step: Distance of neighbouring values, from `low` on.
        log: Sample on a log scale.

    Example:
        >>> Int(0, 5, default=3).value
        3
    """

    kind = "int"

    def __init__(
        self, low: int, high: int, *, default: int | None = None, step: int = 1, log: bool = False
    ) -> None:
        _check_range("Int", low, high, step, log)
        for number in (low, high, step):
            if not float(number).is_integer():
                raise ProgramError(f"Int: low, high and step are whole numbers, not {number!r}")
        default = low if default is None else default
        super().__init__(int(low), int(high), default=default, step=int(step), log=log)

    @property
    def size(self) -> float:
        """How many values the knob can take."""
        return (self.high - self.low) // self.step + 1

    @property
    def largest(self) -> int:
        """The largest value that it can take: the last step that is not above `high`."""
        return self.high - (self.high - self.low) % self.step

    def check(self, value: Any) -> int:
        """The value as an int, if it is in range."""
        number = float(value) if not isinstance(value, bool) and isinstance(value, Real) else math.nan
        if not number.is_integer() or not self.low <= number <= self.high or (number - self.low) % self.step:
            steps = "" if self.step == 1 else f" in steps of {self.step}"
            raise ProgramError(f"{value!r} is no whole number from {self.low} to {self.high}{steps}")
        return int(number)


class Float(_Number):
    """A number in [low, high].

    Args:
        low: Smallest value.
        high: Largest value.
        default: The value in force at first; the middle of the range, or the step before it, where none is named.
        step: Distance of neighbouring values, from `low` on; None for a continuous knob.
        log: Sample on a log scale.

    Example:
        >>> Float(0.0, 1.0, default=0.3).value
        0.3
    """

    kind = "float"

    def __init__(
        self,
        low: float,
        high: float,
        *,
        default: float | None = None,
        step: float | None = None,
        log: bool = False,
    ) -> None:
        _check_range("Float", low, high, step, log)
        middle = math.sqrt(low * high) if log else (low + high) / 2
        if step is not None:
            middle = _at(low, step, math.floor((middle - low) / step + _NEAR))
        super().__init__(low, high, default=middle if default is None else default, step=step, log=log)

    @property
    def size(self) -> float:
        """How many values the knob can take; infinite without a step."""
        return math.inf if self.step is None else math.floor((self.high - self.low) / self.step + _NEAR) + 1

    @property
    def largest(self) -> float:
        """The largest value that it can take: the last step that is not above `high`."""
        return self.high if self.step is None else _at(self.low, self.step, int(self.size) - 1)

    def nearest(self, value: float) -> float:
        """The step nearest to a value, as it is written: 0.3 where a sum of steps is 0.30000000000000004."""
        return (
            float(value)
            if self.step is None
            else _at(self.low, self.step, round((value - self.low) / self.step))
        )

    def check(self, value: Any) -> float:
        """The value as a float, if it is in range."""
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not self.low <= value <= self.high
            or (self.step is not None and not _is_whole((value - self.low) / self.step))
        ):
            steps = "" if self.step is None else f" in steps of {self.step}"
            raise ProgramError(f"{value!r} is no number from {self.low} to {self.high}{steps}")
        return float(value)


def from_state(state: dict[str, Any]) -> Setting:
    """Build the setting or knob that `dump_state` wrote."""
    kind = state.get("kind")
    if kind == "setting":
        return Setting(state["value"])
    if kind == "choice":
        knob: Knob = Choice(state["options"], default=state["default"])
    elif kind == "int":
        knob = Int(
            state["low"], state["high"], default=state["default"], step=state["step"], log=state["log"]
        )
    elif kind == "float":
        knob = Float(
            state["low"], state["high"], default=state["default"], step=state["step"], log=state["log"]
        )
    else:
        raise ProgramError(f"no knob is of the kind {kind!r}")
    knob.value = state["value"]
    return knob


def knobs(program: Module) -> dict[str, Knob]:
    """Every knob of a program by its dotted path; one that several stages share stands once, under its first path.

    The walk is our own: DSPy's `named_parameters` passes over compiled submodules, knobs and all.

    Args:
        program: Any DSPy module.

    Returns:
        Path (``"generate.temperature"``) to knob, in the order in which the program holds them.
    """
    return {path: s for path, s in settings(program).items() if isinstance(s, Knob)}

"""Knobs: tunable settings that live where they are used.

A knob is a DSPy `Parameter`: DSPy's optimizers leave it alone, and it is saved in a program's JSON. A stage reads
`self.temperature.value`; a tuner finds every knob of a program with `knobs(program)`, whoever wrote the program.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, cast

from dspy import Module
from dspy.predict.parameter import Parameter

from ..errors import ProgramError


class Setting(Parameter):
    """A value that a module reads as `.value` and that is saved with it; the base of all knobs.

    Attributes:
        value: The value in force.
    """

    kind = "setting"

    def __init__(self, value: Any) -> None:
        self._value = self.check(value)

    @property
    def value(self) -> Any:
        """The value in force."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value = self.check(value)

    def check(self, value: Any) -> Any:
        """The value if it is allowed here.

        Raises:
            ProgramError: It is not.
        """
        return value

    def __deepcopy__(self, memo: dict[int, Any]) -> Setting:
        """A setting of its own, shared wherever the original was; a language model in it stays the same object."""
        made = copy.copy(self)
        memo[id(self)] = made
        return made

    def reset(self) -> None:
        """Leave the value alone: DSPy resets a program's parameters before it optimizes prompts."""

    def dump_state(self, json_mode: bool = True) -> dict[str, Any]:
        """The setting as plain JSON data."""
        return {"kind": self.kind, "value": to_plain(self._value)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take the value that `dump_state` wrote."""
        self.value = state["value"]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._value!r})"


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
        self.default = self.options[0] if default is None and None not in self.options else default
        super().__init__(self.default)

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
        name = type(self).__name__
        if log and (low <= 0 or step not in (None, 1)):
            raise ProgramError(f"{name}: a log scale needs low > 0 and no step")
        if step is not None and step <= 0:
            raise ProgramError(f"{name}: step must be positive, got {step}")
        self.low, self.high, self.step, self.log = low, high, step, log
        self.default = default
        super().__init__(default)

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


def _check_bounds(name: str, low: Any, high: Any) -> None:
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, Real):
            raise ProgramError(f"{name}: low and high are numbers, not {bound!r}")
    if not low <= high:
        raise ProgramError(f"{name}: low {low} is above high {high}")


class Int(_Number):
    """A whole number in [low, high].

    Args:
        low: Smallest value.
        high: Largest value.
        default: The value in force at first; `low` where none is named.
        step: Distance of neighbouring values.
        log: Sample on a log scale.

    Example:
        >>> Int(0, 5, default=3).value
        3
    """

    kind = "int"

    def __init__(
        self, low: int, high: int, *, default: int | None = None, step: int = 1, log: bool = False
    ) -> None:
        _check_bounds("Int", low, high)
        super().__init__(low, high, default=low if default is None else default, step=step, log=log)

    @property
    def size(self) -> float:
        """How many values the knob can take."""
        return (self.high - self.low) // self.step + 1

    def check(self, value: Any) -> int:
        """The value as an int, if it is in range."""
        number = float(value) if not isinstance(value, bool) and isinstance(value, Real) else math.nan
        if not number.is_integer() or not self.low <= number <= self.high:
            raise ProgramError(f"{value!r} is no whole number from {self.low} to {self.high}")
        return int(number)


class Float(_Number):
    """A number in [low, high].

    Args:
        low: Smallest value.
        high: Largest value.
        default: The value in force at first; the middle of the range where none is named.
        step: Distance of neighbouring values; None for a continuous knob.
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
        _check_bounds("Float", low, high)
        middle = math.sqrt(low * high) if log and low > 0 else (low + high) / 2
        super().__init__(low, high, default=middle if default is None else default, step=step, log=log)

    @property
    def size(self) -> float:
        """How many values the knob can take; infinite without a step."""
        return math.inf if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def check(self, value: Any) -> float:
        """The value as a float, if it is in range."""
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not self.low <= value <= self.high
        ):
            raise ProgramError(f"{value!r} is no number from {self.low} to {self.high}")
        return float(value)


def setting(value: Any) -> Setting:
    """A knob as it is; any other value as a fixed setting that is saved with the program, a dataclass by its fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    return value if isinstance(value, Setting) else Setting(value)


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


def label(option: Any) -> str:
    """A text that names an option: a language model's name, else its `repr` without quotes for strings."""
    plain = to_plain(option)
    return plain if isinstance(plain, str) else repr(plain)


def to_plain(value: Any) -> Any:
    """A value as JSON data: a language model becomes its name."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in cast("Sequence[Any]", value)]
    if isinstance(value, dict):
        return {str(k): to_plain(v) for k, v in cast("dict[Any, Any]", value).items()}
    spec = getattr(getattr(value, "engine", None), "spec", None) or getattr(value, "spec", None)
    name = getattr(spec, "name", None) or getattr(value, "model", None)
    if isinstance(name, str):
        return name
    raise ProgramError(
        f"a setting's value must be plain data or a language model, not {type(value).__name__}"
    )


def knobs(program: Module) -> dict[str, Knob]:
    """Every knob of a program by its dotted path; one that several stages share stands once, under its first path.

    The walk is our own: DSPy's `named_parameters` passes over compiled submodules, knobs and all.

    Args:
        program: Any DSPy module.

    Returns:
        Path (``"generate.temperature"``) to knob, in the order in which the program holds them.
    """
    return {path: s for path, s in settings(program).items() if isinstance(s, Knob)}


def settings(program: Module) -> dict[str, Setting]:
    """Every setting of a program by its dotted path, knobs and fixed values alike."""
    found: dict[str, Setting] = {}
    seen: set[int] = set()

    def walk(value: Any, path: str) -> None:
        if id(value) in seen:
            return
        if isinstance(value, Setting):
            seen.add(id(value))
            found[path] = value
        elif isinstance(value, Module):
            seen.add(id(value))
            for name, child in vars(value).items():
                walk(child, f"{path}.{name}" if path else name)
        elif isinstance(value, list | tuple):
            for i, child in enumerate(cast("Sequence[Any]", value)):
                walk(child, f"{path}[{i}]")
        elif isinstance(value, dict):
            for key, child in cast("dict[Any, Any]", value).items():
                walk(child, f"{path}[{key!r}]")

    walk(program, "")
    return found

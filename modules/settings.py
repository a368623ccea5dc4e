"""Settings: values that live where they are used and are saved with a program; a knob is one that can be tuned.

A setting is a DSPy `Parameter`: DSPy's optimizers leave it alone, and it is saved in a program's JSON.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
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


def setting(value: Any) -> Setting:
    """A knob as it is; any other value as a fixed setting that is saved with the program, a dataclass by its fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    return value if isinstance(value, Setting) else Setting(value)


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

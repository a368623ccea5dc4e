"""What a setting may be: checked where it is given, before anything is paid for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import dspy

from ..errors import ProgramError
from .knobs import Choice, Float, Int
from .settings import Setting, setting


@dataclass(frozen=True)
class Number:
    """A number in [low, high].

    Attributes:
        low: Smallest value.
        high: Largest value.
        above: `low` itself is not allowed.
        whole: Whole numbers only.
        or_none: None is allowed as well.

    Example:
        >>> Number(1, whole=True).refusal(0)
        'a whole number of at least 1'
    """

    low: float
    high: float = math.inf
    above: bool = False
    whole: bool = False
    or_none: bool = False

    def refusal(self, value: Any) -> str | None:
        """What is allowed, where `value` is not; else None."""
        if value is None and self.or_none:
            return None
        if not isinstance(value, bool) and isinstance(value, Integral if self.whole else Real):
            number = float(value)
            if (
                self.low <= number <= self.high
                and number < math.inf
                and not (self.above and number == self.low)
            ):
                return None
        text = "a whole number" if self.whole else "a number"
        text += f" above {self.low}" if self.above else f" of at least {self.low}"
        text += f" and at most {self.high}" if self.high < math.inf else ""
        return text + (", or None" if self.or_none else "")


@dataclass(frozen=True)
class OneOf:
    """One of several values.

    Attributes:
        options: The values.

    Example:
        >>> OneOf(("best", "last")).refusal("bets")
        "one of 'best', 'last'"
    """

    options: tuple[Any, ...]

    def refusal(self, value: Any) -> str | None:
        """What is allowed, where `value` is not; else None."""
        if any(type(value) is type(option) and value == option for option in self.options):
            return None
        options = ", ".join(map(repr, self.options))
        return options if len(self.options) == 1 else f"one of {options}"


YES_OR_NO = OneOf((True, False))
BEST_OR_LAST = OneOf(("best", "last"))
COUNT = Number(0, whole=True)
AT_LEAST_ONE = Number(1, whole=True)


class Tunable(dspy.Module):
    """A module with settings: each is checked when it is set, and a plain value set later stays a setting.

    Attributes:
        allowed: Name of a setting to what it, and every value that a knob there can take, may be.

    Example:
        >>> class Twice(Tunable):
        ...     allowed = {"samples": AT_LEAST_ONE}
        ...     def __init__(self, samples=2):
        ...         super().__init__()
        ...         self.samples = setting(samples)
        >>> twice = Twice()
        >>> twice.samples = 3
        >>> twice.samples.value
        3
        >>> Twice(samples=Int(0, 3))
        Traceback (most recent call last):
        ...
        greenloop.errors.ProgramError: Twice: samples must be a whole number of at least 1, not 0
    """

    allowed: ClassVar[Mapping[str, Number | OneOf]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        rule = self.allowed.get(name)
        if rule is not None or isinstance(vars(self).get(name), Setting):
            value = setting(value)
        if rule is not None:
            for possible in _possible(value):
                self.check(name, possible)
        super().__setattr__(name, value)

    def check(self, name: str, value: Any) -> None:
        """Whether a setting may have a value.

        Raises:
            ProgramError: It may not; the message says what is allowed.
        """
        rule = self.allowed.get(name)
        refusal = rule.refusal(value) if rule is not None else None
        if refusal is not None:
            raise ProgramError(f"{type(self).__name__}: {name} must be {refusal}, not {value!r}")


def _possible(given: Setting) -> list[Any]:
    """The values that settle whether all values that a setting can take are allowed."""
    if isinstance(given, Choice):
        return given.options
    if isinstance(given, Int | Float):
        return [given.value, given.low, given.high]
    return [given.value]

"""Several comparisons at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...errors import UsageError
from .units import p_text


@dataclass(frozen=True, slots=True)
class HolmResult:
    """A family of p values, adjusted so that the chance of *any* false finding stays under `alpha`.

    Attributes:
        adjusted: Name → adjusted p value, in the order given.
        rejected: Names whose adjusted p value is at most `alpha`.
        alpha: The chance of any false finding that is allowed.
    """

    adjusted: Mapping[str, float]
    rejected: tuple[str, ...]
    alpha: float

    def __str__(self) -> str:
        listed = ", ".join(f"{name}: {p_text(p)}" for name, p in self.adjusted.items())
        return f"{len(self.rejected)} of {len(self.adjusted)} shown at {self.alpha:g} (Holm): {listed}"


def holm(p_values: Mapping[str, float], alpha: float = 0.05) -> HolmResult:
    """Holm's step-down adjustment of a family of p values.

    Args:
        p_values: Name of the comparison → its p value, in [0, 1]. All comparisons that were made belong in.
        alpha: Chance of any false finding in the family.

    Assumes: nothing about how the comparisons depend on each other.

    Raises:
        UsageError: An empty family or a p value outside [0, 1].

    Source: Holm 1979; `statsmodels` has it too, and collects all garbage of the process at every call.

    Example:
        >>> holm({"a": 0.01, "b": 0.04}).adjusted
        {'a': 0.02, 'b': 0.04}
    """
    if not p_values:
        raise UsageError("an empty family: Holm's adjustment needs at least one p value")
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"alpha {alpha!r} is not between 0 and 1; 0.05 is usual")
    for name, p in p_values.items():
        if not 0.0 <= p <= 1.0:
            raise UsageError(f"the p value of {name!r} is {p!r}; p values lie in [0, 1]")
    given = np.array(list(p_values.values()))
    order = np.argsort(given, kind="stable")
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1)))
    found = {name: float(p) for name, p in zip(p_values, adjusted, strict=True)}
    return HolmResult(found, tuple(name for name, p in found.items() if p <= alpha), alpha)

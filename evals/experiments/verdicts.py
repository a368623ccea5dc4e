"""Verdicts in words from comparisons."""

from __future__ import annotations

from collections.abc import Sequence

from ..statistics import power
from .result import Contrast


def in_words(contrasts: Sequence[Contrast]) -> str:
    """What the comparisons show, and what they don't, in sentences.

    Example:
        >>> in_words([])
        'Nothing was compared.'
    """
    if not contrasts:
        return "Nothing was compared."
    shown = [c for c in contrasts if c.shown]
    rest = [c for c in contrasts if not c.shown]
    parts = [f"{c.verdict}{_at(c)} ({c.points:+.1f} points)" for c in shown]
    if rest:
        listed = "; ".join(f"{c.name} against {c.other}{_at(c)} ({c.points:+.1f})" for c in rest)
        parts.append(f"not shown better or worse: {listed}")
    return _sentence("; ".join(parts))


def power_words(n: int, replicates: int, rates: Sequence[float], level: float, what: str = "tasks") -> str:
    """What difference so many tasks can show.

    Args:
        n: Number of tasks.
        replicates: Runs of each.
        rates: Rates of the programs, in [0, 1].
        level: 1 − level is the level of the tests.
        what: What the tasks are called.

    Example:
        >>> power_words(1, 3, [0.5], 0.95)
        'one task shows nothing about others'
    """
    if n < 2 or not rates:
        return "one task shows nothing about others"
    rate = min(max(sum(rates) / len(rates), 0.05), 0.9)
    found = power(1.0, n, replicates, rate=rate, alpha=1 - level).detectable_points
    if found is None:
        return f"{n} {what} are too few to show any difference with power 0.8"
    return (
        f"{n} {what} with {replicates} replicate{'s' * (replicates != 1)} show a difference of {found:.0f} points with"
        f" power 0.8 (at a rate of {100 * rate:.0f} %, before Holm): a smaller one that is not shown is not thereby"
        " absent"
    )


def _at(contrast: Contrast) -> str:
    return f" at {contrast.at}" if contrast.at and not contrast.other.count(" at the ") else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."

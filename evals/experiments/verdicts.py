"""Verdicts in words from comparisons."""

from __future__ import annotations

from collections.abc import Sequence

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


def find(contrasts: Sequence[Contrast], name: str, other: str) -> Contrast | None:
    """The comparison of two arms; None where it was not made."""
    return next((c for c in contrasts if (c.name, c.other) == (name, other)), None)


def _at(contrast: Contrast) -> str:
    return f" at {contrast.at}" if contrast.at and not contrast.other.count(" at the ") else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."

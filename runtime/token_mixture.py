"""The mixture of two contexts' log-probabilities, on what a backend lists of each."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

from .token_source import Piece

CLIP_NATS = 3.0
"""Largest size of the log ratio guided/plain of a token that only one of the two contexts lists."""


def mix(
    plain: Mapping[Piece, float], guided: Mapping[Piece, float], gamma: float, clip: float = CLIP_NATS
) -> dict[Piece, float]:
    """log P = log P_plain + γ · (log P_guided − log P_plain), renormalised over all tokens that either side lists.

    A token that one side does not list is there at most as likely as the least token listed, and as all unlisted ones
    together: that bound stands in for it. Its ratio is clipped to ±`clip`, and to at most 0 where the guided side does
    not list it, so that no token wins by not being listed.

    Args:
        plain: Token to natural log-probability without the signal.
        guided: The same with it.
        gamma: 0 is the plain context, 1 the guided one, more than 1 goes beyond it.
        clip: See above, in nats.

    Returns:
        Token to log-probability in the mixture.

    Example:
        >>> a, b = Piece(0, b"a"), Piece(1, b"b")
        >>> half = math.log(0.5)
        >>> round(math.exp(mix({a: half, b: half}, {a: math.log(0.8), b: math.log(0.2)}, 1.0)[a]), 3)
        0.8

    Source: execution-guided generation, arXiv 2506.10948 (classifier-free guidance over the execution signal).
    """
    if not plain or not guided:
        raise ValueError("both contexts must list at least one token")
    floor_plain, floor_guided = _bound(plain), _bound(guided)
    scores: dict[Piece, float] = {}
    for piece, base in plain.items():
        there = guided.get(piece)
        ratio = max(-clip, min(0.0, floor_guided - base)) if there is None else there - base
        scores[piece] = base + gamma * ratio
    for piece, there in guided.items():
        if piece not in scores:
            scores[piece] = floor_plain + gamma * max(-clip, min(clip, there - floor_plain))
    return renormalised(scores)


def _bound(listed: Mapping[Piece, float]) -> float:
    """The most that a token can have which is not listed."""
    rest = 1.0 - math.fsum(math.exp(value) for value in listed.values())
    return min(min(listed.values()), math.log(max(rest, 1e-10)))


def renormalised(scores: Mapping[Piece, float]) -> dict[Piece, float]:
    """Log-scores as log-probabilities that add up to one."""
    top = max(scores.values())
    total = top + math.log(math.fsum(math.exp(score - top) for score in scores.values()))
    return {piece: score - total for piece, score in scores.items()}


def choose(log_probabilities: Mapping[Piece, float], rng: random.Random | None = None) -> Piece:
    """The likeliest token (the earliest listed of equals), or one drawn by `rng`."""
    if rng is None:
        return max(log_probabilities, key=lambda piece: log_probabilities[piece])
    pieces = list(log_probabilities)
    weights = [math.exp(log_probabilities[piece]) for piece in pieces]
    return rng.choices(pieces, weights)[0]

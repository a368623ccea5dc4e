"""The mixture of two contexts: the formula, on listed log-probabilities; what is listed on one side only is clipped."""

from __future__ import annotations

import math
import random

import pytest
from greenloop.runtime.token_mixture import CLIP_NATS, choose, mix
from greenloop.runtime.token_source import END, Piece, text_of
from hypothesis import given
from hypothesis import strategies as st

A, B, C, D = (Piece(i, bytes([97 + i])) for i in range(4))

listed = st.lists(st.floats(0.01, 1.0), min_size=4, max_size=4).map(
    lambda weights: {p: math.log(w / sum(weights)) for p, w in zip((A, B, C, D), weights, strict=True)}
)


@given(listed, listed, st.floats(0, 3))
def test_it_is_the_formula_renormalised(plain, guided, gamma: float) -> None:
    found = mix(plain, guided, gamma)
    raw = {p: math.exp(plain[p] + gamma * (guided[p] - plain[p])) for p in plain}
    for piece, value in found.items():
        assert math.isclose(math.exp(value), raw[piece] / sum(raw.values()), rel_tol=1e-9, abs_tol=1e-12)
    assert math.isclose(sum(map(math.exp, found.values())), 1)


@given(listed, listed)
def test_gamma_0_is_the_plain_context_and_gamma_1_the_guided_one(plain, guided) -> None:
    for gamma, side in ((0.0, plain), (1.0, guided)):
        found = mix(plain, guided, gamma)
        assert all(math.isclose(found[p], side[p], abs_tol=1e-9) for p in side)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 3.0])
def test_a_token_that_one_side_does_not_list_cannot_win_by_that(gamma: float) -> None:
    plain = {A: math.log(0.98), B: math.log(1e-6)}
    guided = {A: math.log(0.98), C: math.log(0.001)}
    found = mix(plain, guided, gamma)
    assert choose(found) == A
    ratio = (found[C] - found[A]) / gamma
    assert set(found) == {A, B, C}
    assert ratio <= CLIP_NATS


def test_a_side_that_lists_the_end_alone_leaves_nothing_to_others() -> None:
    assert choose(mix({END: 0.0}, {A: math.log(0.5), END: math.log(0.4)}, 0.5)) == END


def test_a_draw_follows_the_probabilities_and_its_generator() -> None:
    chances = {A: math.log(0.75), B: math.log(0.25)}
    rng = random.Random(1)
    drawn = [choose(chances, rng) for _ in range(4000)]
    assert abs(drawn.count(A) / 4000 - 0.75) < 0.03
    assert choose(chances) == A


@given(st.text(max_size=20), st.lists(st.integers(1, 3), max_size=30))
def test_text_of_pieces_that_cut_characters_is_the_text(text: str, cuts: list[int]) -> None:
    raw = text.encode()
    pieces, at = [], 0
    for size in cuts:
        pieces.append(Piece(-1, raw[at : at + size]))
        at += size
    pieces.append(Piece(-1, raw[at:]))
    assert text_of(pieces) == text
    assert all(Piece.from_json(p.to_json()) == p for p in pieces)

"""Two programs on the same tasks."""

from __future__ import annotations

import numpy as np
import pytest
from greenloop.errors import UsageError
from greenloop.evals.statistics import (
    equivalence,
    holm,
    mcnemar,
    paired_difference,
    welch,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from known_truth import chances, outcomes, shifted
from scipy.stats import binomtest, ttest_ind

pairs = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40)


def split(rows: list[tuple[int, int]]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    return {str(i): [x] for i, (x, _) in enumerate(rows)}, {str(i): [y] for i, (_, y) in enumerate(rows)}


@given(pairs)
def test_mcnemar_is_the_binomial_test_on_discordant_tasks(rows: list[tuple[int, int]]) -> None:
    result = mcnemar(*split(rows))
    only_a, only_b = rows.count((1, 0)), rows.count((0, 1))
    assert (result.only_a, result.only_b, result.both) == (only_a, only_b, rows.count((1, 1)))
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert result.p == pytest.approx(min(1.0, expected))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=13))
def test_with_one_replicate_the_permutation_test_is_mcnemars(rows: list[tuple[int, int]]) -> None:
    a, b = split(rows)
    assert paired_difference(a, b).p == pytest.approx(mcnemar(a, b).p)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30), st.integers(0, 9))
def test_limits_hold_the_difference(rows: list[tuple[int, int]], seed: int) -> None:
    a = outcomes(np.array([x for x, _ in rows]), 5)
    b = outcomes(np.array([y for _, y in rows]), 5)
    result = paired_difference(a, b, n_resamples=500, rng=seed)
    assert result.difference == pytest.approx(sum(x - y for x, y in rows) / 5 / len(rows))
    assert result.low <= result.difference <= result.high
    assert 0 < result.p <= 1
    assert result == paired_difference(a, b, n_resamples=500, rng=seed)


def test_order_of_tasks_does_not_matter_for_matching() -> None:
    a, b = {"x": [1], "y": [0], "z": [1]}, {"z": [1], "y": [0], "x": [0]}
    assert paired_difference(a, b).difference == pytest.approx(1 / 3)


def test_programs_that_never_differ_are_not_thereby_equal() -> None:
    a = {str(i): [1] for i in range(30)}
    result = paired_difference(a, a)
    assert (result.difference, result.p) == (0.0, 1.0)
    assert result.low < -0.03
    assert result.high > 0.03
    assert not equivalence(a, a, margin=0.03).equivalent


def test_a_single_task_shows_nothing() -> None:
    result = paired_difference({"a": [1, 1]}, {"a": [0, 0]})
    assert (result.low, result.high, result.p) == (-1.0, 1.0, 1.0)


def test_unmatched_tasks_are_named() -> None:
    for test in (paired_difference, mcnemar):
        with pytest.raises(UsageError, match="only-here"):
            test({"only-here": [1], "a": [1]}, {"a": [1]})
    with pytest.raises(UsageError, match="margin"):
        equivalence({"a": [1]}, {"a": [1]}, margin=0)
    with pytest.raises(UsageError, match="not both kinds"):
        equivalence({"a": [1]}, [1.0, 2.0], margin=0.1)
    with pytest.raises(UsageError, match="one replicate"):
        mcnemar({"a": [1, 0]}, {"a": [1, 0]})


@given(
    st.lists(st.floats(0, 200), min_size=2, max_size=8), st.lists(st.floats(0, 200), min_size=2, max_size=8)
)
def test_welch_is_scipys(a: list[float], b: list[float]) -> None:
    if max(a) - min(a) < 0.1 and max(b) - min(b) < 0.1:
        return
    ours, theirs = welch(a, b), ttest_ind(a, b, equal_var=False)
    assert (ours.t, ours.df, ours.p) == pytest.approx((theirs.statistic, theirs.df, theirs.pvalue))
    assert ours.low <= ours.difference <= ours.high


def test_constant_or_single_runs_are_refused() -> None:
    for a, b in [([1.0], [1.0, 2.0]), ([1.0, 1.0], [2.0, 2.0]), ([1.0, float("nan")], [1.0, 2.0])]:
        with pytest.raises(UsageError):
            welch(a, b)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_hand(p_values: dict[str, float]) -> None:
    result = holm(p_values)
    running, expected = 0.0, {}
    for rank, name in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[name]))
        expected[name] = running
    assert {k: pytest.approx(v) for k, v in expected.items()} == dict(result.adjusted)
    assert list(result.adjusted) == list(p_values)


def test_impossible_families_are_refused() -> None:
    for family in ({}, {"a": 1.5}):
        with pytest.raises(UsageError):
            holm(family)


def simulated_pairs(n: int, replicates: int, rate: float, gain: float, runs: int):
    rng = np.random.default_rng(3)
    for _ in range(runs):
        p = chances(rng, rate, 0.67, (n,))
        better = shifted(p, rate, 0.67, gain) if gain else p
        yield (
            outcomes(rng.binomial(replicates, better), replicates),
            outcomes(rng.binomial(replicates, p), replicates),
        )


@pytest.mark.slow
@pytest.mark.parametrize(("n", "rate"), [(30, 0.5), (60, 0.5), (60, 0.85), (164, 0.5), (164, 0.85)])
@pytest.mark.parametrize("gain", [0.0, 0.04])
def test_paired_intervals_cover_and_tests_keep_their_level(n: int, rate: float, gain: float) -> None:
    hits = rejected = 0
    for a, b in simulated_pairs(n, 5, rate, gain, 600):
        result = paired_difference(a, b, n_resamples=999)
        hits += result.low <= gain <= result.high
        rejected += result.p < 0.05
    assert 0.915 <= hits / 600 <= 0.99
    if gain == 0:
        assert rejected / 600 <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize(("n", "replicates"), [(60, 1), (60, 5), (164, 1), (164, 5)])
def test_programs_that_differ_by_the_margin_are_seldom_called_equal(n: int, replicates: int) -> None:
    called = sum(
        equivalence(a, b, margin=0.05).equivalent for a, b in simulated_pairs(n, replicates, 0.6, 0.05, 1_000)
    )
    assert called / 1_000 <= 0.065

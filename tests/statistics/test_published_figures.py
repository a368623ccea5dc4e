"""The five-run rows of "Feedback Over Form" (arXiv 2604.21950) and the simulated facts, through our functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from greenloop.errors import UsageError
from greenloop.evals.statistics import (
    clustered_interval,
    equivalence,
    mcnemar,
    paired_difference,
    pass_at_k,
    pass_at_k_interval,
    power,
    welch,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from known_truth import chances, outcomes, shifted

LLAMA_ALONE = [81, 77, 79, 74, 72]
LLAMA_REFINE = [98, 92, 95, 91, 94]
CROSS = [93, 89, 95, 97, 94]
EVOLVED = [102, 93, 98, 98, 100]


def test_self_refine_against_alone() -> None:
    assert welch(LLAMA_REFINE, LLAMA_ALONE).t == pytest.approx(8.5, abs=0.05)


def test_evolved_against_self_refine_is_borderline() -> None:
    result = welch(EVOLVED, LLAMA_REFINE)
    assert result.difference == pytest.approx(4.2)
    assert (result.t, result.df) == (pytest.approx(2.17, abs=0.005), pytest.approx(7.7, abs=0.05))
    assert result.p > 0.05


def test_matched_was_not_shown() -> None:
    assert welch(CROSS, LLAMA_REFINE).p > 0.05
    assert not equivalence(CROSS, LLAMA_REFINE, margin=3).equivalent


def test_pass_at_1_is_the_mean_of_the_runs() -> None:
    """Of pass@k for k > 1 only the model's shape follows from published totals; see the next test."""
    table = {str(i): [int(i < solved) for solved in LLAMA_ALONE] for i in range(164)}
    assert 164 * pass_at_k_interval(table, 1).estimate == pytest.approx(76.6)


def test_the_published_pass_at_k_row_is_what_a_correlation_of_067_gives() -> None:
    rng = np.random.default_rng(0)
    p = chances(rng, 76.6 / 164, 0.67, (400_000,))
    row = [164 * float(np.mean(1 - (1 - p) ** k)) for k in (1, 2, 3, 4)]
    assert row == pytest.approx([76.6, 90.2, 98.2, 103.8], abs=3)


@given(st.integers(1, 30), st.data())
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_solution(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    value = pass_at_k(n, c, k)
    product = 1.0 if n - c < k else 1.0 - math.prod(1 - k / i for i in range(n - c + 1, n + 1))
    assert value == pytest.approx(product, abs=1e-12)  # the stable form of Chen et al.
    assert pass_at_k(n, c, 1) == pytest.approx(c / n)
    assert k == 1 or value >= pass_at_k(n, c, k - 1) - 1e-12


def test_pass_at_k_is_unbiased() -> None:
    rng = np.random.default_rng(1)
    found = [pass_at_k(6, int(c), 3) for c in rng.binomial(6, 0.3, size=20_000)]
    assert np.mean(found) == pytest.approx(1 - 0.7**3, abs=0.01)


@pytest.mark.parametrize(("n", "c", "k"), [(5, 1, 6), (5, 6, 1), (5, -1, 1), (5, 1, 0), (0, 0, 1)])
def test_impossible_draws_are_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(UsageError):
        pass_at_k(n, c, k)


@pytest.mark.parametrize(("replicates", "stated"), [(1, 0.15), (5, 0.70), (10, 0.92)])
def test_power_is_the_stated_one(replicates: int, stated: float) -> None:
    result = power(3, 164, replicates, rate=0.8)
    assert result.power == pytest.approx(stated, abs=0.03)
    if replicates == 1:
        assert result.unpaired == pytest.approx(0.02, abs=0.005)


def test_power_finds_its_own_smallest_difference() -> None:
    for replicates in (1, 5):
        smallest = power(3, 164, replicates).detectable_points
        assert smallest is not None
        assert power(smallest, 164, replicates).power == pytest.approx(0.8, abs=1e-3)
    assert power(3, 5, 1).detectable_points is None


@pytest.mark.parametrize("replicates", [1, 3])
def test_power_at_a_target_that_chance_alone_reaches_has_no_smallest_difference(replicates: int) -> None:
    assert power(3, tasks=164, replicates=replicates, target=0.001).detectable_points == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 300), st.integers(1, 10), st.floats(0.5, 20), st.floats(0.05, 0.75))
def test_power_is_a_chance_and_grows_with_replicates(tasks: int, k: int, points: float, rate: float) -> None:
    fewer, more = power(points, tasks, k + 1, rate=rate), power(points, tasks, k + 3, rate=rate)
    assert 0 <= fewer.power <= more.power + 1e-9 <= 1 + 2e-9


def test_impossible_plans_are_refused() -> None:
    for points, tasks, rate in [(0, 164, 0.5), (60, 164, 0.5), (3, 1, 0.5), (3, 164, 1.0)]:
        with pytest.raises(UsageError):
            power(points, tasks, rate=rate)


@pytest.mark.slow
def test_replicates_counted_as_independent_cover_69_percent() -> None:
    rng = np.random.default_rng(5)
    naive = clustered = 0
    for _ in range(3_000):
        solved = rng.binomial(5, chances(rng, 0.5, 0.68, (164,)))
        rate = solved.sum() / 820
        naive += abs(rate - 0.5) <= 1.96 * math.sqrt(rate * (1 - rate) / 820)
        interval = clustered_interval(outcomes(solved, 5))
        clustered += interval.low <= 0.5 <= interval.high
    assert naive / 3_000 == pytest.approx(0.69, abs=0.03)
    assert clustered / 3_000 == pytest.approx(0.95, abs=0.012)


@pytest.mark.slow
def test_simulated_power_is_the_computed_one() -> None:
    rng = np.random.default_rng(6)
    for replicates, runs in [(1, 1_500), (5, 500)]:
        shown = 0
        p = chances(rng, 0.8, 0.67, (runs, 164))
        better = shifted(p, 0.8, 0.67, 0.03)
        for weak, strong in zip(p, better, strict=True):
            a = outcomes(rng.binomial(replicates, strong), replicates)
            b = outcomes(rng.binomial(replicates, weak), replicates)
            found = mcnemar(a, b).p if replicates == 1 else paired_difference(a, b, n_resamples=999).p
            shown += found < 0.05
        assert shown / runs == pytest.approx(power(3, 164, replicates, rate=0.8).power, abs=0.05)

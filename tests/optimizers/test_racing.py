"""Racing drops what cannot win, and seldom what is equal."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from greenloop.optimizers.racing import Race, sign_test, signed_rank_test
from scipy import stats


@dataclass
class Item:
    task_id: str
    score: float


def items(outcomes: list[int]) -> list[Item]:
    return [Item(f"t{i}", float(o)) for i, o in enumerate(outcomes)]


def leader(outcomes: list[int]) -> dict[str, float]:
    return {f"t{i}": float(o) for i, o in enumerate(outcomes)}


@pytest.mark.parametrize(("wins", "losses"), [(0, 7), (3, 9), (5, 5), (0, 0), (1, 20)])
def test_the_sign_test_is_scipys(wins: int, losses: int) -> None:
    expected = stats.binomtest(wins, wins + losses, alternative="less").pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected)


def test_a_hopeless_configuration_loses_to_two_leaders() -> None:
    race = Race([leader([1] * 20), leader([1] * 20)])
    assert not race.lost(items([0] * 7))
    assert race.lost(items([0] * 8))


def test_one_lucky_leader_alone_drops_nothing() -> None:
    lucky, others = leader([1] * 20), leader([0] * 20)
    assert not Race([lucky]).lost(items([0] * 20))
    assert not Race([lucky, others, others]).lost(items([0] * 20))


def test_equal_configurations_are_seldom_dropped_and_bad_ones_often() -> None:
    rng = random.Random(0)
    dropped = {0.0: 0, 0.3: 0}
    for worse in dropped:
        for _ in range(200):
            chances = [rng.betavariate(0.8, 0.8) for _ in range(60)]
            leaders = [leader([int(rng.random() < c) for c in chances]) for _ in range(3)]
            mine = [int(rng.random() < max(0.0, c - worse)) for c in chances]
            race = Race(leaders)
            dropped[worse] += any(race.lost(items(mine[:n])) for n in range(1, 61))
    assert dropped[0.0] <= 10
    assert dropped[0.3] >= 80


def test_graded_scores_are_compared_by_how_much_worse_they_are() -> None:
    rng = random.Random(0)
    good = {f"t{i}": 0.9 - 0.01 * rng.random() for i in range(20)}
    worse = [Item(f"t{i}", good[f"t{i}"] - 0.2 - 0.1 * rng.random()) for i in range(20)]
    even = [Item(f"t{i}", good[f"t{i}"] + rng.uniform(-0.05, 0.05)) for i in range(20)]
    assert Race([good, good]).lost(worse[:10])
    assert not Race([good]).lost(worse)
    assert not Race([good, good]).lost(even)
    assert signed_rank_test([i.score - good[i.task_id] for i in worse]) < 0.01


def test_only_leaders_that_cost_no_more_can_beat_a_cheap_one() -> None:
    best = leader([1] * 20)
    dear = {f"t{i}": [100.0] for i in range(20)}
    mine = items([0] * 20)
    assert not Race([best, best], costs=[dear, dear], cost_of=lambda _: [10.0]).lost(mine)
    assert Race([best, best], costs=[dear, dear], cost_of=lambda _: [100.0]).lost(mine)

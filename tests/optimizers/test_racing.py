"""Racing drops what cannot win, and seldom what is equal."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import greenloop as gl
import pytest
from greenloop.optimizers.posterior import Belief
from greenloop.optimizers.racing import Hopeless, Race, settled, sign_test, signed_rank_test
from greenloop.optimizers.trials import Tried
from greenloop.testing import ScriptedModel, adding_tasks
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


def tried(outcomes: dict[str, list[float]]) -> Tried:
    return Tried({}, outcomes, (0,), True, 0.0, {}, None)


def test_settled_is_what_came_out_the_same_in_five_runs() -> None:
    often = {"never": [0.0] * 4, "always": [1.0] * 4, "open": [0.0, 1.0, 1.0, 1.0]}
    assert settled([tried(often)]) == set()
    assert settled([tried(often), tried({"never": [0.0], "always": [1.0], "open": [1.0]})]) == {
        "never",
        "always",
    }
    assert settled([tried(often), tried({"never": [1.0]})]) == set()


@pytest.mark.parametrize(("best", "goes_on"), [(0.4, True), (0.6, False)])
def test_only_what_leads_is_run_on_settled_tasks(best: float, goes_on: bool) -> None:
    names = [f"t{i}" for i in range(20)]
    belief = Belief(mean=0.5, deviation=0.2, noise=0.2, tasks=dict.fromkeys(names, 0.5), best=best)
    race = Hopeless(Race([]), belief, names, names[15:])
    so_far = items([0, 1] * 7)
    assert not race(so_far), "an open task is left"
    assert race([*so_far, Item("t14", 0.5)]) is not goes_on
    assert not race(items([0, 1] * 10)), "nothing is left"


def test_where_hardly_a_task_is_open_what_was_solved_so_far_decides_nothing() -> None:
    names = [f"t{i}" for i in range(20)]
    belief = Belief(mean=0.0, deviation=0.0, noise=0.1, tasks=dict.fromkeys(names, 0.0), best=0.0)
    race = Hopeless(Race([]), belief, names, names)
    assert not race(items([0] * 8)), "nothing was ever solved: another 12 tasks may be"


def test_a_search_takes_settled_tasks_last_and_spares_them_where_nothing_is_led() -> None:
    """Of 24 tasks 12 are never solved."""
    tasks = adding_tasks(24)

    def half(messages: list[dict[str, str]], seed: int, sampling: dict[str, Any]) -> str:
        number = int(messages[1]["content"].split("adds ")[1].split()[0])
        right = number < 12 and (seed + int(100 * sampling["temperature"])) % 3 == 0
        return f"```python\ndef f(x):\n    return x + {number if right else 999}\n```"

    program = gl.Resample(
        generate=gl.Generate(model=ScriptedModel(half), temperature=gl.Float(0, 1)), samples=1
    )
    tuner = gl.OptunaTuner(
        budget=gl.Budget(n_trials=20), store="sqlite://", replicates=1, folds=0, concurrency=1
    )
    tuner.compile(program, trainset=tasks, valset=adding_tasks(26)[24:])
    names = {task.task_id for task in tasks}
    runs: dict[str, list[float]] = {name: [] for name in names}
    spared = 0
    for trial in tuner.study.trials:
        known = settled([tried(runs)])
        scores = trial.user_attrs["scores"]
        assert not known & scores.keys() or scores.keys() >= names - known
        spared += len(known - scores.keys())
        for name, score in scores.items():
            runs[name].append(score)
    assert spared

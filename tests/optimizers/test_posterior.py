"""What is expected of a configuration: neighbours count, a lucky score does not, hard tasks are reckoned with."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from greenloop import Choice, Float, Int
from greenloop.optimizers.posterior import Posterior
from greenloop.optimizers.trials import Tried

FOUND = {"model": Choice(["a", "b"]), "temperature": Float(0.0, 1.0), "rounds": Int(0, 5)}


def true_rate(values: dict) -> float:
    return 0.4 + 0.2 * (values["model"] == "a") - (values["temperature"] - 0.6) ** 2 + 0.03 * values["rounds"]


def configuration(rng: random.Random, number: int) -> Tried:
    values = {"model": rng.choice("ab"), "temperature": rng.random(), "rounds": rng.randint(0, 5)}
    outcomes = {f"t{i}": [float(rng.random() < true_rate(values))] for i in range(60)}
    return tried(values, outcomes, number)


def tried(values: dict, outcomes: dict, number: int = 0) -> Tried:
    rate = sum(sum(runs) for runs in outcomes.values()) / len(outcomes)
    return Tried(values, outcomes, (number,), True, rate, {}, None)


def test_neighbours_bring_an_estimate_nearer_to_the_truth_than_its_own_score() -> None:
    rng = random.Random(0)
    some = [configuration(rng, i) for i in range(40)]
    means, deviations = Posterior(FOUND, some).of([one.values for one in some])
    errors = [abs(mean - true_rate(one.values)) for mean, one in zip(means, some, strict=True)]
    raw = [abs(one.rate - true_rate(one.values)) for one in some]
    assert sum(errors) < 0.7 * sum(raw)
    assert sum(e <= 2 * d for e, d in zip(errors, deviations, strict=True)) >= 34


def test_a_knob_of_a_single_value_is_no_obstacle() -> None:
    found = {
        **FOUND,
        "max_tokens": Int(200, 200, default=200),
        "top_p": Float(0.9, 0.9, default=0.9, log=True),
    }
    rng = random.Random(0)
    some = [configuration(rng, i) for i in range(6)]
    more = [replace(one, values={**one.values, "max_tokens": 200, "top_p": 0.9}) for one in some]
    wanted, _ = Posterior(FOUND, some).of([one.values for one in some])
    means, _ = Posterior(found, more).of([one.values for one in more])
    assert means == pytest.approx(wanted, abs=1e-3)


def test_one_lucky_score_among_poor_neighbours_is_not_believed() -> None:
    def at(temperature: float, solved: int, number: int) -> Tried:
        values = {"model": "a", "temperature": temperature, "rounds": 2}
        return tried(values, {f"t{i}": [float(i < solved)] for i in range(40)}, number)

    poor = [at(0.1 + 0.01 * i, 16, i) for i in range(8)]
    good = [at(0.8 + 0.01 * i, 24, 20 + i) for i in range(8)]
    lucky = at(0.145, 25, 40)
    means, _ = Posterior(FOUND, [*poor, *good, lucky]).of([lucky.values, good[4].values])
    assert lucky.rate > good[4].rate
    assert means[0] < means[1]


def test_a_configuration_that_only_saw_hard_tasks_is_set_right() -> None:
    def on(tasks: range, temperature: float, number: int) -> Tried:
        values = {"model": "a", "temperature": temperature, "rounds": 2}
        return tried(values, {f"t{i}": [float(i >= 20)] for i in tasks}, number)

    whole = [on(range(40), 0.1 * i, i) for i in range(6)]
    ended = on(range(20), 0.55, 9)
    means, _ = Posterior(FOUND, [*whole, ended]).of([ended.values])
    assert ended.rate == 0.0
    assert means[0] == pytest.approx(0.5, abs=0.05)


def test_the_chance_to_be_the_best_falls_with_what_is_seen() -> None:
    rng = random.Random(1)
    some = [configuration(rng, i) for i in range(20)]
    belief = Posterior(FOUND, some).belief({"model": "a", "temperature": 0.9, "rounds": 5}, some)
    chances = [belief.chance_of_best({f"t{i}": 0.0 for i in range(n)}) for n in (0, 10, 30)]
    assert chances == sorted(chances, reverse=True)
    assert chances[-1] < 0.01
    assert belief.chance_of_best({f"t{i}": 1.0 for i in range(30)}) > chances[0]


def test_scores_that_are_all_equal_and_a_single_configuration_are_no_trouble() -> None:
    one = tried({"model": "a", "temperature": 0.5, "rounds": 1}, {f"t{i}": [1.0] for i in range(6)})
    means, deviations = Posterior(FOUND, [one]).of([one.values])
    assert means == [1.0]
    assert 0 <= deviations[0] < 1

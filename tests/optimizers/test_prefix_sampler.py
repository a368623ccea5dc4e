"""The default sampler shares stored calls: it keeps earlier stages, and draws the same from the same history."""

from __future__ import annotations

from collections import Counter
from typing import Any

import greenloop as gl
import optuna
import pytest
from greenloop.optimizers.prefix_sampler import PrefixSampler, stages_of
from greenloop.optimizers.space import grid, plain_values, suggest
from greenloop.testing.simulated_program import SimulatedLoop, SimulatedWorld, simulated_verdicts

PATHS = ["max_iterations", "generate.temperature", "execute.feedback", "refine.temperature"]


def trial_of(study: optuna.Study, seed: int, *, prune: bool = False) -> dict[str, Any]:
    study.sampler = PrefixSampler(PATHS, seed=seed)
    trial = study.ask()
    trial.suggest_int("max_iterations", 0, 5)
    first = trial.suggest_float("generate.temperature", 0, 1)
    trial.suggest_categorical("execute.feedback", ["error_line", "per_test"])
    second = trial.suggest_float("refine.temperature", 0, 1)
    if prune:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        values = [1 - (first - 0.6) ** 2 - (second - 0.3) ** 2, first][: len(study.directions)]
        study.tell(trial, values)
    return dict(trial.params)


def test_stages_are_modules_in_the_order_of_the_walk_and_the_programs_own_knobs_come_last() -> None:
    assert stages_of(PATHS) == [
        ["generate.temperature"],
        ["execute.feedback"],
        ["refine.temperature"],
        ["max_iterations"],
    ]
    assert stages_of(["samples"]) == [["samples"]]


def test_steps_are_drawn_as_grid_and_defaults_write_them() -> None:
    knobs = {
        "generate.temperature": gl.Float(0, 1, step=0.1, default=0),
        "refine.temperature": gl.Float(0, 1, step=0.5, default=1),
    }
    points = [
        {"generate.temperature": k / 10, "refine.temperature": r / 2} for k in range(11) for r in range(3)
    ]
    assert grid(knobs) == points
    study = optuna.create_study(direction="maximize")
    first = plain_values(knobs, default=True)
    for values in (first, *points):
        study.enqueue_trial(values, skip_if_exists=True)
    assert len(study.trials) == len(points), "the default is one of the grid's points, 0 and 0.0 the same"
    study = optuna.create_study(direction="maximize")
    for seed in range(40):
        study.sampler = PrefixSampler(knobs, seed=seed)
        trial = study.ask()
        assert suggest(trial, knobs) in points
        study.tell(trial, -abs(trial.params["generate.temperature"] - 0.3))


@pytest.mark.parametrize("directions", [["maximize"], ["maximize", "minimize"]])
def test_first_stages_are_kept_often_others_drawn_and_new_ones_tried(directions: list[str]) -> None:
    study = optuna.create_study(directions=directions)
    drawn = [trial_of(study, seed, prune=seed % 3 == 2) for seed in range(60)]
    firsts = Counter(params["generate.temperature"] for params in drawn)
    assert 8 <= len(firsts) <= 30
    assert len({params["refine.temperature"] for params in drawn}) >= 40


def test_what_costs_next_to_nothing_is_tried_untried_values_first() -> None:
    knobs = {
        "generate.temperature": gl.Float(0, 1),
        "refine.temperature": gl.Float(0, 1),
        "rounds": gl.Int(0, 5),
    }
    study = optuna.create_study(direction="maximize")
    for seed in range(60):
        study.sampler = PrefixSampler(knobs, seed=seed)
        trial = study.ask()
        first, second = (trial.suggest_float(f"{s}.temperature", 0, 1) for s in ("generate", "refine"))
        study.tell(
            trial, 1 - (first - 0.6) ** 2 - (second - 0.3) ** 2 + 0.01 * trial.suggest_int("rounds", 0, 5)
        )
    drawn = [tuple(sorted(trial.params.items())) for trial in study.trials]
    pairs = Counter((t.params["generate.temperature"], t.params["refine.temperature"]) for t in study.trials)
    assert len(set(drawn)) == 60
    assert max(pairs.values()) >= 4
    assert len(pairs) >= 20


def test_with_one_stage_before_the_last_a_new_one_is_drawn_once_all_is_tried() -> None:
    study = optuna.create_study(direction="maximize")
    for seed in range(40):
        study.sampler = PrefixSampler(
            {"generate.temperature": gl.Float(0, 1), "samples": gl.Int(1, 2)}, seed=seed
        )
        trial = study.ask()
        study.tell(
            trial, trial.suggest_float("generate.temperature", 0, 1) + trial.suggest_int("samples", 1, 2)
        )
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) == 40


def test_only_complete_trials_are_kept_from() -> None:
    study = optuna.create_study(direction="maximize")
    drawn = [trial_of(study, seed, prune=True) for seed in range(20)]
    assert len({params["generate.temperature"] for params in drawn}) == 20


def test_the_same_seeds_and_history_draw_the_same() -> None:
    twice = [optuna.create_study(direction="maximize") for _ in range(2)]
    first, second = ([trial_of(study, seed) for seed in range(15)] for study in twice)
    assert first == second


def test_a_search_of_continuous_temperatures_shares_calls() -> None:
    world = SimulatedWorld.drawn(0, tasks=30)
    names = list(world.models)
    program = SimulatedLoop(
        world,
        writer=gl.Choice(names),
        writing_temperature=gl.Float(0, 1),
        mender=gl.Choice(names),
        mending_temperature=gl.Float(0, 1),
        iterations=gl.Int(0, 5),
    )
    with simulated_verdicts():
        tuned = gl.OptunaTuner(
            store="sqlite://", folds=0, budget=gl.Budget(n_trials=25), concurrency=1, racing=False
        ).compile(program, trainset=world.tasks)
    saved = tuned.evidence.saved
    assert saved.races_lost == 0
    assert saved.paid_calls <= 0.85 * saved.calls

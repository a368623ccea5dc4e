"""One seed of each part of `tuning.py`; everything is SIMULATED."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from typing import Any

import greenloop as gl
import optuna
from greenloop.testing.simulated_graphs import WorldOfGraphs
from greenloop.testing.simulated_program import (
    SimulatedLoop,
    SimulatedWorld,
    population_tasks,
    simulated_verdicts,
)
from greenloop.testing.simulated_search import simulated_search

MOST_ITERATIONS = 5
TASKS = 60
TRIALS = 40
BUDGET_TOKENS = 1_200_000
"""Of every method in (b): some 30 plain evaluations."""
MORE = "plain TPE, with a confirmation's tokens more"
CONFIRMED_PROGRAMS, CONFIRMED_REPLICATES = 3.5, 2
"""What a confirmation runs on as many locked tasks: the choice, the defaults, resampling, and a draft of one model."""


def program(world: SimulatedWorld) -> SimulatedLoop:
    """The default space of `greenloop tune`: two models, two continuous temperatures, iterations."""
    names = list(world.models)
    return SimulatedLoop(
        world,
        writer=gl.Choice(names),
        writing_temperature=gl.Float(0.0, 1.0, default=0.3),
        mender=gl.Choice(names),
        mending_temperature=gl.Float(0.0, 1.0, default=0.2),
        iterations=gl.Int(0, MOST_ITERATIONS, default=3),
    )


def tuned_by_greenloop(world: SimulatedWorld, seed: int, **settings: Any) -> tuple[gl.OptunaTuner, Any]:
    tuner = gl.OptunaTuner(store="sqlite://", seed=seed, folds=0, concurrency=1, **settings)
    return tuner, tuner.compile(program(world), trainset=world.tasks[:TASKS])


def plain_search(
    world: SimulatedWorld,
    seed: int,
    sampler: optuna.samplers.BaseSampler,
    *,
    tokens: float = math.inf,
    trials: int = 10**9,
) -> tuple[dict[str, Any], float, int, int]:
    """Optuna over plain evaluation: every trial on every task with fresh seeds, nothing stored, nothing raced.

    Returns:
        The best trial's values, its score, the calls and the number of trials.
    """
    study = optuna.create_study(direction="maximize", sampler=sampler)
    calls, spent = 0, 0.0
    while len(study.trials) < trials and spent < tokens:
        trial = study.ask()
        names = list(world.models)
        values = {
            "generate.speaker": trial.suggest_categorical("generate.speaker", names),
            "generate.temperature": trial.suggest_float("generate.temperature", 0, 1),
            "refine.speaker": trial.suggest_categorical("refine.speaker", names),
            "refine.temperature": trial.suggest_float("refine.temperature", 0, 1),
            "iterations": trial.suggest_int("iterations", 0, MOST_ITERATIONS),
        }
        rng = random.Random(f"{seed}|{trial.number}")
        solved = 0
        for task in world.tasks[:TASKS]:
            write, mend = world.eases[task.task_id]
            passed = rng.random() < world.write_chance(
                values["generate.speaker"], values["generate.temperature"], write
            )
            calls += 1
            for _ in range(values["iterations"]):
                if passed:
                    break
                passed = rng.random() < world.mend_chance(
                    values["refine.speaker"], values["refine.temperature"], mend
                )
                calls += 1
            solved += passed
        spent = calls * world.tokens_per_call
        study.tell(trial, solved / TASKS)
    return study.best_params, study.best_value, calls, len(study.trials)


def by_neat(world: SimulatedWorld, seed: int, calls: int) -> float:
    """True score of what the paper's evolution finds with so many calls for its search.

    Its calls may be of any length, and its finalists take what they need beyond them: the limit is not held against it.
    """
    truth = WorldOfGraphs(world, seed)
    found = simulated_search(
        "paper",
        truth,
        seed=seed,
        models=list(world.models),
        tasks=[task.task_id for task in world.tasks[:TASKS]],
        is_spent=lambda: truth.calls >= calls,
    )
    return truth.rate(found.graph)


def models_in(values: dict[str, Any]) -> tuple[str, str]:
    """(writer, mender) of a configuration."""
    return values["generate.speaker"], values["refine.speaker"]


def saved_calls(seed: int) -> dict[str, Any]:
    """(a): one seed."""
    world = SimulatedWorld.drawn(seed, tasks=TASKS)
    with simulated_verdicts():
        tuner, tuned = tuned_by_greenloop(world, seed, budget=gl.Budget(n_trials=TRIALS))
    plain, _, calls, _ = plain_search(world, seed, optuna.samplers.TPESampler(seed=seed), trials=TRIALS)
    chosen = tuned.evidence.settings
    best = world.best(MOST_ITERATIONS)
    paid = sum(t.user_attrs.get("paid_calls", 0) for t in tuner.study.trials)
    return {
        "ratio": paid / calls,
        "ratio with finalists": tuned.evidence.paid["calls"] / calls,
        "paid": paid,
        "plain": calls,
        "raced": tuned.evidence.saved.races_lost if tuned.evidence.saved else 0,
        "regret": 100 * (best - world.truth(chosen)),
        "plain regret": 100 * (best - world.truth(plain)),
        "same models": float(models_in(chosen) == models_in(plain)),
        "models regret": 100 * (best - world.best(MOST_ITERATIONS, models_in(chosen))),
        "plain models regret": 100 * (best - world.best(MOST_ITERATIONS, models_in(plain))),
    }


def at_equal_tokens(seed: int) -> dict[str, Any]:
    """(b): one seed; regret in points of what each method returns for the same tokens."""
    world = SimulatedWorld.drawn(seed, tasks=TASKS)
    best = world.best(MOST_ITERATIONS)
    result: dict[str, Any] = {}
    with simulated_verdicts():
        tuner, tuned = tuned_by_greenloop(world, seed, budget=gl.Budget(tokens=BUDGET_TOKENS))
        evidence = tuned.evidence
        result["greenloop"] = 100 * (best - world.truth(evidence.settings))
        result["greenloop trials"] = evidence.trials
        result["tokens"] = evidence.paid["tokens_in"] + evidence.paid["tokens_out"]
        result["search tokens"] = world.tokens_per_call * sum(
            trial.user_attrs.get("paid_calls", 0) for trial in tuner.study.trials
        )
        result |= confirmations(world, seed, tuned)
    result["NEAT (paper)"] = 100 * (best - by_neat(world, seed, int(BUDGET_TOKENS / world.tokens_per_call)))
    for name, sampler, tokens in (
        ("plain TPE", optuna.samplers.TPESampler(seed=seed), BUDGET_TOKENS),
        ("random search", optuna.samplers.RandomSampler(seed=seed), BUDGET_TOKENS),
        (MORE, optuna.samplers.TPESampler(seed=seed), BUDGET_TOKENS + result["confirmation tokens"]),
    ):
        values, score, _, tried = plain_search(world, seed, sampler, tokens=tokens)
        result[name] = 100 * (best - world.truth(values))
        result[f"{name} trials"] = tried
        result[f"{name} reported - true"] = 100 * (score - world.truth(values))
    return result


def confirmations(world: SimulatedWorld, seed: int, tuned: Any) -> dict[str, Any]:
    """What a confirmation says of the chosen program, on each of the locked sets that the population is dealt into.

    Every one is what the tuner does: the one program, once, on 60 tasks that no selection saw, twice each. Together
    they are all tasks of the truth, so that their mean is off by the draws alone, and not by which tasks were locked.
    The draws are made twice: in the tuning's own session, and in a fresh one.
    """
    truth = 100 * world.truth(tuned.evidence.settings)
    tasks = population_tasks(world)
    locked = [tasks[first : first + TASKS] for first in range(0, len(tasks), TASKS)]
    off: list[float] = []
    covered, tokens = 0, 0
    for draws, some in itertools.product((seed, 10_000 + seed), locked):
        with gl.session("sqlite://", seed=draws):
            scores = gl.score(tuned, some, replicates=CONFIRMED_REPLICATES, concurrency=1)
        figure = scores.figure()
        off.append(100 * figure.rate - truth)
        covered += 100 * figure.interval[0] <= truth <= 100 * figure.interval[1]
        tokens += scores.usage().tokens
    return {
        "greenloop reported - true": statistics.fmean(off),
        "each reported - true": off,
        "covered": covered / len(off),
        "confirmation tokens": CONFIRMED_PROGRAMS * tokens / len(off),
    }


def assignment(seed: int) -> dict[str, Any]:
    """(c): one model writes better, the other mends better, by a margin; is that found?"""
    drawn = SimulatedWorld.drawn(seed, tasks=TASKS)
    world = SimulatedWorld(
        {"model0": (0.3, 0.3, -3.0, 0.3), "model1": (-1.0, 0.3, -0.5, 0.3)},
        drawn.tasks,
        drawn.eases,
        drawn.population,
    )
    with simulated_verdicts():
        _, tuned = tuned_by_greenloop(world, seed, budget=gl.Budget(n_trials=TRIALS))
    chosen = tuned.evidence.settings
    return {"found": float(models_in(chosen) == ("model0", "model1"))}


PARTS = {"a": saved_calls, "b": at_equal_tokens, "c": assignment}

"""How good the tuner is, on programs whose truth is known. Everything here is SIMULATED: no figure of a real model.

    python benchmarks/tuning.py            30 seeds; (a) and (c) on 10 of them
    python benchmarks/tuning.py --quick    5 seeds

(a) Model calls for 40 trials, with stored answers and racing, against Optuna over plain evaluation.
(b) True score of what is returned at equal tokens, as regret against the best reachable configuration. Every method
    has the same budget in all: the tuner's holds its finalists; the others search with all of it and return what scored
    best once. Only the tuner says what its choice is worth, for which a confirmation pays extra: so plain search stands
    there with these tokens added, too.
(c) How often the best assignment of models to stages is found where one is known.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import greenloop as gl
import optuna
from greenloop.testing.simulated_graphs import WorldOfGraphs
from greenloop.testing.simulated_program import SimulatedLoop, SimulatedWorld, simulated_verdicts
from greenloop.testing.simulated_search import simulated_search

MOST_ITERATIONS = 5
TASKS = 60
TRIALS = 40
BUDGET_TOKENS = 1_200_000
"""Of every method in (b): some 30 plain evaluations."""
SEARCH_SHARE = 0.6
"""Of NEAT's calls, as in `NeatSearch`; its finalists take the rest."""
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
    """True score of what the paper's evolution finds: its search ends after its share of so many calls.

    Its calls may be of any length, and its finalists take what they need: the limit is not held against it.
    """
    truth = WorldOfGraphs(world, seed)
    found = simulated_search(
        "paper",
        truth,
        seed=seed,
        models=list(world.models),
        tasks=[task.task_id for task in world.tasks[:TASKS]],
        is_spent=lambda: truth.calls >= SEARCH_SHARE * calls,
    )
    return truth.rate(found.graph)


def saved_calls(seed: int) -> dict[str, float]:
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
        "paid": paid,
        "plain": calls,
        "raced": tuned.evidence.saved.races_lost if tuned.evidence.saved else 0,
        "same models": float(all(chosen[k] == plain[k] for k in ("generate.speaker", "refine.speaker"))),
        "regret": 100 * (best - world.truth(chosen)),
        "plain regret": 100 * (best - world.truth(plain)),
    }


def at_equal_tokens(seed: int) -> dict[str, float]:
    """(b): one seed; regret in points of what each method returns for the same tokens."""
    world = SimulatedWorld.drawn(seed, tasks=2 * TASKS)
    best = world.best(MOST_ITERATIONS)
    result: dict[str, float] = {}
    with simulated_verdicts():
        tuner, tuned = tuned_by_greenloop(world, seed, budget=gl.Budget(tokens=BUDGET_TOKENS))
        evidence = tuned.evidence
        result["greenloop"] = 100 * (best - world.truth(evidence.settings))
        result["greenloop trials"] = evidence.trials
        result["tokens"] = evidence.paid["tokens_in"] + evidence.paid["tokens_out"]
        result["search tokens"] = world.tokens_per_call * sum(
            trial.user_attrs.get("paid_calls", 0) for trial in tuner.study.trials
        )
        with gl.session("sqlite://", seed=seed + 10_000):
            # What the confirmation does: the one chosen program on tasks that no selection saw.
            confirmed = gl.score(tuned, world.tasks[TASKS:], replicates=CONFIRMED_REPLICATES, concurrency=1)
        result["greenloop reported - true"] = 100 * (confirmed.mean - world.truth(evidence.settings))
        confirmation = CONFIRMED_PROGRAMS * confirmed.usage().tokens
    result["confirmation tokens"] = confirmation
    result["NEAT (paper)"] = 100 * (best - by_neat(world, seed, int(BUDGET_TOKENS / world.tokens_per_call)))
    for name, sampler, tokens in (
        ("plain TPE", optuna.samplers.TPESampler(seed=seed), BUDGET_TOKENS),
        ("random search", optuna.samplers.RandomSampler(seed=seed), BUDGET_TOKENS),
        (MORE, optuna.samplers.TPESampler(seed=seed), BUDGET_TOKENS + confirmation),
    ):
        values, score, _, tried = plain_search(world, seed, sampler, tokens=tokens)
        result[name] = 100 * (best - world.truth(values))
        result[f"{name} trials"] = tried
        result[f"{name} reported - true"] = 100 * (score - world.truth(values))
    return result


def assignment(seed: int) -> dict[str, float]:
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
    return {"found": float(chosen["generate.speaker"] == "model0" and chosen["refine.speaker"] == "model1")}


def over_seeds(
    pool: ProcessPoolExecutor, one: Callable[[int], dict[str, float]], seeds: int
) -> dict[str, Any]:
    rows = list(pool.map(one, range(seeds)))
    return {name: [row.get(name) for row in rows] for name in rows[0]}


def mean_line(values: list[float]) -> str:
    """Mean with a 95 % bootstrap interval over seeds."""
    rng = random.Random(0)
    means = sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(2000))
    return f"{statistics.fmean(values):6.2f}  [{means[49]:.2f}, {means[1949]:.2f}]"


def print_calls(a: dict[str, Any]) -> None:
    """Table (a)."""
    print(f"\n(a) model calls of the search, {TRIALS} trials, {len(a['ratio'])} seeds")
    print(f"  greenloop (stored answers, racing)   {mean_line(a['paid'])}")
    print(f"  Optuna over plain evaluation         {mean_line(a['plain'])}")
    print(f"  ratio (goal: at most 0.33)           {mean_line(a['ratio'])}")
    print(f"  races lost of {TRIALS}                    {mean_line(a['raced'])}")
    print(f"  same models chosen                   {statistics.fmean(a['same models']):.0%}")
    regrets = f"{mean_line(a['regret'])} / {mean_line(a['plain regret'])}"
    print(f"  regret, greenloop / plain (points)   {regrets}", flush=True)


def print_regret(b: dict[str, Any]) -> None:
    """Table (b)."""
    print(f"\n(b) regret in points at equal tokens ({BUDGET_TOKENS:,} for each method), and optimism")
    spent = f"{statistics.fmean(b['tokens']):,.0f} spent, {statistics.fmean(b['search tokens']):,.0f} of them by the"
    print(
        f"  greenloop: {spent} search; a confirmation takes {statistics.fmean(b['confirmation tokens']):,.0f} more"
    )
    for name in ("greenloop", "plain TPE", MORE, "random search", "NEAT (paper)"):
        ahead = [other - own for own, other in zip(b["greenloop"], b[name], strict=True)]
        trials = (
            f", {statistics.fmean(b[f'{name} trials']):.0f} configurations" if f"{name} trials" in b else ""
        )
        print(f"  {name}{trials}")
        print(f"    regret                  {mean_line(b[name])}")
        if name != "greenloop":
            print(f"    worse than greenloop by {mean_line(ahead)}")
        if optimism := b.get(f"{name} reported - true"):
            print(f"    reported - true         {mean_line(optimism)}")


def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 seeds instead of 30")
    seeds = 5 if parser.parse_args().quick else 30
    started = time.monotonic()
    print(
        f"SIMULATED: programs of known truth, {TASKS} tuned tasks, {seeds} seeds; mean and 95 % interval over seeds"
    )
    with ProcessPoolExecutor(2, initializer=quiet) as pool:  # each table as soon as it is known
        print_calls(over_seeds(pool, saved_calls, max(5, seeds // 3)))
        c = over_seeds(pool, assignment, max(5, seeds // 3))
        print("\n(c) best assignment of models to stages")
        print(f"  found in {sum(c['found']):.0f} of {len(c['found'])} seeds", flush=True)
        print_regret(over_seeds(pool, at_equal_tokens, seeds))
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()

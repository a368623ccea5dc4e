"""The structure search against known truths: does it find the best topology, and how much too high are its scores?

Everything here is SIMULATED (see `greenloop.testing.simulated_search`): it says what the search can do, and nothing
about models. Run: python benchmarks/neat.py [--seeds N] [--tasks N]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import mean, stdev

from greenloop.evals.statistics import wilson
from greenloop.testing.error_process import paper_process
from greenloop.testing.simulated_search import (
    by_processes,
    by_rate,
    deep_is_best,
    simple_is_best,
    simulated_search,
    true_rate,
)
from scipy import stats

FULL = 164
DEEP = {"plan", "generate", "write_tests", "execute", "critique", "refine"}
PROBLEMS = [f"full-{i}" for i in range(FULL)]


def interval(values: list[float]) -> str:
    """Mean and its t interval, in points."""
    half = float(stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    centre = mean(values)
    return f"{100 * centre:+.1f} points (95 % interval {100 * (centre - half):+.1f} to {100 * (centre + half):+.1f})"


def share(hits: int, n: int) -> str:
    """A share with its Wilson interval."""
    bounds = wilson(hits, n)
    return f"{hits} of {n} ({100 * bounds.low:.0f} to {100 * bounds.high:.0f} %)"


def known_best(seeds: int, tasks: int) -> None:
    """Show 2: the wide preset on stages with a known best topology."""
    simple = deep = 0
    for seed in range(seeds):
        found = simulated_search("wide", by_rate(simple_is_best), seed=seed, tasks=tasks).graph
        simple += found.wiring.text == "refine(generate, execute)"
        found = simulated_search("wide", by_rate(deep_is_best), seed=seed, tasks=tasks).graph
        deep += {node.kind for node in found.wiring.nodes} >= DEEP and deep_is_best(found) > 0.88
    print(f"SIMULATED, wide preset, {tasks} search tasks, {seeds} seeds:")
    print(f"  the simple loop is best: found in {share(simple, seeds)}")
    print(f"  a planned, tested, criticised loop is best: found in {share(deep, seeds)}")


def two_gaps(seeds: int) -> None:
    """Show 4: the paper's search on its simulated models; both inflations apart."""
    llama = paper_process()
    models = {"llama3.2:3b": llama, "qwen2.5:1.5b": replace(llama, pass_rate=69 / FULL)}
    models["gemma3:1b"] = replace(llama, pass_rate=50 / FULL)  # its rate is not published: an assumption
    truth = by_processes(models)
    print(
        "SIMULATED, paper preset on the paper's models (rates of llama and qwen as published, gemma's assumed):"
    )
    one_run: list[float] = []
    rows: dict[str, list[float]] = {}
    for seed in range(seeds):
        for name, replicates in (("one evaluation, as in the paper", 1), ("5 replicates", 5)):
            found = simulated_search(
                "paper", truth, seed=seed, models=list(models), tasks=FULL, replicates=replicates
            )
            whole = true_rate(truth, found.champion, PROBLEMS, 50)
            rows.setdefault(name, []).append(found.champion_score - mean(whole))
            if replicates == 1:
                finalists = [record.expressed for record in found.archive[:5]]
                first = [true_rate(truth, graph, PROBLEMS, 1)[0] for graph in finalists]
                best = max(range(len(first)), key=first.__getitem__)
                one_run.append(first[best] - mean(true_rate(truth, finalists[best], PROBLEMS, 50, first=1)))
    print(
        f"  (a) the best single full run of 5 candidates minus that candidate's mean of 50: {interval(one_run)}"
    )
    for name, values in rows.items():
        print(f"  (b) search score minus the champion's mean of 50 full runs, {name}: {interval(values)}")
    single, several = rows.values()
    saved = [a - b for a, b in zip(single, several, strict=True)]
    print(f"  replicated fitness takes off (b): {interval(saved)}; n = {seeds} searches of each kind")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=100)
    given = parser.parse_args()
    known_best(given.seeds, given.tasks)
    two_gaps(given.seeds)


if __name__ == "__main__":
    main()

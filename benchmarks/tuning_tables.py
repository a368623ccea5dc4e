"""The tables of `tuning.py`, from a row of each seed."""

from __future__ import annotations

import random
import statistics
from itertools import chain
from typing import Any

from tuning_parts import BUDGET_TOKENS, MORE, TRIALS


def mean_line(values: list[float]) -> str:
    """Mean with a 95 % bootstrap interval over seeds."""
    rng = random.Random(0)
    means = sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(2000))
    return f"{statistics.fmean(values):6.2f}  [{means[49]:.2f}, {means[1949]:.2f}]"


def lead(worse: list[float], better: list[float]) -> list[float]:
    """Seed by seed."""
    return [one - other for one, other in zip(worse, better, strict=True)]


def seeds_line(rows: dict[str, Any]) -> str:
    """Which seeds."""
    seeds = rows["seed"]
    return f"{len(seeds)} seeds ({min(seeds)} to {max(seeds)})"


def print_calls(a: dict[str, Any]) -> None:
    """Table (a)."""
    ahead = lead(a["plain regret"], a["regret"])
    print(f"\n(a) {TRIALS} trials, {seeds_line(a)}")
    print(f"  model calls, greenloop (stored answers, racing)   {mean_line(a['paid'])}")
    print(f"  model calls, Optuna over plain evaluation         {mean_line(a['plain'])}")
    print(f"  ratio (goal: at most 0.33)                        {mean_line(a['ratio'])}")
    print(f"    with the finalists' fresh runs, too             {mean_line(a['ratio with finalists'])}")
    print(f"  races lost of {TRIALS}                                 {mean_line(a['raced'])}")
    print(f"  regret of the choice in points, greenloop         {mean_line(a['regret'])}")
    print(f"                                  plain             {mean_line(a['plain regret'])}")
    print(f"  true score of the choice, greenloop - plain       {mean_line(ahead)}")
    no_worse, worse = sum(one >= 0 for one in ahead), sum(one < -1 for one in ahead)
    print(f"    not worse in {no_worse} of {len(ahead)} seeds, more than a point worse in {worse}")
    same = statistics.fmean(a["same models"])
    print(
        f"  same models for both stages in {same:.0%} of seeds; the best that the chosen models allow lies under"
    )
    print(f"    the best of all by, greenloop                   {mean_line(a['models regret'])}")
    print(
        f"                        plain                       {mean_line(a['plain models regret'])}",
        flush=True,
    )


def print_regret(b: dict[str, Any]) -> None:
    """Table (b)."""
    print(f"\n(b) at equal tokens ({BUDGET_TOKENS:,} for each method), {seeds_line(b)}; regret in points")
    spent = f"{statistics.fmean(b['tokens']):,.0f} spent, {statistics.fmean(b['search tokens']):,.0f} of them by the"
    print(
        f"  greenloop: {spent} search; a confirmation takes {statistics.fmean(b['confirmation tokens']):,.0f} more"
    )
    for name in ("greenloop", "plain TPE", MORE, "random search", "NEAT (paper)"):
        trials = (
            f", {statistics.fmean(b[f'{name} trials']):.0f} configurations" if f"{name} trials" in b else ""
        )
        print(f"  {name}{trials}")
        print(f"    regret                  {mean_line(b[name])}")
        if name != "greenloop":
            print(f"    worse than greenloop by {mean_line(lead(b[name], b['greenloop']))}")
        if optimism := b.get(f"{name} reported - true"):
            print(f"    reported - true         {mean_line(optimism)}")
    each = list(chain.from_iterable(b["each reported - true"]))
    off, covered = statistics.stdev(each), statistics.fmean(b["covered"])
    print(
        f"  greenloop's choice was confirmed on {len(each)} locked sets: one of these is off by {off:.1f} points"
    )
    print(f"    (standard deviation), and its 95 % interval held the truth in {covered:.0%}", flush=True)


def print_assignment(c: dict[str, Any]) -> None:
    """Table (c)."""
    print(f"\n(c) best assignment of models to stages, {seeds_line(c)}")
    print(f"  found in {sum(c['found']):.0f} of {len(c['found'])}", flush=True)

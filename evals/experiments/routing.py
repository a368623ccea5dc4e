"""Experiment `routing`: mending what crashes and drawing anew what answers wrongly, against doing only one of them."""

from __future__ import annotations

from collections import Counter

from .bench import Bench
from .pool import Model
from .result import Table
from .verdicts import in_words


def routing(bench: Bench) -> str:
    """Run it; the verdict in words.

    `Route` against always refining and always resampling, from the same first drafts, at equal calls and at equal
    tokens.

    Source: a hypothesis from the error classes of *Feedback Over Form* (arXiv 2604.21950), recomputed.
    """
    for model in bench.pool.models:
        _one(bench, model)
    return in_words(bench.contrasts())


def _one(bench: Bench, model: Model) -> None:
    arms, calls = bench.arms, bench.config.calls
    route, refine = f"route {model.label}", f"refine {model.label}"
    resample = f"resample {model.label} ×{calls}"
    scores = bench.run(route, arms.route(model))
    bench.run(refine, arms.refine(model))
    bench.run(resample, arms.resample(model))
    bench.compare(route, refine, at="equal calls")
    bench.compare(route, resample, at="equal calls")
    bench.at_equal(
        refine,
        lambda k: arms.refine(model, iterations=k),
        range(max(bench.config.resample_max, calls) + 1),
        route,
    )
    bench.resample_at_equal(model, route)
    taken: Counter[tuple[str, str]] = Counter()
    for item in scores.items:
        for before, after in zip(item.trajectory.attempts, item.trajectory.attempts[1:], strict=False):
            found = before.execution.error_class if before.execution else "not run"
            taken[found, "refined" if after.stage == "refine" else "drawn anew"] += 1
    classes = sorted(
        {name for name, _ in taken}, key=lambda name: -taken[name, "refined"] - taken[name, "drawn anew"]
    )
    bench.tables.append(
        Table(
            title=f"{route}: what followed code of each class (by the steering tests)",
            columns=("class", "refined", "drawn anew"),
            rows=tuple((name, taken[name, "refined"], taken[name, "drawn anew"]) for name in classes),
        )
    )

"""Experiment `baselines`: single, self-refine, cross-model, resampling at equal calls and at equal compute."""

from __future__ import annotations

from .bench import Bench
from .equal_compute import SECONDS, parameter_tokens
from .pool import Model
from .verdicts import in_words


def baselines(bench: Bench) -> str:
    """Run it; the verdict in words.

    Each model: one draft; self-refine; resampling with as many calls; resampling at the tokens of self-refine. Each
    further model as generator before the main one as refiner: against the main model's self-refine, and against
    resampling of either at equal calls, at equal parameters × tokens and at equal seconds.

    Source: *Feedback Over Form* (arXiv 2604.21950), main table, and the resampling rows that it lacks.
    """
    for model in bench.pool.models:
        _alone(bench, model)
    others = [m for m in bench.pool.comparable if m is not bench.main]
    if not others or bench.main not in bench.pool.comparable:
        bench.notes.append("cross-model was not run: give a second real model (--model A --model B)")
    for other in others:
        _cross(bench, other)
    return in_words(bench.contrasts())


def _alone(bench: Bench, model: Model) -> None:
    arms, calls = bench.arms, bench.config.calls
    single, refine = f"single {model.label}", f"refine {model.label}"
    resample = f"resample {model.label} ×{calls}"
    bench.run(single, arms.single(model))
    bench.run(refine, arms.refine(model))
    bench.run(resample, arms.resample(model))
    bench.compare(refine, single)
    bench.compare(refine, resample, at="equal calls")
    bench.resample_at_equal(model, refine)


def _cross(bench: Bench, other: Model) -> None:
    main, calls = bench.main, bench.config.calls
    cross = f"{other.label} → {main.label}"
    bench.run(cross, bench.arms.refine(other, main))
    bench.compare(cross, f"refine {main.label}")
    measure = parameter_tokens(bench.pool)
    if measure is None:
        bench.notes.append(
            f"{cross}: a model's number of parameters is not known, so parameters × tokens cannot be held equal"
        )
    for model in (main, other):
        bench.compare(cross, f"resample {model.label} ×{calls}", at="equal calls")
        if measure is not None:
            bench.resample_at_equal(model, cross, measure)
        bench.resample_at_equal(model, cross, SECONDS)

"""Experiment `specialised`: models made for code against general ones."""

from __future__ import annotations

from .bench import Bench
from .config import ExperimentConfig, SpecialisedConfig
from .equal_compute import SECONDS, parameter_tokens
from .pool import Model, Pool
from .verdicts import in_words


def is_specialised(name: str, config: ExperimentConfig) -> bool:
    """Whether a model counts as made for code: named in the config, else by "code" in its name."""
    named = config.specialised if isinstance(config, SpecialisedConfig) else ()
    return name in named if named else "code" in name.lower()


def split_pool(pool: Pool, config: ExperimentConfig) -> tuple[list[Model], list[Model]]:
    """(specialised, general) models."""
    special = [m for m in pool.comparable if is_specialised(m.card.name, config)]
    return special, [m for m in pool.comparable if m not in special]


def specialised(bench: Bench) -> str:
    """Run it; the verdict in words.

    Each specialised model alone, refining and resampling, against each general one doing the same, and against the
    general one's resampling at equal parameters × tokens and at equal seconds.

    Source: *Feedback Over Form* (arXiv 2604.21950): a code model alone beats every pipeline of general ones.
    """
    special, general = split_pool(bench.pool, bench.config)
    calls = bench.config.calls
    for model in (*special, *general):
        bench.run(f"single {model.label}", bench.arms.single(model))
        bench.run(f"refine {model.label}", bench.arms.refine(model))
        bench.run(f"resample {model.label} ×{calls}", bench.arms.resample(model))
    measure = parameter_tokens(bench.pool)
    if measure is None:
        bench.notes.append(
            "a model's number of parameters is not known: compute is held equal by seconds alone"
        )
    for s in special:
        bench.compare(f"refine {s.label}", f"resample {s.label} ×{calls}", at="equal calls")
        for g in general:
            bench.compare(f"single {s.label}", f"single {g.label}", at="equal calls")
            bench.compare(f"single {s.label}", f"refine {g.label}")
            bench.compare(f"refine {s.label}", f"refine {g.label}", at="equal calls")
            if measure is not None:
                bench.resample_at_equal(g, f"single {s.label}", measure)
            bench.resample_at_equal(g, f"single {s.label}", SECONDS)
    return in_words(bench.contrasts())

"""Experiment `text-only`: the same programs without Execute, at equal tokens."""

from __future__ import annotations

from typing import cast

from .bench import Bench
from .config import TextOnlyConfig
from .pool import Model
from .verdicts import in_words


def text_only(bench: Bench) -> str:
    """Run it; the verdict in words.

    Generate → critique → refine without running anything, against one draft, and at its own mean tokens against the
    same program with execution, against self-refine and against resampling.

    Source: *Feedback Over Form* (arXiv 2604.21950) reports no gain of text-only pipelines, without settings.
    """
    for model in bench.pool.models:
        _one(bench, model, cast(TextOnlyConfig, bench.config))
    bench.notes.append(
        "text alone runs no code, so nothing is green: its false-green rate is empty, and it has only its last code"
    )
    return in_words(bench.contrasts())


def _one(bench: Bench, model: Model, config: TextOnlyConfig) -> None:
    arms, rounds, note = bench.arms, config.rounds, config.note_tokens
    text, single = f"text only {model.label}", f"single {model.label}"
    bench.run(text, arms.text_only(model, rounds, note))
    bench.run(single, arms.single(model))
    bench.compare(text, single)
    bench.at_equal(
        f"critique with execution {model.label}",
        lambda k: arms.critique_with_execution(model, k, note),
        range(max(config.resample_max, rounds) + 1),
        text,
    )
    bench.at_equal(
        f"refine {model.label}",
        lambda k: arms.refine(model, iterations=k),
        range(config.resample_max + 1),
        text,
    )
    bench.resample_at_equal(model, text)

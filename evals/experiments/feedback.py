"""Experiments `feedback-styles` and `feedback-ablation`: what of the feedback does the work."""

from __future__ import annotations

from typing import cast

from .bench import Bench
from .config import FeedbackStylesConfig
from .pool import Model
from .verdicts import in_words


def feedback_styles(bench: Bench) -> str:
    """Run it; the verdict in words.

    Self-refine with each style of feedback, from the same first drafts, each against the first style of the list, and
    each against resampling at its own tokens.
    """
    styles = cast(FeedbackStylesConfig, bench.config).styles
    for model in bench.pool.models:
        names = {style: f"refine {model.label}, {style}" for style in styles}
        for style, name in names.items():
            bench.run(name, bench.arms.refine(model, feedback=style))
        for style in styles[1:]:
            bench.compare(names[style], names[styles[0]], at="equal calls")
        for style in styles:
            bench.resample_at_equal(model, names[style])
    return in_words(bench.contrasts())


def feedback_ablation(bench: Bench) -> str:
    """Run it; the verdict in words.

    Three arms with the same most calls, from the same first drafts: resampling uses the verdict alone; refining
    without message shows the model its code and that it is not correct; refining with message also says how it
    failed. Each step is compared at equal calls, and at the mean tokens of the arm that shows more.

    Source: the question that *Feedback Over Form* (arXiv 2604.21950) leaves open: is it the message, the previous
    code, or the further draw?
    """
    for model in bench.pool.models:
        _ablate(bench, model)
    return in_words(bench.contrasts())


def _ablate(bench: Bench, model: Model) -> None:
    arms, config = bench.arms, bench.config
    verdict = f"resample {model.label} ×{config.calls} (verdict only)"
    code = f"refine {model.label} without message"
    message = f"refine {model.label} with message"
    bench.run(verdict, arms.resample(model))
    bench.run(code, arms.refine(model, feedback="none"))
    bench.run(message, arms.refine(model))
    bench.compare(message, code, at="equal calls")
    bench.compare(code, verdict, at="equal calls")
    bench.compare(message, verdict, at="equal calls")
    bench.at_equal(
        code,
        lambda k: arms.refine(model, feedback="none", iterations=k),
        range(max(config.resample_max, config.calls) + 1),
        message,
    )
    bench.resample_at_equal(model, code)
    bench.resample_at_equal(model, message)

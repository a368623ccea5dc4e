"""The methods that the command line searches with, by their names: each an optimizer with `compile`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

import dspy

from ..errors import UsageError
from ..evals.compare_methods import Method, Terms, given
from ..modules.generate import Generate
from ..modules.programs import Resample
from ..optimizers.neat.random_topology import RandomTopology
from ..optimizers.neat.search import NeatSearch
from ..optimizers.tuner import OptunaTuner
from .programs import named_program, tunable_program

METHODS = {
    "loop": "generate, execute, refine as it is, at most 3 refinements",
    "resampling": "independent drafts, at most 4",
    "optuna": "the simple loop's models, temperatures, iterations and feedback, tuned by Optuna",
    "neat-paper": "structure by the paper's search: its genome, operators and single-run fitness",
    "neat-wide": "structure by the NEAT-like search over all stages, with replicated fitness",
    "random": "structures drawn at random from the space of neat-wide",
}

SEARCHES = ("optuna", "neat-wide", "neat-paper", "random")
"""Methods that search; the others are taken as they are."""


def named_methods(
    names: Sequence[str],
    models: Sequence[str],
    *,
    max_tokens: int = 512,
    replicates: int = 2,
    population: int | None = None,
    generations: int | None = None,
    workers: int = 1,
) -> dict[str, Method]:
    """The methods of these names, for a pool of models.

    Args:
        names: Of `METHODS`, each once; empty for all.
        models: Models; the first is that of the methods without a search.
        max_tokens: Most tokens of an answer.
        replicates: Fresh replicates of a search's finalists.
        population: Genomes of a generation.
        generations: Most generations.
        workers: Graphs scored at once.

    Raises:
        UsageError: There is no such method.
    """
    for name in names:
        if name not in METHODS:
            near = difflib.get_close_matches(name, METHODS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"there is no method {name!r}: {hint}methods are {', '.join(METHODS)}")
    tuned = tunable_program(list(models), max_tokens=max_tokens)
    evolved: dict[str, Any] = {
        "models": list(models),
        "max_tokens": max_tokens,
        "replicates": replicates,
        "population": population,
        "generations": generations,
        "workers": workers,
    }
    made: dict[str, Callable[[], Method]] = {
        "loop": lambda: given(named_program("ger", models[0], max_tokens=max_tokens), "simple loop"),
        "resampling": lambda: given(
            named_program("resample", models[0], max_tokens=max_tokens), "resampling"
        ),
        "optuna": lambda: Method(
            lambda t: OptunaTuner(replicates=replicates, folds=0, **_of(t)), tuned, "simple loop"
        ),
        "neat-paper": lambda: Method(lambda t: NeatSearch("paper", **evolved, **_of(t)), kind="topology"),
        "neat-wide": lambda: Method(lambda t: NeatSearch("wide", **evolved, **_of(t)), kind="topology"),
        "random": lambda: Method(lambda t: RandomTopology(**evolved, **_of(t)), kind="topology"),
    }
    return {name: made[name]() for name in dict.fromkeys(names or METHODS)}


def resampling_by_model(
    models: Sequence[str], *, max_tokens: int = 512
) -> dict[str, Callable[[int], dspy.Module]]:
    """Model to its resampling with so many draws: the yardstick at equal compute."""

    def maker(model: str) -> Callable[[int], dspy.Module]:
        return lambda draws: Resample(
            generate=Generate(model=model, temperature=0.6, max_tokens=max_tokens), samples=draws
        )

    return {model: maker(model) for model in models}


def _of(terms: Terms) -> dict[str, Any]:
    """The terms as an optimizer's arguments."""
    return {
        "budget": terms.budget,
        "store": terms.store,
        "seed": terms.seed,
        "oracle": terms.oracle,
        "concurrency": terms.concurrency,
        "on_progress": terms.on_progress,
    }

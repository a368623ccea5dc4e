"""Comparing ways to find a program: equal budgets for every search, search and confirmation tasks apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dspy

from ..runtime.budget import Budget
from ..runtime.run import current_session
from ..runtime.task import Task
from ..runtime.versions import versions
from .compare_locked import Conditions, Locked, Resampler, confirm_searches, families
from .compare_methods import Compiles, Given, Kind, Method, Terms, check_comparison, given
from .compare_searches import Search, Watch, run_searches
from .compare_tables import curves, drawings, inflation_table, searches_table, structures_table
from .compare_words import REQUIRED, against_resampling, inflation, nothing_found, rediscovery, topology
from .experiments.bench import unwatched
from .experiments.equal_compute import SECONDS, measure_for
from .experiments.pool import Pool, describe_pool
from .experiments.result import Contrast, ExperimentResult
from .experiments.verdicts import in_words, power_words
from .scores import Scores
from .split import split

__all__ = [
    "Compared",
    "Compiles",
    "Given",
    "Kind",
    "Method",
    "Search",
    "Terms",
    "check_comparison",
    "compare",
    "given",
]

TITLE = "Methods compared"
QUESTION = (
    "What does each way of finding a program yield on tasks that no search saw, at equal budgets of the searches and"
    " beside resampling at equal compute?"
)


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found.

    Attributes:
        result: Figures, comparisons, tables, drawings and the verdict, as any experiment's.
        searches: Every search with its program.
        locked: What each benchmark's locked tasks showed.
        topology_helps: Whether a searched topology helps; None where it cannot be said.
    """

    result: ExperimentResult
    searches: tuple[Search, ...]
    locked: tuple[Locked, ...]
    topology_helps: bool | None


def compare(
    methods: Mapping[str, Method],
    tasks: Mapping[str, Sequence[Task]],
    *,
    budget: Budget,
    seeds: int = 3,
    train: float = 0.5,
    replicates: int = 2,
    oracle: bool = False,
    concurrency: int = 8,
    level: float = 0.95,
    models: Sequence[Any] = (),
    resampling: Mapping[str, Callable[[int], dspy.Module]] | None = None,
    required: Sequence[str] = REQUIRED,
    watch: Watch = unwatched,
) -> Compared:
    """Compare methods in the session in force. The same call goes on where it ended, and pays for nothing twice.

    Every search sees the search tasks of all benchmarks, never a locked one, and may pay the same budget; searches
    share no draws. What they found is run once on each benchmark's locked tasks, beside resampling at its mean compute.

    Args:
        methods: Name to method; at least two. One of kind "simple loop" without a search is what the others must beat.
        tasks: Benchmark to its tasks; ids are unique over all benchmarks.
        budget: What each single search may pay.
        seeds: Searches of each method.
        train: Share of each benchmark's tasks that is searched on.
        replicates: Runs of a locked task for each found program.
        oracle: Let hidden tests steer too; stamped on every figure.
        concurrency: Runs at once.
        level: Nominal coverage; 1 − level is the level of each family of tests.
        models: The models, for their cards, and for parameters × tokens where there are several (model seconds where a
            server does not tell a model's size).
        resampling: Model to "resampling with so many draws"; of several the strongest on the search tasks is taken.
        required: Benchmarks that the claim "topology helps" needs.
        watch: Called with what begins; what it yields is told the progress.

    Returns:
        The result; `result.verdict` says what is and is not shown.

    Raises:
        UsageError: A name, number or set of tasks does not fit.
        InfrastructureError: A model's server, the sandbox or the store failed for good.

    Example:
        >>> compare({"loop": given(ger, "simple loop"), "tuned": Method(make_tuner, ger, "simple loop")},
        ...         {"starter": tasks}, budget=Budget(tokens=100_000))    # doctest: +SKIP
    """
    check_comparison(methods, tasks, seeds=seeds, train=train, replicates=replicates)
    session = current_session()
    search_tasks: list[Task] = []
    locked_tasks: dict[str, list[Task]] = {}
    for name, own in tasks.items():
        searched, locked_tasks[name] = split(own, train, seed=session.seed)
        search_tasks += searched
    pool = describe_pool(list(models))
    how = Conditions(replicates, seeds, oracle, concurrency, level, measure_for(pool), watch)
    searches = run_searches(
        methods, search_tasks, budget=budget, seeds=seeds, oracle=oracle, concurrency=concurrency, watch=watch
    )
    resampler = _strongest(resampling or {}, search_tasks, how)
    parts = [confirm_searches(name, own, searches, resampler, how) for name, own in locked_tasks.items()]
    contrasts = families(parts, _pairs(methods), how, session.seed)
    simulated = any(scores.simulated for part in parts for scores in part.scores.values())
    told = topology(contrasts["topology"], methods, list(tasks), simulated, required)
    confirmed = _confirmed(parts, searches)
    inflated = inflation(searches, confirmed)
    words = [
        told.words,
        in_words([*contrasts["topology"], *contrasts["others"]]),
        against_resampling(contrasts["compute"]),
        rediscovery(searches, methods),
        f"Own scores minus confirmed ones: {'; '.join(i.words() for i in inflated)}." if inflated else "",
    ]
    label = "SIMULATED: " if simulated else ""
    result = ExperimentResult(
        experiment="compare",
        title=TITLE,
        question=QUESTION,
        status="done",
        verdict=label + " ".join(filter(None, words)),
        models=tuple(m.card for m in pool.models),
        settings=_settings(methods, search_tasks, locked_tasks, budget, train, how),
        figures=_figures(parts, level),
        comparisons=tuple(c for family in contrasts.values() for c in family),
        tables=(
            searches_table(searches, parts, budget),
            structures_table(searches, methods),
            *inflation_table(inflated),
        ),
        curves=curves(parts, how),
        notes=tuple(_notes(methods, searches, parts, contrasts, pool, how)),
        drawings=drawings(searches),
        simulated=simulated,
    )
    return Compared(result.with_scores(_scores(parts)), tuple(searches), tuple(parts), told.helps)


def _pairs(methods: Mapping[str, Method]) -> dict[str, list[tuple[str, str]]]:
    """The three families: does topology help, what else beats the plain loop, and what beats resampling."""
    loops = [name for name, m in methods.items() if m.kind == "simple loop"]
    plain = [name for name in loops if not methods[name].searches] or loops[:1]
    searched = [name for name, m in methods.items() if m.kind == "topology"]
    return {
        "topology": [(name, loop) for name in searched for loop in loops],
        "others": [
            (name, plain[0])
            for name, m in methods.items()
            if plain and m.kind != "topology" and name != plain[0]
        ],
        "compute": [(name, "") for name, m in methods.items() if m.kind != "resampling"],
    }


def _strongest(
    resampling: Mapping[str, Callable[[int], dspy.Module]], tasks: Sequence[Task], how: Conditions
) -> Resampler | None:
    """The model that solves most search tasks with one draft; of one model no run is needed."""
    rated: list[tuple[float, int]] = []
    names = list(resampling)
    for i, name in enumerate(names):
        found = how.score(f"single {name}", resampling[name](1), tasks, 1, 0).mean if len(names) > 1 else 0.0
        rated.append((found, -i))
    if not rated:
        return None
    best = names[-max(rated)[1]]
    return Resampler(f"resample {best}", resampling[best])


def _confirmed(parts: Sequence[Locked], searches: Sequence[Search]) -> dict[tuple[str, int], float]:
    """(method, search) to its rate over the locked tasks of all benchmarks."""
    found: dict[tuple[str, int], float] = {}
    for search in searches:
        rates = [(part.rates[search.method][search.number], len(part.tasks)) for part in parts]
        known = [(rate, n) for rate, n in rates if rate is not None]
        if known:
            found[search.method, search.number] = sum(r * n for r, n in known) / sum(n for _, n in known)
    return found


def _figures(parts: Sequence[Locked], level: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in parts:
        for name, scores in part.scores.items():
            found[f"{part.benchmark}: {name}"] = scores.figure(level)
        for name, yardstick in part.yardsticks.items():
            place = "at" if yardstick.is_equal else "nearest to"
            found[f"{part.benchmark}: resampling {place} the compute of {name}"] = yardstick.figure
    return found


def _scores(parts: Sequence[Locked]) -> dict[str, Scores]:
    return {f"{p.benchmark}: {name}": scores for p in parts for name, scores in p.scores.items()}


def _notes(
    methods: Mapping[str, Method],
    searches: Sequence[Search],
    parts: Sequence[Locked],
    contrasts: Mapping[str, Sequence[Contrast]],
    pool: Pool,
    how: Conditions,
) -> list[str]:
    notes = pool.notes()
    if how.seeds > 1:
        notes.append(
            f"A method's figure is over {how.seeds} searches; its interval is over tasks and takes these searches as"
            " given: how far searches differ stands in their table."
        )
    notes.append(
        "Families of tests, each corrected by Holm's method: topologies against simple loops"
        f" ({len(contrasts['topology'])}), other methods against the plain loop ({len(contrasts['others'])}), and"
        f" resampling at equal {how.measure.name} ({len(contrasts['compute'])})."
    )
    if how.measure is SECONDS:
        notes.append(
            "A model's number of parameters is not known, so parameters × tokens cannot be held equal between models:"
            " compute is held equal by model seconds."
        )
    for part in parts:
        rates = [scores.mean for scores in part.scores.values()]
        runs = how.replicates * how.seeds
        words = power_words(len(part.tasks), runs, rates, how.level, "locked tasks")
        notes.append(f"{part.benchmark}: {words}.")
    notes += nothing_found(searches)
    small = [
        m.label for m in pool.models if m.card.parameters is not None and 1 < m.card.parameters < 500_000_000
    ]
    if small:
        notes.append(
            f"{', '.join(small)} has fewer than half a billion parameters: this shows that the machinery works, and"
            " nothing about larger models."
        )
    return notes


def _settings(
    methods: Mapping[str, Method],
    searched: Sequence[Task],
    locked: Mapping[str, Sequence[Task]],
    budget: Budget,
    train: float,
    how: Conditions,
) -> dict[str, Any]:
    session = current_session()
    return {
        "methods": ", ".join(f"{name} ({m.kind})" for name, m in methods.items()),
        "budget_of_each_search": budget.model_dump(exclude_none=True),
        "searches_of_each_method": how.seeds,
        "search_tasks": len(searched),
        "search_tasks_digest": _digest(searched),
        **{f"locked_tasks_{name}": len(own) for name, own in locked.items()},
        **{f"locked_tasks_{name}_digest": _digest(own) for name, own in locked.items()},
        "share_searched_on": train,
        "replicates": how.replicates,
        "steering": "oracle" if how.oracle else "visible",
        "sandbox": session.sandbox.tier,
        "compute_held_equal": how.measure.name,
        "level": how.level,
        "seed": session.seed,
        "store": repr(session.store),
        "versions": versions(),
    }


def _digest(tasks: Sequence[Task]) -> str:
    return hashlib.sha256("".join(sorted(task.digest for task in tasks)).encode()).hexdigest()[:16]

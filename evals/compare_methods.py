"""What a comparison compares: anything with `compile`, and the terms on which each search is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import dspy

from ..errors import UsageError
from ..runtime.budget import Budget
from ..runtime.store import Store
from ..runtime.task import Task
from .split import split

Kind = Literal["simple loop", "resampling", "topology", "other"]
"""What a method's programs are: of the simple loop's structure, plain resampling, or of a searched structure."""


class Compiles(Protocol):
    """An optimizer in DSPy's sense, called as ``compile(program, trainset=tasks)``; no locked task is among these."""

    def compile(self, program: Any, /, *, trainset: Sequence[Task]) -> dspy.Module:
        """A program; `.evidence` and a method `drawings(found)` of the optimizer are used where they are there."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms one search is run; the same for every method but for the seed.

    Attributes:
        seed: Seed of this search: no two searches share one, so each pays for its own draws.
        budget: What it may pay. The session in force keeps it, too: an optimizer that knows no budgets is ended by it.
        store: Cache, ledger and study.
        oracle: Whether hidden tests steer too.
        concurrency: Runs at once.
        on_progress: To be told how far the search is, in whatever form the optimizer has.
    """

    seed: int
    budget: Budget
    store: Store
    oracle: bool
    concurrency: int
    on_progress: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Method:
    """One of the methods that are compared.

    Attributes:
        make: A fresh optimizer for one search.
        program: What its `compile` is given; None where it starts from nothing.
        kind: See `Kind`.
        searches: False for a program that is taken as it is: one run instead of one for each seed.
    """

    make: Callable[[Terms], Compiles]
    program: dspy.Module | None = None
    kind: Kind = "other"
    searches: bool = True


class Given:
    """The optimizer that changes nothing: for programs that are compared as they are."""

    def compile(self, program: Any, /, *, trainset: Sequence[Task]) -> dspy.Module:
        """A copy of the program."""
        return program.deepcopy()


def given(program: dspy.Module, kind: Kind) -> Method:
    """A program as a method without a search.

    Example:
        >>> from greenloop.modules.programs import Resample
        >>> given(Resample(), "resampling").searches
        False
    """
    return Method(lambda terms: Given(), program, kind, searches=False)


def check_comparison(
    methods: Mapping[str, Method],
    tasks: Mapping[str, Sequence[Task]],
    *,
    seeds: int,
    train: float,
    replicates: int,
) -> None:
    """Refuse what `compare` cannot do, before anything is paid; the arguments are its own.

    Raises:
        UsageError: A name, number or set of tasks does not fit.
    """
    if len(methods) < 2:
        raise UsageError(f"a comparison needs at least two methods, not {' '.join(methods) or 'none'} alone")
    if not tasks or not all(tasks.values()):
        raise UsageError("a comparison needs at least one benchmark, and tasks in each")
    if min(seeds, replicates) < 1:
        raise UsageError("seeds and replicates must be at least 1")
    ids = [task.task_id for own in tasks.values() for task in own]
    if len(set(ids)) != len(ids):
        raise UsageError("a task_id stands in the benchmarks twice: ids must be unique over all of them")
    problems = [{task.problem.digest for task in own} for own in tasks.values()]
    if len(set[str]().union(*problems)) < sum(map(len, problems)):
        raise UsageError(
            "a problem stands in two benchmarks, by another id: searched on in one, it would not be locked in the"
            " other; compare on one of them at a time"
        )
    for own in tasks.values():
        split(own, train)

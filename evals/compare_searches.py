"""The searches of a comparison: every method with every seed on the search tasks, each under the same budget."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import dspy

from ..errors import BudgetExhausted
from ..modules.graph import Graph
from ..modules.programs import GenerateExecuteRefine, Resample
from ..modules.wiring import simple_loop
from ..runtime.budget import Budget, Usage
from ..runtime.replay_meter import ReplayMeter
from ..runtime.run import Session, current_session, use_session
from ..runtime.task import Task
from .compare_methods import Kind, Method, Terms
from .evidence import Evidence

SIMPLE_LOOP = simple_loop().text

Watch = Callable[[str], AbstractContextManager[Callable[[Any], None]]]
"""Called with what begins; what it yields is told how far it is."""


@dataclass(frozen=True, slots=True)
class Search:
    """What one search of one method found.

    Attributes:
        method: The method's name.
        kind: The method's kind.
        number: Number of the search, from 0.
        seed: Its seed.
        program: What it found; None where the budget ended before there was anything.
        evidence: The evidence that the program carries, if any.
        structure: The program's graph in one line.
        leader: The graph that the search itself scored best, before finalists were run again; empty if not told.
        paid: What it paid, stored calls counted as when first made.
        drawings: Title to SVG text.
        given: What the search was given, and its user is left with where it found nothing; None where it starts from
            nothing.
    """

    method: str
    kind: Kind
    number: int
    seed: int
    program: dspy.Module | None
    evidence: Evidence | None
    structure: str
    leader: str
    paid: Usage
    drawings: dict[str, str] = field(default_factory=dict[str, str])
    given: dspy.Module | None = None

    @property
    def to_confirm(self) -> dspy.Module | None:
        """The program that locked tasks are run with: what it found, else what it was given."""
        return self.program if self.program is not None else self.given

    @property
    def own_score(self) -> float | None:
        """The search's own score, inflated by selection: of what it found, or, where it gave back the program that it
        started beside, of its own best; None if not told.
        """
        return self.evidence.search_rate if self.evidence is not None else None

    @property
    def fresh_score(self) -> float | None:
        """Rate on fresh replicates of the search tasks of what `own_score` is the score of; None if not run again."""
        if self.evidence is None:
            return None
        scored = [f for f in self.evidence.finalists if f.search_rate == self.own_score]
        mine = [f for f in scored if f.settings == self.evidence.settings] or scored
        return mine[0].figure.rate if mine else None


def run_searches(
    methods: Mapping[str, Method],
    tasks: Sequence[Task],
    *,
    budget: Budget,
    seeds: int,
    oracle: bool,
    concurrency: int,
    watch: Watch,
) -> list[Search]:
    """Run every method with every seed, in the store of the session in force.

    Raises:
        InfrastructureError: A model or the store is away; the same call goes on later.
    """
    outer = current_session()
    found: list[Search] = []
    for name, method in methods.items():
        for number in range(seeds if method.searches else 1):
            seed = search_seed(outer.seed, name, number)
            meter = ReplayMeter(budget)
            session = Session(
                outer.store, seed=seed, meter=meter, sandbox=outer.sandbox, on_call=(meter.booked,)
            )
            with use_session(session), watch(_title(name, number, method.searches and seeds > 1)) as tell:
                terms = Terms(seed, budget, outer.store, oracle, concurrency, tell)
                found.append(_search(name, method, number, terms, tasks, meter))
    return found


def search_seed(seed: int, method: str, number: int) -> int:
    """The seed of a search, in [0, 2**31): another one for each, so that no search is given another's draws.

    Example:
        >>> search_seed(0, "NEAT", 0) != search_seed(0, "random", 0)
        True
    """
    text = f"{seed}|{method}|{number}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


def structure(program: dspy.Module) -> str:
    """A program's graph in one line, alike for graphs and ready-made programs that do the same.

    Example:
        >>> structure(GenerateExecuteRefine()) == structure(Graph()) == SIMPLE_LOOP
        True
    """
    if isinstance(program, Graph):
        return program.parsed_wiring.text
    if isinstance(program, GenerateExecuteRefine):
        return SIMPLE_LOOP
    return "resample" if isinstance(program, Resample) else type(program).__name__


def _search(
    name: str, method: Method, number: int, terms: Terms, tasks: Sequence[Task], meter: ReplayMeter
) -> Search:
    optimizer: Any = method.make(terms)
    try:
        program: dspy.Module | None = optimizer.compile(method.program, trainset=list(tasks))
    except BudgetExhausted:
        program = None
    carried = getattr(program, "evidence", None)
    evidence = carried if isinstance(carried, Evidence) else None
    draw: Any = getattr(optimizer, "drawings", None)
    return Search(
        method=name,
        kind=method.kind,
        number=number,
        seed=terms.seed,
        program=program,
        evidence=evidence,
        structure=structure(program) if program is not None else "",
        leader=_leader(evidence) if method.searches else "",
        paid=_paid(evidence, meter),
        drawings=draw(program) if draw is not None and program is not None else {},
        given=method.program,
    )


def _leader(evidence: Evidence | None) -> str:
    """The graph of the search's own best: the first finalist's."""
    if evidence is None:
        return ""
    best = evidence.finalists[0].settings if evidence.finalists else evidence.settings
    graph = str(best.get("graph", ""))
    return SIMPLE_LOOP if graph == f"given: {GenerateExecuteRefine.__name__}" else graph


def _paid(evidence: Evidence | None, meter: ReplayMeter) -> Usage:
    """What an optimizer that keeps accounts says, or else what this session saw."""
    if evidence is None:
        return meter.paid
    paid = evidence.paid
    return Usage(
        int(paid.get("calls", 0)),
        int(paid.get("tokens_in", 0)),
        int(paid.get("tokens_out", 0)),
        float(paid.get("model_seconds", 0)),
    )


def _title(name: str, number: int, several: bool) -> str:
    return f"{name}, search {number + 1}" if several else name

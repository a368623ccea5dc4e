"""The confirmation of a comparison: every found program on the locked tasks, and resampling at its compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dspy

from ..runtime.task import Task
from .compare_searches import Search, Watch
from .experiments.equal_compute import Measure, climb, read_at
from .experiments.result import Contrast, RunCost
from .figures import Comparison, Figure, in_one_family
from .scores import Scores
from .scoring import score

MOST_DRAWS = 16


@dataclass(frozen=True, slots=True)
class Resampler:
    """Plain resampling, the yardstick at equal compute.

    Attributes:
        name: What it is called.
        make: The program with so many draws.
    """

    name: str
    make: Callable[[int], dspy.Module]


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Resampling at a method's mean compute.

    Attributes:
        outcomes: Task to outcomes.
        figure: Its figure.
        at: What is held equal; "unequal …" where its curve ends before that compute or begins beyond it.
        note: How it was read off its curve.
    """

    outcomes: dict[str, list[float]]
    figure: Figure
    at: str
    note: str

    @property
    def is_equal(self) -> bool:
        """Whether the compute is the method's."""
        return self.at.startswith("equal")


@dataclass(slots=True)
class Locked:
    """What the locked tasks of one benchmark showed.

    Attributes:
        benchmark: Its name.
        tasks: Its locked tasks.
        scores: Method to the scores of all its programs: replicates r·k … r·k + r − 1 are those of search k.
        rates: Method to the rate of each search's program; None where it found none and was given none.
        yardsticks: Method to resampling at its mean compute.
        rungs: Draws to the scores of resampling.
    """

    benchmark: str
    tasks: list[Task]
    scores: dict[str, Scores] = field(default_factory=dict[str, Scores])
    rates: dict[str, list[float | None]] = field(default_factory=dict[str, "list[float | None]"])
    yardsticks: dict[str, Yardstick] = field(default_factory=dict[str, Yardstick])
    rungs: dict[int, Scores] = field(default_factory=dict[int, Scores])


@dataclass(frozen=True, slots=True)
class Conditions:
    """How locked tasks are run: alike for every program.

    Attributes:
        replicates: Runs of a task for each found program.
        seeds: Searches of each method: a program without a search is run as often as all of them together.
        oracle: Whether hidden tests steer too.
        concurrency: Runs at once.
        level: Nominal coverage.
        measure: By what compute is held equal.
        watch: Shows progress.
    """

    replicates: int
    seeds: int
    oracle: bool
    concurrency: int
    level: float
    measure: Measure
    watch: Watch

    def score(
        self, what: str, program: dspy.Module, tasks: Sequence[Task], replicates: int, first: int
    ) -> Scores:
        """Score a program, showing progress."""
        with self.watch(what) as tell:
            return score(
                program,
                tasks,
                replicates=replicates,
                first_replicate=first,
                oracle=self.oracle,
                concurrency=self.concurrency,
                on_progress=tell,
            )


def confirm_searches(
    benchmark: str,
    tasks: list[Task],
    searches: Sequence[Search],
    resampler: Resampler | None,
    how: Conditions,
) -> Locked:
    """Run what the searches found on a benchmark's locked tasks, once, in the session in force."""
    locked = Locked(benchmark, tasks)
    for name in dict.fromkeys(s.method for s in searches):
        mine = [s for s in searches if s.method == name]
        alone = len(mine) == 1 and how.seeds > 1
        rates: list[float | None] = []
        for search in mine:
            program = search.to_confirm
            if program is None:
                rates.append(None)
                continue
            title = f"{benchmark}: {name}" + (f" {search.number + 1}/{len(mine)}" if len(mine) > 1 else "")
            replicates = how.replicates * (how.seeds if alone else 1)
            found = how.score(title, program, tasks, replicates, search.number * how.replicates)
            rates.append(found.mean)
            known = locked.scores.get(name)
            locked.scores[name] = found if known is None else _together(known, found)
        locked.rates[name] = rates
    drawn = {s.method for s in searches if s.kind == "resampling"}
    for name, scores in locked.scores.items():
        if resampler is not None and name not in drawn:
            locked.yardsticks[name] = _yardstick(locked, scores, resampler, how)
    return locked


def families(
    parts: Sequence[Locked], pairs: Mapping[str, Sequence[tuple[str, str]]], how: Conditions, seed: int
) -> dict[str, list[Contrast]]:
    """The comparisons, each family Holm-adjusted over all benchmarks; one side missing leaves a pair out.

    Args:
        parts: The benchmarks.
        pairs: Family to its pairs of methods; an empty second name is resampling at the first one's compute.
        how: Level and measure.
        seed: Of permutations and bootstrap.
    """
    found: dict[str, list[Contrast]] = {}
    for family, wanted in pairs.items():
        made: dict[str, Comparison] = {}
        for part in parts:
            for name, other in wanted:
                contrast = _contrast(part, name, other, how, seed)
                if contrast is not None:
                    made[f"{part.benchmark} {name} {other}"] = contrast
        sized = {key: one.model_copy(update={"family": len(made)}) for key, one in made.items()}
        adjusted: Any = in_one_family(sized) if sized else {}
        found[family] = list(adjusted.values())
    return found


def _contrast(part: Locked, name: str, other: str, how: Conditions, seed: int) -> Contrast | None:
    if (
        name not in part.scores
        or (other and other not in part.scores)
        or (not other and name not in part.yardsticks)
    ):
        return None
    mine = part.scores[name]
    at, note, label = "", "", other
    if other:
        theirs, figure = part.scores[other].by_task(), part.scores[other].figure(how.level)
    else:
        read = part.yardsticks[name]
        theirs, figure, at, note, label = read.outcomes, read.figure, read.at, read.note, "resampling"
    plain = Comparison.paired(
        mine.by_task(),
        theirs,
        name=f"{part.benchmark}: {name}",
        other=f"{part.benchmark}: {label}",
        level=how.level,
        seed=seed,
    )
    spent = (RunCost.of(mine.figure(how.level)), RunCost.of(figure))
    return Contrast(**plain.model_dump(), at=at, note=note, spent=spent)


def _yardstick(locked: Locked, scores: Scores, resampler: Resampler, how: Conditions) -> Yardstick:
    def rung(draws: int) -> Scores:
        if draws not in locked.rungs:
            title = f"{locked.benchmark}: {resampler.name} × {draws}"
            runs = how.replicates * how.seeds
            locked.rungs[draws] = how.score(title, resampler.make(draws), locked.tasks, runs, 0)
        return locked.rungs[draws]

    target = how.measure.mean(scores)
    read = read_at(climb(rung, range(1, MOST_DRAWS + 1), how.measure, target), how.measure, target)
    return Yardstick(read.outcomes, read.figure(how.level), read.at, read.note)


def _together(known: Scores, more: Scores) -> Scores:
    """The runs of several programs of one method, as one."""
    digests = known.program.split(", ")
    program = known.program if more.program in digests else f"{known.program}, {more.program}"
    return replace(known.merged(more), program=program, simulated=known.simulated or more.simulated)

"""The bench of an experiment: scores its arms in the session in force and collects what the result states."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import dspy

from ...errors import UsageError
from ...modules.paper import paper_task
from ...runtime.budget import Usage
from ...runtime.run import current_session
from ...runtime.task import Task
from ...runtime.versions import versions
from ..figures import Comparison, Figure, in_one_family
from ..progress import Progress
from ..scores import Scores
from ..scoring import score
from ..statistics import Outcomes
from .arms import Arms
from .config import ExperimentConfig
from .equal_compute import TOKENS, Measure, climb, read_at
from .pool import Model, Pool
from .result import Contrast, Curve, RunCost, Table
from .verdicts import power_words

STOP_RULE = (
    "a loop ends with the first code that passes the steering tests, or that loads where there are none"
)
RETURNED = "the best code by the steering tests, the earliest of equals"

Watch = Callable[[str], AbstractContextManager[Callable[[Progress], None]]]
"""Called with an arm's name; what it yields is told how far the arm's scoring is."""


@contextlib.contextmanager
def unwatched(title: str) -> Generator[Callable[[Progress], None], None, None]:
    """Watches nothing."""
    yield lambda progress: None


class Bench:
    """What an experiment works with.

    Args:
        config: Its settings.
        tasks: Its tasks; `paper_faithful` poses them as the paper does.
        pool: Its models.
        watch: Shows progress.

    Attributes:
        arms: Makes programs.
        scores: Arm → its scores.
        figures: Arm → its figure, in the order in which they were made.
        tables: Tables for the result.
        curves: Curves for the result.
        notes: Notes for the result.
    """

    def __init__(
        self, config: ExperimentConfig, tasks: Sequence[Task], pool: Pool, watch: Watch = unwatched
    ) -> None:
        self.config = config
        self.tasks = [paper_task(task) for task in tasks] if config.paper_faithful else list(tasks)
        self.pool = pool
        self.arms = Arms(config)
        self.scores: dict[str, Scores] = {}
        self.figures: dict[str, Figure] = {}
        self.tables: list[Table] = []
        self.curves: list[Curve] = []
        self.notes: list[str] = pool.notes()
        self._outcomes: dict[str, Outcomes] = {}
        self._pairs: list[tuple[str, str, str, str]] = []
        self._family: tuple[Contrast, ...] = ()
        self._rungs: dict[tuple[str, int], Scores] = {}
        self._watch = watch

    @property
    def main(self) -> Model:
        """The first model."""
        return self.pool.models[0]

    def run(self, name: str, program: dspy.Module, *, show: bool = True) -> Scores:
        """Score an arm; under a name that was scored before, the same scores again."""
        if name in self.scores:
            return self.scores[name]
        scores = self._score(name, program)
        if show:
            self.scores[name] = scores
            self.figures[name] = scores.figure(self.config.level)
            self._outcomes[name] = scores.by_task()
        return scores

    def derive(
        self,
        name: str,
        outcomes: Outcomes,
        usage: Usage,
        like: Scores,
        *,
        green: Outcomes | None = None,
    ) -> Figure:
        """An arm whose outcomes are computed from scores, under the same conditions as `like`.

        Args:
            name: Its name.
            outcomes: Task → outcomes of its replicates.
            usage: Its compute, all runs together.
            like: The scores that it was computed from.
            green: Task → its runs that passed the steering tests, 1 where one is not solved; where that is known.
        """
        figure = Figure.from_outcomes(
            outcomes,
            usage=usage,
            steering=like.steering,
            tier=like.tier,
            models=like.models,
            level=self.config.level,
            green=green,
            simulated=like.simulated,
            paper_faithful=like.paper_faithful,
        )
        self.figures[name] = figure
        self._outcomes[name] = outcomes
        return figure

    def at_equal(
        self,
        ladder: str,
        make: Callable[[int], dspy.Module],
        numbers: Sequence[int],
        arm: str,
        measure: Measure = TOKENS,
    ) -> str:
        """Read a ladder of programs at an arm's mean compute, as an arm of its own, and compare the arm with it.

        Args:
            ladder: The ladder's name: "resample MODEL".
            make: Its program with so many draws or iterations.
            numbers: The rungs, cheapest first.
            arm: The arm whose compute it is read at.
            measure: What is held equal.

        Returns:
            The new arm's name; it says "nearest to" where the ladder ends before that compute, or begins beyond it, and
            then the comparison is not said to be at equal compute.
        """

        def rung(number: int) -> Scores:
            key = (ladder, number)
            if key not in self._rungs:
                self._rungs[key] = self._score(f"{ladder} ×{number}", make(number))
            return self._rungs[key]

        target = measure.mean(self.scores[arm])
        rungs = climb(rung, numbers, measure, target)
        found = read_at(rungs, measure, target)
        place = "at" if found.is_equal else "nearest to"
        name = f"{ladder} {place} the {measure.name} of {arm}"
        self.figures[name] = found.figure(self.config.level)
        self._outcomes[name] = found.outcomes
        self.compare(arm, name, at=found.at, note=found.note)
        self._add_curve(ladder, rungs, measure)
        return name

    def resample_at_equal(self, model: Model, arm: str, measure: Measure = TOKENS) -> str:
        """Resampling a model at an arm's mean compute; see `at_equal`."""
        numbers = range(1, max(self.config.resample_max, self.config.calls) + 1)
        return self.at_equal(
            f"resample {model.label}", lambda k: self.arms.resample(model, k), numbers, arm, measure
        )

    def compare(self, name: str, other: str, *, at: str = "", note: str = "") -> None:
        """Put "is `name` better than `other`?" into the experiment's family of comparisons."""
        self._pairs.append((name, other, at, note))

    def contrasts(self) -> tuple[Contrast, ...]:
        """The family of comparisons, adjusted by Holm's method."""
        if len(self._family) == len(self._pairs):
            return self._family
        level = self.config.level
        made: dict[str, Comparison] = {}
        for i, (name, other, at, note) in enumerate(self._pairs):
            plain = Comparison.paired(
                self._outcomes[name],
                self._outcomes[other],
                name=name,
                other=other,
                level=level,
                seed=self.config.seed,
            )
            spent = (RunCost.of(self.figures[name]), RunCost.of(self.figures[other]))
            made[str(i)] = Contrast(
                **plain.model_dump(), at=at, note=note, family=len(self._pairs), spent=spent
            )
        self._family = tuple(cast(Contrast, one) for one in in_one_family(made).values())
        return self._family

    def outcomes(self, name: str) -> Outcomes:
        """An arm's outcomes by task."""
        return self._outcomes[name]

    def settings(self) -> dict[str, Any]:
        """Everything that the result states of how it was run."""
        config, session = self.config, current_session()
        digest = hashlib.sha256("".join(task.digest for task in self.tasks).encode()).hexdigest()[:16]
        given = config.model_dump(mode="json", exclude={"models", "tasks", "oracle", "seed"})
        return {
            "tasks": config.tasks,
            "n": len(self.tasks),
            "tasks_digest": digest,
            **given,
            "steering": "oracle" if config.steered_by_oracle else "visible",
            "sandbox": session.sandbox.tier,
            "limits": dataclasses.asdict(config.limits),
            "top_p": "the server's own",
            "feedback": "error output" if config.paper_faithful else config.feedback,
            "stop_rule": STOP_RULE,
            "returned": "the last code" if config.paper_faithful else RETURNED,
            "seed": session.seed,
            "seed_of_statistics": config.seed,
            "store": repr(session.store),
            "versions": versions(),
        }

    def power_note(self) -> str:
        """What difference these tasks can show."""
        rates = [f.rate for f in self.figures.values()]
        return power_words(len(self.tasks), self.config.replicates, rates, self.config.level)

    def _score(self, name: str, program: dspy.Module) -> Scores:
        if not self.tasks:
            raise UsageError("an experiment needs at least one task")
        with self._watch(name) as tell:
            return score(
                program,
                self.tasks,
                replicates=self.config.replicates,
                oracle=self.config.steered_by_oracle,
                paper_faithful=self.config.paper_faithful,
                concurrency=self.config.concurrency,
                on_progress=tell,
            )

    def _add_curve(self, ladder: str, rungs: Mapping[int, Scores], measure: Measure) -> None:
        points: list[tuple[float, float, float | None, float | None]] = []
        for number in sorted(rungs):
            figure = rungs[number].figure(self.config.level)
            points.append((measure.mean(rungs[number]), figure.rate, *figure.interval))
        curve = Curve(name=ladder, x_name=f"mean {measure.name} of a task", points=tuple(points))
        kept = [c for c in self.curves if (c.name, c.x_name) != (curve.name, curve.x_name)]
        longest = max([curve, *(c for c in self.curves if c not in kept)], key=lambda c: len(c.points))
        self.curves = [*kept, longest]

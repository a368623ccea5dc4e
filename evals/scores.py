"""What a scoring yields: one score for each (task, replicate), and all of them with their figure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ..runtime.attempt import Trajectory
from ..runtime.budget import Usage
from ..runtime.problem import Steering
from ..runtime.spending import Spent, usage_by_model
from .figures import Figure, green_runs


@dataclass(frozen=True, slots=True)
class TaskScore:
    """What one (task, replicate) yielded.

    Attributes:
        task_id: The task's name.
        replicate: Number of the replicate.
        score: The metric's value; 1.0 or 0.0 for `gl.solved`.
        outcome: Outcome on all tests of the task.
        steering_outcome: Outcome on the tests that steered, of the code that was returned.
        trajectory: The attempts.
        spent: As-if compute by stage and model.
    """

    task_id: str
    replicate: int
    score: float
    outcome: str
    steering_outcome: str
    trajectory: Trajectory
    spent: tuple[Spent, ...] = ()

    @property
    def usage(self) -> Usage:
        """As-if compute."""
        return self.trajectory.usage

    @property
    def by_model(self) -> dict[str, Usage]:
        """Model to as-if compute of its calls."""
        return usage_by_model(self.spent)

    @property
    def false_green(self) -> bool:
        """Passed the tests that steered, and is not solved."""
        return self.steering_outcome == "passed" and self.outcome != "passed"


@dataclass(frozen=True, slots=True)
class Scores:
    """All (task, replicate) scores of one program.

    Attributes:
        program: The program's content hash.
        steering: Which tests steered.
        tier: The sandbox tier that judged.
        models: Name to digest of every model that was called.
        items: The scores, by task and replicate.
        simulated: A simulated model had a part in it.
        paper_faithful: It ran in the paper's set-up.
        seed: Seed of the session; None where it is not known.
        settings: What the program was set to, see `program_settings`.
        task_digests: Task to its content hash.
    """

    program: str
    steering: Steering
    tier: str
    models: dict[str, str]
    items: tuple[TaskScore, ...]
    simulated: bool = False
    paper_faithful: bool = False
    seed: int | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    task_digests: dict[str, str] = field(default_factory=dict[str, str])

    def by_task(self) -> dict[str, list[float]]:
        """Task to its scores over replicates."""
        table: dict[str, list[float]] = {}
        for item in self.items:
            table.setdefault(item.task_id, []).append(item.score)
        return table

    @property
    def mean(self) -> float:
        """Mean over tasks of the mean over replicates."""
        table = self.by_task()
        return sum(sum(s) / len(s) for s in table.values()) / len(table)

    def usage(self) -> Usage:
        """As-if compute of everything, added up."""
        return sum((item.usage for item in self.items), Usage())

    def figure(self, level: float = 0.95) -> Figure:
        """The scores as one honest figure: n, replicates, interval, as-if compute, steering, tier, models."""
        return Figure.from_outcomes(
            self.by_task(),
            level=level,
            usage=self.usage(),
            steering=self.steering,
            tier=self.tier,
            models=self.models,
            unverified=sum(i.steering_outcome == "unverified" for i in self.items),
            truncated=sum(a.truncated for i in self.items for a in i.trajectory.attempts),
            green=green_runs(self.items),
            simulated=self.simulated,
            paper_faithful=self.paper_faithful,
        )

    def merged(self, other: Scores) -> Scores:
        """These scores and more replicates of the same program."""
        return replace(
            self,
            items=self.items + other.items,
            models={**self.models, **other.models},
            task_digests={**self.task_digests, **other.task_digests},
        )

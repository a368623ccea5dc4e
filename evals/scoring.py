"""Scoring: program × tasks × replicates, resumable, an outage never a score.

Every call and every execution is stored by content, so a rerun of the same scoring repeats none of them; the ledger
gets one row per (program, task, replicate).
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from typing import Any

import dspy

from ..errors import GreenloopError, ProgramError, TaskError, UsageError
from ..modules.blueprint import program_digest
from ..modules.paper import paper_task, prompts_not_the_papers
from ..modules.stage import trajectory_of
from ..runtime.attempt import Trajectory
from ..runtime.budget import Usage
from ..runtime.execution import Limits
from ..runtime.problem import Steering
from ..runtime.run import Session, current_session, stoppable, use_run
from ..runtime.spending import Spent, spent_by_stage, usage_by_model
from ..runtime.task import Task
from .check import check, solved
from .elsewhere import Elsewhere, Here, hands_for
from .figures import Figure, green_runs
from .program_settings import program_settings, unusual_conditions
from .progress import Progress

Metric = Callable[..., Any]
"""DSPy's convention: metric(example, pred, trace=None) → bool or number."""


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


def score(
    program: dspy.Module,
    tasks: Sequence[Task],
    *,
    replicates: int = 1,
    first_replicate: int = 0,
    oracle: bool = False,
    paper_faithful: bool = False,
    metric: Metric = solved,
    limits: Limits | None = None,
    concurrency: int = 8,
    executor: Executor | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop_early: Callable[[list[TaskScore]], bool] | None = None,
) -> Scores:
    """Score a program on tasks in the session in force.

    Args:
        program: Any DSPy module with `forward(problem)` whose prediction has `code`.
        tasks: What to score on; each needs at least one test.
        replicates: How often each task is run, with other seeds.
        first_replicate: Number of the first replicate: other numbers are fresh draws.
        oracle: Let the hidden tests steer too, as the paper does; stamped on the figure.
        paper_faithful: Pose the tasks as the harness of *Feedback Over Form* does (no preamble, oracle steering; see
            `modules.paper.paper_task`); stamped on the figure. The program has to be one of `modules.paper`, whose
            prompts and limits are the paper's.
        metric: DSPy metric; `gl.solved` counts tasks whose tests all pass.
        limits: Bounds of the run that judges; those of `Execute` hold while a program steers itself.
        concurrency: Runs at once; the engine limits calls to what an endpoint serves, and more runs than that
            keep it busy while some are in the sandbox. With an executor of other processes: the jobs in flight, so
            at least as many as it has workers.
        executor: Runs the work; threads of its own where none is given. Any but a `ThreadPoolExecutor` may have other
            processes or machines as its workers (`ProcessPoolExecutor`, a Dask cluster's `client.get_executor()`):
            they open the session's store by its URL, call the models themselves, and take keys of model servers from
            their own environment. `on_call` of the session is told nothing there.
        on_progress: Called after each (task, replicate), from the calling thread.
        stop_early: Called with the scores so far; True ends the scoring with those.

    Returns:
        The scores.

    Raises:
        TaskError: There are no tasks, two bear one id, or one has no test.
        UsageError: `paper_faithful` with a program that asks in other words than the paper's.
        InfrastructureError: A model's server or the sandbox failed for good; what was paid for is stored, and the
            same call goes on where it ended.
        ProgramError: The program or the metric raised.
        BudgetExhausted: The session's budget is spent.
    """
    _validate(tasks, replicates)
    session = current_session()
    if paper_faithful:
        if other := prompts_not_the_papers(program):
            raise UsageError(
                f"paper_faithful needs the paper's prompts, and {', '.join(other)} has others: take a program of"
                " greenloop.modules.paper, such as paper_refine(model)"
            )
        tasks = [paper_task(task) for task in tasks]
    steering: Steering = "oracle" if oracle or paper_faithful else "visible"
    digest = program_digest(program)
    bounds = limits or Limits()
    stated = program_settings(program, bounds)
    if paper_faithful:
        stated["paper faithful"] = True
    how = Conditions(session, program, digest, steering, metric, bounds, stated)
    jobs = [(task, r) for r in range(first_replicate, first_replicate + replicates) for task in tasks]
    scores: list[TaskScore] = []
    score_sum, usage = 0.0, Usage()
    models: dict[str, str] = {}
    started = time.monotonic()
    hands = hands_for(executor, how, concurrency)
    left = deque(jobs)
    pending: dict[Future[Any], tuple[Task, int]] = {}
    try:
        with stoppable():
            while left or pending:
                while left and len(pending) < hands.width:
                    job = left.popleft()
                    pending[hands.submit(*job)] = job
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    job = pending.pop(future)
                    result = hands.take(future)
                    if result is None:
                        left.append(job)
                        continue
                    scores.append(result[0])
                    models.update(result[1])
                    score_sum, usage = score_sum + result[0].score, usage + result[0].usage
                    if on_progress is not None:
                        elapsed, done_now = time.monotonic() - started, len(scores)
                        on_progress(
                            Progress(
                                done=done_now,
                                total=len(jobs),
                                score_sum=score_sum,
                                usage=usage,
                                paid=session.meter.paid,
                                elapsed_s=elapsed,
                                left_s=elapsed / done_now * (len(jobs) - done_now),
                                scores=tuple(scores),
                            )
                        )
                if stop_early is not None and stop_early(scores):
                    break
    except BaseException as error:
        _end(hands, pending, wait_for_running=isinstance(error, Exception))
        raise
    _end(hands, pending, wait_for_running=True)
    order = {(task.task_id, r): i for i, (task, r) in enumerate(jobs)}
    scores.sort(key=lambda s: order[s.task_id, s.replicate])
    simulated = any(name.startswith("simulated") for name in models)
    return Scores(
        digest,
        steering,
        hands.tier,
        models,
        tuple(scores),
        simulated,
        paper_faithful,
        session.seed,
        stated,
        {task.task_id: task.digest for task in tasks},
    )


@dataclass(frozen=True, slots=True)
class Conditions:
    """What all (task, replicate) of a scoring share.

    Attributes:
        session: Where it runs.
        program: The program.
        digest: The program's content hash.
        steering: Which tests steer.
        metric: DSPy metric.
        limits: Bounds of the run that judges.
        settings: What the ledger states of how it was run, see `program_settings`.
    """

    session: Session
    program: dspy.Module
    digest: str
    steering: Steering
    metric: Metric = solved
    limits: Limits = field(default_factory=Limits)
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


def score_one(how: Conditions, task: Task, replicate: int) -> tuple[TaskScore, dict[str, str]]:
    """Run one program on one task once, judge the result on all tests, and write the ledger.

    Returns:
        The score, and name to digest of the models that were called.
    """
    session, steering = how.session, how.steering
    problem = task.problem_for(steering)
    run = session.open_run(problem.digest, replicate, task.task_id)
    with use_run(run):
        try:
            prediction = how.program(problem=problem)
        except GreenloopError:
            raise
        except Exception as error:
            raise ProgramError(
                f"the program raised {type(error).__name__} on task {task.task_id}: {error}"
            ) from error
        code = getattr(prediction, "code", None)
        if not isinstance(code, str):
            raise ProgramError(
                f"the program returned no code for task {task.task_id}: return dspy.Prediction(code=…)"
            )
        trajectory = trajectory_of(run, code)
        verdict = check(task, code, tests="all", limits=how.limits)
        value = float(verdict.passed) if how.metric is solved else _measured(how.metric, task, prediction)
    chosen = trajectory.best
    steered = chosen.execution.outcome if chosen and chosen.execution else "unverified"
    spent = spent_by_stage(run.calls)
    item = TaskScore(task.task_id, replicate, value, verdict.outcome, steered, trajectory, spent)
    models = {call.model: call.digest for call in run.calls}
    session.store.record_run(
        {
            "program": how.digest,
            "task_id": task.task_id,
            "task_digest": task.digest,
            "replicate": replicate,
            "steering": steering,
            "seed": session.seed,
            "score": value,
            "outcome": verdict.outcome,
            "steering_outcome": steered,
            "chosen": trajectory.chosen,
            "verdict": verdict.to_json(),
            "usage": trajectory.usage.to_json(),
            "spent": [row.to_json() for row in spent],
            "models": models,
            "conditions": unusual_conditions(how.settings, how.limits, how.metric),
            "settings": how.settings,
        },
        [attempt.to_json() for attempt in trajectory.attempts],
    )
    return item, models


def _measured(metric: Metric, task: Task, prediction: Any) -> float:
    """What a user's metric says of a prediction."""
    try:
        return float(metric(task, prediction))
    except GreenloopError:
        raise
    except Exception as error:
        raise ProgramError(
            f"the metric raised {type(error).__name__} on task {task.task_id}: {error}"
        ) from error


def _end(hands: Here | Elsewhere, pending: Iterable[Future[Any]], *, wait_for_running: bool) -> None:
    """Take back the jobs that have not begun; those that run are waited for where their payments have to be booked."""
    if hands.can_take_back or not wait_for_running:
        for future in pending:
            future.cancel()
    if wait_for_running:
        hands.drain(pending)
    hands.close()


def _validate(tasks: Sequence[Task], replicates: int) -> None:
    if not tasks:
        raise TaskError("there are no tasks to score on")
    if replicates < 1:
        raise TaskError(f"replicates must be at least 1, got {replicates}")
    names = Counter(task.task_id for task in tasks)
    if twice := [name for name, count in names.items() if count > 1]:
        raise TaskError(f"task {twice[0]!r} is given more than once: its runs would count as replicates")
    bare = [t.task_id for t in tasks if not t.hidden_tests and not t.problem.visible_tests]
    if bare:
        raise TaskError(f"{len(bare)} task(s) have no test and cannot be scored: {', '.join(bare[:5])}")
    ids = [t.task_id for t in tasks]
    if len(set(ids)) != len(ids):
        raise TaskError("two tasks bear the same task_id")

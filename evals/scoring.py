"""Scoring: program × tasks × replicates, resumable, an outage never a score.

Every call and every execution is stored by content, so a rerun of the same scoring repeats none of them; the ledger
gets one row per (program, task, replicate).
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import suppress
from typing import Any

import dspy

from ..errors import GreenloopWarning, StoreError, TaskError, UsageError
from ..modules.blueprint import program_digest
from ..modules.paper import paper_task, prompts_not_the_papers
from ..runtime.budget import Usage
from ..runtime.execution import Limits
from ..runtime.problem import Steering
from ..runtime.run import current_session, stoppable
from ..runtime.sandbox import default_sandbox
from ..runtime.task import Task
from .check import solved
from .elsewhere import Elsewhere, Here, hands_for
from .program_settings import program_settings
from .progress import Pace, Progress
from .scored_run import Conditions, Metric
from .scores import Scores, TaskScore
from .sharing import SharedJobs


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
            prompts and limits are the paper's. Warns on Python 3.14 and newer, which leave annotations alone: the
            paper's NameErrors in them do not happen there.
        metric: DSPy metric, a bool or a number in [0, 1]; `gl.solved` counts tasks whose tests all pass.
        limits: Bounds of the run that judges; those of `Execute` hold while a program steers itself.
        concurrency: Runs at once; the engine limits calls to what an endpoint serves, and more runs than that
            keep it busy while some are in the sandbox. With an executor of other processes: the jobs in flight, so
            at least as many as it has workers.
        executor: Runs the work; threads of its own where none is given. Any but a `ThreadPoolExecutor` may have other
            processes or machines as its workers (`ProcessPoolExecutor`, a Dask cluster's `client.get_executor()`):
            they open the session's store by its URL, call the models themselves, and take keys of model servers from
            their own environment. `on_call` of the session is told nothing there.
        on_progress: Called after each (task, replicate), from the calling thread.
        stop_early: Called with the scores so far; True ends the scoring with those, and with what is under way.

    Returns:
        The scores.

    Raises:
        TaskError: There are no tasks, two bear one id, or one has no test.
        UsageError: `paper_faithful` with other words than the paper's, or a metric outside [0, 1].
        InfrastructureError: A model's server or the sandbox failed for good; what was paid for is stored, and the
            same call goes on where it ended.
        ProgramError: The program or the metric raised; an answer that DSPy cannot read is one without code.
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
        _tell_of_lazy_annotations()
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
    started, pace = time.monotonic(), Pace(session.meter.paid.calls)
    hands = hands_for(executor, how, concurrency)
    # A scoring that may end early has to see its scores in the order that it was given.
    left = SharedJobs(how, jobs, shared=stop_early is None)
    pending: dict[Future[Any], tuple[Task, int]] = {}
    try:
        with stoppable():
            while left or pending:
                while left and len(pending) < hands.width:
                    job = left.next()
                    pending[hands.submit(*job)] = job
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    job = pending.pop(future)
                    result = hands.take(future)
                    if result is None:
                        left.again(job)
                        continue
                    left.done(job)
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
                                pace_s=pace.seconds(
                                    done=done_now, elapsed_s=elapsed, paid_calls=session.meter.paid.calls
                                ),
                                scores=tuple(scores),
                            )
                        )
                if stop_early is not None and stop_early(scores):
                    break
    except BaseException as error:
        _end(hands, pending, wait_for_running=isinstance(error, Exception))
        with suppress(StoreError):  # the first error is the one to tell
            left.close()
        raise
    # Where it ended early, what was under way is paid for: it counts too.
    for item, named in _end(hands, pending, wait_for_running=True):
        scores.append(item)
        models.update(named)
    left.close()
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


def _end(
    hands: Here | Elsewhere, pending: Iterable[Future[Any]], *, wait_for_running: bool
) -> list[tuple[TaskScore, dict[str, str]]]:
    """Take back the jobs that have not begun; those that run are waited for where their payments have to be booked, and
    give their results."""
    results: list[tuple[TaskScore, dict[str, str]]] = []
    if hands.can_take_back or not wait_for_running:
        for future in pending:
            future.cancel()
    if wait_for_running:
        results = hands.drain(pending)
    hands.close()
    return results


def _tell_of_lazy_annotations() -> None:
    version = default_sandbox().python_version
    if tuple(int(number) for number in version.split(".")[:2]) >= (3, 14):
        warnings.warn(
            f"candidates run on Python {version}, which does not evaluate annotations: the NameErrors of missing"
            " imports in them, which the paper counts, do not happen; for its figures run Greenloop on 3.13 or older",
            GreenloopWarning,
            stacklevel=3,
        )


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

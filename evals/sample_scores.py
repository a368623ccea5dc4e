"""Judging a samples file: pass@k with its interval, error classes, and every sample's verdict."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import TaskError, UsageError
from ..runtime.execution import Candidate, Execution, Limits
from ..runtime.judge import run_candidate
from ..runtime.run import current_session
from .samples import Sample

if TYPE_CHECKING:
    from .statistics import Interval

Tests = Literal["all", "hidden"]

USUAL_K = (1, 10, 100)
"""The k of pass@k that papers print."""


@dataclass(frozen=True, slots=True)
class SampleScores:
    """What judging a samples file showed.

    Attributes:
        samples: The samples, in the file's order.
        executions: Their executions.
        tasks_in_set: Tasks of the whole set: more than were answered where the file is a subset.
        tier: The sandbox tier that judged.
        tests: "all" tests, or only the "hidden" ones.
    """

    samples: tuple[Sample, ...]
    executions: tuple[Execution, ...]
    tasks_in_set: int
    tier: str
    tests: Tests

    @property
    def outcomes(self) -> dict[str, list[float]]:
        """Task to the outcome (1 or 0) of each of its samples."""
        table: dict[str, list[float]] = {}
        for sample, execution in zip(self.samples, self.executions, strict=True):
            table.setdefault(sample.task.task_id, []).append(float(execution.passed))
        return table

    @property
    def fewest(self) -> int:
        """Samples of the task that has the fewest."""
        return min(len(draws) for draws in self.outcomes.values())

    @property
    def classes(self) -> dict[str, int]:
        """Error class to how many samples are of it, the most frequent first."""
        return dict(Counter(execution.error_class for execution in self.executions).most_common())

    def pass_at(self, ks: Sequence[int] = USUAL_K, level: float = 0.95) -> dict[int, Interval]:
        """pass@k with its interval, for every k that the task with the fewest samples allows; always for k = 1."""
        from .statistics import pass_at_k_interval

        outcomes, fewest = self.outcomes, self.fewest
        return {k: pass_at_k_interval(outcomes, k, level) for k in sorted({1, *ks}) if k <= fewest}

    def to_json(self, ks: Sequence[int] = USUAL_K) -> dict[str, Any]:
        """The scores as plain JSON data."""
        outcomes = self.outcomes
        return {
            "n": len(outcomes),
            "tasks_in_set": self.tasks_in_set,
            "samples": len(self.samples),
            "passed": sum(execution.passed for execution in self.executions),
            "solved": round(math.fsum(math.fsum(draws) / len(draws) for draws in outcomes.values()), 6),
            "pass_at_k": {
                str(k): {"rate": found.estimate, "interval": [found.low, found.high], "method": found.method}
                for k, found in self.pass_at(ks).items()
            },
            "classes": self.classes,
            "tests": self.tests,
            "tier": self.tier,
        }


def judge_samples(
    samples: Sequence[Sample],
    *,
    tasks_in_set: int,
    tests: Tests = "all",
    limits: Limits | None = None,
    concurrency: int = 4,
    on_progress: Callable[[int, int], None] | None = None,
) -> SampleScores:
    """Judge samples in the session in force.

    Args:
        samples: As `read_samples` gives them.
        tasks_in_set: Tasks of the whole set.
        tests: "all", or only the "hidden" ones: for HumanEval these alone are its authors' tests (the visible ones are
            the docstring's examples).
        limits: Bounds of one run.
        concurrency: Runs at once; the sandbox runs as many as it has workers.
        on_progress: Called with (samples judged, samples in all), from the calling thread.

    Raises:
        TaskError: A task has no test.
        SandboxError: The sandbox itself failed.
    """
    session = current_session()
    bounds = limits or Limits()

    def judged(sample: Sample) -> Execution:
        task = sample.task
        chosen = task.tests if tests == "all" else task.hidden_tests
        if not chosen:
            raise TaskError(f"the task {task.task_id} has no {'test' if tests == 'all' else 'hidden test'}")
        candidate = Candidate(code=sample.code, entry_point=task.entry_point, preamble=task.preamble)
        return run_candidate(session, candidate, chosen, bounds)

    executions: list[Execution] = []
    with ThreadPoolExecutor(max_workers=max(1, concurrency), thread_name_prefix="greenloop-samples") as pool:
        try:
            for execution in pool.map(judged, samples):
                executions.append(execution)
                if on_progress is not None:
                    on_progress(len(executions), len(samples))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return SampleScores(tuple(samples), tuple(executions), tasks_in_set, session.sandbox.tier, tests)


def write_verdicts(scores: SampleScores, path: str | Path) -> None:
    """Write one JSON line for each sample: task_id, passed, outcome and message, in the file's order.

    Raises:
        UsageError: The file cannot be written.
    """
    lines = [
        json.dumps(
            {
                "task_id": sample.task.task_id,
                "line": sample.line,
                "passed": execution.passed,
                "outcome": execution.outcome,
                "error_type": execution.error_type,
                "message": execution.message,
            },
            ensure_ascii=False,
        )
        for sample, execution in zip(scores.samples, scores.executions, strict=True)
    ]
    try:
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from error

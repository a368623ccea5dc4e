"""What a report is counted from: one compact row for each (program, task, replicate), its attempts packed."""

from __future__ import annotations

import json
import pickle
import sys
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ...runtime.budget import Usage
from ...runtime.execution import error_class
from ...runtime.spending import Spent, added
from ..scores import Scores

SHOWN = ("code", "stage", "model", "seed", "truncated", "usage")
"""Fields of an attempt that are kept as they are; of its execution the outcome, the error and the first failing
tests are, and the model's answer where it held no code."""

FAILING_TESTS = 3
"""Failing tests of an attempt that are shown."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run.

    Attributes:
        task_id: The task's name.
        replicate: Number of the replicate.
        seed: Seed of the session; None where it is not known.
        score: The metric's value.
        outcome: Outcome on all tests.
        steering_outcome: Outcome of the chosen code on the tests that steered.
        chosen: Index of the chosen attempt.
        classes: Error class of each attempt that was run, on the tests that steered, in order.
        tokens: Tokens of each attempt.
        truncated: Attempts that `max_tokens` ended.
        usage: As-if compute of the run.
        packed: What is shown of the attempts, pickled and compressed; it never leaves the process. See `attempts`.
    """

    task_id: str
    replicate: int
    seed: int | None
    score: float
    outcome: str
    steering_outcome: str
    chosen: int | None
    classes: tuple[str, ...]
    tokens: tuple[int, ...]
    truncated: int
    usage: Usage
    packed: bytes

    @property
    def false_green(self) -> bool:
        """Passed the tests that steered, and is not solved."""
        return self.steering_outcome == "passed" and self.outcome != "passed"

    def attempts(self) -> list[dict[str, Any]]:
        """What is shown of the attempts, as plain data, in order; see `SHOWN`."""
        return cast("list[dict[str, Any]]", pickle.loads(zlib.decompress(self.packed)))


@dataclass(slots=True)
class ProgramRows:
    """All runs of one program, and what they were made with.

    Attributes:
        name: What people call it.
        digest: Its content hash.
        steering: Which tests steered.
        tier: The sandbox tier that judged.
        models: Name to digest.
        simulated: A simulated model had a part in it.
        rows: The runs.
        sampling: (stage, model, sampling as JSON) → attempts made so.
        task_digests: Task → digest, where known.
        settings: What the program was set to, as its first run says, see `program_settings`.
        paper_faithful: It ran in the paper's set-up.
        spent: What its runs cost, by stage and model.
        metric: The metric that scored, where it was none of Greenloop's.
        weights: Name → digests; several where models of one name have a part in the program.
    """

    name: str
    digest: str
    steering: str
    tier: str = ""
    models: dict[str, str] = field(default_factory=dict[str, str])
    simulated: bool = False
    rows: list[Row] = field(default_factory=list[Row])
    sampling: Counter[tuple[str, str, str]] = field(default_factory=Counter[tuple[str, str, str]])
    task_digests: dict[str, str] = field(default_factory=dict[str, str])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    paper_faithful: bool = False
    spent: tuple[Spent, ...] = ()
    metric: str | None = None
    weights: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def differs(self, run: Mapping[str, Any]) -> str:
        """Why a run is none of these: what it was made under, in words; empty where it fits, as far as is known.

        A program that follows `dspy.configure(lm=…)` has one digest with any model: those runs are no replicates.
        """
        settings: Mapping[str, Any] = run.get("settings") or {}
        if settings and self.settings:
            mine, theirs = self.settings, settings
            if bool(mine.get("paper faithful")) != bool(theirs.get("paper faithful")):
                return "the paper's set-up" if theirs.get("paper faithful") else "the usual set-up"
            if mine.get("scoring limits") != theirs.get("scoring limits"):
                return "other limits"
            in_force = theirs.get("models")
            if in_force and mine.get("models") and set(in_force) != set(mine["models"]):
                return f"with {', '.join(in_force)}"
        conditions: Mapping[str, Any] = run.get("conditions") or {}
        if self.rows and self.metric != conditions.get("metric"):
            return f"by {conditions.get('metric') or 'tests solved'}"
        digest = str(run.get("task_digest") or "")
        if digest and self.task_digests.get(str(run["task_id"]), digest) != digest:
            return "other tests"
        return ""

    def other_weights(self, run: Mapping[str, Any]) -> str:
        """The model of the run that bore its name with other weights in all of these; empty where there is none."""
        told: Mapping[str, str] = run.get("models") or {}
        return next((n for n, digest in told.items() if digest not in self.weights.get(n, {digest})), "")

    def add(self, run: Mapping[str, Any], attempts: list[dict[str, Any]]) -> None:
        """Take a run in, as the ledger holds it."""
        executions = [attempt.get("execution") or {} for attempt in attempts]
        for attempt in attempts:
            settings = {k: v for k, v in (attempt.get("sampling") or {}).items() if k != "seed"}
            model = str(attempt.get("model") or "")
            if model:
                key = (str(attempt.get("stage")), model, json.dumps(settings, sort_keys=True, default=str))
                self.sampling[key] += 1
                self.models.setdefault(model, "")
        for model, digest in cast("Mapping[str, str]", run.get("models") or {}).items():
            self.models[model] = self.models.get(model) or digest
            self.weights.setdefault(model, set()).add(digest)
        self.metric = (run.get("conditions") or {}).get("metric")
        self.settings = self.settings or dict(run.get("settings") or {})
        self.paper_faithful = self.paper_faithful or bool(self.settings.get("paper faithful"))
        told: list[Mapping[str, Any]] = run.get("spent") or [_spent(attempt) for attempt in attempts]
        self.spent = added((*self.spent, *map(Spent.from_json, told)))
        verdict = run.get("verdict") or {}
        self.tier = self.tier or str(verdict.get("tier") or "")
        self.simulated = self.simulated or any(name.startswith("simulated") for name in self.models)
        task_id = sys.intern(str(run["task_id"]))
        if run.get("task_digest"):
            self.task_digests[task_id] = str(run["task_digest"])
        shown = [_shown(attempt) for attempt in attempts]
        self.rows.append(
            Row(
                task_id=task_id,
                replicate=int(run.get("replicate") or 0),
                seed=run.get("seed"),
                score=float(run["score"]),
                outcome=str(run["outcome"]),
                steering_outcome=str(run.get("steering_outcome") or "unverified"),
                chosen=run.get("chosen"),
                classes=tuple(_class(e) for e in executions if e.get("outcome")),
                tokens=tuple(_tokens(attempt) for attempt in attempts),
                truncated=sum(bool(attempt.get("truncated")) for attempt in attempts),
                usage=Usage(**(run.get("usage") or {})),
                packed=zlib.compress(pickle.dumps(shown, pickle.HIGHEST_PROTOCOL), 1),
            )
        )

    def outcomes(self) -> dict[str, list[float]]:
        """Task to its scores over replicates."""
        table: dict[str, list[float]] = {}
        for row in self.rows:
            table.setdefault(row.task_id, []).append(row.score)
        return table

    @property
    def attempts(self) -> int:
        """Attempts in all."""
        return sum(len(row.tokens) for row in self.rows)


def rows_from_scores(name: str, scores: Scores) -> ProgramRows:
    """The rows of a scoring that is at hand."""
    made = ProgramRows(
        name,
        scores.program,
        scores.steering,
        scores.tier,
        dict(scores.models),
        scores.simulated,
        task_digests=dict(scores.task_digests),
        settings=dict(scores.settings),
        paper_faithful=scores.paper_faithful,
    )
    for item in scores.items:
        run = {
            "task_id": item.task_id,
            "replicate": item.replicate,
            "seed": scores.seed,
            "score": item.score,
            "outcome": item.outcome,
            "steering_outcome": item.steering_outcome,
            "chosen": item.trajectory.chosen,
            "usage": item.usage.to_json(),
            "spent": [row.to_json() for row in item.spent],
        }
        made.add(run, [attempt.to_json() for attempt in item.trajectory.attempts])
    return made


def _class(execution: Mapping[str, Any]) -> str:
    return sys.intern(error_class(str(execution["outcome"]), str(execution.get("error_type") or "")))


def _shown(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader gets to see of an attempt; most of the rest is long, and said elsewhere."""
    kept = {name: attempt.get(name) for name in SHOWN}
    if not attempt.get("code"):
        kept["answer"] = attempt.get("answer")
    if execution := attempt.get("execution"):
        tests: list[Mapping[str, Any]] = execution.get("tests") or []
        failing = [test for test in tests if not test.get("passed")]
        kept["execution"] = {
            **{
                name: execution.get(name)
                for name in ("outcome", "error_type", "message", "line", "tests_total")
            },
            "tests_passed": len(tests) - len(failing),
            "failing": failing[:FAILING_TESTS],
        }
    return kept


def _spent(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """An attempt's cost, where its run does not say what all its calls did."""
    return {**(attempt.get("usage") or {}), "stage": attempt.get("stage"), "model": attempt.get("model")}


def _tokens(attempt: Mapping[str, Any]) -> int:
    usage = attempt.get("usage") or {}
    return int(usage.get("tokens_in", 0)) + int(usage.get("tokens_out", 0))

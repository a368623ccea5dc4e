"""Scoring on other processes: the same scores, one store, one budget; an outage stops the run, Ctrl-C ends it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextvars import Context
from pathlib import Path
from typing import Any

import dspy
import greenloop as gl
import pytest
from greenloop.errors import BudgetExhausted, InfrastructureError, ModelUnavailable, ProgramError, UsageError
from greenloop.runtime.budget import Meter
from greenloop.testing import ScriptedModel, adding_tasks

TASKS = adding_tasks(8)


def model(**settings: Any) -> ScriptedModel:
    """Solves every third task at once and the others at the second draft; made inside, so that it travels by value."""

    def script(messages: list[dict[str, str]], seed: int) -> str:
        number = int(messages[1]["content"].split("adds ")[1].split()[0])
        right = number % 3 == 0 or seed % 2
        return f"```python\ndef f(x):\n    return x + {number if right else number + 1}\n```"

    return ScriptedModel(script, identity="elsewhere", **settings)


def program(lm: Any) -> gl.Program:
    return gl.Resample(generate=gl.Generate(model=lm, temperature=0.5), samples=3)


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def dask() -> Iterator[Executor]:
    """A real cluster of two worker processes on this machine."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


@pytest.fixture(params=["processes", pytest.param("dask", marks=pytest.mark.slow)])
def executor(request: pytest.FixtureRequest) -> Executor:
    return request.getfixturevalue(request.param)


def test_the_scores_are_those_of_threads_and_nothing_is_paid_twice(
    executor: Executor, tmp_path: Path
) -> None:
    with gl.session("sqlite://"):
        here = gl.score(program(model()), TASKS, replicates=2)
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        there = gl.score(program(model()), TASKS, replicates=2, executor=executor, concurrency=4)
        paid = session.meter.paid
        again = gl.score(program(model()), TASKS, replicates=2, executor=executor)
        assert session.meter.paid == paid
        ledger = list(session.store.runs())
    assert there.by_task() == here.by_task() == again.by_task()
    assert there.program == here.program
    assert there.figure().model_dump(exclude={"tier"}) == here.figure().model_dump(exclude={"tier"})
    assert there.tier == here.tier
    assert paid.calls == here.usage().calls
    assert len(ledger) == 16


class Inline(Executor):
    """Runs a job here, in a context that has none of DSPy's settings of this one."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(Context().run(fn, *args, **kwargs))
        return done


def test_dspys_model_and_adapter_travel_so_that_plain_modules_ask_in_the_same_words(tmp_path: Path) -> None:
    class Plain(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.write = dspy.Predict("problem -> code")

        def forward(self, problem: Any) -> dspy.Prediction:
            return self.write(problem=problem.render())

    def script(messages: list[dict[str, str]]) -> str:
        in_json = "JSON" in str(messages)
        return '{"code": "def f(x): return x"}' if in_json else "[[ ## code ## ]]\n[[ ## completed ## ]]"

    lm = ScriptedModel(script, identity="plain")
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session, dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        there = gl.score(Plain(), TASKS[:1], executor=Inline())
        assert there.figure().rate == 1
        paid = session.meter.paid.calls
        assert gl.score(Plain(), TASKS[:1]).figure().rate == 1
        assert session.meter.paid.calls == paid


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
def test_workers_forked_from_a_process_that_has_scored_do_the_same(tmp_path: Path) -> None:
    with gl.session("sqlite://"):
        here = gl.score(program(model()), TASKS)
    with (
        gl.session(f"sqlite:///{tmp_path}/s.db") as session,
        ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool,
    ):
        gl.score(program(model()), TASKS[:2])
        there = gl.score(program(model()), TASKS, executor=pool)
        assert session.meter.paid.calls == here.usage().calls
    assert there.by_task() == here.by_task()


def test_the_budget_is_kept_together(executor: Executor, tmp_path: Path) -> None:
    meter = Meter(gl.Budget(calls=10))
    with gl.session(f"sqlite:///{tmp_path}/s.db", meter=meter), pytest.raises(BudgetExhausted):
        gl.score(program(model()), TASKS, replicates=4, executor=executor, concurrency=4)
    assert meter.paid.calls == 10


def test_what_still_runs_when_a_race_ends_is_booked(executor: Executor, tmp_path: Path) -> None:
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        gl.score(
            program(model()),
            TASKS,
            replicates=3,
            executor=executor,
            concurrency=4,
            stop_early=lambda scores: True,
        )
        paid = session.meter.paid
        ledger = list(session.store.runs())
    assert len(ledger) < 24
    assert paid.calls == sum(run["usage"]["calls"] for run in ledger)


def test_an_outage_there_stops_the_run_here(executor: Executor, tmp_path: Path) -> None:
    away = gl.language_model("ollama:none@127.0.0.1:1", retry_s=0)
    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        with pytest.raises(ModelUnavailable, match="does not answer"):
            gl.score(program(away), TASKS, executor=executor)
        assert list(session.store.runs()) == []


def test_a_mistake_in_the_program_comes_home(executor: Executor, tmp_path: Path) -> None:
    def broken(messages: list[dict[str, str]]) -> str:
        raise KeyError("oops")

    with gl.session(f"sqlite:///{tmp_path}/s.db"), pytest.raises(ProgramError, match="oops"):
        gl.score(program(ScriptedModel(broken)), TASKS, executor=executor)


def test_what_cannot_travel_is_refused_with_one_line(processes: Executor, tmp_path: Path) -> None:
    with gl.session("sqlite://"), pytest.raises(UsageError, match="a store that they can open"):
        gl.score(program(model()), TASKS, executor=processes)
    lock = threading.Lock()

    def script(messages: list[dict[str, str]]) -> str:
        with lock:
            return ""

    with gl.session(f"sqlite:///{tmp_path}/s.db"), pytest.raises(ProgramError, match="cannot be sent"):
        gl.score(program(ScriptedModel(script)), TASKS, executor=processes)


def test_a_worker_that_dies_is_an_outage(tmp_path: Path) -> None:
    def deadly(messages: list[dict[str, str]]) -> str:
        os._exit(1)

    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, mp_context=spawn) as pool,
        gl.session(f"sqlite:///{tmp_path}/s.db"),
        pytest.raises(InfrastructureError, match="lost a job"),
    ):
        gl.score(program(ScriptedModel(deadly)), TASKS, executor=pool)
    with gl.session(f"sqlite:///{tmp_path}/s.db"), pytest.raises(InfrastructureError, match="takes no job"):
        gl.score(program(model()), TASKS, executor=pool)


def test_ctrl_c_cancels_what_has_not_begun(executor: Executor, tmp_path: Path) -> None:
    def interrupt(progress: Any) -> None:
        raise KeyboardInterrupt

    with gl.session(f"sqlite:///{tmp_path}/s.db") as session:
        with pytest.raises(KeyboardInterrupt):
            gl.score(program(model()), TASKS, replicates=20, executor=executor, on_progress=interrupt)
        done = gl.score(program(model()), TASKS[:1], executor=executor)
        assert done.items
        assert len(list(session.store.runs())) < 20


@pytest.mark.slow
def test_a_tuner_scores_its_trials_on_a_cluster(dask: Executor, tmp_path: Path) -> None:
    start = gl.Resample(generate=gl.Generate(model=model(), temperature=0.5), samples=gl.Int(1, 3))
    tuner = gl.OptunaTuner(
        store=f"sqlite:///{tmp_path}/t.db", replicates=1, folds=0, executor=dask, budget=gl.Budget(n_trials=3)
    )
    tuned = tuner.compile(start, trainset=TASKS[:4], valset=TASKS[4:])
    assert tuned.evidence.trials == 3
    assert tuned.samples.value > 1

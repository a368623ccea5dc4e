"""The same scoring in several processes on one store: they share the work."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import greenloop as gl
import pytest
from greenloop.errors import ModelUnavailable
from greenloop.evals.scores import Scores
from greenloop.testing import ScriptedModel, adding_tasks

TASKS = adding_tasks(6)


def right(messages: list[dict]) -> str:
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    return f"```python\ndef f(x):\n    return x + {number}\n```"


def one_draft(model) -> gl.Program:
    return gl.Resample(generate=gl.Generate(model=model), samples=1)


def test_who_comes_second_takes_what_nobody_is_at(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    entered, go_on = threading.Event(), threading.Event()

    def held_once(messages: list[dict]) -> str:
        if not entered.is_set():
            entered.set()
            assert go_on.wait(60)
        return right(messages)

    program = one_draft(ScriptedModel(held_once))

    def scoring(on_progress=None) -> tuple[Scores, int]:
        with gl.session(url) as session:
            scores = gl.score(program, TASKS, concurrency=1, on_progress=on_progress)
            return scores, session.meter.paid.calls

    def all_but_the_first(progress) -> None:
        if progress.done == len(TASKS) - 1:
            go_on.set()

    with ThreadPoolExecutor() as threads:
        first = threads.submit(scoring)
        assert entered.wait(60)
        second = threads.submit(scoring, all_but_the_first)
        (of_first, its_calls), (of_second, others_calls) = first.result(60), second.result(60)
    assert (its_calls, others_calls) == (1, len(TASKS) - 1)
    assert of_first.figure() == of_second.figure()
    assert [item.task_id for item in of_second.items] == [task.task_id for task in TASKS]


def claimed(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        return [key for (key,) in database.execute("select key from greenloop_claims")]


def test_a_scoring_leaves_no_claim_whether_it_ends_or_fails(tmp_path) -> None:
    file = tmp_path / "s.db"

    def away(messages: list[dict]) -> str:
        raise ModelUnavailable("the server is away")

    with gl.session(f"sqlite:///{file}"), pytest.raises(ModelUnavailable):
        gl.score(one_draft(ScriptedModel(away, retry_s=0)), TASKS, concurrency=3)
    assert claimed(file) == []
    with gl.session(f"sqlite:///{file}"):
        gl.score(one_draft(ScriptedModel(right)), TASKS, concurrency=3)
    assert claimed(file) == []


def test_a_claim_that_nobody_gives_up_keeps_no_job_from_being_run(tmp_path) -> None:
    """As a process of another machine that was killed leaves it."""
    file = tmp_path / "s.db"
    program = one_draft(ScriptedModel(right))
    left_behind: list[str] = []

    def look(progress: object) -> None:
        left_behind.extend(claimed(file))

    with gl.session(f"sqlite:///{file}"):
        gl.score(program, TASKS[:2], concurrency=2, on_progress=look)
    file.rename(tmp_path / "first.db")
    with gl.session(f"sqlite:///{file}") as session:
        with closing(sqlite3.connect(file)) as database, database:
            rows = [(key, "another machine|1|1|0") for key in set(left_behind)]
            assert rows
            database.executemany("insert into greenloop_claims values (?, ?, 0)", rows)
        gl.score(program, TASKS, concurrency=1)
        assert session.meter.paid.calls == len(TASKS)

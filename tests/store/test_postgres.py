"""The same promises on PostgreSQL, where several machines work on one study."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import pytest
from greenloop.errors import StoreError
from greenloop.runtime.store import open_store
from greenloop.runtime.store.maintenance import check, prune, stats

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


def _work(url: str, path: str, start: Any) -> None:
    with open_store(url) as store:
        start.wait(120)

        def compute() -> dict[str, Any]:
            with open(path, "a", encoding="utf-8") as file:
                file.write("x")
            time.sleep(0.1)
            return {"pid": os.getpid()}

        def one(number: int) -> None:
            store.first_answer(f"key-{number}", compute)
            row = {"program": "p", "task_id": str(number), "replicate": 0, "steering": "visible", "seed": 0}
            store.record_run(row, [{"n": number}])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, range(20)))


def test_workers_on_one_database_share_answers_and_ledger(url: str, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Event()
    path = tmp_path / "computed"
    workers = [spawn.Process(target=_work, args=(url, str(path), start)) for _ in range(3)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join(240)
        assert worker.exitcode == 0
    assert path.read_text() == "x" * 20
    with open_store(url) as store:
        assert (stats(store).answers, stats(store).runs, stats(store).attempts) == (20, 20, 20)
        assert check(store) == []
        assert {r["task_id"] for r in store.runs()} == {str(n) for n in range(20)}
        assert prune(store, program="p") == 20


def _hang(url: str, ready: Any) -> None:
    with open_store(url) as store:

        def hang() -> dict[str, Any]:
            ready.set()
            time.sleep(600)
            return {}

        store.first_answer("k", hang)


def test_a_killed_worker_blocks_nobody(url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    worker = spawn.Process(target=_hang, args=(url, ready))
    worker.start()
    assert ready.wait(120)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(60)
    with open_store(url) as store:
        assert store.first_answer("k", lambda: {"text": "mine"})[0].content == {"text": "mine"}


def test_optuna_keeps_its_study_in_the_same_database(url: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with open_store(url) as store:
        study = optuna.create_study(storage=store.url, study_name="s")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
        assert stats(store).runs == 0


def test_a_database_that_does_not_exist_is_one_clear_line(url: str) -> None:
    with pytest.raises(StoreError, match="has no such database or user") as caught:
        open_store(url.replace("/postgres", "/nowhere"))
    assert "\n" not in str(caught.value)
    with pytest.raises(StoreError, match="does not answer"):
        open_store("postgresql://greenloop@127.0.0.1:1/postgres")
    with open_store(url) as store:
        with store.writer.begin() as connection:
            connection.exec_driver_sql("DROP TABLE greenloop_answers")
        with pytest.raises(StoreError, match='"greenloop_answers" does not exist'):
            store.answer("k")

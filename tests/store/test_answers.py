"""Stored answers: the first one is the draw, and one key is asked once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from greenloop.runtime.store import Store, claims, open_store
from greenloop.runtime.store.claims import STALE_S


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/s.db"
    with open_store(url) as opened:
        yield opened


def test_the_first_answer_is_kept_and_later_ones_are_not_computed(store: Store) -> None:
    first, cached = store.first_answer("k", lambda: {"text": "one"})
    second, cached_again = store.first_answer("k", lambda: {"text": "two"})
    assert (first.content, cached) == ({"text": "one"}, False)
    assert (second.content, cached_again) == ({"text": "one"}, True)


def test_many_threads_that_ask_for_one_key_compute_it_once(store: Store) -> None:
    computed: list[int] = []

    def compute() -> dict[str, Any]:
        computed.append(1)
        time.sleep(0.05)
        return {"text": "x"}

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: store.first_answer("k", compute), range(16)))
    assert len(computed) == 1
    assert sorted(cached for _, cached in found) == [False] + [True] * 15


def test_a_failed_computation_stores_nothing_and_the_next_asks_anew(store: Store) -> None:
    def fail() -> dict[str, Any]:
        raise RuntimeError("away")

    with pytest.raises(RuntimeError, match="away"):
        store.first_answer("k", fail)
    assert store.answer("k") is None
    assert store.first_answer("k", lambda: {"text": "there"})[0].content == {"text": "there"}


def test_text_of_every_kind_survives(store: Store) -> None:
    text = "tabs\t\nnull-free \u0001 emoji 🟢 \u2028 quotes \"' backslash \\ ￿ lone \ud800"
    store.first_answer("k", lambda: {"text": text})
    found = store.answer("k")
    assert found is not None
    assert found.content["text"] == text


def test_executions_are_kept_first_wins(store: Store) -> None:
    assert store.execution("e") is None
    store.put_execution("e", {"outcome": "passed"})
    store.put_execution("e", {"outcome": "failed"})
    assert store.execution("e") == {"outcome": "passed"}


def test_different_keys_are_computed_at_once(store: Store) -> None:
    barrier = threading.Barrier(4, timeout=120)

    def compute() -> dict[str, Any]:
        barrier.wait()
        return {}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.first_answer(f"k{n}", compute), range(4)))


def _ask(url: str, path: str, start: Any) -> None:
    with open_store(url) as store:
        start.wait(120)

        def compute() -> dict[str, Any]:
            with open(path, "a", encoding="utf-8") as file:
                file.write("x")
            time.sleep(0.2)
            return {"pid": os.getpid()}

        for number in range(5):
            store.first_answer(f"key-{number}", compute)


def test_processes_that_ask_for_one_key_compute_it_once(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path}/s.db", tmp_path / "computed"
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Event()
    workers = [spawn.Process(target=_ask, args=(url, str(path), start)) for _ in range(3)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join(240)
        assert worker.exitcode == 0
    assert path.read_text() == "xxxxx"


def _claim_and_hang(url: str, ready: Any) -> None:
    with open_store(url) as store:

        def hang() -> dict[str, Any]:
            ready.set()
            time.sleep(600)
            return {}

        store.first_answer("k", hang)


def test_a_killed_process_blocks_nobody(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    worker = spawn.Process(target=_claim_and_hang, args=(url, ready))
    worker.start()
    assert ready.wait(120)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(60)
    started = time.monotonic()
    with open_store(url) as store:
        found, cached = store.first_answer("k", lambda: {"text": "mine"})
    assert not cached
    assert found.content == {"text": "mine"}
    assert time.monotonic() - started < STALE_S, "its claim was waited for until it went stale"


def test_a_claim_whose_answer_could_not_be_looked_up_blocks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BEAT_S", 0.02)
    monkeypatch.setattr(claims, "STALE_S", 0.2)

    def away() -> None:
        raise RuntimeError("away")

    with open_store(f"sqlite:///{tmp_path}/s.db") as store:
        assert store.claims is not None
        with pytest.raises(RuntimeError):
            store.claims.acquire("k", away)
        again = threading.Thread(target=store.claims.acquire, args=("k", lambda: None), daemon=True)
        again.start()
        again.join(30)
        assert not again.is_alive(), "the claim went on beating, and was waited for"


def test_a_process_of_a_clone_of_this_machine_is_not_taken_for_one_that_ended_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    here = claims.process_name(ended.pid)
    (tmp_path / "boot_id").write_text("another start of another machine\n")
    with monkeypatch.context() as clone:
        clone.setattr(claims, "_BOOT_ID", str(tmp_path / "boot_id"))
        there = claims.process_name(ended.pid)
    ended.communicate()
    assert (claims.is_dead(here), claims.is_dead(there)) == (True, False)


def test_a_forked_child_does_not_wait_for_a_thread_of_its_parent(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/s.db") as store:
        held, done = threading.Event(), threading.Event()

        def write_slowly() -> None:
            with store.write_lock:
                held.set()
                done.wait(240)

        thread = threading.Thread(target=write_slowly)
        thread.start()
        assert held.wait(60)
        pid = os.fork()
        if pid == 0:
            signal.alarm(120)
            store.first_answer("child", lambda: {"n": 1})
            os._exit(0)
        done.set()
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_forked_child_uses_connections_and_claims_of_its_own(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/s.db") as store:
        store.first_answer("parent", lambda: {"n": 1})
        pid = os.fork()
        if pid == 0:
            ok = store.first_answer("parent", lambda: {"n": 2})[0].content == {"n": 1}
            ok = ok and not store.first_answer("child", lambda: {"n": 3})[1]
            os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert store.first_answer("child", lambda: {"n": 4})[0].content == {"n": 3}

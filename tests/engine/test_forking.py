"""A forked worker process, as a `ProcessPoolExecutor` makes them on Linux up to Python 3.13."""

from __future__ import annotations

import os
import signal

import pytest
from greenloop.runtime import engine
from greenloop.runtime.backends import token_embedded, token_lines, token_ollama
from greenloop.runtime.forking import Threads


@pytest.mark.parametrize("threads", [m._threads for m in (engine, token_embedded, token_lines, token_ollama)])
def test_threads_that_the_parent_used_work_in_a_forked_child(threads: Threads) -> None:
    assert threads.submit(int, 3).result() == 3
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        os._exit(threads.submit(int, 4).result())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
    assert threads.submit(int, 5).result() == 5, "the parent's go on"

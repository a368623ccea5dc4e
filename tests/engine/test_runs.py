"""A run of one task: what is booked with which attempt, and what Ctrl-C ends."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from greenloop.errors import ModelUnavailable
from greenloop.runtime.attempt import Attempt
from greenloop.runtime.backends.base import Call
from greenloop.runtime.execution import Execution
from greenloop.runtime.request_form import most_tokens
from greenloop.runtime.run import Session, session, stoppable
from greenloop.runtime.store import open_store
from greenloop.testing import ScriptedModel


@pytest.mark.parametrize(
    ("prompt", "tokens"),  # as cl100k_base counts them, and Qwen's, which takes every digit for itself
    [
        (",".join(str(n % 10) for n in range(400)), 799),
        ("".join(f"assert f({n}) == {n}\n" for n in range(10, 99)), 979),
        ("Write a function that adds two numbers. " * 20, 161),
    ],
)
def test_what_a_prompt_may_cost_is_reserved_whatever_it_holds(prompt: str, tokens: int) -> None:
    call = Call(({"role": "user", "content": prompt},), {"max_tokens": 1})
    assert tokens <= most_tokens(call) - 1 - 2 * 16 < len(prompt) + 1


def test_equal_drafts_executed_in_turn_each_have_their_execution() -> None:
    run = Session(open_store()).open_run("t")
    for draft in ("same", "other", "same"):
        run.add_attempt(Attempt(draft, "generate"))
    for _ in range(3):  # the third time, nothing is left to book it with
        run.add_execution("same", Execution("passed"))
    run.add_execution("a third", Execution("failed"))
    outcomes = [(a.code, a.execution.outcome if a.execution else None) for a in run.attempts]
    assert outcomes == [("same", "passed"), ("other", None), ("same", "passed"), ("a third", "failed")]


def test_after_ctrl_c_neither_a_call_that_waited_for_its_slot_nor_a_retry_begins() -> None:
    asked, stopped = threading.Event(), threading.Event()

    def fail(_: Any) -> str:
        asked.set()
        assert stopped.wait(60)
        raise ModelUnavailable("away")

    model = ScriptedModel(fail, slots=1)
    queue = model.engine._queue  # only it knows who waits
    with session(), ThreadPoolExecutor(4) as pool:

        def interrupt() -> None:
            with stoppable():
                for n in range(4):
                    pool.submit(copy_context().run, model, f"call {n}")
                assert asked.wait(60)
                while len(queue) < 3:
                    time.sleep(0.01)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupt()
        stopped.set()
    assert model.call_count == 1

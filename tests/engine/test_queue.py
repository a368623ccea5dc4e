"""The order of calls, and the patience with outages, on a clock of the test's own."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from greenloop.errors import GreenloopWarning, ModelTimeout, ModelUnavailable
from greenloop.runtime.backends.base import Answer
from greenloop.runtime.backends.failures import Refused
from greenloop.runtime.backends.ollama_memory import OllamaMemory, staying
from greenloop.runtime.endpoint_queue import EndpointQueue, queue_of
from greenloop.runtime.language_model import language_model
from greenloop.runtime.patience import Patience
from greenloop.runtime.run import session
from greenloop.runtime.slot_learning import SlotLearner
from greenloop.testing import ScriptedModel


def in_order(queue: EndpointQueue, models: list[str], exclusive: bool) -> list[str]:
    """The order in which calls queued behind a first one for "a" are let through; "a/8" is "a" loaded with 8."""
    order: list[str] = []
    threads: list[threading.Thread] = []

    def call(model: str) -> None:
        name, _, loading = model.partition("/")
        with queue.turn(name, exclusive, loading=loading):
            order.append(model)

    with queue.turn("a", exclusive):
        for model in models:
            thread = threading.Thread(target=call, args=(model,))
            thread.start()
            threads.append(thread)
            while len(queue) < len(threads):
                time.sleep(0.001)
    for thread in threads:
        thread.join(60)
    return order


def test_calls_go_in_order_of_arrival_where_models_fit_together() -> None:
    queue = EndpointQueue(1)
    assert in_order(queue, ["b", "a", "b", "a"], exclusive=False) == ["b", "a", "b", "a"]
    assert queue.swaps == 0


def test_calls_for_the_loaded_model_go_first_where_they_do_not() -> None:
    queue = EndpointQueue(1)
    assert in_order(queue, ["b", "a", "b", "a"], exclusive=True) == ["a", "a", "b", "b"]
    assert queue.swaps == 1


def test_one_model_under_two_contexts_is_taken_in_turns_beside_others_that_fit() -> None:
    queue = EndpointQueue(1)
    assert in_order(queue, ["a/8", "a", "b", "a/8", "a"], exclusive=False) == ["a", "b", "a", "a/8", "a/8"]
    assert queue.swaps == 1


def test_nobody_waits_for_ever() -> None:
    now = [0.0]
    queue = EndpointQueue(1, longest_wait_s=10, clock=lambda: now[0])
    order: list[str] = []
    done = threading.Event()

    def other() -> None:
        with queue.turn("b", True):
            order.append("b")
            done.set()

    def again() -> None:
        with queue.turn("a", True):
            order.append("a")

    with queue.turn("a", True):
        waiting = threading.Thread(target=other)
        waiting.start()
        while len(queue) < 1:
            time.sleep(0.001)
        now[0] = 11.0
        late = threading.Thread(target=again)
        late.start()
        while len(queue) < 2:
            time.sleep(0.001)
    assert done.wait(60)
    late.join(60)
    assert order == ["b", "a"]


def test_another_model_is_loaded_only_when_the_first_has_no_call_in_flight() -> None:
    queue = EndpointQueue(4)
    both: list[set[str]] = []
    running: set[str] = set()
    lock = threading.Lock()

    def call(model: str) -> None:
        with queue.turn(model, True):
            with lock:
                running.add(model)
                both.append(set(running))
            time.sleep(0.01)
            with lock:
                running.discard(model)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, ["a", "b"] * 16))
    assert all(len(seen) == 1 for seen in both)
    assert queue.in_flight == 0


def test_an_outage_is_retried_inside_its_time_budget() -> None:
    now, tried, back_at = [0.0], [], [5.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def work() -> str:
        tried.append(now[0])
        if now[0] < back_at[0]:
            raise ModelUnavailable("away")
        return "back"

    patience = Patience(sleep, lambda: now[0])
    assert patience.call(work, retry_s=30) == "back"
    assert len(tried) < 15
    now[0], back_at[0] = 0.0, 100.0
    with pytest.raises(ModelUnavailable):
        patience.call(work, retry_s=3)


@pytest.mark.parametrize("took_s", [5.0, 60.0, 600.0])
def test_a_server_that_hangs_is_given_up_however_long_each_try_takes(took_s: float) -> None:
    now, tried = [0.0], []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def hang() -> None:
        tried.append(now[0])
        assert len(tried) < 100, "tried for ever"
        now[0] += took_s
        raise ModelTimeout("took too long")

    with pytest.raises(ModelTimeout):
        Patience(sleep, lambda: now[0]).call(hang, retry_s=30)
    assert 2 <= len(tried) <= 8


def test_a_call_that_fails_on_its_own_is_given_up_while_others_succeed() -> None:
    now, tried = [0.0], []
    patience = Patience(lambda seconds: others(seconds), lambda: now[0])

    def others(seconds: float) -> None:
        now[0] += seconds
        patience.call(lambda: None, retry_s=30)

    def fail() -> None:
        tried.append(now[0])
        assert now[0] < 300, "tried for ever"
        raise ModelUnavailable("the call failed")

    with pytest.raises(ModelUnavailable):
        patience.call(fail, retry_s=30)
    assert 30 <= now[0] <= 40


def test_a_call_begun_before_an_outage_is_tried_twice_and_one_that_queued_behind_it_once() -> None:
    now = [0.0]
    patience = Patience(lambda _: None, lambda: now[0])

    def fail(at: float) -> None:
        now[0] = at
        raise ModelUnavailable("away")

    def work() -> str:
        if now[0] > 0:
            return "back"
        with pytest.raises(ModelUnavailable):
            patience.call(lambda: fail(10), retry_s=0)  # another call, meanwhile
        return fail(50) or ""

    assert patience.call(work, retry_s=30) == "back"
    for at in (100, 120):
        with pytest.raises(ModelUnavailable):
            patience.call(lambda at=at: fail(at), retry_s=0)
    now[0] = 135
    tried: list[int] = []
    with pytest.raises(ModelUnavailable):
        patience.call(lambda: tried.append(1) or fail(135), retry_s=30)
    assert tried == [1]


def test_a_server_that_still_tells_digests_is_given_up_when_its_calls_fail() -> None:
    def fail(_: Any) -> str:
        raise ModelUnavailable("away")

    model = ScriptedModel(fail, retry_s=0.2)
    with session():
        for prompt in "ab":
            before = model.call_count
            with pytest.raises(Exception, match="away"):
                model(prompt)
    assert model.call_count - before == 1, "the outage was over with each digest"


def test_a_new_outage_has_the_whole_time_again() -> None:
    now, back_at = [0.0], [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def work() -> str:
        if now[0] < back_at[0]:
            raise ModelUnavailable("away")
        return "back"

    patience = Patience(sleep, lambda: now[0])
    back_at[0] = 100.0
    with pytest.raises(ModelUnavailable):
        patience.call(work, retry_s=30)
    now[0], back_at[0] = 200.0, 220.0
    assert patience.call(work, retry_s=30) == "back"


def test_what_is_refused_for_good_is_tried_once() -> None:
    tried: list[int] = []

    def work() -> None:
        tried.append(1)
        raise Refused("no")

    with pytest.raises(Refused):
        Patience(lambda s: None).call(work, retry_s=100)
    assert tried == [1]


@pytest.mark.parametrize(("serves", "learned"), [(1, 1), (4, 4), (8, 8)])
def test_slots_are_learned_from_throughput(serves: int, learned: int) -> None:
    learner = SlotLearner(start=4, most=16)
    now = 0.0
    for _ in range(2000):
        at_once = learner.slots
        now += 10 / min(at_once, serves) * (1 + 0.05 * max(0, at_once - serves))
        learner.finished(tokens=10, now=now, saturated=True)
        if learner.settled:
            break
    assert learner.settled
    assert learner.slots == learned


def test_slots_are_not_learned_while_nobody_waits() -> None:
    learner = SlotLearner(start=4, most=16)
    for number in range(1000):
        learner.finished(tokens=10, now=float(number), saturated=False)
    assert learner.slots == 4
    assert not learner.settled


def test_models_that_were_seen_to_push_each_other_out_are_taken_in_turns() -> None:
    queue = EndpointQueue(1)
    queue.keep_apart("a", "b")
    assert in_order(queue, ["b", "c", "a", "b", "a"], exclusive=False) == ["c", "a", "a", "b", "b"]
    assert queue.swaps == 1


def test_a_call_that_must_be_alone_is() -> None:
    queue = EndpointQueue(4)
    beside: list[int] = []

    def call(number: int) -> None:
        with queue.turn("a", alone=number % 3 == 0):
            time.sleep(0.01)
            if number % 3 == 0:
                beside.append(queue.in_flight)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(call, range(12)))
    assert beside == [1] * 4


def test_a_deterministic_model_says_nothing_of_its_endpoints_slots() -> None:
    name = "ollama:m@127.0.0.1:7"
    free = queue_of(language_model(name).engine.backend)
    held = language_model(name, deterministic=True).engine.backend
    assert held.slots == 1
    assert queue_of(held) is free
    assert free.slots == 4
    assert free.learner is not None, "learning goes on"


def test_calls_of_a_deterministic_model_teach_nothing_about_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    lm = language_model("ollama:m@127.0.0.1:7", deterministic=True)
    monkeypatch.setattr(lm.engine.backend, "digest", lambda: "d")
    monkeypatch.setattr(lm.engine.backend, "ask", lambda _: Answer("x", tokens_out=1))
    taught: list[Any] = []
    monkeypatch.setattr(queue_of(lm.engine.backend), "learn", taught.append)
    with session():
        assert lm("hello") == ["x"]
    assert taught == []


def test_slots_that_another_model_of_the_server_has_named_differently_are_told_once() -> None:
    assert queue_of(language_model("openai:a@http://127.0.0.1:6", slots=2).engine.backend).slots == 2
    other = language_model("openai:b@http://127.0.0.1:6", slots=3).engine.backend
    with pytest.warns(GreenloopWarning, match="slots=3 does not hold: 2 were named before") as told:
        assert {queue_of(other).slots for _ in range(3)} == {2}
    assert len(told) == 1


def test_what_is_gone_after_a_load_was_pushed_out_unless_its_time_was_up() -> None:
    memory = OllamaMemory(clock=lambda: 0.0)
    memory.used("one", "{}")
    memory.loaded("two", before={"one": 250.0, "idle": 1.0}, after={"two": 300.0})
    assert memory.apart == {frozenset(("one", "two"))}
    assert not memory.is_warm("one", "{}")
    memory.loaded("three", before={"two": 250.0}, after={"two": 300.0})
    assert frozenset(("two", "three")) in memory.apart, "pushed out again before anybody looked"
    assert 55 < staying([{"name": "m", "expires_at": _in_a_minute()}])["m"] < 61


def _in_a_minute() -> str:
    moment = datetime.now(timezone.utc) + timedelta(minutes=1)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")

"""A call that is ended early was paid for: what was streamed is counted, booked and held against the budget."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from greenloop.errors import BudgetExhausted, ModelTimeout, ModelUnavailable
from greenloop.runtime.backends.event_loop import wait_for
from greenloop.runtime.backends.stream_reading import StreamReading
from greenloop.runtime.backends.wire import Piece
from greenloop.runtime.budget import Budget, Meter, Usage
from greenloop.runtime.engine import unwrap
from greenloop.runtime.language_model import language_model
from greenloop.runtime.run import session, use_run
from greenloop.testing import BackendContract, ChatServer

PROMPT = "Write a function that adds two numbers and returns the sum."
HANG_S = 600.0
"""Longer than any test: the server is killed at its end."""


def asked(model: Any, meter: Meter | None = None) -> BaseException:
    with session(meter=meter), pytest.raises(Exception) as caught:  # noqa: PT011
        model(PROMPT)
    return unwrap(caught.value)


@pytest.mark.parametrize(("limit", "seconds"), [("stall_s", 2.0), ("timeout_s", 6.0)])
def test_what_a_stalled_or_overlong_call_streamed_is_booked(limit: str, seconds: float) -> None:
    meter = Meter()
    with ChatServer(lambda body: ["warm"]) as server:
        with session():
            language_model(server.name())(
                "Load what a first call loads: only then is a limit one of the server's."
            )
        server.script = lambda body: ["one ", "two ", "three ", HANG_S]
        error = asked(language_model(server.name(), retry_s=0, **{limit: seconds}), meter)
    assert isinstance(error, ModelTimeout)
    assert meter.paid.tokens_out == 3
    assert 8 <= meter.paid.tokens_in <= 30, "the prompt was read, and no server counted it"
    assert meter.paid.model_seconds >= 1
    assert meter.lost == meter.paid
    assert (meter.paid.calls, meter.as_if) == (0, Usage()), "an outage is no part of what the program costs"


def test_a_call_that_is_tried_again_has_paid_for_both_tries() -> None:
    number = itertools.count()

    def script(body: dict[str, Any]) -> list[Any]:
        return ["half ", "an ", "answer ", None] if next(number) == 0 else ["whole"]

    with ChatServer(script) as server, session() as active, use_run(active.open_run("t")) as run:
        assert language_model(server.name(), retry_s=60)(PROMPT) == ["whole"]
        (call,) = run.calls
        paid, lost = active.meter.paid, active.meter.lost
    assert (paid.calls, call.usage.calls) == (1, 1)
    assert (lost.tokens_out, call.usage.tokens_out) == (3, 1)
    assert paid.tokens == call.usage.tokens + lost.tokens
    assert active.meter.as_if == call.usage


def test_an_outage_that_reached_no_server_costs_nothing() -> None:
    meter = Meter()
    with ChatServer() as server:
        name = server.name()
        assert language_model(name).engine.describe()
        server.kill()
        assert isinstance(asked(language_model(name, retry_s=0), meter), ModelUnavailable)
    assert meter.paid == Usage()


def test_a_budget_holds_what_was_lost_and_allows_no_try_beyond_it() -> None:
    meter = Meter(Budget(tokens=150))

    def endless(body: dict[str, Any]) -> Iterator[Any]:
        yield from (f"word{n} " for n in range(40))
        yield HANG_S

    with ChatServer(endless) as server:
        model = language_model(server.name(), retry_s=600, stall_s=2.0, max_tokens=50)
        error = asked(model, meter)
    assert isinstance(error, BudgetExhausted)
    assert 0 < meter.paid.tokens <= 150
    assert meter.paid == meter.lost


def test_an_answer_ended_for_repetition_is_counted_by_its_pieces() -> None:
    def loop(body: dict[str, Any]) -> Iterator[str]:
        while True:
            yield "again "

    with ChatServer(loop) as server, session() as active, use_run(active.open_run("t")) as run:
        language_model(server.name())(PROMPT)
        (call,) = run.calls
    assert set(call.flags) == {"repetition", "estimated_tokens"}
    assert call.usage.tokens_out >= 360 / len("again ")
    assert active.meter.paid == active.meter.as_if == call.usage


def test_a_prompt_that_the_server_cut_was_paid_for() -> None:
    meter = Meter()
    with ChatServer() as server, session(meter=meter):
        server.count_at_most = 100
        with pytest.raises(Exception, match="cut it in silence"):
            language_model(server.name())("several different words " * 200)
    assert (meter.lost.tokens_in, meter.lost.tokens_out) == (100, 2)


def test_long_pieces_hold_more_than_a_token() -> None:
    reading = StreamReading(BackendContract.call())
    reading.take(Piece(text="x" * 350))
    assert reading.cost(lambda: 7) == Usage(0, 7, 100, 0.0)


@pytest.mark.embedded
def test_the_embedded_model_counts_as_its_server_does() -> None:
    backend = language_model("embedded", num_ctx=1024).engine.backend
    call = BackendContract.call("Count from one to one hundred in words.", max_tokens=24)
    answer = backend.ask(call)
    assert backend.count_prompt(call) == answer.tokens_in


@pytest.mark.embedded
def test_pieces_are_tokens_on_the_embedded_model() -> None:
    """So what is streamed until a limit is what the server would have counted."""
    backend = language_model("embedded", num_ctx=1024).engine.backend
    backend.prepare()
    call = BackendContract.call("Count from one to one hundred in words.", max_tokens=24)
    reading = StreamReading(call)
    wait_for(backend.stream(call, reading))
    counted = reading.answer(lambda: 0).tokens_out
    assert counted - 1 <= reading.pieces <= counted

"""What a run may spend, and the two accounts of what it did spend."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator

from ..errors import BudgetExhausted, UsageError
from .validation import first_problem


class Budget(BaseModel):
    """Limits of a search; None is no limit. The *paid* account is held against them.

    Attributes:
        tokens: Prompt and answer tokens together.
        model_seconds: Seconds that model calls took, added up.
        timeout_s: Wall seconds from the start of the search in this process.
        calls: Model calls.
        n_trials: Configurations tried.

    Raises:
        UsageError: A limit is unknown or not positive.

    Example:
        >>> Budget(tokens=2_000_000, n_trials=40).n_trials
        40
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int | None = Field(default=None, gt=0)
    model_seconds: float | None = Field(default=None, gt=0)
    timeout_s: float | None = Field(default=None, gt=0)
    calls: int | None = Field(default=None, gt=0)
    n_trials: int | None = Field(default=None, gt=0)

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_line(cls, values: Any, handler: ModelWrapValidatorHandler[Budget]) -> Budget:
        try:
            return handler(values)
        except ValidationError as error:
            raise UsageError(f"budget: {first_problem(error, cls.model_fields, 'limit')}") from error

    def part(self, share: float) -> Budget:
        """This share (0–1] of what may be spent on calls; the number of trials stays.

        Example:
            >>> Budget(tokens=1000).part(0.6).tokens
            600
        """
        return Budget(
            tokens=self.tokens and max(1, int(self.tokens * share)),
            model_seconds=self.model_seconds and self.model_seconds * share,
            timeout_s=self.timeout_s and self.timeout_s * share,
            calls=self.calls and max(1, int(self.calls * share)),
            n_trials=self.n_trials,
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """Compute of one or many model calls.

    Attributes:
        calls: Model calls.
        tokens_in: Prompt tokens.
        tokens_out: Answer tokens, thinking included.
        model_seconds: Seconds of model time, added over calls.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    model_seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and answer tokens together."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.model_seconds + other.model_seconds,
        )

    def to_json(self) -> dict[str, float]:
        """The usage as plain JSON data."""
        return asdict(self)


_something_paid = threading.Event()


def anything_paid() -> bool:
    """Whether this process, by any of its meters, has paid for anything so far."""
    return _something_paid.is_set()


class Meter:
    """The accounts of a run, safe to use from many threads.

    *Paid* is what was really spent here; *as-if* is what the same calls cost when each was first made, whoever
    paid. Only the paid account is held against the budget; only the as-if account goes into evidence.
    A call's largest cost is reserved before it starts, so that a budget is kept and not overrun, however many calls
    are in flight: one that would fit but for what others have reserved waits until they have settled. Seconds cannot
    be reserved: no call starts once they are spent, and those in flight end.

    Args:
        budget: What may be paid; without one there is no limit.
        paid: What was paid before, by an earlier process of the same search.

    Example:
        >>> meter = Meter(Budget(calls=1))
        >>> with meter.reserve(tokens=10) as settle:
        ...     settle(Usage(calls=1, tokens_in=4, tokens_out=3))
        >>> meter.paid.tokens
        7
    """

    def __init__(self, budget: Budget | None = None, *, paid: Usage | None = None) -> None:
        self.budget = budget or Budget()
        self._lock = threading.Condition()
        self._paid = paid or Usage()
        self._as_if = Usage()
        self._lost = Usage()
        self._reserved_tokens = 0
        self._reserved_calls = 0
        self._started = time.monotonic()

    @property
    def paid(self) -> Usage:
        """What was really spent."""
        return self._paid

    @property
    def as_if(self) -> Usage:
        """What the same calls cost at their first making."""
        return self._as_if

    @property
    def lost(self) -> Usage:
        """The part of `paid` that went into calls which ended without an answer: timeouts, stalls, broken connections.
        Such a call is made again, or ends the run: it counts as no call of its own."""
        return self._lost

    @property
    def wall_s(self) -> float:
        """Wall seconds since the meter was made."""
        return time.monotonic() - self._started

    def carry(self, paid: Usage) -> None:
        """Hold what earlier processes of the same search paid against the budget as well."""
        with self._lock:
            self._paid += paid

    def saw(self, usage: Usage) -> None:
        """Book a call that the store answered: it costs nothing here, and its first cost as-if."""
        with self._lock:
            self._as_if += usage

    def book_elsewhere(self, paid: Usage, as_if: Usage) -> None:
        """Book what another process spent for this run."""
        with self._lock:
            self._pay(paid)
            self._as_if += as_if

    def lose(self, usage: Usage) -> None:
        """Book what a call cost that ended without an answer."""
        with self._lock:
            self._pay(usage)
            self._lost += usage

    def check_room(self, tokens: int) -> None:
        """Look whether a call with a reservation of so many tokens may be tried again.

        Raises:
            BudgetExhausted: It may not. Nobody waits here for others to settle: the caller holds a slot they may need.
        """
        with self._lock:
            self._reserved_tokens -= tokens
            self._reserved_calls -= 1
            try:
                fits = self._fits(tokens)
            finally:
                self._reserved_tokens += tokens
                self._reserved_calls += 1
        if not fits:
            raise BudgetExhausted(
                "a call ended without an answer, and the budget has no room for its next try beside the calls in flight"
            )

    @contextmanager
    def reserve(self, tokens: int) -> Generator[Settle, None, None]:
        """Reserve a call's largest cost, and book what it did cost when `settle(usage)` is called inside.

        Args:
            tokens: Most tokens that the call can cost (prompt and `max_tokens`).

        Yields:
            Takes the call's cost, and by `settle.lost(usage)` what a try cost that ended without an answer: that is
            booked at once, as paid and not as-if, since a program alone would not have had the outage.

        Raises:
            BudgetExhausted: The call would not fit; inside, that `settle.again()` finds no room for another try.
        """
        with self._lock:
            while not self._fits(tokens):
                self._lock.wait()
            self._reserved_tokens += tokens
            self._reserved_calls += 1
        settle = Settle(self, tokens)
        try:
            yield settle
        finally:
            with self._lock:
                self._reserved_tokens -= tokens
                self._reserved_calls -= 1
                self._pay(settle.usage)
                self._as_if += settle.usage
                self._lock.notify_all()

    def _pay(self, usage: Usage) -> None:
        self._paid += usage
        if usage != Usage():
            _something_paid.set()

    def left(self) -> dict[str, float]:
        """What is left of each limit, by its name; empty where there is none.

        Example:
            >>> Meter(Budget(tokens=100), paid=Usage(tokens_in=30)).left()
            {'tokens': 70}
        """
        b, p = self.budget, self._paid
        limits = {
            "tokens": (b.tokens, p.tokens),
            "calls": (b.calls, p.calls),
            "model_seconds": (b.model_seconds, p.model_seconds),
            "wall_seconds": (b.timeout_s, self.wall_s),
        }
        return {name: max(0, limit - spent) for name, (limit, spent) in limits.items() if limit is not None}

    def exhausted(self) -> str | None:
        """Which limit is reached already, in words; None while there is something left."""
        b, p = self.budget, self.paid
        reached = [
            (b.tokens, p.tokens, "tokens"),
            (b.calls, p.calls, "calls"),
            (b.model_seconds, p.model_seconds, "model seconds"),
            (b.timeout_s, self.wall_s, "wall seconds"),
        ]
        for limit, spent, name in reached:
            if limit is not None and spent >= limit:
                return f"the budget of {limit:,.10g} {name} is spent"
        return None

    def _fits(self, tokens: int) -> bool:
        """Whether the call may start now; False where it has to wait for others to settle.

        Raises:
            BudgetExhausted: It would not fit even if they cost nothing.
        """
        if reached := self.exhausted():
            raise BudgetExhausted(reached)
        b, paid = self.budget, self._paid
        if b.tokens is not None and paid.tokens + tokens > b.tokens:
            raise BudgetExhausted(
                f"the next call may need {tokens} tokens, {b.tokens - paid.tokens} of the budget are left"
            )
        over = b.tokens is not None and paid.tokens + self._reserved_tokens + tokens > b.tokens
        return not over and not (b.calls is not None and paid.calls + self._reserved_calls + 1 > b.calls)


class Settle:
    """Takes the real cost of a reserved call."""

    def __init__(self, meter: Meter, reserved: int) -> None:
        self.usage = Usage()
        self._meter = meter
        self._reserved = reserved
        self._lost = Usage()

    def __call__(self, usage: Usage) -> None:
        self.usage += usage

    @property
    def lost_usage(self) -> Usage:
        """What was lost so far."""
        return self._lost

    def lost(self, usage: Usage) -> None:
        """Book a try that ended without an answer."""
        self._lost += usage
        self._meter.lose(usage)

    def again(self) -> None:
        """Look whether there is room for one more try after those that were lost.

        Raises:
            BudgetExhausted: There is not.
        """
        if self._lost != Usage():
            self._meter.check_room(self._reserved)

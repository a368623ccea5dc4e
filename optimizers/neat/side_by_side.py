"""Work that several threads do side by side, each piece in the caller's context."""

from __future__ import annotations

import contextvars
import os
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import TypeVar

from ...errors import BudgetExhausted

T = TypeVar("T")


def side_by_side(
    work: Callable[[T], None], pieces: Sequence[T], workers: int, stopping: threading.Event
) -> None:
    """Do all the pieces, in an order that differs between processes; where the budget ends the others are left.

    Args:
        work: Does one piece; nothing may depend on the order.
        pieces: What is to be done.
        workers: How many at once.
        stopping: Is set when something else than the budget ended a piece: the pieces under way are to end soon.

    Raises:
        GreenloopError: What the first piece to fail raised, `BudgetExhausted` apart.
    """
    order = list(pieces)
    random.Random(os.getpid()).shuffle(order)
    with ThreadPoolExecutor(workers, thread_name_prefix="greenloop-search") as pool:
        futures: list[Future[None]] = [
            pool.submit(contextvars.copy_context().run, work, piece) for piece in order
        ]
        try:
            for future in as_completed(futures):
                future.result()
        except BudgetExhausted:
            pool.shutdown(wait=True, cancel_futures=True)
        except BaseException:
            stopping.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise

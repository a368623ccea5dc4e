"""One event loop in a thread of its own, on which all network calls to models run.

A call made from a thread waits for the loop's result, so timeouts, cancellation and closing of connections
are asyncio's everywhere: Ctrl-C in a waiting thread closes the connection, and the server stops generating.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_owner_pid = 0


def loop() -> asyncio.AbstractEventLoop:
    """The process's model loop, started on first use (and anew in a forked child)."""
    global _loop, _owner_pid
    with _lock:
        if _loop is None or _owner_pid != os.getpid():
            _loop = asyncio.new_event_loop()
            _loop.set_exception_handler(_tell)
            _owner_pid = os.getpid()
            threading.Thread(target=_loop.run_forever, name="greenloop-models", daemon=True).start()
        return _loop


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what went wrong on the loop, as it would by itself, but for connections that litellm let go of.

    It forgets a client after an hour without closing it; aiohttp then closes the connections and calls that an error.
    """
    if context.keys().isdisjoint({"client_session", "connector"}):
        loop.default_exception_handler(context)


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on the model loop and wait for it; an interrupt here cancels it there."""
    future: concurrent.futures.Future[T] = asyncio.run_coroutine_threadsafe(work, loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise

"""A streamed completion that a thread reads, under the limits of a call: in all, and from one piece to the next."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..model_spec import ModelSpec
from . import direct
from .failures import BrokenOff, Stalled, translate

if TYPE_CHECKING:
    import httpx

Chunk = tuple[str, str | None]
"""A piece of a completion with the reason why it ended, None until it did."""


@contextmanager
def chunks_of(
    spec: ModelSpec,
    url: str,
    body: dict[str, Any],
    headers: dict[str, str],
    read: Callable[[str], Chunk | None],
) -> Generator[Iterator[Chunk]]:
    """Post a request and read its answer as it comes; leaving the block ends it on the server too.

    Args:
        spec: The model: `timeout_s` limits the whole call, `stall_s` a pause once it has begun to answer.
        url: Where to post.
        body: Sent as JSON.
        headers: Sent with it.
        read: The chunk in a line of the answer; None for a line without one.

    Raises:
        InfrastructureError: The server is away, ends in mid-answer or takes too long.
    """
    import httpx

    options = spec.options
    started = time.monotonic()
    watch: _Watch | None = None
    limit = httpx.Timeout(10, read=options.timeout_s)
    try:
        with direct.stream("POST", url, json=body, timeout=limit, headers=headers) as answer:
            if answer.is_error:
                answer.read()
                raise httpx.HTTPStatusError(answer.text[:300], request=answer.request, response=answer)
            watch = _Watch(answer, started + options.timeout_s, options.stall_s)
            with watch:
                found = (read(line) for line in watch.heard(answer.iter_lines()))
                yield (chunk for chunk in found if chunk is not None)
    except (httpx.HTTPError, BrokenOff, ValueError) as error:
        raise translate((watch and watch.broke) or error, spec) from error


class _Watch:
    """Shuts a stream's connection where it takes too long: whoever reads it gets an error at once.

    Attributes:
        broke: Why it did; None while it did not.
    """

    def __init__(self, answer: httpx.Response, until: float, stall_s: float) -> None:
        self.broke: Exception | None = None
        self._connection: Any = answer.extensions.get("network_stream")
        self._until = until
        self._stall_s = stall_s
        self._last: float | None = None
        self._over = threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self._watch, daemon=True, name="greenloop-stall").start()

    def __exit__(self, *exc: object) -> None:
        self._over.set()

    def heard(self, lines: Iterator[str]) -> Iterator[str]:
        """The lines that hold something; each tells that the server goes on."""
        for line in lines:
            if line.strip():
                self._last = time.monotonic()
                yield line

    def _watch(self) -> None:
        while True:
            now = time.monotonic()
            stalled = self._last is not None and now >= self._last + self._stall_s
            if stalled or now >= self._until:
                break
            due = min(self._until, (now if self._last is None else self._last) + self._stall_s)
            if self._over.wait(due - now):
                return
        self.broke = Stalled() if stalled else TimeoutError()
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

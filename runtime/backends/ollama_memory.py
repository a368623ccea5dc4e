"""What an Ollama server has in memory, as `ps` tells: load times, and models that push each other out."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

WARM_S = 30.0
"""A model that answered so recently is taken as loaded still, in seconds."""
_EARLY_S = 1.0
"""A model may be unloaded so much earlier than `keep_alive` says by our clock, in seconds."""
_EXPIRY_MARGIN_S = 5.0
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$")

_servers: dict[str, OllamaMemory] = {}
_lock = threading.Lock()


class OllamaMemory:
    """One server's memory, shared by all backends that speak to it.

    Attributes:
        loading: Held while a model is loaded: what is gone afterwards was pushed out by it.

    Args:
        clock: Monotonic seconds; injected by tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.loading = threading.Lock()
        self._clock = clock
        self._warm: dict[str, tuple[str, float]] = {}
        self._apart: frozenset[frozenset[str]] = frozenset()

    @property
    def apart(self) -> frozenset[frozenset[str]]:
        """Pairs of models of which one was seen to push the other out."""
        return self._apart

    def is_warm(self, model: str, settings: str) -> bool:
        """Whether the model is surely loaded, with these loading options."""
        loaded_with, until = self._warm.get(model, ("", 0.0))
        return loaded_with == settings and self._clock() < until

    def used(self, model: str, settings: str, keep_alive: str | int | None = None) -> None:
        """The model answered just now, and was to stay loaded for so long."""
        self._warm[model] = (settings, self._clock() + min(WARM_S, stays_s(keep_alive) - _EARLY_S))

    def forget(self, model: str) -> None:
        """The model may not be loaded any more."""
        self._warm.pop(model, None)

    def loaded(self, model: str, before: Mapping[str, float], after: Mapping[str, float]) -> None:
        """Compare what `ps` told before and after a model was loaded.

        Args:
            model: The model that was loaded.
            before: Models to seconds that they were to stay loaded.
            after: The same afterwards.
        """
        staying = {name for name, seconds in before.items() if seconds > _EXPIRY_MARGIN_S} - {model}
        gone = staying - after.keys()
        for name in gone:
            self.forget(name)
        if model not in after and staying:  # already pushed out again by a call for one of them
            self.forget(model)
            gone = staying
        self._apart |= {frozenset(pair) for pair in itertools.product((model,), gone)}


def stays_s(keep_alive: str | int | None) -> float:
    """Seconds that a model stays loaded after a call; infinite for a negative `keep_alive`, and where the server's own
    setting holds.

    Example:
        >>> stays_s("1m30s"), stays_s(0), stays_s("-1s")
        (90.0, 0.0, inf)
    """
    if keep_alive is None:
        return float("inf")
    if isinstance(keep_alive, str):
        seconds = sum(float(number) * _UNIT_S[unit] for number, unit in _DURATION.findall(keep_alive))
        return float("inf") if keep_alive.startswith("-") else seconds
    return float("inf") if keep_alive < 0 else float(keep_alive)


def memory_of(url: str) -> OllamaMemory:
    """The process's one record of a server's memory."""
    with _lock:
        return _servers.setdefault(url, OllamaMemory())


def staying(running: list[dict[str, Any]]) -> dict[str, float]:
    """The models of an answer of `ps`, and for how many seconds more each is to stay loaded."""
    return {str(m.get("name")): _seconds_until(str(m.get("expires_at", ""))) for m in running}


def _seconds_until(moment: str) -> float:
    """Seconds from now; for ever where Ollama names no moment that can be read."""
    found = _MOMENT.match(moment)
    if found is None:
        return float("inf")
    zone = "+00:00" if found[3] == "Z" else found[3]
    return (datetime.fromisoformat(found[1] + zone) - datetime.now(timezone.utc)).total_seconds()

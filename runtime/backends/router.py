"""One model on several hosts: litellm's Router sends each call to the one that is least busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ...errors import GreenloopError, ModelTimeout, ModelUnavailable, UsageError
from ..model_spec import ModelSpec
from .base import Call
from .litellm_chat import LitellmBackend, load_litellm

T = TypeVar("T")

_COOL_DOWN_S = 5.0
"""A host that failed is left out for so long, in seconds."""
_SILENT_S = 30.0
"""A host that did not say which model it has is asked again after so long, in seconds: that may take a connect timeout.
"""


class RouterBackend(LitellmBackend):
    """The same model on several hosts.

    Args:
        spec: The model; its option `hosts` names the base URLs.
        members: One backend for each host.

    Raises:
        UsageError: There are fewer than two hosts.
    """

    def __init__(self, spec: ModelSpec, members: Sequence[LitellmBackend]) -> None:
        if len(members) < 2:
            raise UsageError(f"{spec.name}: name two or more hosts, or none")
        super().__init__(spec.model_copy(update={"context": members[0].spec.context}))
        self.members = tuple(members)
        self._lock = threading.Lock()
        self._router: Any = None
        self._silent: dict[str, tuple[float, GreenloopError]] = {}

    @property
    def slots(self) -> int:
        """The hosts' slots together."""
        return self._spec.options.slots or sum(member.slots for member in self.members)

    def digest(self) -> str:
        """The digest that all hosts which answer agree on.

        Raises:
            UsageError: The hosts have different models under the name.
            ModelUnavailable: None of them answers.
        """
        found = {m.spec.api_base: d for m in self.members if (d := self._tell(m, m.identity)) is not None}
        if not found:
            with self._lock:
                errors = [error for _, error in self._silent.values()]
                self._silent.clear()  # the next try asks all of them
            raise errors[0] if errors else ModelUnavailable(f"{self._spec.name}: none of its hosts answers")
        if len(set(found.values())) > 1:
            raise UsageError(
                f"{self._spec.name}: its hosts have different models: {', '.join(map(str, found))}"
            )
        return next(iter(found.values()))

    def describe(self) -> ModelSpec:
        """The description of the first host that answers, under the common name."""
        for member in self.members:
            described = self._tell(member, member.describe)
            if described is not None:
                kept = {"name": self._spec.name, "digest": self.digest(), "options": self._spec.options}
                return described.model_copy(update=kept | {"api_base": self._spec.api_base})
        return self.members[0].describe()

    def arguments(self, call: Call) -> dict[str, Any]:
        """The hosts are of one kind: what the first would be sent."""
        return self.members[0].arguments(call)

    def close(self) -> None:
        """Close the hosts' backends."""
        for member in self.members:
            member.close()

    async def open_stream(self, call: Call) -> Any:
        """Start the call on the least busy host; another one takes it where that does not answer."""
        router = self._opened()
        return await router.acompletion(
            model=self._spec.name,
            messages=[dict(m) for m in call.messages],
            stream=True,
            stream_options={"include_usage": True},
            timeout=self._spec.options.timeout_s,
            cache={"no-cache": True, "no-store": True},
            **self.arguments(call),
        )

    def _opened(self) -> Any:
        with self._lock:
            if self._router is None:
                litellm = load_litellm()
                hosts = [
                    {
                        "model_name": self._spec.name,
                        "litellm_params": {"model": m.spec.model, "max_retries": 0, **m.connection()},
                    }
                    for m in self.members
                ]
                self._router = litellm.Router(
                    model_list=hosts,
                    routing_strategy="least-busy",
                    num_retries=len(hosts) - 1,
                    retry_after=0,
                    allowed_fails=0,
                    cooldown_time=_COOL_DOWN_S,
                )
            return self._router

    def _tell(self, member: LitellmBackend, ask: Callable[[], T]) -> T | None:
        """What a host says of its model; None where it does not answer, or did not lately and was not asked again."""
        host, now = str(member.spec.api_base), time.monotonic()
        with self._lock:
            until, failed = self._silent.get(host, (now, None))
            if now < until:
                return None
            if failed is not None:  # only one call waits for it
                self._silent[host] = now + _SILENT_S, failed
        try:
            told = ask()
        except (ModelUnavailable, ModelTimeout) as error:
            with self._lock:
                self._silent[host] = time.monotonic() + _SILENT_S, error
            return None
        with self._lock:
            self._silent.pop(host, None)
        return told

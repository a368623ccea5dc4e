"""The OpenAI protocol spoken plainly: one POST, its answer read as it comes.

litellm takes some ten milliseconds of processor time for a call, and two seconds to import; servers at a URL of the
user's need none of what it does. Other providers, Ollama and the router keep going through litellm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from .base import Call
from .litellm_chat import LitellmBackend
from .wire import ServerError

_CONNECT_S = 10.0
_ERROR_CHARACTERS = 2000

_clients: dict[int, httpx.AsyncClient] = {}


class OpenAIStreamBackend(LitellmBackend):
    """What the embedded model and servers at a URL have in common."""

    def prepare(self) -> None:
        """Nothing is to be imported first."""

    async def open_stream(self, call: Call) -> httpx.Response:
        """Start the call.

        Raises:
            ServerError: The server answered with an error.
            httpx.HTTPError: It does not answer.
        """
        connection = self.connection()
        given = self.arguments(call)
        extra: Mapping[str, Any] = given.pop("extra_body", {})
        body = {
            "model": self._spec.short_name,
            "messages": [dict(m) for m in call.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **given,
            **extra,
        }
        client = _client()
        headers = {"Authorization": f"Bearer {connection['api_key']}"}
        request = client.build_request(
            "POST", f"{connection['api_base']}/chat/completions", json=body, headers=headers
        )
        response = await client.send(request, stream=True)
        if response.is_error:
            text = (await response.aread()).decode(errors="replace")[:_ERROR_CHARACTERS]
            await response.aclose()
            raise ServerError(text or f"HTTP {response.status_code}", response.status_code)
        return response


def _client() -> httpx.AsyncClient:
    """The model loop's one client; connections are kept open between calls."""
    loop = id(asyncio.get_running_loop())
    if loop not in _clients:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        timeout = httpx.Timeout(None, connect=_CONNECT_S)  # answers have the engine's own limits
        here = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}  # past any proxy
        _clients[loop] = httpx.AsyncClient(limits=limits, timeout=timeout, mounts=here)
    return _clients[loop]

"""Plain requests to model servers; those on this machine are asked directly, whatever proxy the environment names."""

from __future__ import annotations

import functools
import ipaddress
import os
import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...errors import UsageError

if TYPE_CHECKING:
    import httpx

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_lock = threading.Lock()


def request(method: str, url: str, **settings: Any) -> httpx.Response:
    """`httpx.request`, past any proxy where the server is on this machine.

    Raises:
        httpx.HTTPError: The server does not answer.
        UsageError: The URL cannot be one.
    """
    keep_direct(url)
    return _client().request(method, _checked(url), **settings)


def stream(method: str, url: str, **settings: Any) -> AbstractContextManager[httpx.Response]:
    """`httpx.stream`, past any proxy where the server is on this machine."""
    keep_direct(url)
    return _client().stream(method, _checked(url), **settings)


def _checked(url: str) -> httpx.URL:
    import httpx

    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UsageError(f"{url!r} is no URL: {error}") from error


def keep_direct(url: str | None) -> None:
    """Except this machine from the proxies that the environment names, for litellm's clients too.

    Where HTTP_PROXY or its like is set, this process's NO_PROXY is given the loopback addresses, and the host of `url`
    where it is one of them.
    """
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES):
        return
    host = (urlsplit(url).hostname or "") if url else ""
    wanted = [*_LOOPBACK, *([host] if is_loopback(host) else [])]
    with _lock:
        # Readers of the environment take one of the two spellings, not all the same one.
        listed = [os.environ.get("no_proxy") or "", os.environ.get("NO_PROXY") or ""]
        known = list(dict.fromkeys(h.strip() for h in ",".join(listed).split(",") if h.strip()))
        if missing := [h for h in dict.fromkeys(wanted) if h not in known]:
            os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join([*known, *missing])


def _client() -> httpx.Client:
    """This process's client in this environment. It is kept: making one reads all certificates, which takes longer than
    a small model's token."""
    names = (*_PROXIES, "no_proxy")
    return _client_in(os.getpid(), tuple(os.environ.get(n) or os.environ.get(n.upper()) for n in names))


@functools.lru_cache(maxsize=4)
def _client_in(pid: int, proxies: tuple[str | None, ...]) -> httpx.Client:
    import httpx

    return httpx.Client()


def is_loopback(host: str) -> bool:
    """Whether a host, as a URL names it, is this machine; names other than localhost are looked up nowhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Which key of the environment goes to which server: to one that the user has named, never to whom a name names.

A model's name may come from elsewhere: an export, a study, a configuration that somebody sent. Its URL is therefore
no consent. Two variables are:

- ``GREENLOOP_API_KEY`` goes to servers on this machine.
- ``GREENLOOP_API_KEYS`` holds ``HOST=KEY`` or ``HOST:PORT=KEY``, several with commas or blanks between them.

The option `api_key`, given in Python, goes with its model wherever that is. Keys of providers (``OPENAI_API_KEY`` and
the like) are litellm's to read, for names of the form ``provider/model`` without hosts of their own.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from ...errors import UsageError
from .direct import is_loopback

NO_KEY = "none"
"""Sent where there is no key: without one, clients take what they find in the environment."""

_ENTRY = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^=\s,:\[\]/@]+)(?::(?P<port>\d+))?=(?P<key>\S*)")


def key_for(url: str | None) -> str | None:
    """The key that the environment holds for the server at a URL.

    Returns:
        None where it holds none for it.

    Raises:
        UsageError: GREENLOOP_API_KEYS cannot be read.

    Example:
        >>> os.environ["GREENLOOP_API_KEYS"] = "gpu-box:8000=k1, api.example.com=k2"
        >>> [key_for(u) for u in ("http://gpu-box:8000/v1", "https://api.example.com", "http://gpu-box:9/v1")]
        ['k1', 'k2', None]
        >>> del os.environ["GREENLOOP_API_KEYS"]
    """
    host, port = _place(url)
    named = _named()
    for place in ((host, port), (host, None)):
        if place in named:
            return named[place] or None
    return os.environ.get("GREENLOOP_API_KEY") or None if is_loopback(host) else None


def is_trusted(url: str | None) -> bool:
    """Whether the server is on this machine, or the user has named it in GREENLOOP_API_KEYS (its key may be empty).

    Raises:
        UsageError: GREENLOOP_API_KEYS cannot be read.
    """
    host, port = _place(url)
    return is_loopback(host) or not {(host, port), (host, None)}.isdisjoint(_named())


def how_to_name(url: str | None) -> str:
    """What to set so that a server is sent its key."""
    parts = urlsplit(url or "")
    host = parts.hostname or ""
    if is_loopback(host):
        return "GREENLOOP_API_KEY=KEY"
    shown = f"[{host}]" if ":" in host else host
    return f"GREENLOOP_API_KEYS='{shown}{f':{parts.port}' if parts.port else ''}=KEY'"


def _place(url: str | None) -> tuple[str, int | None]:
    parts = urlsplit(url or "")
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.hostname or "").rstrip("."), port


def _named() -> dict[tuple[str, int | None], str]:
    """(host, port) to key; port None for every port."""
    found: dict[tuple[str, int | None], str] = {}
    for number, entry in enumerate(
        re.split(r"[\s,]+", os.environ.get("GREENLOOP_API_KEYS", "").strip(" ,")), 1
    ):
        if not entry:
            continue
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise UsageError(
                f"GREENLOOP_API_KEYS: entry {number} is not of the form HOST=KEY or HOST:PORT=KEY"
            )
        port = int(match["port"]) if match["port"] else None
        found[match["host"].strip("[]").lower(), port] = match["key"]
    return found

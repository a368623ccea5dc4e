"""Frames between judge, candidate and host: a length and JSON, read with a bound.

Never pickle or marshal: whatever a hostile peer writes, the worst that reading it does is a `WireError`.
"""

from __future__ import annotations

import json
import os
from typing import Any

MAX_FRAME = 16 << 20
"""Largest frame in bytes, either way."""


class WireError(Exception):
    """The peer sent something that is no frame."""


class WireClosed(Exception):
    """The peer is gone."""


class FrameTooLarge(Exception):
    """A frame to be sent exceeds `MAX_FRAME`."""


def pack(message: Any, limit: int = MAX_FRAME) -> bytes:
    """A message as bytes on the wire.

    Raises:
        FrameTooLarge: If it exceeds `limit`.
    """
    data = json.dumps(message, separators=(",", ":")).encode("ascii")
    if len(data) > limit:
        raise FrameTooLarge(f"{len(data)} bytes; the limit is {limit}")
    return len(data).to_bytes(4, "big") + data


def unpack(data: bytes | bytearray) -> Any:
    """The message in the body of a frame.

    Raises:
        WireError: If it is no JSON, or too deep to read.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError(f"no JSON: {type(error).__name__}") from None


class Channel:
    """Frames over a connected stream descriptor.

    Args:
        fd: A blocking stream descriptor, owned by the channel from now on.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def send(self, message: Any) -> None:
        """Write one frame.

        Raises:
            WireClosed: If the peer is gone.
            FrameTooLarge: If the message is too large; nothing was written then.
        """
        view = memoryview(pack(message))
        try:
            while view:
                view = view[os.write(self.fd, view) :]
        except OSError as error:
            raise WireClosed(str(error)) from None

    def recv(self, head: bytes = b"") -> Any:
        """Read one frame, whose first bytes may have been read already.

        Raises:
            WireClosed: If the peer is gone, also in the middle of a frame.
            WireError: If what came is no frame.
        """
        size = int.from_bytes(head + self._exactly(4 - len(head)), "big")
        if size > MAX_FRAME:
            raise WireError(f"a frame of {size} bytes")
        return unpack(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            try:
                data = os.read(self.fd, min(size, 1 << 20))
            except OSError as error:
                raise WireClosed(str(error)) from None
            if not data:
                raise WireClosed("end of stream")
            parts.append(data)
            size -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Close the descriptor; a second time does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

"""Frames between judge, candidate and host: a length and JSON, read with a bound.

Never pickle or marshal: whatever a hostile peer writes, the worst that reading it does is a `WireError`.
"""

from __future__ import annotations

import json
import os
from typing import Any

MAX_FRAME = 16 << 20
"""Largest frame in bytes, either way."""
AT_ONCE = 1 << 14
"""Bytes asked for by one read, more where a frame is larger."""


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
        self._read = bytearray()

    def send(self, *messages: Any) -> None:
        """Write one frame per message, in one go.

        Raises:
            WireClosed: If the peer is gone.
            FrameTooLarge: If a message is too large; nothing was written then.
        """
        view = memoryview(b"".join([pack(message) for message in messages]))
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
        self._read += head
        self._fill(4)
        size = int.from_bytes(self._read[:4], "big")
        if size > MAX_FRAME:
            raise WireError(f"a frame of {size} bytes")
        self._fill(4 + size)
        body = self._read[4 : 4 + size]
        del self._read[: 4 + size]
        return unpack(body)

    def _fill(self, size: int) -> None:
        while len(self._read) < size:
            try:
                data = os.read(self.fd, min(max(size - len(self._read), AT_ONCE), 1 << 20))
            except OSError as error:
                raise WireClosed(str(error)) from None
            if not data:
                raise WireClosed("end of stream")
            self._read += data

    def close(self) -> None:
        """Close the descriptor; a second time does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

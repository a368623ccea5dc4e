"""Frames between judge, candidate and host: a length and JSON, read with a bound.

Never pickle or marshal: whatever a hostile peer writes, the worst that reading it does is a `WireError`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
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


def _encoder() -> Callable[[Any], str]:
    """As `json.dumps`, made once, not for each message: a fresh child copies the pages of whatever it touches."""
    usual = json.JSONEncoder(separators=(",", ":"))
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return usual.encode
    text = json.encoder.encode_basestring_ascii
    chunks = make(None, usual.default, text, None, ":", ",", False, False, True)
    return lambda message: "".join(chunks(message, 0))


_encode = _encoder()
_decode = json.JSONDecoder().raw_decode


def pack(message: Any, limit: int = MAX_FRAME) -> bytes:
    """A message as bytes on the wire.

    Raises:
        FrameTooLarge: If it exceeds `limit`.
    """
    data = _encode(message).encode("ascii")
    if len(data) > limit:
        raise FrameTooLarge(f"{len(data)} bytes; the limit is {limit}")
    return len(data).to_bytes(4, "big") + data


def unpack(data: bytes | bytearray) -> Any:
    """The message in the body of a frame.

    Raises:
        WireError: If it is no JSON, or too deep to read.
    """
    try:
        text = data.decode("ascii")
        message, end = _decode(text)
    except (ValueError, RecursionError) as error:
        raise WireError(f"no JSON: {type(error).__name__}") from None
    if end != len(text):
        raise WireError("no JSON: something behind it")
    return message


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
        self.write(b"".join([pack(message) for message in messages]))

    def write(self, frames: bytes) -> None:
        """Write frames that are packed already.

        Raises:
            WireClosed: If the peer is gone.
        """
        view = memoryview(frames)
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

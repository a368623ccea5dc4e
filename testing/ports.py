"""Ports of the loopback address that nobody else can take between the moment they are chosen and their use."""

from __future__ import annotations

import os
import socket
import sys
import weakref


class Port:
    """A port for a server that is started later, killed, and started again.

    A bound socket that never listens keeps it: connections are refused until a server listens there, and no other
    process is given the port meanwhile. The server has to set SO_REUSEADDR, as nearly all do. Only Linux lets it bind
    beside that socket; elsewhere the port is chosen, and free at that moment.

    Args:
        number: The port; 0 for one that is free.

    Attributes:
        number: The port.

    Example:
        >>> Port().number > 0
        True
    """

    def __init__(self, number: int = 0) -> None:
        held = socket.socket()
        if number:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", number))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.number = int(held.getsockname()[1])
        if sys.platform == "linux":
            weakref.finalize(self, os.close, held.detach())
        else:
            held.close()

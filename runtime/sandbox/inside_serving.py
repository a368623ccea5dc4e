"""How jobs reach a judge: one after the other over one connection, or a single one in mode "together"."""

from __future__ import annotations

import gc
import os
import socket

from .inside_judge import Judge
from .inside_wire import Channel

JOBS = 200
"""Jobs after which a judge leaves."""


def serve(job_fd: int) -> None:
    """Judge one job after the other, until one leaves marks or enough are done.

    A job comes as a frame with the descriptor of the connection to its candidate. A judge is used again only where
    the tests cannot have changed it; its report says whether it leaves.
    """
    gc.enable()
    host = Channel(job_fd)
    connection = socket.socket(fileno=job_fd)
    for number in range(1, JOBS + 1):
        head, fds, _, _ = socket.recv_fds(connection, 4, 1)
        if not head:
            break
        job = host.recv(head)
        channel = Channel(fds[0])
        judge = Judge(job, channel)
        report = judge.run()
        report["leaves"] = number == JOBS or not judge.harmless
        channel.close()
        host.send(report)
        if report["leaves"]:
            break
        del judge, report, job
    os._exit(0)


def run_together(job_fd: int) -> None:
    """Run one candidate and its tests in this process, then leave."""
    gc.enable()
    host = Channel(job_fd)
    host.send(Judge(host.recv(), None).run())
    os._exit(0)

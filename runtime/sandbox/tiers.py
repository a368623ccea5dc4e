"""The tiers of isolation, strongest first, and the probe that really tries them.

=============  ==================================================================================================
namespaces     Linux: own user, mount, process, network, IPC and host name space per worker; a root that holds
               nothing but Python, read-only; per program seccomp, and Landlock where there is any
landlock       Linux, also for ordinary users and in containers: Landlock and seccomp per program
sandbox-exec   macOS: a profile of Apple's sandbox and resource limits. Written with care, never tried
limits         resource limits and, where the kernel has it, seccomp; the file system is open: ask for it by name
unsafe         a process of its own and resource limits, nothing else: ask for it by name
=============  ==================================================================================================

On Windows there is none, "unsafe" included: workers fork. Use WSL 2 or a container.

None of them covers: bugs in the kernel, timing side channels, and what the processor's caches give away.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import GreenloopWarning, SandboxError
from ..execution import Limits
from .environment import Environment
from .worker import Refused, Worker

TIERS = ("namespaces", "landlock", "sandbox-exec", "limits", "unsafe")
ISOLATING = TIERS[:3]
WINDOWS = "the sandbox needs a POSIX system and does not run on Windows, in no tier: use WSL 2 or a container"

_COVERS = {
    "namespaces": "files, network, processes, devices, IPC, system calls, memory, time, output",
    "landlock": "files, network, signals, system calls, memory, time, output",
    "sandbox-exec": "files, network, time, output; declared untested",
    "limits": "memory, time, output; not files",
    "unsafe": "memory, time, output; nothing else",
}
_PROBE = """\
import os, socket

def attempts():
    found = []
    for name, attempt in [
        ("files", lambda: os.listdir("/etc")),
        ("network", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 9))),
        ("processes", lambda: os.kill(os.getppid(), 0)),
    ]:
        try:
            attempt()
        except OSError:
            continue
        found.append(name)
    return found
"""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What trying a tier showed.

    Attributes:
        tier: Its name.
        available: Whether it works here.
        reason: Why not, in a line; empty where it works.
        covers: What it bounds or closes, in a line.
        default: Whether it is what a sandbox uses unless told otherwise.
    """

    tier: str
    available: bool
    reason: str
    covers: str
    default: bool = False


_lock = threading.Lock()
_tried: dict[str, str] = {}
_warned: set[str] = set()


def probe() -> list[ProbeResult]:
    """Try every tier, strongest first, by starting a worker in it and attempting what it must deny.

    Each is tried once per process; the answers are kept.

    Returns:
        One result per tier; the first available one of the isolating tiers is the default.
    """
    results: list[ProbeResult] = []
    default = ""
    for tier in TIERS:
        reason = why_not(tier)
        if not reason and not default and tier in ISOLATING:
            default = tier
        results.append(ProbeResult(tier, not reason, reason, _COVERS[tier], tier == default))
    return results


def choice(results: Sequence[ProbeResult]) -> str:
    """Which tier is used, and for each stronger one why it is not, in a line.

    Example:
        >>> choice([ProbeResult("namespaces", False, "blocked", ""), ProbeResult("landlock", True, "", "", True)])
        'landlock (not namespaces: blocked)'
    """
    stronger: list[str] = []
    for found in results:
        if found.default:
            if not stronger:
                return f"{found.tier} (the strongest there is)"
            return f"{found.tier} (not {'; not '.join(stronger)})"
        stronger.append(f"{found.tier}: {found.reason}")
    reasons = dict.fromkeys(r.reason for r in results if r.tier in ISOLATING)
    return f"none, so model-written code is not run: {'; '.join(reasons)}"


def why_not(tier: str) -> str:
    """Why a tier does not work here, in a line; empty where it works."""
    with _lock:
        if tier not in _tried:
            try:
                _tried[tier] = _try(tier)
            except SandboxError:  # a busy machine, or one without descriptors: it may pass
                _tried[tier] = _once_more(tier)
        return _tried[tier]


def resolve_tier(tier: str | None) -> str:
    """The tier to use: the strongest isolating one that works, or the one named.

    A weaker tier than this platform's strongest warns once.

    Raises:
        SandboxError: If none works, or the named one does not.
        ValueError: If there is no tier of that name.
    """
    if tier is not None:
        if tier not in TIERS:
            raise ValueError(f"no tier {tier!r}; there are {', '.join(TIERS)}")
        _refuse_windows()
        reason = why_not(tier)
        if reason:
            raise SandboxError(f"the sandbox tier {tier!r} does not work here: {reason}")
        if tier not in ISOLATING:
            _warn(tier, f"the sandbox tier {tier!r} isolates too little for code that you do not trust")
        return tier
    _refuse_windows()
    reasons: list[str] = []
    for name in ISOLATING:
        reason = why_not(name)
        if not reason:
            if name == "landlock":
                _warn(name, f"the sandbox uses the tier 'landlock': {'; '.join(reasons)}")
            return name
        reasons.append(f"{name}: {reason}")
    raise SandboxError(
        "no isolation works here, so model-written code is not run; tier='limits' or tier='unsafe' runs it all the "
        f"same ({'; '.join(reasons)})"
    )


def _refuse_windows() -> None:
    if sys.platform == "win32":
        raise SandboxError(WINDOWS)


def _warn(tier: str, message: str) -> None:
    if tier not in _warned:
        _warned.add(tier)
        warnings.warn(message, GreenloopWarning, stacklevel=4)


def _once_more(tier: str) -> str:
    try:
        return _try(tier)
    except SandboxError as error:
        return str(error)


def _try(tier: str) -> str:
    """Why a tier does not work here.

    Raises:
        SandboxError: If what failed may not fail another time.
    """
    if sys.platform == "win32":
        return WINDOWS
    if tier == "sandbox-exec" and sys.platform != "darwin":
        return "macOS only"
    if tier in ("namespaces", "landlock") and not sys.platform.startswith("linux"):
        return "Linux only"
    try:
        worker = Worker(Environment(tier))
    except Refused as error:
        return str(error).rpartition("does not start: ")[2]
    try:
        job = {
            "code": _PROBE,
            "preamble": "",
            "entry_point": "attempts",
            "tests": ["assert attempts() == []" if tier in ISOLATING else "assert attempts"],
            "mode": "apart",
            "trace": 0,
            "stdin": "",
            "ahead": False,
        }
        report = worker.run(job, Limits()).report or {}
    finally:
        worker.close()
    results = report.get("results") or []
    if not results:
        return f"a program did not run: {report}"
    if not results[0]["passed"]:
        return f"it does not close: {results[0].get('got', results[0].get('message'))}"
    return ""

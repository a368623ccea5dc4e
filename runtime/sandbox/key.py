"""The content address of a run: the same code with the same tests, limits, tier and Python is run once.

`runtime.judge` keeps executions under it in the session's store.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence

from ..execution import Candidate, Limits

FORMAT = 6
"""Raised when the sandbox comes to judge the same program differently: old entries are not found any more."""


def execution_key(
    candidate: Candidate,
    tests: Sequence[str],
    limits: Limits,
    tier: str,
    python_version: str,
    setting: str = "",
) -> str:
    """The content address of a run.

    Args:
        candidate: The code.
        tests: Its tests.
        limits: Its bounds.
        tier: The isolation.
        python_version: The interpreter's version, such as "3.11.7".
        setting: Anything else that can change the result.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> c = Candidate("x = 1")
        >>> execution_key(c, [], Limits(), "landlock", "3.11.7") == execution_key(c, [], Limits(), "limits", "3.11.7")
        False
    """
    parts = [
        FORMAT,
        dataclasses.astuple(candidate),
        list(tests),
        dataclasses.astuple(limits),
        tier,
        python_version,
        setting,
    ]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=32).hexdigest()

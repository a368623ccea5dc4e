"""Running a candidate in a session: the sandbox, with executions stored by content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING

from ..errors import SandboxError
from .execution import Candidate, Execution, Limits
from .run import Session

if TYPE_CHECKING:
    from .sandbox import Sandbox


def run_candidate(session: Session, candidate: Candidate, tests: Sequence[str], limits: Limits) -> Execution:
    """Run a candidate on tests in the session's sandbox; the same content is run once.

    Timeouts are stored too: a repeat costs as long as the limit. A sandbox error is never stored.

    Raises:
        SandboxError: The sandbox itself failed; the candidate was not judged.
    """
    if not candidate.code.strip():
        return Execution("no_code", message="the answer held no code", tests_total=len(tests))
    key = execution_key(candidate, tests, limits, session.sandbox)
    stored = session.store.execution(key)
    if stored is not None:
        return Execution.from_json(stored)
    execution = session.sandbox.run(candidate, tests, limits)
    if execution.outcome == "sandbox_error":
        raise SandboxError(f"the sandbox failed, nothing was judged: {execution.message}")
    session.store.put_execution(key, execution.to_json())
    return execution


def execution_key(candidate: Candidate, tests: Sequence[str], limits: Limits, sandbox: Sandbox) -> str:
    """Content address of an execution: code, tests, limits, tier and Python version."""
    content = [astuple(candidate), list(tests), astuple(limits), sandbox.tier, sandbox.python_version]
    return hashlib.sha256(json.dumps(content).encode("utf-8", "surrogatepass")).hexdigest()

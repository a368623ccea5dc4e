"""Running a candidate in a session: the sandbox, with executions stored by content."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import SandboxError
from .execution import Candidate, Execution, Limits
from .run import Session


def run_candidate(
    session: Session, candidate: Candidate, tests: Sequence[str], limits: Limits, *, trace: bool = False
) -> Execution:
    """Run a candidate on tests in the session's sandbox; content whose execution is stored is not run again.

    Timeouts are stored too: what a loop did next hangs on them, and a rerun has to find the same. A sandbox error
    never is.

    Raises:
        SandboxError: The sandbox itself failed; the candidate was not judged.
    """
    if not candidate.code.strip():
        return Execution("no_code", message="the answer held no code", tests_total=len(tests))
    from .sandbox import execution_key

    sandbox = session.sandbox
    setting = "|".join(part for part in (sandbox.identity, "trace" if trace else "") if part)
    key = execution_key(candidate, tests, limits, sandbox.tier, sandbox.python_version, setting)
    stored = session.store.execution(key)
    if stored is not None:
        return Execution.from_json(stored)
    execution = sandbox.run(candidate, tests, limits, trace=trace)
    if execution.outcome == "sandbox_error":
        raise SandboxError(f"the sandbox failed, nothing was judged: {execution.message}")
    session.store.put_execution(key, execution.to_json())
    return execution

"""Runs code that a model wrote: out of process, isolated, judged in another process than its own.

Covered: wrong verdicts by the candidate's doing, files, network, other processes, secrets, time, memory, output; see
`tiers` for what each tier closes. Not covered: bugs in the kernel, side channels, and tests that need the candidate's
own process (`Execution.mode` "together"), which a candidate that means to can fool.
"""

from __future__ import annotations

from .forms import function_tests, program_test
from .interpreter import SandboxInterpreter
from .key import execution_key
from .sandbox import Sandbox, default_sandbox
from .tiers import ProbeResult, choice, probe

__all__ = [
    "ProbeResult",
    "Sandbox",
    "SandboxInterpreter",
    "choice",
    "default_sandbox",
    "execution_key",
    "function_tests",
    "probe",
    "program_test",
]

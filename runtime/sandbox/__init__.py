"""Runs code that a model wrote, out of process, isolated, judged in another process than its own."""

from __future__ import annotations

from .sandbox import Sandbox, default_sandbox
from .tiers import ProbeResult, probe

__all__ = ["ProbeResult", "Sandbox", "default_sandbox", "probe"]

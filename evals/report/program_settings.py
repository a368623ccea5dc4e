"""What a program is set to, for the report's settings."""

from __future__ import annotations

from typing import Any

import dspy

from ...modules.knobs import settings


def program_settings(program: dspy.Module) -> dict[str, Any]:
    """Every setting of a program by its path, with limits and stop rule under the names that the report looks for.

    Args:
        program: Any program of stages with settings.

    Returns:
        Plain values, fit for `build_report(settings={name: …})`.
    """
    values = {path: _plain(found.value) for path, found in settings(program).items()}
    limits = next((value for path, value in values.items() if path.rpartition(".")[2] == "limits"), None)
    rules = {path: v for path, v in values.items() if path.rpartition(".")[2] in _STOP_SETTINGS}
    made: dict[str, Any] = {"class": type(program).__name__, "program settings": values}
    if limits is not None:
        made["limits"] = limits
    if rules:
        made["stop rule"] = rules
    return made


_STOP_SETTINGS = ("stop", "stop_on_pass", "patience", "max_iterations", "samples", "keep")
"""Settings that say when a program ends and what it returns."""


def _plain(value: Any) -> Any:
    if isinstance(value, dspy.BaseLM):
        return str(value.model)
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)

"""Versions of what has a part in a figure."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("greenloop", "dspy", "litellm", "optuna", "ollama", "xllamacpp", "pydantic")


def versions() -> dict[str, str]:
    """Package to version of everything that has a part in a figure and is installed; Python and the system too."""
    found = {"python": platform.python_version(), "system": platform.platform(terse=True)}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

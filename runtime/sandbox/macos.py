"""The profile for macOS's `sandbox-exec`. Written from its documentation and from profiles in use; never tried."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from ...errors import SandboxError

PATHS = str(Path(__file__).resolve().parent / "inside_paths.py")
_SYSTEM = (
    "/usr/lib",
    "/usr/share",
    "/System/Library",
    "/Library/Apple",
    "/private/var/db/timezone",
    "/dev/urandom",
)


def profile(python: str, packages: bool, folder: str, boot: str) -> str:
    """A profile that denies all but reading Python and the system's libraries and writing one folder.

    Args:
        python: The interpreter.
        packages: Whether its installed packages may be read.
        folder: The folder to be written.
        boot: The worker's first file; its folder is read.

    Raises:
        SandboxError: If the interpreter cannot be asked for its paths.
    """
    try:
        done = subprocess.run(
            [python, "-I", *([] if packages else ["-S"]), PATHS, *(["packages"] if packages else [])],
            capture_output=True,
            timeout=30,
            check=True,
        )
        paths: list[str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxError(f"{python} does not tell its paths: {error}") from None
    real = os.path.realpath(python)
    readable = [*paths, *_SYSTEM, os.path.dirname(boot), os.path.dirname(os.path.dirname(real)), python, real]
    rules = [
        "(version 1)",
        "(deny default)",
        '(import "system.sb")',
        "(deny network*)",
        "(deny mach-lookup)",
        "(allow process-fork)",
        f"(allow process-exec {_literal(python)} {_literal(real)})",
        "(allow signal (target same-sandbox))",
        "(allow sysctl-read)",
        "(allow file-read-metadata)",
        f"(allow file-read* {' '.join(_subpath(p) for p in readable)})",
        f"(allow file-read* file-write* {_subpath(os.path.realpath(folder))})",
        '(allow file-read* file-write-data (literal "/dev/null") (literal "/dev/zero"))',
    ]
    return "\n".join(rules)


def _literal(path: str) -> str:
    return f"(literal {json.dumps(path)})"


def _subpath(path: str) -> str:
    return f"(subpath {json.dumps(path)})"

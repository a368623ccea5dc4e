"""What candidates run in: the interpreter, its packages, the tier. The same for every worker of a sandbox."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import SandboxError
from .macos import profile

BOOT = str(Path(__file__).resolve().parent / "inside_boot.py")


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of a sandbox.

    Attributes:
        tier: The isolation, one of `tiers.TIERS`.
        python: Path of the interpreter; empty for the one that runs Greenloop.
        preload: Modules that are warm in every worker.
        packages: Whether candidates may import what is installed for the interpreter, beyond the standard library.
    """

    tier: str
    python: str = ""
    preload: tuple[str, ...] = ()
    packages: bool = False

    @property
    def executable(self) -> str:
        """The interpreter's path."""
        return self.python or sys.executable

    @property
    def identity(self) -> str:
        """What of the environment, beyond tier and version, can change how a program runs; empty for the plain one."""
        if not self.packages:
            return ""
        return f"{self.executable}|{','.join(self.preload)}|{_packages(self.executable)}"

    def command(self, folder: str) -> list[str]:
        """How a worker's interpreter is started; three arguments follow."""
        python = [self.executable, "-I", *([] if self.packages else ["-S"]), BOOT]
        if self.tier != "sandbox-exec":
            return python
        return ["/usr/bin/sandbox-exec", "-p", profile(self.executable, self.packages, folder, BOOT), *python]

    def config(self, folder: str) -> dict[str, Any]:
        """What the launcher is told."""
        return {
            "tier": self.tier,
            "preload": list(self.preload),
            "packages": self.packages,
            "folder": folder,
            "judge_path": self._pytest_folder(),
        }

    def _pytest_folder(self) -> str:
        """Where the judge, not the candidate, finds pytest; empty where there is none for this interpreter."""
        if self.packages and self.python:
            return ""
        spec = importlib.util.find_spec("pytest")
        same = self.version.split(".")[:2] == [str(n) for n in sys.version_info[:2]]
        return (
            str(Path(spec.origin).resolve().parent.parent)
            if same and spec is not None and spec.origin
            else ""
        )

    @property
    def version(self) -> str:
        """The interpreter's version: "3.11.7"."""
        return _version(self.executable)


@lru_cache(maxsize=64)
def _version(executable: str) -> str:
    if executable == sys.executable:
        return ".".join(str(n) for n in sys.version_info[:3])
    found = _asked(executable, "import json, sys; print(json.dumps(sys.version_info[:3]))", "-S")
    if tuple(found) < (3, 10):
        raise SandboxError(f"{executable} is Python {found[0]}.{found[1]}; the sandbox needs 3.10 or newer")
    return ".".join(str(n) for n in found)


@lru_cache(maxsize=64)
def _packages(executable: str) -> str:
    """A digest of what is installed for an interpreter: names and versions, by the folders of packages' data."""
    code = (
        "import json, os, sys; print(json.dumps(sorted({name for path in sys.path if os.path.isdir(path) "
        "for name in os.listdir(path) if name.endswith(('.dist-info', '.egg-info'))})))"
    )
    names = [name for name in _asked(executable, code) if not name.startswith("greenloop-")]
    return hashlib.blake2b("\n".join(names).encode(), digest_size=8).hexdigest()


def _asked(executable: str, code: str, *options: str) -> Any:
    """What an interpreter writes as JSON.

    Raises:
        SandboxError: If it is none, or does not run.
    """
    try:
        done = subprocess.run(
            [executable, "-I", *options, "-c", code],
            capture_output=True,
            timeout=30,
            check=True,
            env={},
            cwd=os.sep,
        )
        return json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxError(f"{executable} is no Python interpreter that runs: {error}") from None

"""Entry point of a worker's interpreter: `python -I [-S] inside_boot.py CANDIDATE_FD JUDGE_FD CONFIG`.

The files `inside_*.py` run in fresh interpreters that know nothing of Greenloop: they import the standard library
and one another only. This file gives them a package of their own, so that their relative imports resolve.
"""

from __future__ import annotations

import importlib
import os
import sys
import types

PACKAGE = "sandbox_inside"


def main() -> None:
    """Load the launcher under the private package and hand over to it."""
    package = types.ModuleType(PACKAGE)
    package.__path__ = [os.path.dirname(os.path.abspath(__file__))]
    sys.modules[PACKAGE] = package
    _ease_forks()
    importlib.import_module(PACKAGE + ".inside_launcher").main(
        int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    )


def _ease_forks() -> None:
    """Import what does something in every forked child, and have children spared most of it.

    `threading` mends the locks of other threads, of which a server has none; `random` takes a new seed by a detour
    through Python. Both copy more pages of a child than all else that makes one.
    """
    register = os.register_at_fork
    os.register_at_fork = _leave_out
    try:
        importlib.import_module("threading")
        random = importlib.import_module("random")
    finally:
        os.register_at_fork = register
    register(after_in_child=super(random.Random, random.seed.__self__).seed)


def _leave_out(**_: object) -> None:
    """In place of `os.register_at_fork`."""


if __name__ == "__main__":
    main()

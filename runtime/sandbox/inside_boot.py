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
    importlib.import_module(PACKAGE + ".inside_launcher").main(
        int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    )


if __name__ == "__main__":
    main()

"""Warnings on the command line: Greenloop's own are one line, those of libraries stay Python's."""

from __future__ import annotations

import subprocess
import sys

WARNS = """
import warnings
from greenloop.cli import doctor_command
from greenloop.cli.main import main
from greenloop.errors import GreenloopWarning

def doctor():
    warnings.warn("this machine isolates [too] little", GreenloopWarning)
    warnings.warn("old thing", FutureWarning)

doctor_command.doctor = doctor
main(["doctor"])
"""


def test_a_warning_is_one_line_without_the_place_in_the_source() -> None:
    done = subprocess.run([sys.executable, "-c", WARNS], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert lines[0] == "warning: this machine isolates [too] little"
    assert lines[1].endswith("FutureWarning: old thing")

"""The report: everything that is known about some programs, as one HTML file, Markdown and JSON.

`build_report` counts; `write` writes. The HTML works from disk and without network, holds the attempts up to a bound,
and links pages beside it for the rest. Whatever a model wrote is escaped, and the file forbids itself every connection
and every script but its own.
"""

from __future__ import annotations

from .build import build_report
from .ledger import rows_from_store
from .model import Report
from .of_experiments import report_of_experiments
from .rows import ProgramRows, rows_from_scores
from .writing import Written, write

__all__ = [
    "ProgramRows",
    "Report",
    "Written",
    "build_report",
    "report_of_experiments",
    "rows_from_scores",
    "rows_from_store",
    "write",
]

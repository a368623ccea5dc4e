"""Tasks by name or from a file."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from ..errors import UsageError
from ..runtime.task import Task
from . import humaneval, mbpp
from .download import Progress, Record, Source, fetch
from .task_file import read_tasks

STARTER = Path(__file__).parent / "starter" / "tasks.jsonl"
"""The starter set: 60 tasks of Greenloop's own, from trivial to medium."""

_PUBLISHED: dict[str, tuple[Source, Callable[[list[Record]], list[Task]]]] = {
    "humaneval": (humaneval.SOURCE, humaneval.to_tasks),
    "mbpp": (mbpp.SOURCE, mbpp.to_tasks),
}

NAMES = (*_PUBLISHED, "starter")
"""The sets that `load_tasks` knows by name."""


def load_tasks(
    name_or_path: str | Path,
    data_dir: str | Path | None = None,
    *,
    progress: Progress | None = None,
) -> list[Task]:
    """Tasks of a known set, or of a file of one's own.

    Args:
        name_or_path: "humaneval" (164 tasks), "mbpp" (sanitized, 427), "starter" (60, shipped with
            Greenloop), or the path of a JSONL file (see `task_file`).
        data_dir: Folder with ``HumanEval.jsonl`` (or ``.gz``) or ``sanitized-mbpp.json``. Without it the set
            comes from the user's cache folder, where a download from its authors puts it the first time.
        progress: Called with (bytes so far, bytes in all or None) during a download.

    Raises:
        UsageError: No such set or file, or the data can be had from nowhere.
        TaskError: The data are malformed; the message names file, line and field.

    Example:
        >>> tasks = load_tasks("starter")
        >>> len(tasks)
        60
    """
    name = str(name_or_path)
    if name in _PUBLISHED:
        source, to_tasks = _PUBLISHED[name]
        return to_tasks(fetch(source, data_dir, progress=progress))
    if name == "starter":
        return read_tasks(STARTER)
    path = Path(name_or_path)
    if path.is_file():
        return read_tasks(path)
    if path.is_dir():
        raise UsageError(f"{name!r} is a folder; name a JSONL file of tasks, or one of {', '.join(NAMES)}")
    if path.suffix or len(path.parts) > 1:
        raise UsageError(f"no such file: {name!r} (sets known by name: {', '.join(NAMES)})")
    near = difflib.get_close_matches(name.lower(), NAMES, n=2, cutoff=0.5) or NAMES
    raise UsageError(f"no task set or file {name!r}; did you mean {' or '.join(near)}?")

"""Tasks by name, from a file or from a folder."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import TaskError, UsageError
from ..runtime.task import Task
from . import humaneval, mbpp
from .download import Progress, Record, Source, fetch
from .livecodebench import Released
from .published import BY_NAME, published_tasks, tasks_of_file
from .records import PublishedRecord, as_python, checked, read_records, unique
from .stub_folder import SHAPE, folder_tasks
from .task_file import read_tasks

STARTER = Path(__file__).parent / "starter" / "tasks.jsonl"
"""The starter set: 60 tasks of Greenloop's own, from trivial to medium."""

_PUBLISHED: dict[str, tuple[Source, Callable[[list[Record]], list[Task]]]] = {
    "humaneval": (humaneval.SOURCE, humaneval.to_tasks),
    "mbpp": (mbpp.SOURCE, mbpp.to_tasks),
}

NAMES = (*_PUBLISHED, *BY_NAME, "starter")
"""The sets that `load_tasks` knows by name."""


def load_tasks(
    name_or_path: str | Path,
    data_dir: str | Path | None = None,
    *,
    progress: Progress | None = None,
) -> list[Task]:
    """Tasks of a known set, of a file, or of a folder of stubs.

    Args:
        name_or_path: One of

            * "humaneval" (164 tasks), "mbpp" (sanitized, 427), "mbpp-full" (its 500 test tasks), "humaneval+" (164),
              "mbpp+" (378), "humaneval-et" (164), "mbpp-et" (500), "codecontests" (165), "livecodebench", "starter"
              (60, shipped with Greenloop);
            * "livecodebench@SINCE..UNTIL": the problems released between two dates, such as
              "livecodebench@2025-01-01..2025-04-30" (an end may be left out);
            * the path of a JSONL file of tasks of your own (see `task_file`), or of a file in the published form of any
              of these sets;
            * the path of a folder of Python stubs with pytest files (see `stub_folder`).
        data_dir: Folder with the published files of a set (``HumanEval.jsonl``, ``HumanEvalPlus.jsonl.gz``, …). Without
            it the set comes from the user's cache folder, where a download from its authors puts it the first time.
        progress: Called with (bytes so far, bytes in all or None) during a download.

    Raises:
        UsageError: No such set, file or stub, or the data can be had from nowhere.
        TaskError: The data are malformed; the message names file, line and field.

    Example:
        >>> tasks = load_tasks("starter")
        >>> len(tasks)
        60
    """
    name, at, dates = str(name_or_path).partition("@")
    released = Released.parse(dates) if at and name in NAMES else None
    if released is not None and name != "livecodebench":
        raise UsageError(f"{name} has no release dates to choose by; livecodebench has")
    if name in _PUBLISHED:
        source, to_tasks = _PUBLISHED[name]
        return to_tasks(fetch(source, data_dir, progress=progress))
    if name in BY_NAME:
        return published_tasks(BY_NAME[name], data_dir, released=released, progress=progress)
    if name == "starter":
        return read_tasks(STARTER)
    return _from_path(Path(name_or_path))


def _from_path(path: Path) -> list[Task]:
    if path.is_dir():
        return folder_tasks(path)
    if path.is_file():
        published = tasks_of_file(path) or _of_a_checked_set(path)
        return read_tasks(path) if published is None else published
    name = str(path)
    if path.suffix or len(path.parts) > 1:
        raise UsageError(
            f"no such file: {name!r}; name a JSONL file of tasks, a folder with {SHAPE}, or one of"
            f" {', '.join(NAMES)}"
        )
    near = [one for one in NAMES if difflib.SequenceMatcher(None, name.lower(), one).ratio() > 0.9]
    near = near[:1] or difflib.get_close_matches(name.lower(), NAMES, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"sets are {', '.join(NAMES)}"
    raise UsageError(f"no task set or file {name!r}; {hint}")


def _of_a_checked_set(path: Path) -> list[Task] | None:
    """The tasks of a file in the form of HumanEval or sanitized MBPP, possibly a part of them or a set like them."""
    try:
        first = next(read_records(path), ("", {}))[1]
    except TaskError:
        return None
    for model, to_task in (
        (humaneval.HumanEvalRecord, humaneval.to_task),
        (mbpp.SanitizedRecord, mbpp.to_task),
    ):
        if model.model_fields.keys() <= first.keys():
            return unique(_checked_tasks(path, model, to_task))
    return None


def _checked_tasks(
    path: Path, model: type[PublishedRecord], to_task: Callable[[Record], Task]
) -> Iterator[tuple[str, Task]]:
    for where, raw in read_records(path):
        record = checked(model, raw, where).model_dump()
        for field in ("code", "canonical_solution"):
            if field in record:
                as_python(record.get("prompt", "") * (field != "code") + record[field], where, field)
        try:
            yield where, to_task(record)
        except (TaskError, SyntaxError) as error:
            raise TaskError(f"{where}: {error}") from error

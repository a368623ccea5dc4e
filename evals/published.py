"""The published sets that have no fingerprint of ours: where they are, what they are called, how they are read.

Their files can't be checked against a known hash here, so what is checked is every record's form and, where it is
known, how many there must be. HumanEval and sanitized MBPP have a fingerprint: see `download`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import TaskError, UsageError
from ..runtime.task import Task
from .codecontests import contest_tasks
from .download import Progress, cache_folder, download_file
from .evalplus import plus_tasks
from .extended import humaneval_et_tasks, mbpp_tasks, whole_mbpp
from .livecodebench import Released, live_tasks
from .records import Numbered, read_records

_LIVE = "https://huggingface.co/datasets/livecodebench/code_generation_lite/resolve/main/"
_ET = "https://raw.githubusercontent.com/YihongDong/CodeGenEvaluation/main/data/"


@dataclass(frozen=True, slots=True)
class Published:
    """A published set.

    Attributes:
        name: Its name for `load_tasks`.
        what: What it is, in a few words.
        urls: Where its authors publish it; several files make one set.
        patterns: Names under which its files are looked for in a folder, the first pattern that fits wins.
        fields: Fields by which a record of it is told from others.
        read: Makes tasks of a whole copy.
        read_part: Makes tasks of a file that a user names.
        at_least: Tasks that a whole copy has at least; 0 where that is not known.
        dated: It takes a range of release dates.
    """

    name: str
    what: str
    urls: tuple[str, ...]
    patterns: tuple[str, ...]
    fields: frozenset[str]
    read: Callable[[Iterable[Numbered]], list[Task]]
    read_part: Callable[[Iterable[Numbered]], list[Task]]
    at_least: int = 0
    dated: bool = False


def _names(stem: str, suffix: str = "jsonl") -> tuple[str, ...]:
    return (f"{stem}.{suffix}", f"{stem}.{suffix}.gz", f"{stem}-v*.{suffix}", f"{stem}-v*.{suffix}.gz")


SETS = (
    Published(
        "humaneval+",
        "HumanEval+: HumanEval with many more inputs, 164 tasks",
        (
            "https://github.com/evalplus/humanevalplus_release/releases/download/v0.1.10/HumanEvalPlus.jsonl.gz",
        ),
        _names("HumanEvalPlus"),
        frozenset({"base_input", "plus_input", "canonical_solution"}),
        plus_tasks,
        plus_tasks,
        164,
    ),
    Published(
        "mbpp+",
        "MBPP+: MBPP with many more inputs, 378 tasks",
        ("https://github.com/evalplus/mbppplus_release/releases/download/v0.2.0/MbppPlus.jsonl.gz",),
        _names("MbppPlus"),
        frozenset({"base_input", "plus_input", "canonical_solution"}),
        plus_tasks,
        plus_tasks,
        378,
    ),
    Published(
        "humaneval-et",
        "HumanEval-ET: HumanEval with more test cases, 164 tasks",
        (f"{_ET}HumanEval_ET.jsonl",),
        ("HumanEval_ET.jsonl", "HumanEvalET.jsonl", "HumanEval-ET.jsonl", "humaneval_et.jsonl"),
        frozenset({"test_case_list", "canonical_solution"}),
        humaneval_et_tasks,
        humaneval_et_tasks,
        164,
    ),
    Published(
        "mbpp-et",
        "MBPP-ET: MBPP with more test cases, its test tasks (ids 11 to 510)",
        (f"{_ET}MBPP_ET.jsonl",),
        ("MBPP_ET.jsonl", "MBPP-ET.jsonl", "mbpp_et.jsonl"),
        frozenset({"text", "code", "test_list"}),
        mbpp_tasks,
        mbpp_tasks,
    ),
    Published(
        "mbpp-full",
        "full MBPP: its 500 test tasks (ids 11 to 510)",
        ("https://raw.githubusercontent.com/google-research/google-research/master/mbpp/mbpp.jsonl",),
        ("mbpp.jsonl", "mbpp.jsonl.gz"),
        frozenset({"text", "code", "test_list"}),
        whole_mbpp,
        mbpp_tasks,
        500,
    ),
    Published(
        "codecontests",
        "CodeContests: programs on standard input and output, the 165 of its test split",
        (
            "https://huggingface.co/datasets/deepmind/code_contests/resolve/main/data/"
            "test-00000-of-00001-9c49eeff30aacaa8.parquet",
        ),
        (
            "code_contests.jsonl",
            "codecontests.jsonl",
            "code_contests*.jsonl",
            "test-00000-of-00001*.parquet",
            "code_contests*.parquet",
        ),
        frozenset({"public_tests", "description"}),
        contest_tasks,
        contest_tasks,
    ),
    Published(
        "livecodebench",
        "LiveCodeBench: newer contest problems; livecodebench@2025-01-01..2025-04-30 takes those released then",
        tuple(f"{_LIVE}test{number}.jsonl" for number in ("", 2, 3, 4, 5, 6)),
        ("test[2-9].jsonl", "test.jsonl"),
        frozenset({"question_content", "public_test_cases"}),
        live_tasks,
        live_tasks,
        dated=True,
    ),
)
"""The sets, by the names that `load_tasks` knows."""

BY_NAME = {found.name: found for found in SETS}


def published_tasks(
    found: Published,
    data_dir: str | Path | None,
    *,
    released: Released | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> list[Task]:
    """The tasks of a published set, from a folder, the cache, or downloaded.

    Args:
        found: The set.
        data_dir: Folder with its files; nothing is downloaded then.
        released: Range of release dates, of a set that has them.
        cache_dir: Folder for downloads; the user's cache folder by default.
        progress: Called as a download comes in.

    Raises:
        UsageError: The folder lacks the file, or it cannot be downloaded; the message says what to download.
        TaskError: A file is malformed, or not the whole set.
    """
    if data_dir is not None:
        paths = _in_folder(found, Path(data_dir))
        if not paths:
            raise UsageError(
                f"no {_basename(found.urls[0])} in {str(data_dir)!r}: download {found.urls[0]} into it"
                + (f" (and {len(found.urls) - 1} more, to {found.urls[-1]})" if len(found.urls) > 1 else "")
            )
    else:
        folder = (cache_dir or cache_folder()) / found.name
        paths = [download_file(found.name, url, folder, _basename(url), progress) for url in found.urls]
    tasks = _read(found, paths, released, whole=True)
    if len(tasks) < found.at_least:
        where = paths[0] if len(paths) == 1 else paths[0].parent
        raise TaskError(
            f"{where}: {len(tasks)} tasks; {found.name} has {found.at_least}: download {found.urls[0]} again, or give a"
            " part of a set by its path"
        )
    return tasks


def tasks_of_file(path: Path, released: Released | None = None) -> list[Task] | None:
    """The tasks of a file in one of the published forms; None where its first record has no such form."""
    try:
        record = next(read_records(path), ("", {}))[1]
    except TaskError:
        return None
    found = next((one for one in SETS if one.fields <= record.keys()), None)
    return None if found is None else _read(found, [path], released, whole=False)


def _read(found: Published, paths: list[Path], released: Released | None, *, whole: bool) -> list[Task]:
    if released is not None and not found.dated:
        raise UsageError(f"{found.name} has no release dates to choose by")
    numbered: Iterator[Numbered] = itertools.chain.from_iterable(map(read_records, paths))
    if found.dated:
        return live_tasks(numbered, released)
    return (found.read if whole else found.read_part)(numbered)


def _basename(url: str) -> str:
    return url.rsplit("/", 1)[-1]


def _in_folder(found: Published, folder: Path) -> list[Path]:
    if found.dated:  # all its files together are the set
        return sorted({path for pattern in found.patterns for path in folder.glob(pattern)})
    return next(([hits[0]] for p in found.patterns if (hits := sorted(folder.glob(p)))), [])

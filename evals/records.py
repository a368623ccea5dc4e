"""Records of data sets as their authors publish them: JSONL, a JSON array, either packed by gzip, or Parquet.

Every record comes with where it stands ("file:line"), so that a mistake in it can be named in one line.
"""

from __future__ import annotations

import ast
import contextlib
import gzip
import io
import json
import warnings
import zlib
from collections.abc import Generator, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import TaskError, UsageError

Record = dict[str, Any]
Numbered = tuple[str, Record]
"""Where a record stands, and the record."""

MAX_FILE_BYTES = 2**31
"""Bytes that an unpacked file may have."""

MAX_RECORD_BYTES = 256 * 2**20
"""Bytes that a record may have: LiveCodeBench's private tests are large."""


class PublishedRecord(BaseModel):
    """A record of a published data set; fields that are not needed are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


Checked = TypeVar("Checked", bound=PublishedRecord)


def read_records(path: Path) -> Iterator[Numbered]:
    """The records of a file, one after the other.

    Raises:
        TaskError: It cannot be read, is cut, too large, or no JSON; the message names file and line.
        UsageError: A Parquet file, and pyarrow is not installed.
    """
    try:
        if not path.is_file():
            raise TaskError(
                f"{path}: is no regular file" if path.exists() else f"{path}: there is no such file"
            )
        if path.suffix == ".parquet":
            yield from _parquet(path)
            return
        with _opened(path) as file:
            if _is_array(file):
                yield from _array(path, file)
            else:
                yield from _lines(path, file)
    except (OSError, EOFError, zlib.error) as error:
        what = "no complete gzip file" if path.suffix == ".gz" else "cannot be read"
        raise TaskError(f"{path}: {what}: {error}") from error


def checked(model: type[Checked], record: Record, where: str) -> Checked:
    """A record as its model.

    Raises:
        TaskError: A field is missing or of the wrong type; the message names file, line and field.
    """
    try:
        return model.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "record"
        said = "is missing" if first["type"] == "missing" else first["msg"]
        raise TaskError(f"{where}: field {field!r}: {said}") from error


def as_python(source: str, where: str, field: str) -> ast.Module:
    """A field's Python, parsed.

    Raises:
        TaskError: It does not compile; the message names file, line and field.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # references hold escapes such as "\w"
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        raise TaskError(f"{where}: field {field!r}: no Python: {said}") from error


def unique(tasks: Iterable[tuple[str, Any]]) -> list[Any]:
    """Tasks with where they stand, without the places.

    Raises:
        TaskError: Two bear one id.
    """
    seen: dict[str, str] = {}
    made: list[Any] = []
    for where, task in tasks:
        if task.task_id in seen:
            raise TaskError(f"{where}: the task {task.task_id!r} was given before, in {seen[task.task_id]}")
        seen[task.task_id] = where
        made.append(task)
    return made


@contextlib.contextmanager
def _opened(path: Path) -> Generator[IO[bytes], None, None]:
    if path.suffix == ".gz":
        with gzip.open(path) as packed:
            yield cast("IO[bytes]", packed)
    else:
        with path.open("rb") as file:
            yield file


def _is_array(file: IO[bytes]) -> bool:
    head = file.read(4096)
    file.seek(0)
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")


def _array(path: Path, file: IO[bytes]) -> Iterator[Numbered]:
    content = file.read(MAX_RECORD_BYTES + 1)
    if len(content) > MAX_RECORD_BYTES:
        raise TaskError(
            f"{path}: a JSON array may have {MAX_RECORD_BYTES // 2**20} MiB; write one object a line"
        )
    for number, record in enumerate(cast("list[Any]", _json(content, str(path))), start=1):
        yield _object(record, f"{path}: record {number}")


def _lines(path: Path, file: IO[bytes]) -> Iterator[Numbered]:
    read = 0
    for number in range(1, 2**31):
        line = file.readline(MAX_RECORD_BYTES + 1)
        if not line:
            return
        read += len(line)
        where = f"{path}:{number}"
        if len(line) > MAX_RECORD_BYTES or read > MAX_FILE_BYTES:
            raise TaskError(f"{where}: larger than a data set may be ({MAX_FILE_BYTES // 2**30} GiB a file)")
        if line.strip():
            yield _object(_json(line, where), where)


def _json(content: bytes, where: str) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise TaskError(f"{where}: no UTF-8 text: {error.reason}") from error
    except json.JSONDecodeError as error:
        raise TaskError(f"{where}: no JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise TaskError(f"{where}: no JSON: nested too deeply") from error


def _object(record: Any, where: str) -> Numbered:
    if not isinstance(record, dict):
        raise TaskError(f"{where}: no JSON object")
    return where, cast("Record", record)


def _parquet(path: Path) -> Iterator[Numbered]:
    try:
        parquet: Any = import_module("pyarrow.parquet")
        arrow: Any = import_module("pyarrow")
    except ImportError as error:
        raise UsageError(f"{path}: a Parquet file needs pyarrow: pip install 'greenloop[parquet]'") from error
    try:
        file: Any = parquet.ParquetFile(
            io.BytesIO(path.read_bytes()) if path.stat().st_size < 2**20 else path
        )
        number = 0
        for batch in file.iter_batches(batch_size=16):
            for record in batch.to_pylist():
                number += 1
                yield _object(record, f"{path}: record {number}")
    except arrow.ArrowException as error:
        raise TaskError(f"{path}: no Parquet file: {str(error).splitlines()[0]}") from error

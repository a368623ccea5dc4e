"""The ledger's attempts as files for other tools: JSONL, Parquet, and chats for fine-tuning."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ...errors import UsageError
from .store import Store

Format = Literal["jsonl", "parquet", "chat"]
_BATCH = 1000


def attempts(store: Store, **filter: Any) -> Iterator[dict[str, Any]]:
    """The ledger's attempts as flat rows: the run's own fields, and the attempt's under "attempt_…" names.

    Args:
        store: The store.
        **filter: As for `Store.runs`.
    """
    for run in store.runs(**filter):
        own = {k: v for k, v in run.items() if k != "attempts"}
        for number, attempt in enumerate(run["attempts"]):
            yield own | {"attempt": number} | {f"attempt_{k}": v for k, v in attempt.items()}


def chats(store: Store, *, solved_only: bool = True, **filter: Any) -> Iterator[dict[str, Any]]:
    """Attempts as conversations, as fine-tuning tools read them: ``{"messages": […], …}``.

    The prompt is what the model was really sent, the last message what it really answered; both come from the
    stored answers.

    Args:
        store: The store.
        solved_only: Only attempts whose run was solved and that the run chose.
        **filter: As for `Store.runs`.
    """
    for run in store.runs(**filter):
        for number, attempt in enumerate(run["attempts"]):
            if solved_only and not (run.get("score") == 1 and run.get("chosen") == number):
                continue
            for key in list(attempt.get("call_keys") or [])[-1:]:
                answer = store.answer(key)
                if answer is None or "messages" not in answer.content:
                    continue
                said = {"role": "assistant", "content": answer.content["text"]}
                yield {
                    "messages": [*answer.content["messages"], said],
                    "task_id": run.get("task_id"),
                    "model": answer.content.get("model"),
                    "score": run.get("score"),
                    "stage": attempt.get("stage"),
                }


def write(store: Store, path: str | os.PathLike[str], format: Format = "jsonl", **filter: Any) -> int:
    """Write the ledger's attempts into a file.

    Args:
        store: The store.
        path: The file; replaced only when everything is written.
        format: "jsonl" (a row a line), "parquet" (needs pyarrow; nested values as JSON text), "chat".
        **filter: As for `Store.runs`; for "chat" also `solved_only`.

    Returns:
        Rows written.

    Raises:
        UsageError: The format is unknown, pyarrow is missing, the folder is, or `path` is a folder.
        StoreError: The store cannot be read.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}")
    if target.is_dir():
        raise UsageError(f"{target} is a folder: name a file in it")
    if format not in ("jsonl", "parquet", "chat"):
        raise UsageError(f"unknown format {format!r}: jsonl, parquet or chat")
    rows = chats(store, **filter) if format == "chat" else attempts(store, **filter)
    part = target.with_name(target.name + ".part")
    try:
        count = _parquet(rows, part) if format == "parquet" else _lines(rows, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return count


def _lines(rows: Iterator[dict[str, Any]], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _parquet(rows: Iterator[dict[str, Any]], path: Path) -> int:
    try:
        import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs, reportMissingImports]
        import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs, reportMissingImports]
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install pyarrow, or write jsonl") from error
    count = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8", dir=path.parent) as kept:
        kinds: dict[str, set[type]] = {}
        for row in map(_flat, rows):  # a row far down may have a field, or a type, that no other has
            for name, value in row.items():
                kinds.setdefault(name, set()).update({type(value)} if value is not None else ())
            kept.write(json.dumps(row) + "\n")
            count += 1
        kept.seek(0)
        columns = kinds or {"task_id": set[type]()}
        schema: Any = pa.schema([(name, _column_type(pa, found)) for name, found in columns.items()])
        with pq.ParquetWriter(path, schema) as writer:
            while batch := [json.loads(line) for line in itertools.islice(kept, _BATCH)]:
                known = [{f.name: _cell(pa, f, row.get(f.name)) for f in schema} for row in batch]
                writer.write_table(pa.Table.from_pylist(known, schema=schema))
    return count


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    return {k: json.dumps(v) if isinstance(v, (dict, list)) else v for k, v in row.items()}


def _cell(pa: Any, field: Any, value: Any) -> Any:
    """The value as its column takes it: a column of mixed types holds text."""
    mixed = field.type == pa.string() and value is not None and not isinstance(value, str)
    return json.dumps(value) if mixed else value


def _column_type(pa: Any, kinds: set[type]) -> Any:
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds and kinds <= {int, float} else pa.string()

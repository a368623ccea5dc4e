"""The ledger: runs with their attempts, written once, read in pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from greenloop.errors import StoreError, UsageError
from greenloop.runtime.store import Store, export, maintenance, open_store
from greenloop.runtime.store.accounts import put_account
from greenloop.runtime.store.export import write
from greenloop.runtime.store.maintenance import check, prune, stats


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with open_store(f"sqlite:///{tmp_path}/s.db") as opened:
        yield opened


def run_row(**changes: Any) -> dict[str, Any]:
    row = {
        "program": "p",
        "task_id": "t",
        "task_digest": "d",
        "replicate": 0,
        "steering": "visible",
        "seed": 0,
        "score": 1.0,
        "chosen": 1,
    }
    return row | changes


ATTEMPTS = [{"code": "pass", "call_keys": ["a"]}, {"code": "return", "call_keys": ["b"]}]


def test_a_run_is_recorded_once(store: Store) -> None:
    assert store.record_run(run_row(), ATTEMPTS)
    assert not store.record_run(run_row(score=0.0), [])
    (found,) = store.runs()
    assert found == run_row() | {"attempts": ATTEMPTS}


@pytest.mark.parametrize(
    "change",
    [
        {"program": "q"},
        {"task_id": "u"},
        {"task_digest": "e"},
        {"replicate": 1},
        {"steering": "oracle"},
        {"seed": 2**40},
        {"models": {"ollama:m": "another digest"}},
    ],
)
def test_what_makes_a_run_another_one(store: Store, change: dict[str, Any]) -> None:
    store.record_run(run_row(), [])
    assert store.record_run(run_row(**change), [])
    assert len(list(store.runs())) == 2


def test_runs_are_selected_by_column_by_several_values_and_by_any_other_field(store: Store) -> None:
    for replicate in range(4):
        store.record_run(run_row(replicate=replicate, score=replicate % 2), [])
    assert [r["replicate"] for r in store.runs(replicate=[1, 2])] == [1, 2]
    assert [r["replicate"] for r in store.runs(score=1)] == [1, 3]
    assert list(store.runs(program="other")) == []


def test_reading_goes_on_over_many_pages_and_in_order(store: Store) -> None:
    for replicate in range(1203):
        store.record_run(run_row(replicate=replicate), [{"n": replicate}])
    found = list(store.runs())
    assert [r["replicate"] for r in found] == list(range(1203))
    assert [r["attempts"] for r in found] == [[{"n": n}] for n in range(1203)]


def fill(store: Store) -> None:
    for key in ("a", "b"):
        content = {"text": f"answer {key}", "messages": [{"role": "user", "content": "q"}], "model": "m"}
        store.first_answer(key, lambda content=content: content, label="m")
    store.record_run(run_row(), ATTEMPTS)
    store.record_run(run_row(task_id="u", score=0.0), ATTEMPTS)


def test_export_as_lines_as_parquet_and_as_chats(store: Store, tmp_path: Path) -> None:
    fill(store)
    assert write(store, tmp_path / "a.jsonl") == 4
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert rows[1]["attempt_code"] == "return"
    assert rows[1]["attempt"] == 1
    assert write(store, tmp_path / "c.jsonl", "chat") == 1
    (chat,) = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert chat["messages"] == [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "answer b"},
    ]
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert write(store, tmp_path / "a.parquet", "parquet") == 4
    assert parquet.read_table(tmp_path / "a.parquet").column("attempt_code").to_pylist()[0] == "pass"


def test_parquet_has_the_fields_and_types_of_every_row(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr(export, "_BATCH", 1)
    store.record_run(run_row(score=1, late=None), ATTEMPTS[:1])
    store.record_run(run_row(task_id="u", score=0.5, late="here", mixed=1), ATTEMPTS[:1])
    store.record_run(run_row(task_id="v", score=0, mixed="two"), ATTEMPTS[:1])
    assert write(store, tmp_path / "a.parquet", "parquet") == 3
    table = parquet.read_table(tmp_path / "a.parquet")
    columns = {name: table.column(name).to_pylist() for name in ("score", "late", "mixed")}
    assert columns == {
        "score": [1.0, 0.5, 0.0],
        "late": [None, "here", None],
        "mixed": [None, "1", "two"],
    }


def test_export_into_a_missing_folder_or_format_is_one_clear_line(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder: name a file"):
        write(store, tmp_path)
    with pytest.raises(UsageError, match="there is no folder"):
        write(store, tmp_path / "none" / "a.jsonl")
    with pytest.raises(UsageError, match="unknown format 'csv'"):
        write(store, tmp_path / "a", "csv")  # pyright: ignore[reportArgumentType]


def test_stats_count_what_is_there(store: Store) -> None:
    fill(store)
    found = stats(store)
    assert (found.answers, found.answers_by_label, found.runs, found.attempts) == (2, {"m": 2}, 2, 4)
    assert found.size_bytes is not None
    assert json.dumps(found.to_json())


def test_prune_takes_out_what_was_named_and_nothing_else(store: Store) -> None:
    fill(store)
    assert prune(store, label="other") == 0
    assert prune(store, older_than_days=1) == 0
    assert prune(store, label="m") == 2
    assert prune(store, program="p") == 2
    assert (stats(store).answers, stats(store).attempts) == (0, 0)
    with pytest.raises(UsageError, match="say what to prune"):
        prune(store)


def test_check_finds_damaged_entries(store: Store) -> None:
    fill(store)
    assert check(store) == []
    with store.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE greenloop_answers SET content = '{' WHERE key = 'a'")
    assert check(store) == ["greenloop_answers: the entry a is damaged"]


def test_check_finds_every_entry_that_reading_refuses_on_whatever_page(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_PAGE", 2)
    fill(store)
    put_account(store, "search", "worker", {"calls": 1})
    with store.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE greenloop_attempts SET content = '{' WHERE number = 1")
        connection.exec_driver_sql("UPDATE greenloop_accounts SET content = ''")
    with pytest.raises(StoreError, match="`greenloop store check` says which"):
        list(store.runs())
    assert check(store) == [
        "greenloop_attempts: the entry 1 1 is damaged",
        "greenloop_attempts: the entry 2 1 is damaged",
        "greenloop_accounts: the entry search worker is damaged",
    ]

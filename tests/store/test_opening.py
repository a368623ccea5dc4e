"""Opening: versions, and every way in which a database can be unusable, as one line."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from greenloop.errors import StoreError, UsageError
from greenloop.runtime.store import open_store
from greenloop.runtime.store.maintenance import check, prune, stats

VERSION_1 = """
CREATE TABLE greenloop_about (name VARCHAR(40) PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO greenloop_about VALUES ('version', '1');
CREATE TABLE greenloop_answers (key VARCHAR(64) PRIMARY KEY, made_at FLOAT NOT NULL, content TEXT NOT NULL);
INSERT INTO greenloop_answers VALUES ('k', 1.0, '{"text":"old"}');
CREATE TABLE greenloop_executions (key VARCHAR(64) PRIMARY KEY, made_at FLOAT NOT NULL, content TEXT NOT
NULL); CREATE TABLE greenloop_runs (id INTEGER PRIMARY KEY, identity VARCHAR(64) NOT NULL UNIQUE,
  program TEXT NOT NULL, task TEXT NOT NULL, replicate INTEGER NOT NULL, steering VARCHAR(20) NOT NULL,
  seed INTEGER NOT NULL, made_at FLOAT NOT NULL, content TEXT NOT NULL);
INSERT INTO greenloop_runs VALUES (1, 'i', 'p', 't', 0, 'visible', 0, 1.0,
  '{"program":"p","task":"t","replicate":0,"steering":"visible","seed":0}');
CREATE TABLE greenloop_attempts (run_id INTEGER, number INTEGER, content TEXT NOT NULL,
  PRIMARY KEY (run_id, number));
INSERT INTO greenloop_attempts VALUES (1, 0, '{"code":"x"}');
"""


def test_an_older_schema_is_migrated_with_all_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.close()
    with open_store(f"sqlite:///{path}") as store:
        assert store.first_answer("k", dict)[0].content == {"text": "old"}
        (run,) = store.runs(task_id="t")
        assert run["attempts"] == [{"code": "x"}]
        known = {"program": "p", "task_id": "t", "steering": "visible"}
        assert not store.record_run(known, []), "the migrated run keeps its identity"
        assert stats(store).schema_version == 3
        assert check(store) == []
    with open_store(f"sqlite:///{path}") as store:
        assert stats(store).answers == 1


def test_a_newer_schema_is_refused_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    open_store(f"sqlite:///{path}").close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE greenloop_about SET value = '99'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"newer Greenloop \(schema 99, this one knows 3\): upgrade"):
        open_store(f"sqlite:///{path}")


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("mysql://x/y", UsageError, "works on sqlite and postgresql, not on 'mysql'"),
        ("nonsense", UsageError, "is no store: write sqlite:///FILE.db"),
        ("postgresql://u:secret@h:abc/db", UsageError, r"^'postgresql://\*\*\*@h:abc/db' is no store"),
        ("sqlite://x.db", UsageError, "a SQLite file is sqlite:///FILE.db"),
        ("sqlite+aiosqlite:///x.db", UsageError, "takes no asyncio driver: write sqlite:// alone"),
        ("sqlite:////no/such/folder/s.db", StoreError, "there is no folder /no/such/folder"),
    ],
)
def test_a_wrong_url_is_one_clear_line(url: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, and longer than a header of one hundred bytes would be. " * 3)
    before = path.read_text()
    with pytest.raises(StoreError, match="this file is no database"):
        open_store(f"sqlite:///{path}")
    assert path.read_text() == before


def test_a_damaged_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with open_store(f"sqlite:///{path}") as store:
        for number in range(200):
            store.first_answer(str(number), lambda: {"text": "x" * 500})
        store.engine.dispose()
    data = bytearray(path.read_bytes())
    data[8192:60000] = b"\xff" * (60000 - 8192)
    path.write_bytes(data)

    def read_all() -> None:
        with open_store(f"sqlite:///{path}") as store:
            for number in range(200):
                store.answer(str(number))

    with pytest.raises(StoreError, match="the database is damaged"):
        read_all()


def test_a_database_that_goes_away_later_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with open_store(f"sqlite:///{tmp_path}/there/s.db") as store:
        store.engine.dispose()
        (tmp_path / "there").rename(tmp_path / "elsewhere")
        with pytest.raises(StoreError, match="cannot be opened"):
            store.first_answer("k", dict)
        with pytest.raises(StoreError, match="cannot be opened"):
            store.put_execution("k", {})


def test_room_that_cannot_be_given_back_is_one_clear_line() -> None:
    with open_store("sqlite://") as store:
        for key in "ab":
            store.first_answer(key, dict, label="m")
        cursor = store.engine.raw_connection().cursor()
        cursor.execute("SELECT value FROM greenloop_about UNION ALL SELECT key FROM greenloop_answers")
        cursor.fetchone()
        with pytest.raises(StoreError, match="cannot VACUUM"):
            prune(store, label="m")
        cursor.close()


def test_many_threads_may_open_a_fresh_database_at_once(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def go() -> None:
        try:
            open_store(f"sqlite:///{tmp_path}/s.db").close()
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_who_writes_into_a_file_that_is_not_written_ahead_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE trials (number INTEGER)")
    ends = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    ends.start()
    with open_store(f"sqlite:///{tmp_path}/study.db") as store:
        assert store.first_answer("k", lambda: {"n": 1})[0].content == {"n": 1}
    ends.join()
    other.close()


def test_a_password_is_never_shown() -> None:
    url = "postgresql://me:secret@127.0.0.1:1/none"
    with pytest.raises(StoreError) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)

"""Data sets from a folder, from the cache, and over HTTP from a server that the test starts."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from greenloop.errors import TaskError, UsageError
from greenloop.evals import download
from greenloop.evals.download import Source, fetch, fingerprint

RECORDS = [{"task_id": "T/0", "prompt": "größer", "n": 1.5}, {"task_id": "T/1", "prompt": "b", "n": None}]
JSONL = "".join(json.dumps(record) + "\n" for record in RECORDS).encode()


class Server:
    """A loopback server that answers every path with the same bytes and counts requests."""

    def __init__(self) -> None:
        self.body = gzip.compress(JSONL)
        self.status = 200
        self.promised: int | None = None
        self.packs = ""
        self.requests: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                accepted = "gzip" in self.headers.get("Accept-Encoding", "")
                packed = outer.packs == "always" or (outer.packs == "if accepted" and accepted)
                body = gzip.compress(outer.body) if packed else outer.body
                self.send_response(outer.status)
                if packed:
                    self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(outer.promised or len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/data/Set.jsonl.gz"

    def source(self, **changes: str) -> Source:
        known = {"name": "set", "url": self.url, "sha256": fingerprint(RECORDS), **changes}
        return Source(filenames=("Set.jsonl", "Set.jsonl.gz"), **known)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def test_a_set_is_downloaded_once_and_then_cached(server, tmp_path):
    told: list[tuple[int, int | None]] = []
    first = fetch(
        server.source(), cache_dir=tmp_path, progress=lambda done, total: told.append((done, total))
    )
    assert first == RECORDS
    assert told[-1] == (len(server.body), len(server.body))
    assert fetch(server.source(), cache_dir=tmp_path) == RECORDS
    assert server.requests == ["/data/Set.jsonl.gz"]
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["Set.jsonl.gz"]


@pytest.mark.parametrize("packs", ["if accepted", "always"])
def test_a_text_that_the_server_packs_for_the_way_is_kept_as_it_is(server, tmp_path, packs):
    server.packs, server.body = packs, JSONL
    url = server.url.removesuffix(".gz")
    assert fetch(server.source(url=url), cache_dir=tmp_path) == RECORDS
    assert (tmp_path / "set" / "Set.jsonl").read_bytes() == JSONL
    kept = download.download_file("set", url, tmp_path / "other", "Set.jsonl")
    assert kept.read_bytes() == JSONL


def test_a_damaged_cache_is_fetched_again(server, tmp_path, caplog):
    fetch(server.source(), cache_dir=tmp_path)
    cached = tmp_path / "set" / "Set.jsonl.gz"
    cached.write_bytes(cached.read_bytes()[:-20])
    assert fetch(server.source(), cache_dir=tmp_path) == RECORDS
    assert len(server.requests) == 2
    assert "fetching set again" in caplog.text
    assert fetch(server.source(), cache_dir=tmp_path) == RECORDS
    assert len(server.requests) == 2


def test_what_is_not_the_published_set_is_neither_used_nor_cached(server, tmp_path):
    server.body = gzip.compress(JSONL.replace(b'"b"', b'"c"'))
    with pytest.raises(TaskError, match="is not the published set data set"):
        fetch(server.source(), cache_dir=tmp_path)
    assert not (tmp_path / "set").exists()


def test_a_page_instead_of_data_is_refused(server, tmp_path):
    server.body = b"<html>log in first</html>"
    with pytest.raises(TaskError, match="no complete gzip file"):
        fetch(server.source(), cache_dir=tmp_path)


@pytest.mark.parametrize("trouble", ["gone", "cut", "away"])
def test_a_failed_download_is_one_line_that_says_what_to_do(server, tmp_path, trouble):
    source = server.source()
    if trouble == "gone":
        server.status = 404
    elif trouble == "cut":
        server.promised = len(server.body) + 100
    else:
        source = server.source(url="http://127.0.0.1:9/Set.jsonl.gz")
    with pytest.raises(UsageError) as raised:
        fetch(source, cache_dir=tmp_path)
    text = str(raised.value)
    assert "\n" not in text
    assert text.startswith("cannot download set from http://127.0.0.1:")
    assert "pass --data FOLDER" in text
    assert list(tmp_path.iterdir()) == []


def test_an_endless_download_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 10)
    with pytest.raises(UsageError, match="download given up"):
        fetch(server.source(), cache_dir=tmp_path)


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 1000)
    server.body = gzip.compress(b" " * 100_000)
    with pytest.raises(TaskError, match="is larger than"):
        fetch(server.source(), cache_dir=tmp_path)


def test_a_cache_that_cannot_be_written_costs_only_the_next_download(server, tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert fetch(server.source(), cache_dir=blocked) == RECORDS
    assert "cannot keep Set.jsonl.gz" in caplog.text


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("Set.jsonl", JSONL),
        ("Set.jsonl", b"\xef\xbb\xbf" + JSONL.replace(b"\n", b"\r\n\n")),
        ("Set.jsonl", json.dumps(RECORDS, indent=2, ensure_ascii=False).encode()),
        ("Set.jsonl", json.dumps([dict(reversed(r.items())) for r in RECORDS]).encode()),
        ("Set.jsonl.gz", gzip.compress(JSONL)),
    ],
    ids=["lines", "marked-crlf", "list", "list-reordered", "zipped"],
)
def test_a_copy_in_a_folder_is_used_however_it_was_serialised(server, tmp_path, filename, content):
    (tmp_path / filename).write_bytes(content)
    assert fetch(server.source(), tmp_path) == RECORDS
    assert fetch(server.source(), str(tmp_path)) == RECORDS
    assert server.requests == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not the published set data set .0 records"),
        (JSONL.splitlines()[0], "is not the published set data set .1 records"),
        (b"{", "is no JSON data set"),
        (b"[1, 2]", "a record is no object"),
        (b"\xff\xfe", "is no JSON data set"),
    ],
)
def test_another_file_under_its_name_is_refused(server, tmp_path, content, words):
    (tmp_path / "Set.jsonl").write_bytes(content)
    with pytest.raises(TaskError, match=words):
        fetch(server.source(), tmp_path)


def test_a_folder_without_a_copy_is_told_and_nothing_is_downloaded(server, tmp_path):
    with pytest.raises(UsageError, match=r"no Set\.jsonl or Set\.jsonl\.gz in"):
        fetch(server.source(), tmp_path)
    assert server.requests == []
    assert list(Path(tmp_path).iterdir()) == []


def test_a_set_without_a_hash_is_downloaded_whole_kept_and_not_asked_for_again(server, tmp_path):
    import dataclasses

    from greenloop.evals.published import BY_NAME, published_tasks

    record = {
        "task_id": "HumanEval/0",
        "prompt": "def inc(n):\n    '''Add one.'''\n",
        "entry_point": "inc",
        "canonical_solution": "    return n + 1\n",
        "base_input": [[1]],
        "plus_input": [],
    }
    server.body = gzip.compress(json.dumps(record).encode())
    found = dataclasses.replace(BY_NAME["humaneval+"], urls=(server.url,), at_least=1)
    told: list[tuple[int, int | None]] = []
    for _ in range(2):
        tasks = published_tasks(found, None, cache_dir=tmp_path, progress=lambda *seen: told.append(seen))
        assert [task.task_id for task in tasks] == ["HumanEval/0"]
    assert server.requests == ["/data/Set.jsonl.gz"]
    assert told[-1] == (len(server.body), len(server.body))
    assert [path.name for path in (tmp_path / "humaneval+").iterdir()] == ["Set.jsonl.gz"]


def test_a_set_that_cannot_be_had_says_what_to_do_and_leaves_nothing(server, tmp_path):
    import dataclasses

    from greenloop.evals.published import BY_NAME, published_tasks

    server.status = 404
    found = dataclasses.replace(BY_NAME["mbpp+"], urls=(server.url,))
    with pytest.raises(UsageError, match=r"cannot download mbpp\+ from .*404.*pass --data FOLDER"):
        published_tasks(found, None, cache_dir=tmp_path)
    assert list((tmp_path / "mbpp+").iterdir()) == []

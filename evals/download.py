"""Public data sets: from a folder the user names, from the cache, or downloaded once; checked in every case.

The check is a hash of the parsed records, so that re-serialised copies pass (key order, spacing, a line per
record or one array) and an altered, cut or different set does not.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import platformdirs

from ..errors import TaskError, UsageError

Progress = Callable[[int, "int | None"], None]
"""Told the bytes that have arrived and, where the server says so, the bytes in all."""

Record = dict[str, Any]
"""One task of a data set as its authors publish it."""

MAX_BYTES = 64 * 2**20
"""Bytes that a download or an unpacked data set may have."""

TIMEOUT_S = 30.0
"""Seconds without an answer after which a download is given up."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A published data set.

    Attributes:
        name: Its name for `load_tasks`.
        url: Where its authors publish it.
        filenames: Names under which a copy is looked for in a folder; those ending in ``.gz`` are unpacked.
        sha256: `fingerprint` of its records.
    """

    name: str
    url: str
    filenames: tuple[str, ...]
    sha256: str


def cache_folder() -> Path:
    """The folder where downloads are kept: the user's cache folder for Greenloop."""
    return Path(platformdirs.user_cache_dir("greenloop"))


def fetch(
    source: Source,
    data_dir: str | Path | None = None,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> list[Record]:
    """The records of a data set.

    Args:
        source: Which data set.
        data_dir: Folder with a copy; nothing is downloaded then.
        cache_dir: Folder for the download; the user's cache folder by default.
        progress: Called as a download comes in.

    Raises:
        UsageError: The folder holds no copy, or the download failed.
        TaskError: The copy is not the published data set.
    """
    if data_dir is not None:
        path = _find(source, Path(data_dir))
        if path is None:
            names = " or ".join(source.filenames)
            raise UsageError(f"no {names} in {str(data_dir)!r}; name the folder that holds it")
        return _check(source, _read(path), str(path))
    cache = (cache_dir or cache_folder()) / source.name
    cached = _find(source, cache)
    if cached is not None:
        try:
            return _check(source, _read(cached), str(cached))
        except TaskError as damage:
            _log.warning("fetching %s again: %s", source.name, damage)
    content = _download(source, progress)
    filename = source.url.rsplit("/", 1)[-1]
    records = _check(source, _parse(_unpack(content, filename), source.url), source.url)
    _keep(cache, filename, content)
    return records


def fingerprint(records: list[Record]) -> str:
    """SHA-256 of the records as canonical JSON (sorted keys, no spaces, ASCII), as hex digits."""
    canonical = json.dumps(records, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _find(source: Source, folder: Path) -> Path | None:
    return next((folder / name for name in source.filenames if (folder / name).is_file()), None)


def _read(path: Path) -> list[Record]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    return _parse(_unpack(content, path.name, str(path)), str(path))


def _unpack(content: bytes, filename: str, origin: str = "") -> bytes:
    """The content itself, or what a ``.gz`` file holds, up to `MAX_BYTES`."""
    if filename.endswith(".gz"):
        try:
            with gzip.open(io.BytesIO(content)) as unpacked:
                content = unpacked.read(MAX_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise TaskError(f"{origin or filename} is no complete gzip file: {error}") from error
    if len(content) > MAX_BYTES:
        raise TaskError(f"{origin or filename} is larger than {MAX_BYTES // 2**20} MiB")
    return content


def _parse(content: bytes, origin: str) -> list[Record]:
    """Records from a JSON array or from one object a line."""
    try:
        text = content.decode("utf-8-sig")
        if text.lstrip().startswith("["):
            parsed: Any = json.loads(text)
        else:
            parsed = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise TaskError(f"{origin} is no JSON data set: {error}") from error
    if not all(isinstance(record, dict) for record in parsed):
        raise TaskError(f"{origin} is no JSON data set: a record is no object")
    return cast("list[Record]", parsed)


def _check(source: Source, records: list[Record], origin: str) -> list[Record]:
    found = fingerprint(records)
    if found != source.sha256:
        raise TaskError(
            f"{origin} is not the published {source.name} data set ({len(records)} records, "
            f"hash {found[:12]}… instead of {source.sha256[:12]}…); give a file of your own by its path"
        )
    return records


def download_file(
    name: str, url: str, folder: Path, wanted: str, progress: Progress | None = None, *, most: int = 2**31
) -> Path:
    """A file in the cache, downloaded where it is not there yet; it appears only when it is whole.

    Args:
        name: The set that it belongs to, for messages.
        url: Where it is.
        folder: Where it is kept.
        wanted: What a user would put into a folder of their own, for messages.
        progress: Called as it comes in.
        most: Bytes that it may have.

    Raises:
        UsageError: It cannot be downloaded or kept; the message says what else to do.
    """
    path = folder / url.rsplit("/", 1)[-1]
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=folder, prefix=path.name, suffix=".partial")
    except OSError as error:
        raise UsageError(
            f"cannot write into {folder}: {error.strerror}; pass --data FOLDER instead"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in _streamed(name, url, wanted, progress, most):
                file.write(chunk)
        os.replace(partial, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        Path(partial).unlink(missing_ok=True)
    return path


def _download(source: Source, progress: Progress | None) -> bytes:
    chunks = _streamed(source.name, source.url, source.filenames[0], progress, MAX_BYTES)
    return b"".join(chunks)


def _streamed(name: str, url: str, wanted: str, progress: Progress | None, most: int) -> Iterator[bytes]:
    import httpx  # not needed, and not loaded, where the data are at hand

    received = 0
    try:
        # A server may pack a text for the way, and it would be kept packed.
        as_it_is = {"Accept-Encoding": "identity"}
        with httpx.stream("GET", url, headers=as_it_is, follow_redirects=True, timeout=TIMEOUT_S) as response:
            response.raise_for_status()
            packed = "content-encoding" in response.headers and not url.endswith(".gz")
            length = response.headers.get("content-length", "")
            total = int(length) if length.isdigit() and not packed else None
            for chunk in response.iter_bytes() if packed else response.iter_raw():
                received += len(chunk)
                if received > most:
                    raise UsageError(f"{url} sends more than {most // 2**20} MiB; download given up")
                yield chunk
                if progress is not None:
                    progress(received, total)
    except httpx.HTTPError as error:
        reason = str(error).split("\n", 1)[0] or type(error).__name__
        raise UsageError(
            f"cannot download {name} from {url} ({reason}); with a copy of {wanted} at hand, pass --data FOLDER"
            " (data_dir= in Python)"
        ) from error


def _keep(folder: Path, filename: str, content: bytes) -> None:
    """Put a download into the cache in one step; without one, the next call downloads again."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=folder, prefix=filename, suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(partial, folder / filename)
        except OSError:
            Path(partial).unlink(missing_ok=True)
            raise
    except OSError as error:
        _log.warning("cannot keep %s in %s: %s", filename, folder, error)

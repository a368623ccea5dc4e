"""The exported folder on disk: four plain files, read with suspicion and written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any, cast

from ..errors import ExportError
from .artifact_schema import KIND

PROGRAM, MANIFEST, CARD, SUMS = "program.json", "manifest.json", "README.md", "SHA256SUMS"
_FILES = (PROGRAM, MANIFEST, CARD)
_MOST_BYTES = 50_000_000


def read_folder(target: Path) -> dict[str, str]:
    """The text of every file, checked against SHA256SUMS.

    Raises:
        ExportError: The folder is no export, holds anything else, or was edited.
    """
    if not target.is_dir():
        raise ExportError(f"{target} is no folder")
    try:
        present = {p.name for p in target.iterdir()}
        wanted = {*_FILES, SUMS}
        if missing := sorted(wanted - present):
            raise ExportError(f"{target} is no Greenloop export: {missing[0]} is missing")
        if extra := sorted(present - wanted):
            raise ExportError(f"{target} was edited: it holds {extra[0]!r}, which no export writes")
        raw = {name: _read(target / name) for name in sorted(wanted)}
        _check_sums(target, raw)
        return {name: content.decode("utf-8") for name, content in raw.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{target} cannot be read: {error}") from error


def parse(text: str, where: Path) -> dict[str, Any]:
    """Strict JSON: one object, no key twice, no NaN.

    Raises:
        ExportError: It is anything else.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return made

    def no_constant(name: str) -> Any:
        raise ValueError(f"{name} is no JSON number")

    def finite(digits: str) -> float:
        return float(digits) if math.isfinite(float(digits)) else no_constant(digits)

    try:
        data = json.loads(text, object_pairs_hook=once, parse_constant=no_constant, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{where} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise ExportError(f"{where} holds no JSON object")
    return cast("dict[str, Any]", data)


def is_replaceable(target: Path) -> bool:
    """Whether an export may be written there: an empty folder, or an earlier export that says so itself."""
    if not target.is_dir() or target.is_symlink():
        return False
    names = {p.name for p in target.iterdir()}
    if not names:
        return True
    if not {MANIFEST, SUMS} <= names <= {*_FILES, SUMS}:
        return False
    try:
        manifest = parse(_read(target / MANIFEST).decode("utf-8"), target / MANIFEST)
    except (ExportError, OSError, UnicodeDecodeError):
        return False
    return manifest.get("kind") == KIND


def write_folder(target: Path, texts: dict[str, str]) -> None:
    """Write all files and their sums beside the target, then put them in its place.

    Raises:
        ExportError: The folder cannot be written.
    """
    sums = (f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in sorted(texts.items()))
    texts = {**texts, SUMS: "".join(sums)}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            made = fresh / "new"
            made.mkdir()
            for name, text in texts.items():
                (made / name).write_text(text, encoding="utf-8", newline="\n")
            _replace(target, made, fresh / "old")
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise ExportError(f"{target} cannot be written: {error}") from error


def _replace(target: Path, made: Path, old: Path) -> None:
    """Put what was made in the target's place; where that fails the target is as it was."""
    if not target.exists():
        made.rename(target)
        return
    target.rename(old)
    try:
        made.rename(target)
    except OSError:
        old.rename(target)
        raise


def _check_sums(target: Path, raw: dict[str, bytes]) -> None:
    lines = raw[SUMS].decode("utf-8").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    if set(sums) != set(_FILES) or len(lines) != len(_FILES):
        raise ExportError(f"{target / SUMS} must name {', '.join(sorted(_FILES))} and nothing else")
    for name, digest in sums.items():
        if hashlib.sha256(raw[name]).hexdigest() != digest:
            raise ExportError(f"{target / name} was edited after the export: export again instead")


def _read(path: Path) -> bytes:
    """A regular file of a sane size; links, pipes and devices are refused without being opened for long."""
    if path.is_symlink() or not stat.S_ISREG(path.lstat().st_mode):
        raise ExportError(f"{path} is no plain file")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ExportError(f"{path} is larger than any export")
    return content

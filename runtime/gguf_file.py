"""What a GGUF file says about its model, read from its header without loading the weights."""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import UnknownModel

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_TENSOR_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    6: "Q5_0",
    7: "Q5_1",
    8: "Q8_0",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    30: "BF16",
}
_KEPT_ARRAY = 64


@dataclass(frozen=True, slots=True)
class GgufFile:
    """The header of a GGUF file.

    Attributes:
        path: The file.
        architecture: Such as "llama".
        parameters: Number of weights, added over all tensors.
        quantisation: The type of most weights, such as "Q4_1".
        context: Tokens that the model was trained for; None where it is not said.
        size_bytes: Size of the file.
        metadata: The header's own keys and values; long arrays are cut.
    """

    path: str
    architecture: str
    parameters: int
    quantisation: str
    context: int | None
    size_bytes: int
    metadata: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> GgufFile:
        """Read the header.

        Raises:
            UnknownModel: The file is missing, is no GGUF file, or is cut short.
        """
        try:
            stat = os.stat(path)
            return _read(os.fspath(path), stat.st_size, stat.st_mtime_ns)
        except FileNotFoundError as error:
            raise UnknownModel(f"there is no file {path}") from error
        except (OSError, struct.error, UnicodeDecodeError, KeyError, EOFError) as error:
            raise UnknownModel(f"{path} is no GGUF file, or is cut short ({error})") from error

    def kv_bytes_per_token(self) -> int:
        """Memory of one token of context (keys and values in F16), in bytes; 0 where the header lacks the
        sizes."""
        get = self.metadata.get
        layers = get(f"{self.architecture}.block_count", 0)
        heads = get(f"{self.architecture}.attention.head_count_kv", 0)
        heads = max(heads) if isinstance(heads, list) else heads
        all_heads = get(f"{self.architecture}.attention.head_count", 0)
        width = get(f"{self.architecture}.embedding_length", 0)
        if not all(isinstance(v, int) and v for v in (layers, heads, all_heads, width)):
            return 0
        return 2 * 2 * layers * heads * (width // all_heads)


@lru_cache(maxsize=64)
def _read(path: str, size: int, changed_ns: int) -> GgufFile:
    with open(path, "rb") as file:
        if file.read(4) != b"GGUF":
            raise EOFError("its first bytes are not GGUF")
        _version, tensors, pairs = _unpack(file, "IQQ")
        metadata: dict[str, Any] = {}
        for _ in range(pairs):
            key = _string(file)
            metadata[key] = _value(file, _unpack(file, "I")[0])
        weights: Counter[str] = Counter()
        for _ in range(tensors):
            _string(file)
            dimensions = _unpack(file, "I")[0]
            shape = _unpack(file, "Q" * dimensions)
            kind, _offset = _unpack(file, "IQ")
            weights[_TENSOR_TYPES.get(kind, f"type {kind}")] += math.prod(shape)
    architecture = str(metadata.get("general.architecture", "unknown"))
    return GgufFile(
        path=path,
        architecture=architecture,
        parameters=weights.total() if hasattr(weights, "total") else sum(weights.values()),
        quantisation=weights.most_common(1)[0][0] if weights else "unknown",
        context=metadata.get(f"{architecture}.context_length"),
        size_bytes=size,
        metadata=metadata,
    )


def _unpack(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    layout = "<" + layout
    size = struct.calcsize(layout)
    data = file.read(size)
    if len(data) < size:
        raise EOFError("it ends within its header")
    return struct.unpack(layout, data)


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    if length > 1 << 26:
        raise EOFError("a text in its header is longer than 64 MiB")
    return file.read(length).decode("utf-8")


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        item_kind, length = _unpack(file, "IQ")
        items: list[Any] = []
        for index in range(length):
            item = _value(file, item_kind)
            if index < _KEPT_ARRAY:
                items.append(item)
        return items
    return _unpack(file, _SCALARS[kind])[0]


def file_digest(path: str) -> str:
    """sha256 of a file's content, remembered in the user's cache folder by path, size and time of change.

    Raises:
        UnknownModel: The file is missing, or cannot be read.
    """
    try:
        return _remembered_digest(os.path.realpath(path))
    except FileNotFoundError as error:
        raise UnknownModel(f"there is no file {path}") from error
    except OSError as error:
        raise UnknownModel(f"{path} cannot be read ({error.strerror})") from error


def _remembered_digest(path: str) -> str:
    import platformdirs

    stat = os.stat(path)
    name = hashlib.sha256(f"{path}|{stat.st_size}|{stat.st_mtime_ns}".encode()).hexdigest()[:24]
    memo = Path(platformdirs.user_cache_dir("greenloop")) / "digests" / f"{name}.json"
    try:
        return str(json.loads(memo.read_text())["sha256"])
    except (OSError, ValueError, KeyError):
        digest = _hash(path)
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=memo.parent, delete=False) as file:
            json.dump({"sha256": digest, "path": path}, file)
        os.replace(file.name, memo)
    except OSError:  # a read-only home: hashed again next time
        return digest
    return digest


def _hash(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

"""Arrays and scalars of numpy as JSON data, where candidates use them.

Both ways the same few dtypes count: what arrives as an array can go back as one. Subclasses, masked arrays and dtypes
with fields are no data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import inside_frames as frames

if TYPE_CHECKING:
    from .inside_codec import Codec

KINDS = "biufcSUMmO"
"""Kinds of dtype that travel."""
LONG = "gG"
"""Floats wider than Python's, which do not."""
TIMES = "Mm"
MOST_BYTES = 64 << 20
"""Largest array that is made of what arrived. Numbers in a frame take less; one long text makes all others long."""
ITEMS = (bool, int, float, complex, str, bytes)
"""What an array that holds no objects is made of."""


def encode(codec: Codec, value: Any) -> Any:
    """A numpy array or scalar, a pandas frame, series, index or moment as JSON data; None for anything else."""
    module = type(value).__module__.partition(".")[0]
    if module == "pandas":
        return frames.encode(codec, value)
    if module != "numpy":
        return None
    import numpy  # pyright: ignore[reportMissingImports]

    if type(value) is numpy.ndarray and travels(value.dtype):
        return {"t": "ndarray", "d": value.dtype.str, "s": list(value.shape), "v": _items(codec, value)}
    if isinstance(value, numpy.generic) and type(value) is value.dtype.type and travels(value.dtype):
        return {"t": "scalar", "d": value.dtype.str, "v": _items(codec, numpy.asarray(value))}
    return None


def travels(dtype: Any) -> bool:
    """Whether arrays of a numpy dtype are data."""
    return dtype.kind in KINDS and dtype.char not in LONG


def _items(codec: Codec, array: Any) -> list[Any]:
    if array.dtype.kind in TIMES:
        array = array.astype("i8")
    return codec.items(array.ravel().tolist())


def flat(codec: Codec, items: Any, dtype: Any) -> Any:
    """A one-dimensional array.

    Raises:
        ValueError: If its dtype does not travel, or the items are not what such an array is made of.
    """
    import numpy  # pyright: ignore[reportMissingImports]

    values = codec.decode(items)
    if not travels(dtype) or type(values) is not list:
        raise ValueError(f"no array of {dtype}")
    if dtype.itemsize * len(values) > MOST_BYTES:
        raise ValueError(f"an array of more than {MOST_BYTES} bytes")
    if dtype.kind == "O":
        objects: Any = numpy.empty(len(values), dtype=dtype)
        for i, value in enumerate(values):
            objects[i] = value
        return objects
    if not all(type(v) in ITEMS for v in values):
        raise ValueError(f"an array of {dtype} that holds objects")
    if dtype.kind in TIMES:
        return numpy.array(values, dtype="i8").astype(dtype)
    return numpy.array(values, dtype=dtype)


def ndarray(codec: Codec, d: dict[str, Any]) -> Any:
    """A numpy array."""
    import numpy  # pyright: ignore[reportMissingImports]

    return flat(codec, d["v"], numpy.dtype(str(d["d"]))).reshape([int(n) for n in d["s"]])


def scalar(codec: Codec, d: dict[str, Any]) -> Any:
    """A numpy scalar."""
    import numpy  # pyright: ignore[reportMissingImports]

    dtype = numpy.dtype(str(d["d"]))
    if dtype.kind == "O":
        raise ValueError("no scalar of objects")
    return flat(codec, d["v"], dtype)[0]

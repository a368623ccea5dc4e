"""Arrays of numpy and frames of pandas as JSON data, where candidates use them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .inside_codec import Codec


def encode(codec: Codec, value: Any) -> Any:
    """A numpy array or scalar, a pandas frame or series as JSON data; None for anything else."""
    module = type(value).__module__.partition(".")[0]
    if module not in ("numpy", "pandas"):
        return None
    name = type(value).__name__
    if name == "ndarray":
        return {
            "t": "ndarray",
            "d": value.dtype.str,
            "s": list(value.shape),
            "v": codec.items(value.ravel().tolist()),
        }
    if module == "numpy" and hasattr(value, "dtype") and hasattr(value, "item"):
        return {"t": "scalar", "d": value.dtype.str, "v": codec.items([value.item()])}
    if name in ("Series", "Index", "RangeIndex"):
        dtype = str(value.dtype)
        index = codec.items(value.index.tolist()) if name == "Series" else None
        items = codec.items(value.tolist())
        return {"t": "series", "k": name, "d": dtype, "n": codec.items([value.name]), "i": index, "v": items}
    if name == "DataFrame":
        columns = [
            [codec.items([c]), str(value[c].dtype), codec.items(value[c].tolist())]
            for c in list(value.columns)
        ]
        return {"t": "frame", "i": codec.items(value.index.tolist()), "v": columns}
    if name in ("Timestamp", "Timedelta"):
        return {"t": "pandas", "k": name, "v": value.isoformat()}
    if name in ("NaTType", "NAType"):
        return {"t": "pandas", "k": name}
    return None


def ndarray(codec: Codec, d: dict[str, Any]) -> Any:
    """A numpy array."""
    import numpy  # pyright: ignore[reportMissingImports]

    values = codec.decode(d["v"])
    dtype = numpy.dtype(str(d["d"]))
    flat: Any = numpy.empty(len(values), dtype=dtype)
    for i, v in enumerate(values):
        flat[i] = v
    return flat.reshape([int(n) for n in d["s"]])


def scalar(codec: Codec, d: dict[str, Any]) -> Any:
    """A numpy scalar."""
    import numpy  # pyright: ignore[reportMissingImports]

    return numpy.dtype(str(d["d"])).type(codec.decode(d["v"])[0])


def series(codec: Codec, d: dict[str, Any]) -> Any:
    """A pandas series or index."""
    import pandas  # pyright: ignore[reportMissingImports]

    values, dtype, name = codec.decode(d["v"]), str(d["d"]), codec.decode(d["n"])[0]
    if d["k"] == "Series":
        return pandas.Series(values, index=codec.decode(d["i"]), dtype=dtype, name=name)
    return pandas.Index(values, dtype=dtype, name=name)


def frame(codec: Codec, d: dict[str, Any]) -> Any:
    """A pandas frame."""
    import pandas  # pyright: ignore[reportMissingImports]

    index = codec.decode(d["i"])
    columns = {
        codec.decode(c)[0]: pandas.Series(codec.decode(v), index=index, dtype=str(t)) for c, t, v in d["v"]
    }
    return pandas.DataFrame(columns, index=index, columns=list(columns))


def moment(codec: Codec, d: dict[str, Any]) -> Any:
    """A pandas timestamp, time delta or missing value."""
    import pandas  # pyright: ignore[reportMissingImports]

    kind = d["k"]
    if kind == "Timestamp":
        return pandas.Timestamp(d["v"])
    if kind == "Timedelta":
        return pandas.Timedelta(d["v"])
    return pandas.NaT if kind == "NaTType" else pandas.NA

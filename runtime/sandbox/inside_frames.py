"""Frames, series, indexes and moments of pandas as JSON data, where candidates use them.

Both ways the same few kinds of index and of dtype count, each checked as it arrives: what comes as one can go back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import inside_arrays as arrays

if TYPE_CHECKING:
    from .inside_codec import Codec

INDEXES = frozenset(
    "Index RangeIndex DatetimeIndex TimedeltaIndex PeriodIndex IntervalIndex CategoricalIndex MultiIndex".split()
)
MOST_NUMBERS = 1 << 23
"""Longest index that travels as its ends; one of so many numbers written out fills a frame."""
WIDTHS = (8, 16, 32, 64)
DTYPES = frozenset(
    [
        *"DatetimeTZDtype PeriodDtype IntervalDtype StringDtype BooleanDtype Float32Dtype Float64Dtype".split(),
        *(f"{sign}Int{width}Dtype" for sign in ("", "U") for width in WIDTHS),
    ]
)
"""Dtypes of pandas' own that travel, by their name, beside categories."""


def _pandas() -> Any:
    import pandas  # pyright: ignore[reportMissingImports]

    return pandas


def encode(codec: Codec, value: Any) -> Any:
    """A frame, a series, an index or a moment as JSON data; None for anything else."""
    pandas = _pandas()
    kind = type(value)
    if kind is pandas.Series:
        index, column = _index(codec, value.index), _column(codec, value)
        if index is None or column is None:
            return None
        return {"t": "series", "n": codec.items([value.name]), "i": index, "c": column}
    if kind is pandas.DataFrame:
        index, names = _index(codec, value.index), _index(codec, value.columns)
        columns = [_column(codec, value.iloc[:, i]) for i in range(value.shape[1])]
        if index is None or names is None or None in columns:
            return None
        return {"t": "frame", "i": index, "n": names, "c": columns}
    if isinstance(value, pandas.Index):
        return _index(codec, value)
    return _moment(codec, value)


def _moment(codec: Codec, value: Any) -> Any:
    pandas = _pandas()
    kind = type(value)
    data = {"t": "pandas", "k": kind.__name__}
    if kind is pandas.Timestamp:
        return {**data, "v": value.isoformat(), "z": getattr(value.tz, "key", None)}
    if kind is pandas.Timedelta:
        return {**data, "v": value.isoformat()}
    if kind is pandas.Period:
        return {**data, "v": codec.items([value.ordinal]), "f": value.freqstr}
    if kind is pandas.Interval:
        return {**data, "v": codec.items([value.left, value.right]), "c": value.closed}
    return data if value is pandas.NaT or value is pandas.NA else None


def _dtype(codec: Codec, dtype: Any) -> Any:
    import numpy  # pyright: ignore[reportMissingImports]

    pandas = _pandas()
    if isinstance(dtype, numpy.dtype):
        return str(dtype) if arrays.travels(dtype) else None
    if type(dtype) is pandas.CategoricalDtype:
        categories = _index(codec, dtype.categories)
        return None if categories is None else {"v": categories, "o": bool(dtype.ordered)}
    if type(dtype).__name__ not in DTYPES:
        return None
    try:
        return str(dtype) if pandas.api.types.pandas_dtype(str(dtype)) == dtype else None
    except (TypeError, ValueError, LookupError):
        return None


def _column(codec: Codec, values: Any) -> Any:
    """Dtype and items of a series or an index; None where one does not travel."""
    dtype = _dtype(codec, values.dtype)
    if dtype is None:
        return None
    moments = getattr(values.dtype, "kind", "") in arrays.TIMES
    return [dtype, codec.items(values.array.asi8.tolist() if moments else values.tolist())]


def _index(codec: Codec, index: Any) -> Any:
    pandas = _pandas()
    kind = type(index)
    name = kind.__name__
    if name not in INDEXES or getattr(pandas, name) is not kind:
        return None
    data: dict[str, Any] = {"t": "index", "k": name, "n": codec.items([index.name])}
    if kind is pandas.MultiIndex:
        levels = [_index(codec, index.get_level_values(i)) for i in range(index.nlevels)]
        return None if None in levels else {**data, "v": levels}
    if kind is pandas.RangeIndex:
        return {**data, "v": [index.start, index.stop, index.step]}
    column = _column(codec, index)
    if kind in (pandas.DatetimeIndex, pandas.TimedeltaIndex):
        data["f"] = index.freqstr
    return None if column is None else {**data, "v": column}


def _made_dtype(codec: Codec, d: Any) -> Any:
    pandas = _pandas()
    if isinstance(d, dict):
        return pandas.CategoricalDtype(index(codec, d["v"]), ordered=bool(d["o"]))
    return pandas.api.types.pandas_dtype(str(d))


def _made(codec: Codec, column: Any) -> Any:
    """The items of a column or an index as an array of its dtype."""
    import numpy  # pyright: ignore[reportMissingImports]

    pandas = _pandas()
    dtype = _made_dtype(codec, column[0])
    if _dtype(codec, dtype) is None:
        raise ValueError(f"no column of {dtype}")
    if isinstance(dtype, numpy.dtype):
        return arrays.flat(codec, column[1], dtype)
    if isinstance(dtype, pandas.DatetimeTZDtype):
        naive = arrays.flat(codec, column[1], numpy.dtype(f"M8[{dtype.unit}]"))
        return pandas.DatetimeIndex(naive).tz_localize("UTC").tz_convert(dtype.tz)
    return pandas.array(codec.decode(column[1]), dtype=dtype)


def index(codec: Codec, d: dict[str, Any]) -> Any:
    """A pandas index.

    Raises:
        ValueError: If it is of none of the kinds that travel.
    """
    pandas = _pandas()
    kind, name = d["k"], codec.decode(d["n"])[0]
    if kind == "RangeIndex":
        numbers = pandas.RangeIndex(*[int(n) for n in d["v"]], name=name)
        if len(numbers) > MOST_NUMBERS:
            raise ValueError(f"an index of {len(numbers)} numbers")
        return numbers
    if kind == "MultiIndex":
        levels = [index(codec, level) for level in d["v"]]
        return pandas.MultiIndex.from_arrays(levels, names=[level.name for level in levels])
    made: Any = pandas.Index(_made(codec, d["v"]), name=name, tupleize_cols=False)
    if type(made).__name__ != kind or _dtype(codec, made.dtype) != d["v"][0]:
        raise ValueError(f"a {type(made).__name__} of {made.dtype} sent as a {kind}")
    if d.get("f") is not None:
        made.freq = str(d["f"])
    return made


def _series(codec: Codec, column: Any) -> Any:
    pandas = _pandas()
    made: Any = pandas.Series(_made(codec, column))
    if made.dtype != _made_dtype(codec, column[0]):
        made = pandas.Series(made, dtype=_made_dtype(codec, column[0]))
    return made


def series(codec: Codec, d: dict[str, Any]) -> Any:
    """A pandas series."""
    made = _series(codec, d["c"])
    made.index = index(codec, d["i"])
    made.name = codec.decode(d["n"])[0]
    return made


def frame(codec: Codec, d: dict[str, Any]) -> Any:
    """A pandas frame."""
    pandas = _pandas()
    rows, names = index(codec, d["i"]), index(codec, d["n"])
    columns = {i: _series(codec, c) for i, c in enumerate(d["c"])}
    if any(len(column) != len(rows) for column in columns.values()):
        raise ValueError("columns that are longer or shorter than their index")
    made = pandas.DataFrame(columns, index=range(len(rows)))
    made.index, made.columns = rows, names
    return made


def moment(codec: Codec, d: dict[str, Any]) -> Any:
    """A timestamp, time delta, period, interval or missing value of pandas."""
    pandas = _pandas()
    kind = d["k"]
    if kind == "Timestamp":
        found = pandas.Timestamp(str(d["v"]))
        return found if d["z"] is None else found.tz_convert(str(d["z"]))
    if kind == "Timedelta":
        return pandas.Timedelta(str(d["v"]))
    if kind == "Period":
        return pandas.Period(ordinal=int(codec.decode(d["v"])[0]), freq=str(d["f"]))
    if kind == "Interval":
        return pandas.Interval(*codec.decode(d["v"]), closed=str(d["c"]))
    return pandas.NaT if kind == "NaTType" else pandas.NA

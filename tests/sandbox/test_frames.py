"""How arrays of numpy and frames of pandas travel: exactly, or not as data at all."""

from __future__ import annotations

from typing import Any

import pytest
from greenloop.runtime.sandbox.inside_codec import Codec, Unserialisable
from greenloop.runtime.sandbox.inside_wire import pack, unpack

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
BERLIN = "Europe/Berlin"


def refuse(value: Any) -> Any:
    raise Unserialisable(type(value).__name__)


CODEC = Codec(refuse, refuse)


def travelled(value: Any) -> Any:
    return CODEC.decode(unpack(pack(CODEC.encode(value))[4:]))


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6).reshape(2, 3),
        np.zeros((0, 3)),
        np.array(3.5),
        np.array([1, 2], dtype=">i4"),
        np.array([[1], "a", None, {1: 2}], dtype=object),
        np.array(["ab", "c"]),
        np.array([b"ab"]),
        np.array([1 + 2j]),
        np.array(["2024", "NaT"], dtype="M8[Y]"),
        np.array(["2024-01-01T00:00:00.123456789", "NaT"], dtype="M8[ns]"),
        np.array([1], dtype="m8[s]"),
        np.float32(1.5),
        np.bool_(True),
        np.str_("x"),
        np.datetime64("2024-01-01", "ns"),
        np.timedelta64(3, "D"),
    ],
)
def test_arrays_arrive_as_they_left(value: Any) -> None:
    arrived = travelled(value)
    assert (type(arrived), arrived.dtype, arrived.shape) == (type(value), value.dtype, value.shape)
    assert repr(arrived) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        np.longdouble(1),
        np.array([1], dtype="g"),
        np.array([(1, 2.0)], dtype="i4,f8"),
        np.rec.array([(1, 2)]),
        np.ma.array([1, 2]),
        np.zeros(2).view(type("Mine", (np.ndarray,), {})),
        np.void(b"ab"),
        pd.arrays.SparseArray([1]),
        pd.Series(pd.arrays.SparseArray([0, 1])),
        pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}),
        type("Series", (pd.Series,), {})([1]),
    ],
)
def test_what_would_not_arrive_as_it_left_is_no_data(value: Any) -> None:
    with pytest.raises(Unserialisable):
        CODEC.encode(value)


INDEXES = [
    pd.RangeIndex(1, 7, 2, name="k"),
    pd.Index([1, 2, 3]),
    pd.Index(["a", "b", None]),
    pd.Index([1, "a", None], dtype=object),
    pd.Index([(1, 2), (3, 4), (5, 6)], tupleize_cols=False),
    pd.Index([1, None, 3], dtype="Int64"),
    pd.DatetimeIndex(["2024", "2025", "NaT"]),
    pd.date_range("2024", periods=3, freq="MS", name="m"),
    pd.date_range("2024-10-26", periods=3, freq="D", tz=BERLIN),
    pd.date_range("2024-10-26 22:00", periods=3, freq="h", tz="UTC").tz_convert(BERLIN),
    pd.timedelta_range("1D", periods=3),
    pd.period_range("2024", periods=3, freq="M"),
    pd.PeriodIndex(["2024-01-01", "NaT", "2025-01-01"], freq="D"),
    pd.interval_range(0, 3),
    pd.interval_range(pd.Timestamp("2024", tz=BERLIN), periods=3),
    pd.CategoricalIndex(list("aba"), categories=list("cab"), ordered=True),
    pd.MultiIndex.from_product([["a"], pd.date_range("2024", periods=3)], names=["x", None]),
]


@pytest.mark.parametrize("index", INDEXES)
def test_indexes_arrive_as_they_left(index: Any) -> None:
    arrived = travelled(index)
    pd.testing.assert_index_equal(arrived, index, exact=True)
    assert getattr(arrived, "freq", None) == getattr(index, "freq", None)
    series = pd.Series([1.0, 2, None], index=index, name=("a", 1))
    pd.testing.assert_series_equal(travelled(series), series, check_index_type=True)
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "y"]}, index=index)
    pd.testing.assert_frame_equal(travelled(frame), frame)
    wide = pd.DataFrame([[1, "2", 3.0]], columns=index)
    pd.testing.assert_frame_equal(travelled(wide), wide)


@pytest.mark.parametrize(
    "values",
    [
        *(i for i in INDEXES if not isinstance(i, pd.MultiIndex)),
        pd.array([], dtype="period[D]"),
        pd.Categorical([], categories=[1, 2]),
        pd.array(["a", None], dtype="string"),
        pd.array([1.5, pd.NA], dtype="Float32"),
        pd.array([True, pd.NA], dtype="boolean"),
        pd.array([pd.Interval(1, 2, "both"), None]),
        np.array([1, 2], dtype="int8"),
        [[1], [2]],
    ],
)
def test_columns_arrive_as_they_left(values: Any) -> None:
    series = pd.Series(values)
    pd.testing.assert_series_equal(travelled(series), series)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(columns=["a"]),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame({"a": [1, 2]}, index=[0, 0]),
    ],
)
def test_odd_frames_arrive_as_they_left(frame: Any) -> None:
    pd.testing.assert_frame_equal(travelled(frame), frame)


@pytest.mark.parametrize(
    "moment",
    [
        pd.Timestamp("2024", tz=BERLIN),
        pd.Timestamp("2024-01-01T01:02:03.123456789+02:00"),
        pd.Timedelta("1D 3ns"),
        pd.Period("2024-01", "M"),
        pd.Interval(pd.Timestamp(0), pd.Timestamp(5), "left"),
    ],
)
def test_moments_arrive_as_they_left(moment: Any) -> None:
    assert repr(travelled(moment)) == repr(moment)


@pytest.mark.parametrize("missing", [pd.NaT, pd.NA])
def test_missing_values_stay_what_they_are(missing: Any) -> None:
    assert travelled(missing) is missing


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "data",
    [
        {"t": "scalar", "d": "g", "v": [1.0]},
        {"t": "scalar", "d": "O", "v": [1]},
        {"t": "ndarray", "d": "i4,f8", "s": [1], "v": [{"t": "tuple", "v": [1, 2.0]}]},
        {"t": "ndarray", "d": "f8", "s": [1], "v": [[1.0]]},
        {"t": "ndarray", "d": "f8", "s": [2], "v": [1.0]},
        {"t": "index", "k": "Index", "n": [None], "v": ["period[M]", ["2024-01"]]},
        {"t": "index", "k": "Index", "n": [None], "v": ["Sparse[int64, 0]", [1]]},
        {"t": "index", "k": "Index", "n": [[]], "v": ["int64", [1]]},
        {"t": "index", "k": "Categorical", "n": [None], "v": ["int64", [1]]},
        {"t": "series", "n": [None], "i": None, "c": ["int64", [1]]},
        {"t": "ndarray", "d": "S300000000", "s": [1], "v": ["a"]},
        {"t": "scalar", "d": "U300000000", "v": ["a"]},
        {
            "t": "frame",
            "i": {"t": "index", "k": "RangeIndex", "n": [None], "v": [0, 10**9, 1]},
            "n": {"t": "index", "k": "Index", "n": [None], "v": ["int64", [0]]},
            "c": [["int64", [1]]],
        },
        {
            "t": "frame",
            "i": {"t": "index", "k": "RangeIndex", "n": [None], "v": [0, 10**6, 1]},
            "n": {"t": "index", "k": "Index", "n": [None], "v": ["int64", [0]]},
            "c": [["int64", [1]]],
        },
    ],
)
def test_what_could_not_go_back_is_refused(data: Any) -> None:
    with pytest.raises(Unserialisable):
        CODEC.decode(data)

"""Values as tagged JSON: built-in types are rebuilt as built-in types, anything else goes through a hook.

A JSON array is a list; a JSON object is always a tagged value ``{"t": tag, ...}``; strings, finite and other floats,
booleans, null and small integers stand for themselves. Subclasses and objects are not data: the two hooks `export`
and `resolve` turn them into handles and back.
"""

from __future__ import annotations

import builtins
import collections
import datetime
import decimal
import fractions
import re
from collections.abc import Callable
from typing import Any

from . import inside_arrays as arrays
from . import inside_frames as frames
from .inside_match import RemoteMatch

make_named: Any = collections.namedtuple
SMALL = 1 << 53
NONE = type(None)
DEPTH = 200
"""Deepest nesting that travels."""

BUILTIN_TYPES: dict[str, type] = {
    t.__name__: t
    for t in (
        bool, bytearray, bytes, complex, dict, float, frozenset, int, list, object, range, set, slice, str, tuple, type,
    )
}  # fmt: skip
BUILTIN_TYPES["NoneType"] = NONE
BUILTIN_TYPES.update(
    (n, t)
    for n, t in vars(builtins).items()
    if isinstance(t, type) and issubclass(t, BaseException) and t.__name__ == n
)
TEMPORAL: dict[str, Any] = {
    "date": datetime.date,
    "datetime": datetime.datetime,
    "time": datetime.time,
}


class Unserialisable(Exception):
    """A value that cannot travel."""


class Codec:
    """Encodes and decodes values.

    Args:
        export: Turns an object that is no data into a tagged value, or raises `Unserialisable`.
        resolve: Turns a tagged value whose tag the codec does not know into an object.
    """

    def __init__(self, export: Callable[[Any], Any], resolve: Callable[[dict[str, Any]], Any]) -> None:
        self._export = export
        self._resolve = resolve
        self._open: set[int] = set()

    def encode(self, value: Any) -> Any:
        """A value as JSON data.

        Raises:
            Unserialisable: If it contains itself, is nested too deeply, or the hook refuses a part of it.
        """
        try:
            return self._encode(value)
        except RecursionError:
            raise Unserialisable("nested too deeply") from None

    def _encode(self, value: Any) -> Any:
        kind = type(value)
        if kind is str or kind is bool or kind is NONE or kind is float:
            return value
        if kind is int:
            return value if -SMALL < value < SMALL else {"t": "int", "v": hex(value)}
        encoder = _ENCODERS.get(kind)
        if encoder is None:
            return self._other(value)
        if id(value) in self._open:
            raise Unserialisable(f"a {kind.__name__} that contains itself")
        if len(self._open) > DEPTH:
            raise Unserialisable(f"nested more than {DEPTH} deep")
        self._open.add(id(value))
        try:
            return encoder(self, value)
        finally:
            self._open.discard(id(value))

    def items(self, values: Any) -> list[Any]:
        """The items of an iterable, each encoded."""
        encode = self._encode
        return [encode(v) for v in list(values)]

    def _other(self, value: Any) -> Any:
        if isinstance(value, tuple) and _only_fields(type(value)):
            fields = [str(f) for f in value._fields]  # type: ignore[attr-defined]
            return {"t": "named", "n": type(value).__name__, "f": fields, "v": self.items(value)}
        if isinstance(value, type) and BUILTIN_TYPES.get(value.__name__) is value:
            return {"t": "type", "v": value.__name__}
        array = arrays.encode(self, value)
        return self._export(value) if array is None else array

    def decode_names(self, data: Any) -> dict[str, Any]:
        """Keyword arguments: a plain object whose values are encoded.

        Raises:
            Unserialisable: If it is none.
        """
        if not isinstance(data, dict):
            raise Unserialisable("malformed keyword arguments")
        return {str(name): self.decode(value) for name, value in data.items()}

    def decode(self, data: Any) -> Any:
        """The value of JSON data.

        Raises:
            Unserialisable: If the data are not what `encode` writes.
        """
        if type(data) is list:
            decode = self.decode
            return [decode(item) for item in data]
        if type(data) is not dict:
            return data
        tag = data.get("t")
        decoder = _DECODERS.get(tag) if isinstance(tag, str) else None
        try:
            return self._resolve(data) if decoder is None else decoder(self, data)
        except (ArithmeticError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise Unserialisable(f"malformed {tag!r}: {type(error).__name__}: {error}") from None


def _pairs(codec: Codec, value: Any) -> list[Any]:
    return [[codec._encode(k), codec._encode(v)] for k, v in list(value.items())]  # pyright: ignore[reportPrivateUsage]


def _unpair(codec: Codec, pairs: Any) -> list[tuple[Any, Any]]:
    return [(codec.decode(k), codec.decode(v)) for k, v in pairs]


def _match(codec: Codec, m: Any) -> Any:
    spans = [list(m.span(i)) for i in range(m.re.groups + 1)]
    return {"t": "match", "s": codec.items([m.string, m.re.pattern]), "v": spans, "n": dict(m.re.groupindex)}


def _unmatch(codec: Codec, d: dict[str, Any]) -> RemoteMatch:
    spans = [(int(a), int(b)) for a, b in d["v"]]
    string, pattern = codec.decode(d["s"])
    return RemoteMatch(string, spans, {str(k): int(v) for k, v in d["n"].items()}, pattern)


def _named(codec: Codec, d: dict[str, Any]) -> Any:
    return make_named(str(d["n"]), [str(f) for f in d["f"]])(*codec.decode(d["v"]))


_OF_NAMED = frozenset(vars(make_named("Named", "")))


def _builtin_name(factory: Any) -> str:
    """The name of a built-in type; empty for anything else, which stays where it is."""
    name = getattr(factory, "__name__", "")
    return name if BUILTIN_TYPES.get(name) is factory else ""


def _only_fields(cls: type) -> bool:
    """Whether a class is a named tuple with nothing of its own, so that its objects are data."""
    if cls.__bases__ != (tuple,) or not hasattr(cls, "_fields"):
        return False
    own = vars(cls).keys() - _OF_NAMED - frozenset(cls._fields)  # type: ignore[attr-defined]
    return all(n.startswith("__annotat") or (n.startswith("__") and not callable(vars(cls)[n])) for n in own)


def _values(items: list[Any]) -> Any:
    return dict(enumerate(items)).values()


_ENCODERS: dict[type, Callable[[Codec, Any], Any]] = {
    list: lambda c, v: c.items(v),
    tuple: lambda c, v: {"t": "tuple", "v": c.items(v)},
    dict: lambda c, v: {"t": "dict", "v": _pairs(c, v)},
    set: lambda c, v: {"t": "set", "v": c.items(v)},
    frozenset: lambda c, v: {"t": "frozenset", "v": c.items(v)},
    bytes: lambda c, v: {"t": "bytes", "v": v.hex()},
    bytearray: lambda c, v: {"t": "bytearray", "v": v.hex()},
    complex: lambda c, v: {"t": "complex", "v": [v.real, v.imag]},
    range: lambda c, v: {"t": "range", "v": c.items((v.start, v.stop, v.step))},
    slice: lambda c, v: {"t": "slice", "v": c.items((v.start, v.stop, v.step))},
    type(...): lambda c, v: {"t": "constant", "v": "Ellipsis"},
    type(NotImplemented): lambda c, v: {"t": "constant", "v": "NotImplemented"},
    collections.deque: lambda c, v: {"t": "deque", "v": c.items(v), "m": v.maxlen},
    collections.Counter: lambda c, v: {"t": "Counter", "v": _pairs(c, v)},
    collections.OrderedDict: lambda c, v: {"t": "OrderedDict", "v": _pairs(c, v)},
    collections.defaultdict: lambda c, v: {
        "t": "defaultdict",
        "v": _pairs(c, v),
        "f": _builtin_name(v.default_factory),
    },
    decimal.Decimal: lambda c, v: {"t": "Decimal", "v": str(v)},
    fractions.Fraction: lambda c, v: {"t": "Fraction", "v": c.items((v.numerator, v.denominator))},
    datetime.date: lambda c, v: {"t": "date", "v": v.isoformat()},
    datetime.datetime: lambda c, v: {"t": "datetime", "v": v.isoformat()},
    datetime.time: lambda c, v: {"t": "time", "v": v.isoformat()},
    datetime.timedelta: lambda c, v: {"t": "timedelta", "v": [v.days, v.seconds, v.microseconds]},
    type({}.keys()): lambda c, v: {"t": "keys", "v": c.items(v)},
    type({}.values()): lambda c, v: {"t": "values", "v": c.items(v)},
    type({}.items()): lambda c, v: {"t": "items", "v": c.items(v)},
    re.Match: _match,
    RemoteMatch: lambda c, v: v.encoded(c),
    re.Pattern: lambda c, v: {"t": "pattern", "v": c.items([v.pattern]), "f": v.flags},
}

_DECODERS: dict[str, Callable[[Codec, dict[str, Any]], Any]] = {
    "int": lambda c, d: int(d["v"], 16),
    "tuple": lambda c, d: tuple(c.decode(d["v"])),
    "dict": lambda c, d: dict(_unpair(c, d["v"])),
    "set": lambda c, d: set(c.decode(d["v"])),
    "frozenset": lambda c, d: frozenset(c.decode(d["v"])),
    "bytes": lambda c, d: bytes.fromhex(d["v"]),
    "bytearray": lambda c, d: bytearray.fromhex(d["v"]),
    "complex": lambda c, d: complex(*d["v"]),
    "range": lambda c, d: range(*c.decode(d["v"])),
    "slice": lambda c, d: slice(*c.decode(d["v"])),
    "constant": lambda c, d: ... if d["v"] == "Ellipsis" else NotImplemented,
    "deque": lambda c, d: collections.deque(c.decode(d["v"]), d["m"]),
    "Counter": lambda c, d: collections.Counter(dict(_unpair(c, d["v"]))),
    "OrderedDict": lambda c, d: collections.OrderedDict(_unpair(c, d["v"])),
    "defaultdict": lambda c, d: collections.defaultdict(BUILTIN_TYPES.get(d["f"]), _unpair(c, d["v"])),
    "Decimal": lambda c, d: decimal.Decimal(str(d["v"])),
    "Fraction": lambda c, d: fractions.Fraction(*c.decode(d["v"])),
    "date": lambda c, d: datetime.date.fromisoformat(d["v"]),
    "datetime": lambda c, d: datetime.datetime.fromisoformat(d["v"]),
    "time": lambda c, d: datetime.time.fromisoformat(d["v"]),
    "timedelta": lambda c, d: datetime.timedelta(*d["v"]),
    "keys": lambda c, d: dict.fromkeys(c.decode(d["v"])).keys(),
    "values": lambda c, d: _values(c.decode(d["v"])),
    "items": lambda c, d: dict(c.decode(d["v"])).items(),
    "match": _unmatch,
    "pattern": lambda c, d: re.compile(c.decode(d["v"])[0], d["f"]),
    "named": _named,
    "type": lambda c, d: BUILTIN_TYPES[d["v"]],
    "ndarray": arrays.ndarray,
    "scalar": arrays.scalar,
    "series": frames.series,
    "index": frames.index,
    "frame": frames.frame,
    "pandas": frames.moment,
}

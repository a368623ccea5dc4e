"""The candidate's objects that do not travel: held by number, and what the judge asks of them."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from .inside_code import name_of
from .inside_codec import Codec, Unserialisable
from .inside_failure import describe, lineage
from .inside_thrown import arrived

PLAIN: tuple[Any, ...] = (int, float, str, list, dict, set, frozenset, bytes, tuple, complex)
BATCH = 256
_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split()
FALLBACKS = frozenset(
    [*_BINARY, *("r" + n for n in _BINARY), *("i" + n for n in _BINARY), "lt", "le", "gt", "ge"]
)
"""Special methods whose absence Python answers by trying another."""


class Objects:
    """Holds the candidate's objects and answers requests about them.

    Attributes:
        code: The candidate's source, for the lines of its tracebacks.
        codec: What turns values into data and back.
        exports: How many objects were given out as handles.
    """

    def __init__(self) -> None:
        self.code = ""
        self.codec = Codec(self.export, self._resolve)
        self.exports = 0
        self._objects: dict[int, Any] = {}
        self._ids: dict[int, int] = {}

    def callback(self, number: int | str, a: tuple[Any, ...], k: dict[str, Any]) -> Any:
        """Call a function of the judge."""
        raise NotImplementedError

    def _hold(self, value: Any) -> int:
        number = self._ids.get(id(value))
        if number is None:
            number = len(self._objects) + 1
            self._objects[number] = value
            self._ids[id(value)] = number
        return number

    def export(self, value: Any) -> Any:
        """An object as a handle: its number, and what kind of thing it is."""
        self.exports += 1
        if isinstance(value, Callback):
            return {"t": "feed" if isinstance(value, Feed) else "callback", "id": value.number}
        handle: dict[str, Any] = {"t": "handle", "id": self._hold(value), "n": name_of(value)}
        if isinstance(value, type):
            handle["k"] = "class"
            if issubclass(value, BaseException):
                handle["k"] = "error"
                handle["mro"] = lineage(value, self._hold)
        elif isinstance(value, types.CoroutineType):
            handle["k"] = "coroutine"
        elif isinstance(value, types.ModuleType):
            handle["k"] = "module"
        elif isinstance(value, BaseException):
            handle["k"] = "exception"
            handle["e"] = self.failure(value)
        elif callable(value) and hasattr(value, "__name__"):
            handle["k"] = "function"
        else:
            handle["k"] = "object"
            handle["c"] = self._hold(type(value))
        return handle

    def _resolve(self, data: dict[str, Any]) -> Any:
        if data.get("t") == "handle":
            return self._objects[data["id"]]
        if data.get("t") == "callback":
            return Callback(self, data["id"], data.get("n", ""))
        if data.get("t") == "thrown":
            return arrived(data, self.codec.decode, self._objects)
        if data.get("t") == "feed":
            return Feed(self, data["id"])
        raise Unserialisable(f"unknown tag {data.get('t')!r}")

    def failure(self, error: BaseException) -> dict[str, Any]:
        """An exception as data, with what it carries where that travels."""
        found = describe(error, self.code)
        try:
            found["args"] = self.codec.encode(list(error.args))
            found["state"] = self.codec.encode(dict(vars(error)))
        except Unserialisable:
            found["args"] = [found["message"]]
            found["state"] = {"t": "dict", "v": []}
        if hasattr(error, "_thrown"):
            found["thrown"] = error._thrown  # type: ignore[attr-defined]
        found["mro"] = lineage(type(error), self._hold)
        return found

    def target(self, f: dict[str, Any], names: dict[str, Any]) -> Callable[..., Any]:
        """What a request to call means: a global, an object or a special method of one."""
        if "n" in f:
            if f["n"] not in names:
                raise NameError(f"name {f['n']!r} is not defined")
            return names[f["n"]]
        target = self._objects[f["id"]]
        if "s" not in f:
            return target
        special = getattr(type(target), f["s"], None)
        if special is None:
            if f["s"].strip("_") in FALLBACKS:
                return lambda *_: NotImplemented
            raise TypeError(f"{type(target).__name__!r} object has no {f['s']}")
        if f["s"] == "__exit__":
            return lambda *a: special(target, type(a[0]) if a[0] else None, a[0], None)
        return types.MethodType(special, target) if f["s"] != "__next__" else lambda: special(target)

    def do_get(self, request: dict[str, Any]) -> Any:
        """An attribute of an object."""
        return {"ok": self.codec.encode(getattr(self._objects[request["id"]], request["n"]))}

    def do_set(self, request: dict[str, Any]) -> Any:
        """Set an attribute of an object."""
        setattr(self._objects[request["id"]], request["n"], self.codec.decode(request["v"]))
        return {"ok": None}

    def do_delete(self, request: dict[str, Any]) -> Any:
        """Delete an attribute of an object."""
        delattr(self._objects[request["id"]], request["n"])
        return {"ok": None}

    def do_copy(self, request: dict[str, Any]) -> Any:
        """A copy of an object, down to what it holds with `deep`."""
        import copy

        make = copy.deepcopy if request["deep"] else copy.copy
        return {"ok": self.codec.encode(make(self._objects[request["id"]]))}

    def do_isinstance(self, request: dict[str, Any]) -> Any:
        """Whether an object is an instance of a class (or, with `sub`, a class a subclass)."""
        test = issubclass if request.get("sub") else isinstance
        return {"ok": bool(test(self._objects[request["id"]], self._objects[request["c"]]))}

    def do_plain(self, request: dict[str, Any]) -> Any:
        """The value of an object whose class derives from a built-in type, as that type; else nothing."""
        value = self._objects[request["id"]]
        for base in PLAIN:
            if isinstance(value, base):
                return {"ok": [self.codec.encode(str.__str__(value) if base is str else base(value))]}
        return {"ok": []}

    def do_iterate(self, request: dict[str, Any]) -> Any:
        """Up to `count` next items of an iterator; `end` tells how it ended, if it did."""
        iterator, items = self._objects[request["id"]], []
        for _ in range(min(request["count"], BATCH)):
            try:
                items.append(self.codec.encode(next(iterator)))
            except StopIteration:
                return {"ok": {"items": items, "end": True}}
            except BaseException as error:  # noqa: BLE001 - raised in the judge at its place
                return {"ok": {"items": items, "end": True, "exc": self.failure(error)}}
        return {"ok": {"items": items, "end": False}}


class Callback:
    """A function of the judge, callable from the candidate: arguments and result are data."""

    def __init__(self, objects: Objects, number: int | str, name: str = "") -> None:
        self.number = number
        self._objects = objects
        self.__name__ = self.__qualname__ = name or str(number)

    def __call__(self, *a: Any, **k: Any) -> Any:
        return self._objects.callback(self.number, a, k)


class Feed(Callback):
    """An iterator of the judge: each item is asked for when it is wanted."""

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> Any:
        return self()

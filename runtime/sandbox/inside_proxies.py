"""Stand-ins, in the judge, for what lives in the candidate: functions, classes, objects, iterators.

What a test asks of them is forwarded. What decides is not: an object of the candidate's never equals plain data by its
own word, and its class's `__eq__` is heard only between two of its own objects, and only where it tells a stranger
apart. Nor does it learn of plain data by an operator (``abs(f(2) - 4) < 1e-6``), or say what it makes of them, unless
the tests name its class.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .inside_peer import Peer

_OWN = frozenset({"_remote_peer", "_remote_id", "_remote_name", "_remote_class"})


class Proxy:
    """An object in the candidate."""

    _remote_peer: Peer
    _remote_id: int
    _remote_name: str
    _remote_class: int | None

    def __init__(self, peer: Peer, number: int, name: str, cls: Any = None) -> None:
        put = object.__setattr__
        put(self, "_remote_peer", peer)
        put(self, "_remote_id", number)
        put(self, "_remote_name", name)
        put(self, "_remote_class", cls if isinstance(cls, int) else None)

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:
            raise AttributeError(name)
        found = self._remote_peer.ask("get", id=self._remote_id, n=name)
        self._remote_peer.note_named(name, found)
        return found

    def __setattr__(self, name: str, value: Any) -> None:
        peer = self._remote_peer
        peer.request("set", id=self._remote_id, n=name, v=peer.encode((value,))[0])

    def __delattr__(self, name: str) -> None:
        self._remote_peer.request("delete", id=self._remote_id, n=name)

    def __call__(self, *a: Any, **k: Any) -> Any:
        return self._remote_peer.call({"id": self._remote_id}, self._remote_name, a, k)

    def _special(self, method: str, *a: Any) -> Any:
        name = f"{self._remote_name}.{method}"
        return self._remote_peer.call({"id": self._remote_id, "s": method}, name, a, {})

    def _plain(self) -> list[Any]:
        return self._remote_peer.ask("plain", id=self._remote_id)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Proxy):
            if other._remote_id == self._remote_id:
                return True
            return self._says_equal(other) and not self._takes_a_stranger()
        plain = self._plain()
        return bool(plain) and plain[0] == other

    def _says_equal(self, other: object) -> bool:
        said = self._special("__eq__", other)
        return said is not NotImplemented and not isinstance(said, Proxy) and bool(said)

    def _takes_a_stranger(self) -> bool:
        """Whether its `__eq__` says yes to anything; one that fails on what is no object of its kind does not."""
        try:
            return self._says_equal("a stranger")
        except Exception as error:
            if not hasattr(error, "_remote"):
                raise
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._special("__hash__"))

    def __repr__(self) -> str:
        shown = self._special("__repr__")
        return shown if isinstance(shown, str) else f"<{self._remote_name}>"

    def __str__(self) -> str:
        shown = self._special("__str__")
        return shown if isinstance(shown, str) else f"<{self._remote_name}>"


class RemoteFunction(Proxy):
    """A function of the candidate's."""

    @property
    def __name__(self) -> str:
        return self._remote_name

    def __repr__(self) -> str:
        return f"<function {self._remote_name}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Proxy) and other._remote_id == self._remote_id

    def __hash__(self) -> int:
        return hash(self._remote_id)


class RemoteClass(RemoteFunction):
    """A class of the candidate's: call it, ask `isinstance`."""

    def __instancecheck__(self, instance: Any) -> bool:
        if not isinstance(instance, RemoteObject):
            return False
        return self._remote_peer.ask("isinstance", id=instance._remote_id, c=self._remote_id) is True

    def __subclasscheck__(self, cls: Any) -> bool:
        if not isinstance(cls, RemoteClass):
            return False
        return self._remote_peer.ask("isinstance", id=cls._remote_id, c=self._remote_id, sub=True) is True

    def __repr__(self) -> str:
        return f"<class {self._remote_name!r}>"


class RemoteObject(Proxy):
    """An instance of a class of the candidate's."""

    def __copy__(self) -> Any:
        return self._remote_peer.ask("copy", id=self._remote_id, deep=False)

    def __deepcopy__(self, _: dict[int, Any]) -> Any:
        return self._remote_peer.ask("copy", id=self._remote_id, deep=True)

    def __bool__(self) -> bool:
        peer = self._remote_peer
        try:
            return peer.call({"id": self._remote_id, "s": "__bool__"}, "bool", (), {}) is True
        except TypeError:
            pass
        try:
            return peer.call({"id": self._remote_id, "s": "__len__"}, "len", (), {}) != 0
        except TypeError:
            return True

    def __iter__(self) -> Iterator[Any]:
        iterator = self._special("__iter__")
        if isinstance(iterator, RemoteIterator):
            return iterator
        return RemoteIterator(self._remote_peer, iterator._remote_id)

    def __next__(self) -> Any:
        return self._special("__next__")

    def __enter__(self) -> Any:
        entered = self._special("__enter__")
        return self if isinstance(entered, Proxy) and entered._remote_id == self._remote_id else entered

    def __exit__(self, kind: Any, failure: BaseException | None, trace: Any) -> bool:
        """Its word counts on what may happen within, but on no verdict of the test."""
        if not isinstance(failure, Exception) or isinstance(failure, AssertionError):
            self._special("__exit__", None)
            return False
        return bool(self._special("__exit__", failure))

    def __contains__(self, item: Any) -> bool:
        if self._may_not_see(item):
            plain = self._plain()
            return item in plain[0] if plain else any(item == other for other in self)
        try:
            return self._special("__contains__", item) is True
        except TypeError:
            return any(item == other for other in self)

    def _may_not_see(self, value: Any) -> bool:
        """Whether a value is the test's own and the object of a class that no test names, whose word counts nothing."""
        return (
            not isinstance(value, Proxy)
            and not callable(value)
            and self._remote_class not in self._remote_peer.named
        )

    def _by_value(self, method: str, *a: Any) -> Any:
        """An operator applied to what the object is as plain data, where its class derives from a built-in type."""
        plain = self._plain()
        if not plain:
            raise TypeError(
                f"{self._remote_name!r} is neither data nor a class that a test names: no {method} with a test's value"
            )
        name = method.strip("_")
        if name.removeprefix("r") in _BINARY and name not in _BINARY:
            return _OPERATORS[name.removeprefix("r")](a[0], plain[0])
        return _OPERATORS[name if name in _OPERATORS else name.removeprefix("i")](plain[0], *a)

    def __format__(self, spec: str) -> str:
        return str(self._special("__format__", spec))


def _forward(method: str) -> Any:
    def forwarded(self: RemoteObject, *a: Any) -> Any:
        if method in _JUDGING and self._may_not_see(a[0]):  # pyright: ignore[reportPrivateUsage]
            return self._by_value(method, *a)  # pyright: ignore[reportPrivateUsage]
        return self._special(method, *a)  # pyright: ignore[reportPrivateUsage]

    forwarded.__name__ = method
    return forwarded


_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split()
_ORDER = "lt le gt ge".split()
_OPERATORS: dict[str, Any] = {
    **{n: getattr(operator, f"__{n}__") for n in [*_BINARY, *_ORDER] if n not in ("divmod", "pow")},
    "divmod": divmod,
    "pow": pow,
}
_JUDGING = [
    *(f"__{n}__" for n in [*_BINARY, *_ORDER]),
    *(f"__r{n}__" for n in _BINARY),
    *(f"__i{n}__" for n in _BINARY if n != "divmod"),
]
"""Special methods whose result is a verdict on the other operand."""
_METHODS = [
    *_JUDGING,
    *(f"__{n}__" for n in "neg pos abs invert len getitem setitem delitem".split()),
    *(f"__{n}__" for n in "int float index complex round trunc floor ceil reversed bytes".split()),
]
for _method in _METHODS:
    setattr(RemoteObject, _method, _forward(_method))


def _doc(self: Proxy) -> Any:
    return self._remote_peer.ask("get", id=self._remote_id, n="__doc__")  # pyright: ignore[reportPrivateUsage]


for _kind in (Proxy, RemoteFunction, RemoteClass, RemoteObject):
    _kind.__doc__ = property(_doc)  # type: ignore[assignment]


class RemoteIterator:
    """A generator or another iterator of the candidate's; items are fetched as they are asked for."""

    def __init__(self, peer: Peer, number: int) -> None:
        self._remote_peer = peer
        self._remote_id = number
        self._remote_name = "iterator"
        self._items = peer.items(number)

    def __iter__(self) -> RemoteIterator:
        return self

    def __next__(self) -> Any:
        return next(self._items)

    def __getattr__(self, name: str) -> Any:
        return self._remote_peer.ask("get", id=self._remote_id, n=name)

    def __repr__(self) -> str:
        return "<generator>"

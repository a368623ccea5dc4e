"""The judge's side of the connection to a candidate: requests out, values and exceptions in.

Nothing that arrives is trusted: it is decoded to data, or to a proxy that forwards. The candidate can never reach an
object of the judge; of the judge's functions it can only call those that a test passed to it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from .inside_ahead import Call
from .inside_codec import Codec, Unserialisable
from .inside_ends import Astray, CannotTravel, Gone
from .inside_plan import Plan, Planned
from .inside_proxies import Proxy, RemoteClass, RemoteFunction, RemoteIterator, RemoteObject
from .inside_raised import Raised
from .inside_thrown import thrown
from .inside_update import update
from .inside_wire import Channel, FrameTooLarge, WireClosed, WireError

SINGLY = 64
"""Items of an iterator that are fetched one by one."""


class _Shown:
    """Stands for what is no data where arguments are shown."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._name = str(data.get("n", "function"))

    def __repr__(self) -> str:
        return f"<{self._name}>"


class Peer:
    """Speaks with one candidate.

    Args:
        channel: The connection.

    Attributes:
        capture: Whether what a call prints is to appear on this side's standard output too.
        gone: Why nothing more can be asked ("start": its process never greeted, "eof", "protocol"); empty while it
            answers.
        plan: The calls that are sure to be made.
        astray: Whether the tests made another call than the one that was planned.
        calls: Calls of the candidate since the last `begin`, as ``(name, encoded arguments, encoded keywords)``.
        named: Numbers of the candidate's classes that the tests name, in capitals as classes are.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._codec = Codec(self._export, self._resolve)
        self._callbacks: list[Callable[..., Any]] = []
        self._raised = Raised(self._codec_decode)
        self._thrown: list[Exception] = []
        self._handed: dict[int, tuple[Any, int]] = {}
        self._arguments: tuple[Any, ...] = ()
        self.astray = False
        self._greeted = False
        self.plan = Plan()
        self.gone = ""
        self.unit = 0
        self.capture = False
        self.calls: list[tuple[str, list[Any], dict[str, Any]]] = []
        self.named: set[int] = set()

    def begin(self, unit: int) -> None:
        """A test begins: forget the calls of the one before."""
        self.unit = unit
        self.calls.clear()

    # -- requests ----------------------------------------------------------------------------------

    def ask(self, op: str, **fields: Any) -> Any:
        """Send a request and return the decoded answer, or raise what the candidate raised."""
        return self._codec_decode(self.request(op, **fields)["ok"])

    def request(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a request and return the reply as it came; exceptions of the candidate are raised.

        Raises:
            Gone: If the candidate is gone.
            CannotTravel: If a value cannot travel.
        """
        if self.plan.asked:
            self._stray()
        return self._exchange({"op": op, **fields})

    def _exchange(self, *requests: dict[str, Any]) -> dict[str, Any]:
        """Send requests, if any, and take the next reply."""
        if self.gone:
            raise Gone(self.gone)
        reply: dict[str, Any] = {}
        try:
            if requests:
                self._channel.send(*requests)
            if not self._greeted:
                if self._channel.recv() != {"hello": True}:
                    raise WireError("no greeting")
                self._greeted = True
            while True:
                received = self._channel.recv()
                if not isinstance(received, dict):
                    raise WireError("a reply that is no object")
                reply = received
                if "cb" not in reply:
                    break
                self._answer(reply)
        except WireClosed:
            self.gone = "eof" if self._greeted else "start"
        except WireError:
            self.gone = "protocol"
        except FrameTooLarge as error:
            raise CannotTravel(f"a value of {error}", by_test=True) from None
        if self.gone:
            raise Gone(self.gone)
        if "alone" in reply:
            self.plan.drop()
        if "exc" in reply:
            raise self._failure(reply["exc"])
        if "bad" in reply or "ok" not in reply:
            raise CannotTravel(str(reply.get("bad", "malformed reply"))[:500], by_test=False)
        return reply

    def call(self, function: dict[str, Any], name: str, a: tuple[Any, ...], k: dict[str, Any]) -> Any:
        """Call something of the candidate's; what it changes in mutable arguments is changed here too."""
        arguments, keywords = self.encode(a), {n: self.encode((v,))[0] for n, v in k.items()}
        self.calls.append((name, arguments, keywords))
        if self.plan.open and not self.capture:
            requests = [] if self.plan.asked else self.plan.take(0)
            if self.plan.asked.popleft() != Planned(function, arguments, keywords):
                self._stray()
            reply = self._exchange(*requests)
        else:
            fields: dict[str, Any] = {"capture": True} if self.capture else {}
            reply = self.request("call", f=function, a=arguments, k=keywords, unit=self.unit, **fields)
        if self.capture:
            sys.stdout.write(str(reply.get("out", "")))
        try:
            for key, after in reply.get("changed", ()):
                update(k[key] if isinstance(key, str) else a[key], self._codec_decode(after))
        except (TypeError, ValueError, KeyError, IndexError):
            raise CannotTravel("malformed reply", by_test=False) from None
        self._arguments = a
        try:
            return self._codec_decode(reply["ok"])
        finally:
            self._arguments = ()

    def _stray(self) -> NoReturn:
        self.astray = True
        raise Astray

    def encode(self, values: tuple[Any, ...]) -> list[Any]:
        """Values of the test as data.

        Raises:
            CannotTravel: If one cannot travel.
        """
        try:
            return self._codec.encode(list(values))
        except Unserialisable as error:
            raise CannotTravel(str(error), by_test=True) from None

    def arguments(self, index: int) -> str:
        """A noted call as source, with its arguments as they were before it: ``f(1, k=2)``."""
        name, a, k = self.calls[index]
        show = Codec(self._export, _Shown).decode
        shown = [repr(show(v)) for v in a] + [f"{n}={show(v)!r}" for n, v in k.items()]
        return f"{name}({', '.join(shown)})"

    def names(self, wanted: list[str]) -> dict[str, Any]:
        """Those of the wanted names that the candidate defines, as values or proxies."""
        return self._named(self.request("names", names=wanted)["ok"], wanted)

    def load(self, fields: dict[str, Any], wanted: list[str], known: list[Call]) -> dict[str, Any]:
        """Have the candidate define its code; those of the wanted names that it defines then.

        Args:
            fields: The code and what belongs to it.
            wanted: The names; the entry point is the first.
            known: The calls of the entry point that the tests begin with.
        """
        for a, k in known:
            arguments, keywords = self.encode(tuple(a)), {n: self.encode((v,))[0] for n, v in k.items()}
            self.plan.add(arguments, keywords)
        load = {"op": "load", "names": wanted, **fields}
        return self._named(self._exchange(load, *self.plan.take(1))["ok"], wanted)

    def _named(self, found: Any, wanted: list[str]) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise CannotTravel("malformed reply", by_test=False)
        values = {n: self._codec_decode(found[n]) for n in wanted if n in found}
        for name, value in values.items():
            self.note_named(name, value)
        return values

    def note_named(self, name: str, value: Any) -> None:
        """The tests name this; where it is a class, its objects' operators are theirs to use."""
        if isinstance(value, RemoteClass) and name.lstrip("_")[:1].isupper():
            self.named.add(value._remote_id)  # pyright: ignore[reportPrivateUsage]

    def items(self, number: int) -> Iterator[Any]:
        """The items of a remote iterator, one by one as the next may take long; in growing batches once many came."""
        count, end, came = 1, False, 0
        while not end:
            answer = self.request("iterate", id=number, count=count)["ok"]
            if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
                raise CannotTravel("malformed reply", by_test=False)
            for item in answer["items"]:
                yield self._codec_decode(item)
            if "exc" in answer:
                raise self._failure(answer["exc"])
            came += len(answer["items"])
            end, count = bool(answer.get("end", True)), min(256, count * 2) if came >= SINGLY else 1

    # -- values ------------------------------------------------------------------------------------

    def _codec_decode(self, data: Any) -> Any:
        try:
            return self._codec.decode(data)
        except (Unserialisable, RecursionError, MemoryError, ImportError) as error:
            raise CannotTravel(str(error)[:500], by_test=False) from None

    def _export(self, value: Any) -> Any:
        if isinstance(value, (Proxy, RemoteIterator)):
            name = getattr(value, "_remote_name", "iterator")
            return {"t": "handle", "id": value._remote_id, "n": name}  # pyright: ignore[reportPrivateUsage]
        held = self._handed.get(id(value))
        if held is not None:
            return {"t": "handle", "id": held[1], "n": ""}
        number = getattr(value, "_remote_class_id", None) if isinstance(value, type) else None
        if number is not None:
            return {"t": "handle", "id": number, "n": value.__name__}
        if isinstance(value, Exception):
            return self._throw(value)
        if callable(value) and not isinstance(value, type):
            return self._callback("callback", value)
        if hasattr(value, "__next__") and not isinstance(value, io.IOBase):
            return self._callback("feed", value.__next__)
        raise Unserialisable(f"an object of class {type(value).__name__}")

    def _callback(self, tag: str, function: Callable[..., Any]) -> dict[str, Any]:
        self._callbacks.append(function)
        name = str(getattr(function, "__name__", type(function).__name__))
        return {"t": tag, "id": len(self._callbacks) - 1, "n": name}

    def _resolve(self, data: dict[str, Any]) -> Any:
        tag, kind = data.get("t"), data.get("k")
        if tag == "argument":
            return self._arguments[data["i"]]
        if tag == "callback":
            return self._callbacks[data["id"]]
        if tag == "feed":
            return self._callbacks[data["id"]].__self__  # type: ignore[attr-defined]
        if tag != "handle":
            raise Unserialisable(f"unknown tag {tag!r}")
        number, name = int(data["id"]), str(data["n"])
        if kind == "function":
            return RemoteFunction(self, number, name)
        if kind == "class":
            return RemoteClass(self, number, name)
        if kind == "error":
            return self._hand(self._raised.error_class(data["mro"]), number)
        if kind == "exception":
            return self._hand(self._failure(data["e"]), number)
        if kind == "coroutine":
            return self._hand(self._await(number), number)
        if name in ("generator", "map", "filter", "zip", "enumerate", "reversed") or name.endswith(
            "iterator"
        ):
            return RemoteIterator(self, number)
        if kind == "module":
            if name in sys.stdlib_module_names:
                return self._hand(__import__(name), number)
            raise Unserialisable(f"the module {name}")
        return RemoteObject(self, number, name, data.get("c"))

    def _hand(self, value: Any, number: int) -> Any:
        """Remember what an object made here stands for: it travels back as that."""
        self._handed[id(value)] = (value, number)
        return value

    async def _await(self, number: int) -> Any:
        return self.ask("await", id=number)

    def _answer(self, reply: dict[str, Any]) -> None:
        """Answer the candidate's call of a function of the test; it chose the arguments, so it answers for the size."""
        try:
            self._channel.send(self._call_back(reply))
        except FrameTooLarge as error:
            raise CannotTravel(f"a value of {error}", by_test=False) from None

    def _call_back(self, reply: dict[str, Any]) -> dict[str, Any]:
        try:
            function = self._callbacks[reply["cb"]]
            a = self._codec_decode(reply["a"])
            k = {str(n): self._codec_decode(v) for n, v in reply["k"].items()}
            return {"ok": self.encode((function(*a, **k),))[0]}
        except Exception as error:  # noqa: BLE001 - goes to the candidate that called
            return {"exc": self._throw(error)}

    def _throw(self, error: Exception) -> dict[str, Any]:
        """An exception of the test's for the candidate."""
        self._thrown.append(error)
        return thrown(error, self._codec.encode, len(self._thrown) - 1)

    def _failure(self, found: Any) -> BaseException:
        """What the candidate raised, to be raised here: one of the test's own where it passed that on."""
        number = found.get("thrown", -1) if isinstance(found, dict) else -1
        rebuilt = self._raised.rebuild(found)
        if type(number) is not int or not 0 <= number < len(self._thrown):
            return rebuilt
        self._thrown[number]._remote = rebuilt._remote  # type: ignore[attr-defined]
        return self._thrown[number]

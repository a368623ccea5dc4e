"""The candidate's side: it defines the code it is sent and answers calls. It never sees a test.

Everything here runs in the candidate's own process and may be tampered with by it; nothing here decides anything.
"""

from __future__ import annotations

import builtins
import gc
import os
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from .inside_code import Compilation, Submitted, compiled, name_of, submit
from .inside_codec import Codec, Unserialisable
from .inside_failure import CODE, PREAMBLE, describe, describe_syntax
from .inside_streams import Capture, flush, set_stdin
from .inside_trace import Tracer
from .inside_wire import Channel, FrameTooLarge, WireClosed

PLAIN: tuple[Any, ...] = (int, float, str, list, dict, set, frozenset, bytes, tuple, complex)
MUTABLE = (list, dict, set, bytearray)
BATCH = 256
_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod".split()
FALLBACKS = frozenset(
    [*_BINARY, *("r" + n for n in _BINARY), *("i" + n for n in _BINARY), "lt", "le", "gt", "ge"]
)
"""Special methods whose absence Python answers by trying another."""


class Host:
    """Holds the candidate's names and objects and answers one request at a time.

    Args:
        channel: The connection to the judge.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.module = types.ModuleType("__main__")
        self.code = ""
        self.preamble = ""
        self.tracer: Tracer | None = None
        self._objects: dict[int, Any] = {}
        self._ids: dict[int, int] = {}
        self._codec = Codec(self._export, self._resolve)
        self._lock = threading.RLock()
        self._arguments: list[Any] = []

    @property
    def names(self) -> dict[str, Any]:
        """The candidate's globals."""
        return self.module.__dict__

    # -- objects that do not travel ------------------------------------------------------------------

    def _hold(self, value: Any) -> int:
        number = self._ids.get(id(value))
        if number is None:
            number = len(self._objects) + 1
            self._objects[number] = value
            self._ids[id(value)] = number
        return number

    def _export(self, value: Any) -> Any:
        for i, argument in enumerate(self._arguments):
            if argument is value:
                return {"t": "argument", "i": i}
        if isinstance(value, Callback):
            return {"t": "callback", "id": value.number}
        handle: dict[str, Any] = {"t": "handle", "id": self._hold(value), "n": name_of(value)}
        if isinstance(value, type):
            handle["k"] = "class"
            if issubclass(value, BaseException):
                handle["k"] = "error"
                handle["mro"] = [[str(c.__module__), c.__name__] for c in value.__mro__]
        elif isinstance(value, types.CoroutineType):
            handle["k"] = "coroutine"
        elif isinstance(value, types.ModuleType):
            handle["k"] = "module"
        elif isinstance(value, BaseException):
            handle["k"] = "exception"
            handle["e"] = self._failure(value)
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
            return Callback(self, data["id"])
        raise Unserialisable(f"unknown tag {data.get('t')!r}")

    def _failure(self, error: BaseException) -> dict[str, Any]:
        found = describe(error, self.code)
        try:
            found["args"] = self._codec.encode(list(error.args))
            found["state"] = self._codec.encode(dict(vars(error)))
        except Unserialisable:
            found["args"] = [found["message"]]
            found["state"] = {"t": "dict", "v": []}
        if type(error).__module__ not in sys.stdlib_module_names and type(error).__module__ != "builtins":
            found["class"] = self._hold(type(error))
        return found

    # -- requests --------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Answer requests until the judge is gone."""
        while True:
            try:
                request = self.channel.recv()
            except WireClosed:
                return
            self._answer(request)

    def _answer(self, request: dict[str, Any]) -> None:
        reply: dict[str, Any]
        try:
            reply = getattr(self, "do_" + request["op"])(request)
        except Unserialisable as error:
            reply = {"bad": str(error)}
        except BaseException as error:  # noqa: BLE001 - whatever the candidate raises is its answer
            reply = {"exc": self._failure(error)}
        flush()
        try:
            self.channel.send(reply)
        except FrameTooLarge as error:
            if "exc" not in reply:
                self.channel.send({"bad": f"a value of {error}"})
                return
            reply["exc"]["args"], reply["exc"]["state"] = [reply["exc"]["message"]], {"t": "dict", "v": []}
            self.channel.send(reply)

    def do_load(self, request: dict[str, Any]) -> Any:
        """Compile and run preamble and code; say which of the names asked for there are."""
        self.code, self.preamble = request["code"], request["preamble"]
        self.module = types.ModuleType(request.get("name", "__main__"))
        sys.modules[self.module.__name__] = self.module
        if request["stdin"]:
            set_stdin(request["stdin"])
        if request.get("trace"):
            self.tracer = Tracer(request["trace"])
        try:
            self._define()
        except Compilation as error:
            return {"exc": describe_syntax(error.args[0], self.code)}
        return self.do_names(request)

    def _define(self) -> None:
        if self.preamble:
            exec(compiled(self.preamble, PREAMBLE), self.names)
        body = compiled(self.code, CODE)
        self._traced(lambda: exec(body, self.names))

    def _traced(self, call: Callable[[], Any]) -> Any:
        return call() if self.tracer is None else self.tracer.run(call)

    def do_names(self, request: dict[str, Any]) -> Any:
        """Those of the given names that the candidate defines, encoded."""
        found: dict[str, Any] = {}
        for name in request["names"]:
            if name in self.names:
                try:
                    found[name] = self._codec.encode(self.names[name])
                except Unserialisable:
                    found[name] = self._export(self.names[name])
        return {"ok": found}

    def do_call(self, request: dict[str, Any]) -> Any:
        """Call a global, an object or a special method; return its value and what became of its arguments."""
        if self.tracer is not None:
            self.tracer.enter(request.get("unit", 0))
        arguments = [self._codec.decode(a) for a in request["a"]]
        named = {k: self._codec.decode(v) for k, v in request["k"].items()}
        function = self._target(request["f"])
        printed = ""
        if request.get("capture"):
            with Capture() as captured:
                value = self._traced(lambda: function(*arguments, **named))
            printed = captured.text
        else:
            value = self._traced(lambda: function(*arguments, **named))
        changed: list[Any] = []
        for key, argument, before in [
            *((i, a, b) for i, (a, b) in enumerate(zip(arguments, request["a"]))),  # noqa: B905
            *((k, named[k], request["k"][k]) for k in named),
        ]:
            if isinstance(argument, MUTABLE) or hasattr(argument, "appendleft"):
                after = self._codec.encode(argument)
                if after != before:
                    changed.append([key, after])
        return {"ok": self._result(value, arguments), "changed": changed, "out": printed}

    def _result(self, value: Any, arguments: list[Any]) -> Any:
        for i, argument in enumerate(arguments):
            if argument is value and isinstance(value, MUTABLE):
                return {"t": "argument", "i": i}
        return self._codec.encode(value)

    def _target(self, f: dict[str, Any]) -> Callable[..., Any]:
        if "n" in f:
            if f["n"] not in self.names:
                raise NameError(f"name {f['n']!r} is not defined")
            return self.names[f["n"]]
        target = self._objects[f["id"]]
        if "s" not in f:
            return target
        special = getattr(type(target), f["s"], None)
        if special is None:
            if f["s"].strip("_") in FALLBACKS:
                return lambda *_: NotImplemented
            raise TypeError(f"{type(target).__name__!r} object has no {f['s']}")
        return types.MethodType(special, target) if f["s"] != "__next__" else lambda: special(target)

    def do_get(self, request: dict[str, Any]) -> Any:
        """An attribute of an object."""
        return {"ok": self._codec.encode(getattr(self._objects[request["id"]], request["n"]))}

    def do_set(self, request: dict[str, Any]) -> Any:
        """Set an attribute of an object."""
        setattr(self._objects[request["id"]], request["n"], self._codec.decode(request["v"]))
        return {"ok": None}

    def do_delete(self, request: dict[str, Any]) -> Any:
        """Delete an attribute of an object."""
        delattr(self._objects[request["id"]], request["n"])
        return {"ok": None}

    def do_isinstance(self, request: dict[str, Any]) -> Any:
        """Whether an object is an instance of a class (or, with `sub`, a class a subclass)."""
        test = issubclass if request.get("sub") else isinstance
        return {"ok": bool(test(self._objects[request["id"]], self._objects[request["c"]]))}

    def do_plain(self, request: dict[str, Any]) -> Any:
        """The value of an object whose class derives from a built-in type, as that type; else nothing."""
        value = self._objects[request["id"]]
        for base in PLAIN:
            if isinstance(value, base):
                return {"ok": [self._codec.encode(str.__str__(value) if base is str else base(value))]}
        return {"ok": []}

    def do_iterate(self, request: dict[str, Any]) -> Any:
        """Up to `count` next items of an iterator; `end` tells how it ended, if it did."""
        iterator, items = self._objects[request["id"]], []
        for _ in range(min(request["count"], BATCH)):
            try:
                items.append(self._codec.encode(next(iterator)))
            except StopIteration:
                return {"ok": {"items": items, "end": True}}
            except BaseException as error:  # noqa: BLE001 - raised in the judge at its place
                return {"ok": {"items": items, "end": True, "exc": self._failure(error)}}
        return {"ok": {"items": items, "end": False}}

    def do_await(self, request: dict[str, Any]) -> Any:
        """Run a coroutine to its end."""
        import asyncio

        return {"ok": self._codec.encode(self._traced(lambda: asyncio.run(self._objects[request["id"]])))}

    def do_trace(self, request: dict[str, Any]) -> Any:
        """What was traced since the current unit began."""
        return {"ok": [] if self.tracer is None else self.tracer.events()}

    def do_source(self, request: dict[str, Any]) -> Any:
        """Take the code of a whole program without running it yet."""
        self.code, self.preamble = request["code"], request["preamble"]
        if request.get("trace"):
            self.tracer = Tracer(request["trace"])
        return {"ok": True}

    def do_program(self, request: dict[str, Any]) -> Any:
        """Run the code as a whole program on a standard input; return its standard output."""
        set_stdin(request["stdin"])
        if self.tracer is not None:
            self.tracer.enter(request.get("unit", 0))
        self.module = types.ModuleType("__main__")
        sys.modules["__main__"] = self.module
        with Capture() as captured:
            try:
                self._define()
            except Compilation as error:
                return {"exc": describe_syntax(error.args[0], self.code)}
            except SystemExit as error:
                if error.code not in (None, 0):
                    raise
        return {"ok": self._codec.encode(captured.text)}

    def do_exec(self, request: dict[str, Any]) -> Any:
        """Run a piece of code in the same names as the last one; return what it printed and submitted."""
        self.code = request["code"]
        self.names.update(self._codec.decode_names(request["variables"]))
        self.names.update({name: Callback(self, name) for name in request["tools"]})

        def hand_in(*a: Any, **k: Any) -> None:
            """End this piece of code with an answer."""
            submit(request["fields"], a, k)

        self.names["SUBMIT"] = hand_in
        reply: dict[str, Any] = {"ok": True}
        with Capture() as captured:
            try:
                exec(compiled(self.code, CODE), self.names)
            except Compilation as error:
                reply = {"exc": describe_syntax(error.args[0], self.code)}
            except Submitted as error:
                reply["final"] = self._codec.encode(error.args[0])
            except BaseException as error:  # noqa: BLE001 - the code's own failure
                reply = {"exc": self._failure(error)}
        return {**reply, "out": captured.text}

    def callback(self, number: int | str, a: tuple[Any, ...], k: dict[str, Any]) -> Any:
        """Call a function of the judge; the judge may call back before it answers."""
        with self._lock:
            arguments = [self._codec.encode(v) for v in a]
            self.channel.send(
                {"cb": number, "a": arguments, "k": {n: self._codec.encode(v) for n, v in k.items()}}
            )
            while True:
                request = self.channel.recv()
                if "op" in request:
                    self._answer(request)
                    continue
                if "exc" in request:
                    name, message = request["exc"]
                    cls = getattr(builtins, name, RuntimeError)
                    raise (
                        cls(message)
                        if isinstance(cls, type) and issubclass(cls, Exception)
                        else RuntimeError(message)
                    )
                return self._codec.decode(request["ok"])


class Callback:
    """A function of the judge, callable from the candidate: arguments and result are data."""

    def __init__(self, host: Host, number: int | str) -> None:
        self.number = number
        self._host = host

    def __call__(self, *a: Any, **k: Any) -> Any:
        return self._host.callback(self.number, a, k)


def run(channel_fd: int) -> None:
    """Serve one judge, then leave without running what the candidate left behind for the exit."""
    gc.enable()
    try:
        channel = Channel(channel_fd)
        channel.send({"hello": True})
        Host(channel).serve()
    except BaseException:  # noqa: BLE001 - the judge sees the end of the stream
        os._exit(70)
    os._exit(0)

"""The candidate's side: it defines the code it is sent and answers calls. It never sees a test.

Everything here runs in the candidate's own process and may be tampered with by it; nothing here decides anything.
"""

from __future__ import annotations

import atexit
import gc
import os
import socket
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

from .inside_code import Compilation, Submitted, compiled, submit
from .inside_codec import Unserialisable
from .inside_failure import CODE, PREAMBLE, describe_syntax
from .inside_objects import Callback, Objects
from .inside_streams import Capture, flush, open_streams, set_stdin
from .inside_trace import Tracer
from .inside_wire import Channel, FrameTooLarge, WireClosed, pack

HELLO = pack({"hello": True})
MUTABLE = (list, dict, set, bytearray)
REHEARSALS = 16
_LEAVING: Any = atexit


class Host(Objects):
    """Holds the candidate's names and objects and answers one request at a time.

    Args:
        channel: The connection to the judge.
    """

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self.channel = channel
        self.module = types.ModuleType("__main__")
        self.preamble = ""
        self.tracer: Tracer | None = None
        self._lock = threading.RLock()
        self._ahead = True

    @property
    def names(self) -> dict[str, Any]:
        """The candidate's globals."""
        return self.module.__dict__

    def serve(self) -> None:
        """Answer requests until the judge is gone."""
        while True:
            try:
                request = self.channel.recv()
            except WireClosed:
                return
            self._answer(request)

    def _answer(self, request: dict[str, Any]) -> None:
        """Answer one request, but none that was sent ahead of its turn once the judge may have to ask between.

        It may where the code does not load, and where an answer holds an object that does not travel; "alone" says so.
        """
        reply: dict[str, Any]
        ahead, exports = request.get("ahead"), self.exports
        if ahead and not self._ahead:
            return
        try:
            reply = getattr(self, "do_" + request["op"])(request)
        except Unserialisable as error:
            reply = {"bad": str(error)}
        except BaseException as error:  # noqa: BLE001 - whatever the candidate raises is its answer
            reply = {"exc": self.failure(error)}
        if self.exports != exports if ahead else "exc" in reply:
            self._ahead = False
            reply["alone"] = True
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
                    found[name] = self.codec.encode(self.names[name])
                except Unserialisable:
                    found[name] = self.export(self.names[name])
        return {"ok": found}

    def do_call(self, request: dict[str, Any]) -> Any:
        """Call a global, an object or a special method; return its value and what became of its arguments."""
        if self.tracer is not None:
            self.tracer.enter(request.get("unit", 0))
        arguments = [self.codec.decode(a) for a in request["a"]]
        named = {k: self.codec.decode(v) for k, v in request["k"].items()}
        function = self.target(request["f"], self.names)
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
            if _may_change(argument):
                after = self.codec.encode(argument)
                if after != before:
                    changed.append([key, after])
        return {"ok": self._result(value, arguments), "changed": changed, "out": printed}

    def _result(self, value: Any, arguments: list[Any]) -> Any:
        for i, argument in enumerate(arguments):
            if argument is value and isinstance(value, MUTABLE):
                return {"t": "argument", "i": i}
        return self.codec.encode(value)

    def do_await(self, request: dict[str, Any]) -> Any:
        """Run a coroutine to its end."""
        import asyncio

        return {"ok": self.codec.encode(self._traced(lambda: asyncio.run(self._objects[request["id"]])))}

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
        open_streams()
        set_stdin(request["stdin"])
        if self.tracer is not None:
            self.tracer.enter(request.get("unit", 0))
        self.module = types.ModuleType("__main__")
        sys.modules["__main__"] = self.module
        _LEAVING._clear()
        with Capture() as captured:
            try:
                self._define()
            except Compilation as error:
                return {"exc": describe_syntax(error.args[0], self.code)}
            except SystemExit as error:
                if error.code not in (None, 0):
                    raise
            _end_program()
        return {"ok": self.codec.encode(captured.text)}

    def do_exec(self, request: dict[str, Any]) -> Any:
        """Run a piece of code in the same names as the last one; return what it printed and submitted."""
        self.code = request["code"]
        self.names.update(self.codec.decode_names(request["variables"]))
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
                reply["final"] = self.codec.encode(error.args[0])
            except BaseException as error:  # noqa: BLE001 - the code's own failure
                reply = {"exc": self.failure(error)}
        return {**reply, "out": captured.text}

    def callback(self, number: int | str, a: tuple[Any, ...], k: dict[str, Any]) -> Any:
        """Call a function of the judge; the judge may call back before it answers."""
        with self._lock:
            arguments = [self.codec.encode(v) for v in a]
            self.channel.send(
                {"cb": number, "a": arguments, "k": {n: self.codec.encode(v) for n, v in k.items()}}
            )
            while True:
                request = self.channel.recv()
                if "op" in request:
                    self._answer(request)
                    continue
                if "exc" in request:
                    raise self.codec.decode(request["exc"])
                return self.codec.decode(request["ok"])


def _end_program() -> None:
    """As Python ends a program: threads are waited for, and what was registered for the exit is run."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    _LEAVING._run_exitfuncs()


def _may_change(value: Any) -> bool:
    if isinstance(value, MUTABLE) or hasattr(value, "appendleft"):
        return True
    return hasattr(value, "__array_interface__") and hasattr(value, "__setitem__")


def run(channel_fd: int, wait: Callable[[], object] = lambda: None) -> None:
    """Serve one judge, then leave without running what the candidate left behind for the exit.

    Args:
        channel_fd: The connection to the judge.
        wait: Called when all is ready; returns when the candidate's turn has come.
    """
    gc.enable()
    sys.argv[:] = [""]
    host = Host(Channel(channel_fd))
    wait()
    try:
        host.channel.write(HELLO)
        host.serve()
    except BaseException:  # noqa: BLE001 - the judge sees the end of the stream
        os._exit(70)
    os._exit(0)


def rehearse() -> None:
    """Go the whole way a few times on code of our own, before any child is made: children find it warm.

    Python specialises code that has run a few times; done here, each child is spared that, and the pages it touches.
    """
    near, far = socket.socketpair()
    here, there = Channel(near.detach()), Channel(far.detach())
    code = "def f(x):\n    if x is None:\n        raise ValueError(x)\n    return x\n"
    load = {"op": "load", "code": code, "preamble": "", "stdin": "", "trace": 0, "names": ["f"]}
    values: list[Any] = [1, "a", [1, 2.5], {"t": "dict", "v": [["a", 1]]}, {"t": "tuple", "v": [True]}, None]
    calls = [{"op": "call", "f": {"n": "f"}, "a": [v], "k": {}, "unit": 1} for v in values]
    main = sys.modules.get("__main__")
    for _ in range(REHEARSALS):
        here.send(load, *calls)
        os.set_blocking(there.fd, False)
        Host(there).serve()  # until nothing is left to be read
        for _ in range(1 + len(calls)):
            here.recv()
    if main is not None:
        sys.modules["__main__"] = main
    here.close()
    there.close()

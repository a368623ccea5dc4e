"""A candidate's process that stays: pieces of code run one after the other on the same names."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import SandboxError
from ..execution import Limits
from .environment import Environment
from .inside_codec import Codec, Unserialisable
from .inside_thrown import thrown
from .inside_told import failure
from .inside_wire import MAX_FRAME, FrameTooLarge, WireError, pack, unpack
from .worker import Worker


@dataclass(frozen=True, slots=True)
class Piece:
    """What running one piece of code showed.

    Attributes:
        output: What it printed.
        failure: The exception, where it raised: `type`, `message`, `line`, `traceback`, `kind`.
        submitted: Whether it called `SUBMIT`.
        answer: What it submitted.
    """

    output: str
    failure: dict[str, Any] | None = None
    submitted: bool = False
    answer: Any = None


class Session:
    """One isolated process for many pieces of code; not thread-safe.

    Args:
        environment: Interpreter, packages, tier.
        limits: `wall_s` bounds each piece (time in tools aside), `memory_mb` the process.

    Raises:
        SandboxError: If the process does not start.
    """

    def __init__(self, environment: Environment, limits: Limits) -> None:
        self._limits = limits
        self._codec = Codec(_refuse, _refuse_object)
        self._worker = Worker(environment)
        try:
            self._socket = self._worker.start_session(limits)
            if self._recv(time.monotonic() + 30) != {"hello": True}:
                raise SandboxError("the session's process did not start")
        except BaseException:
            self._worker.close()
            raise

    def execute(
        self,
        code: str,
        variables: Mapping[str, Any],
        tools: Mapping[str, Callable[..., Any]],
        fields: list[str] | None = None,
    ) -> Piece:
        """Run a piece of code.

        Args:
            code: The source.
            variables: Names to set beforehand; data only.
            tools: Functions of this process that the code may call by name with data.
            fields: Names of what `SUBMIT` takes; None for one value.

        Raises:
            SandboxError: If the process died or took too long; the session is over then.
            Unserialisable: If a variable is no data, or too large.
        """
        encoded = {name: self._codec.encode(value) for name, value in variables.items()}
        request = {"op": "exec", "code": code, "variables": encoded, "tools": list(tools), "fields": fields}
        deadline = time.monotonic() + self._limits.wall_s
        try:
            self._send(request)
        except FrameTooLarge as error:
            raise Unserialisable(f"code and variables of {error}") from None
        while True:
            reply = self._recv(deadline)
            if not isinstance(reply, dict):
                raise SandboxError("the session's process wrote nonsense")
            if "cb" in reply:
                started = time.monotonic()
                self._answer(self._use_tool(reply, tools))
                deadline += time.monotonic() - started
                continue
            return self._piece(reply)

    def _piece(self, reply: dict[str, Any]) -> Piece:
        output = str(reply.get("out", ""))[: self._limits.output_kb * 1024]
        if "exc" in reply:
            return Piece(output, failure(reply["exc"]))
        if "bad" in reply:
            return Piece(output, failure({"type": "TypeError", "message": str(reply["bad"])}))
        if "final" in reply:
            try:
                return Piece(output, submitted=True, answer=self._codec.decode(reply["final"]))
            except (Unserialisable, RecursionError) as error:
                return Piece(
                    output, failure({"type": "TypeError", "message": f"SUBMIT takes data, not {error}"})
                )
        return Piece(output)

    def _use_tool(self, reply: dict[str, Any], tools: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
        try:
            name = reply["cb"]
            if name not in tools:
                raise NameError(f"no tool {name!r}")
            result = tools[name](*self._codec.decode(reply["a"]), **self._codec.decode_names(reply["k"]))
            if inspect.isawaitable(result):
                result = _wait_for(result)
            return {"ok": self._codec.encode(result)}
        except Exception as error:  # noqa: BLE001 - goes to the code that called the tool
            return {"exc": thrown(error, self._codec.encode)}

    def _answer(self, message: dict[str, Any]) -> None:
        """Tell the code what its tool gave, or that it was too much."""
        try:
            self._send(message)
        except FrameTooLarge as error:
            self._send({"exc": thrown(ValueError(f"a tool's result of {error}"), self._codec.encode)})

    def _send(self, message: Any) -> None:
        try:
            self._socket.settimeout(self._limits.wall_s + 5)
            self._socket.sendall(pack(message))
        except OSError as error:
            raise SandboxError(f"the session's process is gone: {error}") from None

    def _recv(self, deadline: float) -> Any:
        try:
            size = int.from_bytes(self._exactly(4, deadline), "big")
            if size > MAX_FRAME:
                raise WireError("a frame too large")
            return unpack(self._exactly(size, deadline))
        except TimeoutError:
            raise SandboxError(f"the code took longer than {self._limits.wall_s:g} s") from None
        except (OSError, WireError) as error:
            raise SandboxError(f"the session's process is gone: {error}") from None

    def _exactly(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            more = self._socket.recv(min(size - len(data), 1 << 20))
            if not more:
                raise OSError("it ended")
            data += more
        return bytes(data)

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._worker.close()


def _refuse(value: Any) -> Any:
    raise Unserialisable(f"an object of class {type(value).__name__}")


def _refuse_object(data: dict[str, Any]) -> Any:
    raise Unserialisable(f"an object of class {data.get('n')}")


def _wait_for(awaitable: Any) -> Any:
    """The result of an awaitable, from a thread of its own: the caller may be inside a running loop."""
    found: list[Any] = []
    failed: list[BaseException] = []

    async def wait() -> Any:
        return await awaitable

    def run() -> None:
        try:
            found.append(asyncio.run(wait()))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=run, name="greenloop-tool")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]

"""A model server whose behaviour a test writes: the OpenAI protocol on the loopback address, killed at will."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .ports import Port

Piece = str | float | None
"""A piece of an answer: text to send, seconds to pause, or None: the connection breaks here."""

Script = Callable[[dict[str, Any]], Iterable[Piece]]
"""From the request's body to the pieces of the answer."""


def by_content(body: dict[str, Any]) -> list[Piece]:
    """A script that answers by content: equal requests (seed included) get equal answers."""
    import hashlib

    asked = json.dumps([body.get("messages"), body.get("seed"), body.get("temperature")], sort_keys=True)
    return ["answer ", hashlib.sha256(asked.encode()).hexdigest()[:12]]


class ChatServer:
    """A scripted server; use it as a context manager.

    Args:
        script: What it answers.
        models: The models that it says it has.
        swap_s: Seconds that it takes to load another model than the last one; calls meanwhile wait.
        status: HTTP status of chat requests; others than 200 carry `error` as their text.
        error: Text of the error.
        port: Port on the loopback address; a free one where none is named.

    Attributes:
        url: Base URL; stays the same over `kill` and `start`.
        requests: Bodies of the chat requests so far.
        swaps: How often another model was loaded.
        most_at_once: Most chat requests that were under way together.
        count_at_most: Prompt tokens that it reads at most, as servers do that cut prompts in silence.
        refuses: A field of requests that it does not know: those that have it are refused.
    """

    def __init__(
        self,
        script: Script = by_content,
        models: tuple[str, ...] = ("scripted",),
        swap_s: float = 0.0,
        status: int = 200,
        error: str = "",
        port: int | None = None,
    ) -> None:
        self.script = script
        self.models = models
        self.swap_s = swap_s
        self.status = status
        self.error = error
        self.requests: list[dict[str, Any]] = []
        self.swaps = 0
        self.most_at_once = 0
        self.count_at_most: int | None = None
        self.refuses = ""
        self._under_way = 0
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._loaded = ""
        self._server: BreakableServer | None = None
        self._port = Port(port or 0)
        self.url = f"http://127.0.0.1:{self._port.number}"

    def __enter__(self) -> ChatServer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def name(self, model: str | None = None) -> str:
        """The name by which `language_model` knows one of its models."""
        return f"openai:{model or self.models[0]}@{self.url}"

    def start(self) -> None:
        """Answer requests from now on."""
        self._server = BreakableServer(("127.0.0.1", self._port.number), _handler(self))
        self._loaded = ""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self) -> None:
        """Break all connections and answer no more, as a crash would."""
        if self._server is not None:
            self._server.break_off()
            self._server = None

    def load(self, model: str) -> None:
        """Have `model` loaded, which takes time where another one was."""
        with self._loading:
            if self._loaded != model:
                if self._loaded:
                    self.swaps += 1
                self._loaded = model
                time.sleep(self.swap_s)

    def usage(self, body: dict[str, Any], answered: int) -> dict[str, int]:
        """What the server says it counted: words of the prompt, pieces of the answer."""
        asked = sum(len(str(m.get("content")).split()) for m in body.get("messages", []))
        asked = asked if self.count_at_most is None else min(asked, self.count_at_most)
        return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}

    @contextlib.contextmanager
    def counted(self, body: dict[str, Any]) -> Any:
        """Count a request as under way inside the block."""
        with self._lock:
            self.requests.append(body)
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1


class BreakableServer(ThreadingHTTPServer):
    """A threaded server whose open connections can be broken off, as a crash would."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.open_sockets: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection in, and remember it."""
        connection, address = super().get_request()
        self.open_sockets.add(connection)
        return connection, address

    def break_off(self) -> None:
        """Answer no more, and break what is open."""
        self.shutdown()
        self.server_close()
        for connection in list(self.open_sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server's."""


def _handler(owner: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

        def do_GET(self) -> None:
            if self.path.endswith("/models"):
                self._json(200, {"data": [{"id": name} for name in owner.models]})
            else:
                self._json(404, {"error": {"message": "no such page"}})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            with owner.counted(body):
                if owner.status != 200:
                    self._json(owner.status, {"error": {"message": owner.error, "type": owner.error}})
                    return
                if owner.refuses in body:
                    self._json(400, {"error": {"message": f"unknown field {owner.refuses!r}"}})
                    return
                owner.load(str(body.get("model")))
                self._answer(body)

        def _answer(self, body: dict[str, Any]) -> None:
            """The script's answer, streamed where that was asked for."""
            streamed = bool(body.get("stream"))
            if streamed:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
            said: list[str] = []
            limit, finish = int(body.get("max_tokens") or 10**9), "stop"
            for piece in owner.script(body):
                if piece is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if isinstance(piece, float):
                    time.sleep(piece)
                    continue
                if len(said) >= limit:
                    finish = "length"
                    break
                said.append(str(piece))
                if streamed:
                    self._event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": piece}}]})
            usage = owner.usage(body, len(said))
            if streamed:
                self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
                self._event({"choices": [], "usage": usage})
                self.wfile.write(b"data: [DONE]\n\n")
                return
            message = {"role": "assistant", "content": "".join(said)}
            choice = {"index": 0, "message": message, "finish_reason": finish}
            known = {"id": "x", "object": "chat.completion", "created": 0, "model": "scripted"}
            self._json(200, known | {"choices": [choice], "usage": usage})

        def _event(self, data: dict[str, Any]) -> None:
            full = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "scripted"} | data
            self.wfile.write(b"data: " + json.dumps(full).encode() + b"\n\n")
            self.wfile.flush()

        def _json(self, status: int, data: dict[str, Any]) -> None:
            text = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    return Handler

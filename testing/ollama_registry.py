"""A registry that `ollama pull` fetches from: serves the models of an Ollama folder on the loopback address."""

from __future__ import annotations

import contextlib
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_RANGE = re.compile(r"bytes=(\d+)-(\d*)$")
_MANIFEST = re.compile(r"/v2/([\w./-]+)/manifests/([\w.-]+)$")
_BLOB = re.compile(r"/v2/[\w./-]+/blobs/(sha256:[0-9a-f]{64})$")


class OllamaRegistry:
    """Serves what an Ollama server has stored; use it as a context manager.

    Args:
        models: The folder `OLLAMA_MODELS` of a server that imported them.

    Attributes:
        host: Host and port, as they stand at the beginning of a model's name.
    """

    def __init__(self, models: Path) -> None:
        self.models = models
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(models))
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> OllamaRegistry:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def name(self, model: str) -> str:
        """The name under which `ollama pull` (with `insecure`) fetches one of the models."""
        return f"{self.host}/library/{model}"


def _handler(models: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

        def do_HEAD(self) -> None:
            self._send(body=False)

        def do_GET(self) -> None:
            host, _, port = (self.headers.get("Host") or "").partition(":")
            if _BLOB.match(self.path) and host != "localhost":  # registries keep blobs on another host
                self.send_response(307)
                self.send_header("Location", f"http://localhost:{port}{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._send(body=True)

        def _send(self, body: bool) -> None:
            path = self._file()
            if path is None or not path.is_file():
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            size = path.stat().st_size
            first, last = 0, size - 1
            asked = _RANGE.match(self.headers.get("Range") or "")
            if asked:
                first, last = int(asked[1]), min(int(asked[2] or last), last)
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(last - first + 1))
            self.send_header("Accept-Ranges", "bytes")
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.end_headers()
            if body:
                with path.open("rb") as file:
                    file.seek(first)
                    with contextlib.suppress(ConnectionError):  # who fetches may go away
                        if last == size - 1:
                            shutil.copyfileobj(file, self.wfile, 2**20)
                        else:
                            self.wfile.write(file.read(last - first + 1))

        def _file(self) -> Path | None:
            if found := _MANIFEST.match(self.path):
                return models / "manifests" / "registry.ollama.ai" / found[1] / found[2]
            if found := _BLOB.match(self.path):
                return models / "blobs" / found[1].replace(":", "-")
            return None

    return Handler

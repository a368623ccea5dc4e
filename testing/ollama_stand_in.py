"""A server that speaks Ollama's protocol over the embedded model, where there is no real Ollama to test with.

What it does as Ollama does: tags, show, ps, version, chat (streamed), generate without a prompt (load,
unload), pull of an absent name, digests, `truncate: false`. What it does not: templates, quantising, several
models in memory. Tests that ran against it say so.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx

from ..runtime.backends.embedded import EmbeddedBackend
from ..runtime.gguf_file import GgufFile
from ..runtime.model_spec import parse_model
from .chat_server import BreakableServer
from .ports import Port


class OllamaStandIn:
    """The stand-in, used as `OllamaServer` is.

    Attributes:
        url: Its base URL; stays the same over a restart.
    """

    def __init__(self) -> None:
        self._port = Port()
        self.url = f"http://127.0.0.1:{self._port.number}"
        self.models: dict[str, dict[str, Any]] = {}
        self.loaded: dict[str, int] = {}
        self.offered: dict[str, str] = {}
        self._backends: dict[int, EmbeddedBackend] = {}
        self._lock = threading.Lock()
        self._server: BreakableServer | None = None

    def start(self) -> None:
        """Answer requests from now on."""
        self._server = BreakableServer(("127.0.0.1", self._port.number), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def kill(self) -> None:
        """Break all connections and answer no more."""
        if self._server is not None:
            self._server.break_off()
            self._server = None
            self.loaded.clear()

    def create(
        self,
        name: str,
        gguf: str,
        quantise: str | None = None,
        system: str | None = None,
        thoughts: tuple[str, ...] = (),
    ) -> None:
        """Have the embedded model under a name; another system prompt gives it another digest.

        With `thoughts` it is a thinking model that has these, a token each, before every answer unless a request
        says `think: false`.
        """
        file = GgufFile.read(gguf)
        digest = hashlib.sha256(f"{Path(gguf).name}|{system}|{quantise}".encode()).hexdigest()
        details = {
            "format": "gguf",
            "family": file.architecture,
            "parameter_size": f"{file.parameters / 1e6:.2f}M",
            "quantization_level": file.quantisation,
        }
        full = name if ":" in name else f"{name}:latest"
        entry = {"name": full, "model": full, "size": file.size_bytes, "digest": digest, "details": details}
        self.models[full] = entry | {"gguf": file, "thoughts": thoughts}

    def backend(self, context: int) -> EmbeddedBackend:
        """The embedded model with a context."""
        with self._lock:
            if context not in self._backends:
                spec = parse_model("embedded", num_ctx=context, slots=2)
                self._backends[context] = EmbeddedBackend(spec)
            return self._backends[context]

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A plain request to the server's API."""
        answer = httpx.request(method, f"{self.url}{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def reply(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and data of everything but the chat."""
        if path == "/api/version":
            return 200, {"version": "0.0.0-stand-in"}
        if path == "/api/tags":
            return 200, {"models": [_public(m) for m in self.models.values()]}
        if path == "/api/ps":
            known = [_public(self.models[name]) | {"size_vram": 0} for name in self.loaded]
            return 200, {"models": known}
        name = str(body.get("model", ""))
        full = name if ":" in name else f"{name}:latest"
        if path == "/api/pull":
            return self._pulled(full)
        if full not in self.models:
            return 404, {"error": f"model '{name}' not found"}
        if path == "/api/show":
            file: GgufFile = self.models[full]["gguf"]
            info = {
                "general.architecture": file.architecture,
                "general.parameter_count": file.parameters,
                f"{file.architecture}.context_length": file.context,
            }
            details = self.models[full]["details"]
            can = ["completion", *(["thinking"] if self.models[full]["thoughts"] else [])]
            return 200, {"capabilities": can, "model_info": info, "details": details}
        if path == "/api/generate":
            if body.get("keep_alive") == 0:
                self.loaded.pop(full, None)
                return 200, {"model": name, "done": True, "done_reason": "unload"}
            self.loaded[full] = 1
            return 200, {"model": name, "done": True, "done_reason": "load"}
        return 404, {"error": "no such page"}

    def offer(self, name: str, gguf: str) -> None:
        """Have the registry that `pull` fetches from offer the embedded model under a name."""
        self.offered[name if ":" in name else f"{name}:latest"] = gguf

    def _pulled(self, full: str) -> tuple[int, Any]:
        """The steps of a pull, as lines."""
        gguf = self.offered.get(full)
        if gguf is None:
            return 200, {"error": "pull model manifest: file does not exist"}
        self.create(full, gguf)
        size = self.models[full]["size"]
        done = ({"status": "pulling", "total": size, "completed": size * part // 4} for part in range(5))
        return 200, [{"status": "pulling manifest"}, *done, {"status": "success"}]

    def thoughts(self, body: dict[str, Any]) -> tuple[str, ...]:
        """What the model thinks before it answers a request."""
        name = str(body.get("model", ""))
        known: dict[str, Any] = self.models.get(name if ":" in name else f"{name}:latest", {})
        return () if body.get("think") is False else tuple(known.get("thoughts", ()))

    def chat(self, body: dict[str, Any]) -> tuple[int, Any]:
        """The upstream's streamed answer, or status and error."""
        status, error = self.reply("/api/generate", {"model": body.get("model")})
        if status != 200:
            return status, error
        thoughts = self.thoughts(body)
        if body.get("think") and not thoughts:
            return 400, {"error": f"{body.get('model')!r} does not support thinking"}
        options = body.get("options") or {}
        context = int(options.get("num_ctx") or 4096)
        if 0 < int(options.get("num_predict") or 0) <= len(thoughts):
            return 200, None  # all that it may say goes into thinking
        connection = self.backend(context).connection()
        upstream = {
            "messages": body["messages"],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": int(options.get("num_predict") or 0) - len(thoughts)
            if int(options.get("num_predict") or 0) > 0
            else -1,
            **{
                k: options[k]
                for k in ("temperature", "seed", "top_p", "top_k", "min_p", "stop")
                if k in options
            },
        }
        client = httpx.Client(timeout=300, headers={"Authorization": f"Bearer {connection['api_key']}"})
        request = client.build_request("POST", f"{connection['api_base']}/chat/completions", json=upstream)
        answer = client.send(request, stream=True)
        if answer.status_code == 400:
            return 400, {"error": "the input length exceeds the context length"}
        return 200, answer


def _public(model: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in model.items() if k not in ("gguf", "thoughts")}


def _handler(owner: OllamaStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

        def do_GET(self) -> None:
            self._json(*owner.reply(self.path, {}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            if self.path != "/api/chat":
                self._json(*owner.reply(self.path, body))
                return
            status, answer = owner.chat(body)
            if status != 200:
                self._json(status, answer)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.end_headers()
            limit = int((body.get("options") or {}).get("num_predict") or 0)
            thoughts = owner.thoughts(body)
            thoughts = thoughts[:limit] if limit > 0 else thoughts
            for thought in thoughts:
                said = {"role": "assistant", "content": "", "thinking": thought}
                self._line({"model": body["model"], "message": said, "done": False})
            if answer is None:
                asked = sum(len(m["content"].split()) for m in body["messages"])
                self._end(body, "length", asked, len(thoughts))
                return
            with contextlib.closing(answer):
                self._lines(body, answer, len(thoughts))

        def _lines(self, body: dict[str, Any], answer: httpx.Response, thought: int) -> None:
            reason, usage = "stop", {}
            for line in answer.iter_lines():
                if not line.startswith("data: {"):
                    continue
                chunk = json.loads(line[6:])
                usage = chunk.get("usage") or usage
                for choice in chunk.get("choices") or []:
                    reason = choice.get("finish_reason") or reason
                    if text := choice["delta"].get("content"):
                        said = {"role": "assistant", "content": text}
                        self._line({"model": body["model"], "message": said, "done": False})
            counted = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0) + thought
            self._end(body, reason, *counted)

        def _end(self, body: dict[str, Any], reason: str, prompt: int, answer: int) -> None:
            last = {"model": body["model"], "message": {"role": "assistant", "content": ""}, "done": True}
            self._line(last | {"done_reason": reason, "prompt_eval_count": prompt, "eval_count": answer})

        def _line(self, data: dict[str, Any]) -> None:
            self.wfile.write(json.dumps(data).encode() + b"\n")
            self.wfile.flush()

        def _json(self, status: int, data: Any) -> None:
            lines: list[Any] = data if isinstance(data, list) else [data]
            text = b"\n".join(json.dumps(line).encode() for line in lines)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    return Handler

"""Ollama asked a token at a time: `/api/generate` with a raw prompt, one token and its 20 log-probabilities.

Ollama takes no token ids, so what was written goes back as text, the same text in both contexts. Tokens that are no
whole characters cannot be written so and are left out of the lists. Whether a server has log-probabilities (0.12.11
and newer) and renders prompts is probed; without them its model is asked in line mode.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from ..endpoint_queue import queue_of
from ..forking import Threads
from ..token_source import END, Mode, Piece, Prompt, Step, Which, text_of
from . import ollama_api
from .failures import BrokenOff, translate
from .ollama import DEFAULT_CONTEXT, OllamaBackend
from .text_stream import Chunk, chunks_of
from .token_lines import Chunks, TextSeat, plain_text

TOP = 20
"""The most log-probabilities that Ollama gives."""
END_TOKENS = frozenset(
    "<|im_end|> <|endoftext|> <|eot_id|> <|end_of_text|> <|eom_id|> <|end|> <|return|> </s> <end_of_turn> <eos>"
    " <｜end▁of▁sentence｜>".split()
)
_OTHER_DRAWS = 3

_lock = threading.Lock()
_known: dict[tuple[str, str], OllamaTokens] = {}
_threads = Threads(32, "greenloop-ollama")


def ollama_tokens(backend: OllamaBackend) -> OllamaTokens:
    """The token source of an Ollama model, probed once for each version of the model.

    Raises:
        InfrastructureError: The server is away.
        UnknownModel: It does not have the model.
    """
    key = (backend.spec.model_dump_json(), backend.digest())
    with _lock:
        found = _known.get(key)
    if found is None:
        found = OllamaTokens(backend)
        with _lock:
            _known[key] = found
    return found


class OllamaTokens:
    """A token source on an Ollama server.

    Attributes:
        mode: "true guidance ollama top-20" where the server lists log-probabilities and tells how it renders a
            prompt, else "line mode".

    Args:
        backend: The model's backend.
    """

    def __init__(self, backend: OllamaBackend) -> None:
        self.backend = backend
        self.renders = self._rendered([{"role": "user", "content": "hello"}]) is not None
        self.mode: Mode = (
            "true guidance ollama top-20" if self.renders and self._lists_probabilities() else "line mode"
        )
        self._free = threading.BoundedSemaphore(self.seats)

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together."""
        return self.backend.spec.context or DEFAULT_CONTEXT

    def render(self, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """Messages as the server itself renders them; plain text where it does not tell."""
        text = self._rendered(messages) if self.renders else None
        return Prompt(text) if text is not None else plain_text(messages)

    @property
    def seats(self) -> int:
        """One for each two slots in true guidance, so that both contexts find what they read before; else one for each
        slot."""
        slots = self.backend.slots
        return slots if self.mode == "line mode" else max(1, slots // 2)

    @contextmanager
    def seat(self, prompt: Prompt) -> Generator[OllamaSeat]:
        """A seat; each of its requests waits for a slot of the endpoint."""
        with self._free:
            yield OllamaSeat(self)

    def turn(self) -> Any:
        """Wait for a slot of the endpoint."""
        spec = self.backend.spec
        queue = queue_of(self.backend)
        loaded_as, loading = self.backend.loaded_as, self.backend.loading
        return queue.turn(loaded_as, spec.options.exclusive, loading=loading)

    def body(self, prompt: str, seed: int, temperature: float, most_tokens: int) -> dict[str, Any]:
        """A raw request."""
        spec = self.backend.spec
        options: dict[str, Any] = {
            "num_predict": most_tokens,
            "temperature": temperature,
            "seed": seed,
            "num_ctx": self.context,
        }
        if spec.options.num_thread is not None:
            options["num_thread"] = spec.options.num_thread
        body: dict[str, Any] = {"model": spec.short_name, "prompt": prompt, "raw": True, "options": options}
        if spec.options.keep_alive is not None:
            body["keep_alive"] = spec.options.keep_alive
        return body | {"truncate": False, "shift": False}

    def tell(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request, errors as ours."""
        import httpx

        spec = self.backend.spec
        try:
            limit, key = spec.options.timeout_s, spec.options.api_key
            return ollama_api.request(self.backend.url, "POST", path, body, limit, key)
        except (httpx.HTTPError, ValueError) as error:
            raise translate(error, spec) from error

    @contextmanager
    def stream(self, prompt: str, seed: int, temperature: float, most_tokens: int) -> Generator[Chunks]:
        """A streamed raw completion; leaving the block ends it on the server too."""
        spec = self.backend.spec
        headers = ollama_api.authorization(self.backend.url, spec.options.api_key)
        body = self.body(prompt, seed, temperature, most_tokens)
        with chunks_of(spec, f"{self.backend.url}/api/generate", body, headers, _chunk) as chunks:
            yield chunks

    def _rendered(self, messages: Sequence[Mapping[str, str]]) -> str | None:
        """The prompt that the server makes of messages; None where it does not tell."""
        asked = {
            "model": self.backend.spec.short_name,
            "messages": [dict(m) for m in messages],
            "stream": False,
            "_debug_render_only": True,
            "options": {"num_ctx": self.context, "num_predict": 1},
        }
        text = (self.tell("/api/chat", asked).get("_debug_info") or {}).get("rendered_template")
        return str(text) if text else None

    def _lists_probabilities(self) -> bool:
        answer = self.tell(
            "/api/generate",
            {**self.body("a", 0, 0.0, 1), "stream": False, "logprobs": True, "top_logprobs": TOP},
        )
        listed: list[dict[str, Any]] = answer.get("logprobs") or []
        return bool(listed) and len(listed[0].get("top_logprobs") or []) > 1


class OllamaSeat(TextSeat):
    """The contexts of one line; their caches are the server's own affair."""

    def __init__(self, source: OllamaTokens) -> None:
        super().__init__(source.stream, lambda text: Prompt(text).size, source.turn)
        self._source = source

    def steps(self, contexts: Mapping[Which, Prompt], written: Sequence[Piece]) -> dict[Which, Step]:
        """See `Seat.steps`."""
        text = text_of(written)
        asked: dict[Which, Future[Step]] = {
            which: _threads.submit(self._step, prompt.text + text) for which, prompt in contexts.items()
        }
        return {which: future.result() for which, future in asked.items()}

    def _step(self, prompt: str) -> Step:
        """The list does not depend on the token that is drawn, but where that is an end token there is none: then
        others are drawn."""
        source, counted = self._source, Prompt(prompt).size
        for seed in range(1 + _OTHER_DRAWS):
            body = source.body(prompt, seed, 0.0 if seed == 0 else 2.0, 1)
            with source.turn():
                answer = source.tell(
                    "/api/generate", {**body, "stream": False, "logprobs": True, "top_logprobs": TOP}
                )
            counted = int(answer.get("prompt_eval_count") or counted)
            listed: list[dict[str, Any]] = answer.get("logprobs") or []
            if listed:
                return Step(_top(listed[0].get("top_logprobs") or []), counted)
        return Step({END: 0.0}, counted)


def _top(listed: Sequence[Mapping[str, Any]]) -> dict[Piece, float]:
    found: dict[Piece, float] = {}
    for entry in listed:
        token = str(entry.get("token") or "")
        raw = bytes(entry.get("bytes") or token.encode())
        piece = END if not raw or token in END_TOKENS else Piece(-1, raw)
        if _whole(raw):
            found[piece] = max(found.get(piece, float("-inf")), float(entry["logprob"]))
    return found or {END: 0.0}


def _whole(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _chunk(line: str) -> Chunk | None:
    data = json.loads(line)
    if error := data.get("error"):
        raise BrokenOff(str(error))
    reason = str(data.get("done_reason") or "stop") if data.get("done") else None
    return str(data.get("response") or ""), reason

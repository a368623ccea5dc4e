"""A GGUF file in this process, asked a token at a time: exact token ids, 100 log-probabilities, a slot per context."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from ...errors import ModelUnavailable
from ..forking import Threads
from ..model_spec import ModelSpec
from ..token_source import END, Drawn, Mode, Piece, Prompt, Step, Which
from . import direct
from .embedded import EmbeddedBackend, EmbeddedServer
from .failures import BrokenOff, PromptTooLong, too_long, translate
from .token_lines import LineReading, drawn_together

TOP = 100
"""Log-probabilities asked for of each context."""
SEAT_SLOTS = 4
"""Slots of a seat: one for each context, and two more for continuations."""
_DRAWING = (0, 2, 3)
"""Slots of a seat that draw continuations: the plain context's is one of them, since they begin as it does."""

_lock = threading.Lock()
_sources: dict[tuple[object, int], EmbeddedTokens] = {}
_threads = Threads(32, "greenloop-tokens")


def embedded_tokens(backend: EmbeddedBackend) -> EmbeddedTokens:
    """The process's one token source for a file and its settings: those who share a server share its seats.

    It has a seat for each four `slots` of the model's options, at least one.
    """
    seats = slots_by_token(backend.settings.slots) // SEAT_SLOTS
    with _lock:
        known = (backend.settings, seats)
        if known not in _sources:
            _sources[known] = EmbeddedTokens(backend, seats)
        return _sources[known]


def slots_by_token(slots: int) -> int:
    """Slots of the server that is asked a token at a time, where the usual one has `slots`: whole seats, at least 1."""
    return max(1, slots // SEAT_SLOTS) * SEAT_SLOTS


class EmbeddedTokens:
    """A token source on a server of its own, so that nobody else's calls take its caches away.

    With the option `deterministic` nothing is in a cache when a prompt is new, and the two contexts are asked one after
    the other: the same prompts then give the same tokens, at some cost.

    Args:
        backend: The file's backend.
        seats: Attempts that are worked on at the same time.

    Attributes:
        seats: The same.
    """

    mode: Mode = "true guidance embedded"

    def __init__(self, backend: EmbeddedBackend, seats: int) -> None:
        self._backend = backend
        self.deterministic = backend.spec.options.deterministic
        self.seats = seats
        self._free = [EmbeddedSeat(self, i * SEAT_SLOTS) for i in range(seats)]
        self._changed = threading.Condition()
        self._neutral: int | None = None
        self._pieces: dict[int, Piece] = {}

    @property
    def spec(self) -> ModelSpec:
        """The model."""
        return self._backend.spec

    @property
    def context(self) -> int:
        """Tokens of a slot."""
        return self._backend.settings.context

    @property
    def server(self) -> EmbeddedServer:
        """Its server, started on first use."""
        return self._backend.own_server(self.seats * SEAT_SLOTS)

    def render(self, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """Messages by the file's own chat template, as token ids."""
        text = str(self._post("/apply-template", {"messages": [dict(m) for m in messages]})["prompt"])
        return Prompt(text, tuple(self.tokenise(text)))

    def tokenise(self, text: str, special: bool = True) -> list[int]:
        """Token ids of a text.

        Args:
            text: The text.
            special: Begin as a prompt begins, and read the template's markers as what they are.
        """
        body = {"content": text, "add_special": special, "parse_special": special}
        return [int(token) for token in self._post("/tokenize", body)["tokens"]]

    @property
    def neutral(self) -> int:
        """A token of whole characters, which requests for log-probabilities are made to draw: the server lists none
        after a token that ends within a character. What is listed does not depend on it."""
        if self._neutral is None:
            self._neutral = self.tokenise("a", special=False)[-1]
        return self._neutral

    @contextmanager
    def seat(self, prompt: Prompt) -> Generator[EmbeddedSeat]:
        """Wait for a seat, the one that had this prompt last where it is free."""
        with self._changed:
            while not self._free:
                self._changed.wait()
            knows = [i for i, seat in enumerate(self._free) if seat.last.get("plain") == prompt.text]
            seat = self._free.pop(knows[0] if knows else 0)
        try:
            yield seat
        finally:
            with self._changed:
                self._free.append(seat)
                self._changed.notify()

    def complete(self, body: dict[str, Any], on_chunk: Any = None) -> dict[str, Any]:
        """One completion on the server, errors as ours."""
        try:
            answer = self.server.complete(body, on_chunk) or {}
        except RuntimeError as error:
            raise translate(error, self.spec) from error
        return self.checked(answer)

    def checked(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer, unless it is an error."""
        error = answer.get("error")
        if not error:
            return answer
        spec = self.spec
        if error.get("type") == "exceed_context_size_error":
            raise PromptTooLong(too_long(spec))
        raise ModelUnavailable(f"{spec.name}: the embedded server failed: {error.get('message')}")

    def top(self, listed: Sequence[Mapping[str, Any]]) -> dict[Piece, float]:
        """Tokens that the server lists, the likeliest first; control tokens have no bytes, and whichever comes ends the
        answer.
        """
        found: dict[Piece, float] = {}
        for entry in listed:
            piece = self._pieces.get(entry["id"])
            if piece is None:
                raw = bytes(entry["bytes"])
                piece = self._pieces[entry["id"]] = Piece(entry["id"], raw) if raw else END
            found.setdefault(piece, float(entry["logprob"]))
        return found

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        import httpx

        server = self.server
        headers = {"Authorization": f"Bearer {server.key}"}
        try:
            answer = direct.request("POST", f"{server.url}{path}", json=body, headers=headers, timeout=60)
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise translate(error, self.spec) from error


class EmbeddedSeat:
    """Slots of the server, see `SEAT_SLOTS`.

    Attributes:
        last: Which prompt each context's slot had last.
    """

    def __init__(self, source: EmbeddedTokens, first_slot: int) -> None:
        self.last: dict[Which, str] = {}
        self._length: dict[Which, int] = {}
        self._source = source
        self._first_slot = first_slot

    def steps(self, contexts: Mapping[Which, Prompt], written: Sequence[Piece]) -> dict[Which, Step]:
        """See `Seat.steps`."""
        if self._source.deterministic or len(contexts) == 1:
            return {which: self._step(which, prompt, written) for which, prompt in contexts.items()}
        if self._source.seats == 1 and all(self._goes_on(w, p, written) for w, p in contexts.items()):
            return self._together(contexts, written)
        (first, its_prompt), *others = contexts.items()
        asked: dict[Which, Future[Step]] = {
            which: _threads.submit(self._step, which, prompt, written) for which, prompt in others
        }
        found: dict[Which, Step] = {first: self._step(first, its_prompt, written)}
        for which, future in asked.items():
            found[which] = future.result()
        return found

    def draw(
        self,
        prompt: Prompt,
        written: Sequence[Piece],
        *,
        seeds: Sequence[int],
        temperature: float,
        most_tokens: int,
        most_lines: int,
    ) -> list[Drawn]:
        """See `Seat.draw`."""
        ids = _ids(prompt, written)
        body: dict[str, Any] = {
            "prompt": ids,
            "max_tokens": most_tokens,
            "temperature": temperature,
            "cache_prompt": not self._source.deterministic,
        }
        spec = self._source.spec

        def one(number: int, reading: LineReading) -> None:
            error: dict[str, Any] = {}
            until = time.monotonic() + spec.options.timeout_s

            def take(chunk: dict[str, Any]) -> bool:
                if chunk.get("error"):
                    error.update(chunk)
                    return True
                reading.over |= time.monotonic() > until
                choice = chunk["choices"][0]
                return reading.take(str(choice.get("text") or ""), choice.get("finish_reason"))

            slot = self._first_slot + (2 if self._source.deterministic else _DRAWING[number % len(_DRAWING)])
            self._source.complete({**body, "seed": seeds[number], "id_slot": slot}, take)
            self._source.checked(error)
            if not reading.whole:
                raise translate(TimeoutError() if reading.over else BrokenOff(), spec)

        readings = [LineReading(most_lines) for _ in seeds]
        return drawn_together(one, readings, len(ids), at_once=not self._source.deterministic)

    def _step(self, which: Which, prompt: Prompt, written: Sequence[Piece]) -> Step:
        cached = self._goes_on(which, prompt, written) or not self._source.deterministic
        self.last[which], self._length[which] = prompt.text, len(written)
        ids = _ids(prompt, written)
        slot = self._first_slot + (which == "guided")
        (top,) = self._tops({"prompt": ids, "cache_prompt": cached, "id_slot": slot})
        return Step(top, len(ids))

    def _together(self, contexts: Mapping[Which, Prompt], written: Sequence[Piece]) -> dict[Which, Step]:
        """One token further in contexts whose slots hold all but the last one: one request, which is decoded at once.

        A request names one slot at most; without one the server takes for each prompt the slot that knows most of it.
        Where several seats share the server that may be another's, which would then have to read its own again.
        """
        prompts = [_ids(prompt, written) for prompt in contexts.values()]
        tops = self._tops({"prompt": prompts, "cache_prompt": True})
        self._length = dict.fromkeys(contexts, len(written))
        return {which: Step(top, len(ids)) for which, top, ids in zip(contexts, tops, prompts, strict=True)}

    def _goes_on(self, which: Which, prompt: Prompt, written: Sequence[Piece]) -> bool:
        """Whether a context's slot holds this prompt and all that was written but the last token."""
        return self.last.get(which) == prompt.text and self._length[which] + 1 == len(written)

    def _tops(self, asked: dict[str, Any]) -> list[dict[Piece, float]]:
        """What the server lists for each prompt of a request."""
        source = self._source
        body: dict[str, Any] = {
            "max_tokens": 1,
            "logprobs": TOP,
            "logit_bias": {str(source.neutral): 1000.0},
            "samplers": ["top_k"],  # what is drawn is known: the usual chain of samplers would only take time
            "top_k": 1,
        }
        answer = source.complete({**body, **asked})
        return [source.top(choice["logprobs"]["content"][0]["top_logprobs"]) for choice in answer["choices"]]


def _ids(prompt: Prompt, written: Sequence[Piece]) -> list[int]:
    return [*(prompt.tokens or ()), *(piece.id for piece in written)]

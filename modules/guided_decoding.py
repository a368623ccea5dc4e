"""A line of an answer from two contexts, and continuations of it: the two calls that guidance is made of."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..runtime.token_calls import Stored, Tally, TokenCalls, Work
from ..runtime.token_mixture import choose, mix, renormalised
from ..runtime.token_source import END, Drawn, Piece, Prompt, Seat, Which, text_of
from .guided_region import region

MOST_LINE_TOKENS = 96
"""A line that is longer goes on in another call."""
TOKENS_OF_A_LINE = 24
"""Continuations may be so long for each line that they look ahead."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a call wrote.

    Attributes:
        pieces: Its tokens.
        ended: The model ended its answer.
    """

    pieces: tuple[Piece, ...]
    ended: bool


class Decoder:
    """Writes one answer, line by line.

    Args:
        calls: Calls to the model.
        seat: Caches of the attempt's contexts, held for as long as it lasts.
        entry_point: The function, whose end ends guidance within a line.
        gamma: Strength of guidance; 0 and 1 ask one context only.
        sampled: Draw the next token from the mixture instead of taking the likeliest.
        sampling: The attempt's settings, for the record.

    Attributes:
        written: The tokens so far, the same in both contexts.
        stored: The calls so far.
    """

    def __init__(
        self,
        calls: TokenCalls,
        seat: Seat,
        entry_point: str,
        gamma: float,
        sampled: bool,
        sampling: dict[str, Any],
    ) -> None:
        self.written: tuple[Piece, ...] = ()
        self.stored: list[Stored] = []
        self._calls = calls
        self._seat = seat
        self._entry_point = entry_point
        self._gamma = gamma
        self._sampled = sampled
        self._sampling = sampling
        self._known: dict[Which, tuple[str, int]] = {}

    @property
    def text(self) -> str:
        """What was written."""
        return text_of(self.written)

    def line(self, plain: Prompt, guided: Prompt | None, most_tokens: int, seed: int) -> Line:
        """Write the next line.

        Args:
            plain: The plain context.
            guided: The context with the signal; None where nothing guides.
            most_tokens: Most tokens of it.
            seed: Of the draws, where tokens are drawn.
        """
        most = min(most_tokens, MOST_LINE_TOKENS)
        gamma = self._gamma if guided is not None else 0.0
        contexts: dict[Which, Prompt] = {} if gamma == 1 else {"plain": plain}
        if guided is not None and gamma != 0:
            contexts["guided"] = guided
        what: dict[str, Any] = {
            "kind": "line",
            "contexts": {which: prompt.text for which, prompt in contexts.items()},
            "written": [piece.to_json() for piece in self.written],
            "gamma": gamma,
            "entry_point": self._entry_point,
            "most_tokens": most,
        }
        if self._sampled:
            what["seed"] = seed
        by_line = self._calls.source.mode == "line mode"
        new = sum(
            max(0, prompt.size + len(self.written) - self._knows(which, prompt))
            for which, prompt in contexts.items()
        )

        def work(tally: Tally) -> dict[str, Any]:
            if by_line:
                return self._drawn_line(tally, next(iter(contexts.values())), most, seed)
            return self._mixed_line(tally, contexts, most, seed)

        stored = self._ask(what, work, new + len(contexts) * most, seed)
        pieces = tuple(Piece.from_json(piece) for piece in stored.content["pieces"])
        self.written += pieces
        for which, prompt in contexts.items():
            self._known[which] = (prompt.text, prompt.size + len(self.written))
        return Line(pieces, bool(stored.content["ended"]))

    def candidates(
        self, plain: Prompt, seeds: Sequence[int], temperature: float, most_lines: int, most_tokens: int
    ) -> list[str]:
        """Continuations of at most so many lines, drawn from the plain context."""
        most = min(most_lines * TOKENS_OF_A_LINE, most_tokens)
        what: dict[str, Any] = {
            "kind": "candidates",
            "contexts": {"plain": plain.text},
            "written": [piece.to_json() for piece in self.written],
            "seeds": list(seeds),
            "temperature": temperature,
            "most_lines": most_lines,
            "most_tokens": most,
        }

        def work(tally: Tally) -> dict[str, Any]:
            drawn = self._seat.draw(
                plain,
                self.written,
                seeds=seeds,
                temperature=temperature,
                most_tokens=most,
                most_lines=most_lines,
            )
            _count(tally, drawn)
            return {"texts": [d.text for d in drawn]}

        prompt_tokens = plain.size + len(self.written)
        stored = self._ask(what, work, prompt_tokens + len(seeds) * most, seeds[0])
        return [str(text) for text in stored.content["texts"]]

    def _knows(self, which: Which, prompt: Prompt) -> int:
        """Tokens of this prompt and the answer that a context has had already."""
        text, size = self._known.get(which, ("", 0))
        return size if text == prompt.text else 0

    def _mixed_line(
        self, tally: Tally, contexts: Mapping[Which, Prompt], most: int, seed: int
    ) -> dict[str, Any]:
        rng = random.Random(seed) if self._sampled else None
        start = self.text
        where = region(start, self._entry_point)
        pieces: list[Piece] = []
        while len(pieces) < most:
            steps = self._seat.steps(contexts, (*self.written, *pieces))
            if not pieces:
                for which, step in steps.items():
                    tally.tokens_in += max(0, step.prompt_tokens - self._knows(which, contexts[which]))
            tally.tokens_out += len(steps)
            tops = [step.top for step in steps.values()]
            mixed = (
                mix(steps["plain"].top, steps["guided"].top, self._gamma)
                if len(tops) == 2
                else renormalised(tops[0])
            )
            piece = choose(mixed, rng)
            if piece == END:
                return _as_data(pieces, True)
            pieces.append(piece)
            if b"\n" in piece.raw or region(text_of((*self.written, *pieces)), self._entry_point) != where:
                break
        return _as_data(pieces, False)

    def _drawn_line(self, tally: Tally, prompt: Prompt, most: int, seed: int) -> dict[str, Any]:
        temperature = 1.0 if self._sampled else 0.0
        drawn = self._seat.draw(
            prompt, self.written, seeds=[seed], temperature=temperature, most_tokens=most, most_lines=1
        )
        _count(tally, drawn)
        text = drawn[0].text
        return _as_data([Piece(-1, text.encode())] if text else [], drawn[0].ended or not text)

    def _ask(self, what: dict[str, Any], work: Work, most: int, seed: int) -> Stored:
        stored = self._calls.ask(what, work, most_tokens=most, seed=seed, sampling=self._sampling)
        self.stored.append(stored)
        return stored


def _count(tally: Tally, drawn: Sequence[Drawn]) -> None:
    """Continuations of one context: its prompt once, what was generated in full."""
    tally.tokens_in += max((d.prompt_tokens for d in drawn), default=0)
    tally.tokens_out += sum(d.tokens_out for d in drawn)


def _as_data(pieces: Sequence[Piece], ended: bool) -> dict[str, Any]:
    return {"pieces": [piece.to_json() for piece in pieces], "ended": ended}

"""The pieces of a streamed answer, read from the wire where that is possible.

litellm turns each piece into several objects, a millisecond of processor time each: on two cores that is a
tenth of what the embedded model decodes with. So litellm opens the call (address, key, arguments, errors),
and the lines of the two protocols that local servers speak, OpenAI's and Ollama's, are read here; what comes
from elsewhere is taken as litellm gives it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a streamed answer.

    Attributes:
        text: Answer text.
        thinking: Thinking text that the server set apart.
        finish: Why the answer ended, in the last piece of text.
        tokens: Prompt tokens, answer tokens, prompt tokens from the server's cache; None before the end.
    """

    text: str = ""
    thinking: str = ""
    finish: str = ""
    tokens: tuple[int, int, int] | None = None


class ServerError(Exception):
    """The server reported an error inside its stream."""


def pieces(chunks: Any) -> AsyncIterator[Piece]:
    """The pieces of what `litellm.acompletion(stream=True)` returned."""
    inner = getattr(chunks, "completion_stream", None)
    response = getattr(inner, "response", None)
    if hasattr(response, "aiter_lines") and type(inner).__module__.startswith("openai"):
        return _openai(response)
    lines = getattr(inner, "streaming_response", None)
    if lines is not None and "ollama.chat" in type(inner).__module__:
        return _ollama(lines)
    return _litellm(chunks)


async def _openai(response: Any) -> AsyncIterator[Piece]:
    async for line in response.aiter_lines():
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            return
        chunk = json.loads(data)
        if error := chunk.get("error"):
            raise ServerError(error.get("message") if isinstance(error, dict) else str(error))
        usage = chunk.get("usage")
        tokens = None
        if usage:
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            tokens = (
                int(usage.get("prompt_tokens") or 0),
                int(usage.get("completion_tokens") or 0),
                int(cached),
            )
        for choice in (chunk.get("choices") or [])[:1]:
            delta = choice.get("delta") or {}
            thinking = delta.get("reasoning_content") or delta.get("reasoning") or ""
            yield Piece(delta.get("content") or "", thinking, choice.get("finish_reason") or "", tokens)
            tokens = None
        if tokens is not None:
            yield Piece(tokens=tokens)


async def _ollama(lines: Any) -> AsyncIterator[Piece]:
    async for line in lines:
        if not line.strip():
            continue
        chunk = json.loads(line)
        if error := chunk.get("error"):
            raise ServerError(str(error))
        message = chunk.get("message") or {}
        counted = chunk.get("prompt_eval_count"), chunk.get("eval_count")
        tokens = None
        if chunk.get("done") and None not in counted:
            tokens = (int(counted[0]), int(counted[1]), 0)
        finish = str(chunk.get("done_reason") or "stop") if chunk.get("done") else ""
        yield Piece(message.get("content") or "", message.get("thinking") or "", finish, tokens)


async def _litellm(chunks: Any) -> AsyncIterator[Piece]:
    async for chunk in chunks:
        usage = getattr(chunk, "usage", None)
        tokens = None
        if usage is not None:
            details = getattr(usage, "prompt_tokens_details", None)
            cached = getattr(details, "cached_tokens", None) or 0
            tokens = (int(usage.prompt_tokens), int(usage.completion_tokens), int(cached))
        text = thinking = ""
        for choice in chunk.choices[:1]:
            text = choice.delta.content or ""
            thinking = getattr(choice.delta, "reasoning_content", None) or ""
        yield Piece(text, thinking, "", tokens)
    if finish := _finish(chunks):
        yield Piece(finish=finish)


def _finish(chunks: Any) -> str:
    """The reason that the server named; litellm makes a "stop" of its own where there is none."""
    if hasattr(chunks, "_async_generator"):  # the Router's wrapper: a made-up reason is not among its chunks
        kept: list[Any] = getattr(chunks, "chunks", [])
        named = [str(c.finish_reason) for chunk in kept for c in chunk.choices if c.finish_reason]
        return named[-1] if named else ""
    for kind in ("received", "intermittent"):
        if reason := getattr(chunks, f"{kind}_finish_reason", None):
            return str(reason)
    return "" if hasattr(chunks, "received_finish_reason") else "stop"

"""From DSPy's typed requests to our calls, and from our answers to its responses."""

from __future__ import annotations

import math
import re
from typing import Any

from dspy.lm15 import Message, Request, Response, TextPart, ThinkingPart
from dspy.lm15 import Usage as WireUsage

from ..errors import ProgramError
from .backends.base import Answer, Call

_TEMPLATE_TOKENS = 16
_WORDS = re.compile(r"[A-Za-z\s]+", re.ASCII)


def most_tokens(call: Call) -> int:
    """Most tokens that a call can cost: a bound for the prompt (tokenizers take 2.5 to 4.5 characters of words or
    space for a token, one digit or sign in lists of numbers, and rarely more than 2 tokens for another character), the
    chat template, the whole answer."""
    text = "".join(m["content"] for m in call.messages)
    plain = sum(character.isascii() for character in text)
    words = sum(map(len, _WORDS.findall(text)))
    template = _TEMPLATE_TOKENS * (1 + len(call.messages))
    return math.ceil(words / 2) + (plain - words) + 2 * (len(text) - plain) + template + call.max_tokens


def response_format(canonical: dict[str, Any] | None) -> dict[str, Any] | None:
    """DSPy's form of a response format as servers know it."""
    if canonical is None or canonical["type"] != "json_schema":
        return canonical
    inner = {k: v for k, v in canonical.items() if k != "type"}
    return {"type": "json_schema", "json_schema": {"name": "answer"} | inner}


def think(effort: str) -> bool | str:
    """DSPy's effort of reasoning as our option `think`."""
    return {"off": False, "low": "low", "minimal": "low", "high": "high"}.get(effort, "medium")


def messages_of(request: Request) -> list[dict[str, str]]:
    """A request's system text and messages as plain chat messages.

    Raises:
        ProgramError: They hold what small local models don't take: images, tools.
    """
    if request.tools:
        raise ProgramError(f"{request.model}: native tool calls are not supported; use a text adapter")
    messages: list[dict[str, str]] = []
    if request.system:
        messages.append({"role": "system", "content": _text(request.system, request.model)})
    for message in request.messages:
        role = "system" if message.role == "developer" else message.role
        messages.append({"role": role, "content": _text(message.parts, request.model)})
    return messages


def _text(content: Any, model: str) -> str:
    if isinstance(content, str):
        return content
    pieces: list[str] = []
    for part in content:
        if isinstance(part, TextPart):
            pieces.append(part.text)
        elif not isinstance(part, ThinkingPart):
            raise ProgramError(
                f"{model}: a message holds a part of type {part.type!r}; only text is supported"
            )
    return "".join(pieces)


def response_of(request: Request, answer: Answer, key: str) -> Response:
    """An answer as DSPy takes it."""
    parts: list[Any] = [ThinkingPart(answer.thinking)] if answer.thinking else []
    parts.append(TextPart(answer.text))
    return Response(
        id=key[:24],
        model=request.model,
        message=Message(role="assistant", parts=tuple(parts)),
        finish_reason="length" if answer.truncated else "stop",
        usage=WireUsage(answer.tokens_in, answer.tokens_out, cache_read_tokens=answer.cached_tokens_in),
    )

"""Answers with a structure: a JSON schema where the server knows schemas, a lenient reading in any case."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .parsing import syntax_tree

T = TypeVar("T", bound=BaseModel)

_FENCE = re.compile(r"```(?:json|python)?\s*\n?(.*?)(?:```|\Z)", re.DOTALL)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")


@dataclass(frozen=True, slots=True)
class Form:
    """An answer that is data.

    Attributes:
        model: What it should be; servers that know schemas are sent its schema.
        words: The same in words, since a model sees no schema, and some servers know none. Without an example: very
            small models give it back as their answer.
        patterns: Field to a regular expression (``^…$``) for the texts in its list.
    """

    model: type[BaseModel]
    words: str
    patterns: Mapping[str, str] = field(default_factory=dict[str, str])

    def response_format(self) -> dict[str, Any]:
        """The ``response_format`` that asks a server for it."""
        made = schema_format(self.model)
        for name, pattern in self.patterns.items():
            made["json_schema"]["schema"]["properties"][name]["items"]["pattern"] = pattern
        return made


def schema_format(model: type[BaseModel]) -> dict[str, Any]:
    """The ``response_format`` that asks a server for an answer of this model.

    Example:
        >>> class Plan(BaseModel):
        ...     steps: list[str]
        >>> schema_format(Plan)["json_schema"]["name"]
        'Plan'
    """
    schema = model.model_json_schema()
    return {"type": "json_schema", "json_schema": {"name": model.__name__, "schema": schema, "strict": True}}


def read_answer(text: str, model: type[T]) -> T | None:
    """Read an answer leniently: fenced or amid prose, with trailing commas, Python literals, or cut short.

    Args:
        text: The model's answer.
        model: What it should be; a bare list is taken for a model's only field.

    Returns:
        The value, None where nothing in the text is one.

    Example:
        >>> class Plan(BaseModel):
        ...     steps: list[str]
        >>> read_answer("Sure! ```json\\n{'steps': ['sort', 'merge',]}\\n```", Plan).steps
        ['sort', 'merge']
    """
    for candidate in _candidates(text):
        for value in _values(candidate):
            if isinstance(value, list) and len(model.model_fields) == 1:
                value = {next(iter(model.model_fields)): value}
            try:
                return model.model_validate(value)
            except ValidationError:
                continue
    return None


def _candidates(text: str) -> list[str]:
    """Parts of the text that may be the value, likeliest first."""
    found = [m.group(1).strip() for m in _FENCE.finditer(text)]
    found.append(text.strip())
    for opening, closing in (("{", "}"), ("[", "]")):
        start = text.find(opening)
        if start != -1:
            end = text.rfind(closing)
            found += [text[start : end + 1]] if end > start else []
            found.append(text[start:])
    return [f for f in dict.fromkeys(found) if f]


def _values(text: str) -> list[Any]:
    """What the text says as JSON, as JSON with its slips mended, or as a Python literal."""
    values: list[Any] = []
    for attempt in (text, _TRAILING_COMMA.sub(r"\1", text), _closed(_TRAILING_COMMA.sub(r"\1", text))):
        try:
            values.append(json.loads(attempt, strict=False))
        except (ValueError, RecursionError):
            try:
                values.append(ast.literal_eval(syntax_tree(attempt.lstrip(" \t"), "eval")))
            except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
                continue
    return values


def _closed(text: str) -> str:
    """The text with brackets and quotes closed that its end left open."""
    stack: list[str] = []
    quoted = escaped = False
    for character in text:
        if quoted:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                quoted = False
        elif character == '"':
            quoted = True
        elif character in "{[":
            stack.append("}" if character == "{" else "]")
        elif character in "}]" and stack:
            stack.pop()
    ended = text.rstrip().removesuffix("\\") + ('"' if quoted else "")
    return ended.rstrip().rstrip(",") + "".join(reversed(stack))

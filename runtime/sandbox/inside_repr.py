"""The bounded `repr` of what may be large: only as much of it is made as is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_BRACKETS: dict[type, str] = {list: "[]", tuple: "()", dict: "{}"}
SMALL = 32
"""Items up to which a flat list is simply shown whole."""


def ends_of(value: Any, limit: int) -> tuple[str, str] | None:
    """The first and last `limit` characters of the `repr` of a long list, tuple or dict; None where that is no help.

    Example:
        >>> ends_of(list(range(10**6)), 8)
        ('[0, 1, 2', ' 999999]')
        >>> ends_of([1, 2], 8) is None
        True
    """
    if type(value) not in _BRACKETS or not _may_be_long(value):
        return None
    head = _text(value, limit, ())
    return (head, _text(value, limit, (), backwards=True)) if len(head) >= limit else None


def _may_be_long(value: Any) -> bool:
    if len(value) > SMALL:
        return True
    items = value.values() if type(value) is dict else value
    return any(type(item) in _BRACKETS for item in items)


def _text(value: Any, limit: int, outer: tuple[int, ...], *, backwards: bool = False) -> str:
    """At most `limit` characters of a `repr`, from its beginning or from its end."""
    kind = type(value)
    if kind not in _BRACKETS or not value or id(value) in outer:
        text = "...".join(_BRACKETS[kind]) if kind in _BRACKETS and value else repr(value)
        return text[-limit:] if backwards else text[:limit]
    opening, closing = _BRACKETS[kind]
    if kind is tuple and len(value) == 1:
        closing = ",)"
    within = (*outer, id(value))
    text = closing if backwards else opening
    for number, item in enumerate(_items(value, backwards)):
        if number:
            text = ", " + text if backwards else text + ", "
        left = limit - len(text)
        if left <= 0:
            break
        shown = (
            _pair(item, left, within, backwards)
            if kind is dict
            else _text(item, left, within, backwards=backwards)
        )
        text = shown + text if backwards else text + shown
    else:
        text = opening + text if backwards else text + closing
    return text[-limit:] if backwards else text[:limit]


def _items(value: Any, backwards: bool) -> Iterable[Any]:
    ordered = value.items() if type(value) is dict else value
    return reversed(ordered) if backwards else ordered


def _pair(item: tuple[Any, Any], limit: int, outer: tuple[int, ...], backwards: bool) -> str:
    key, value = item
    if backwards:
        end = _text(value, limit, outer, backwards=True)
        left = limit - len(end) - 2
        return (_text(key, left, outer, backwards=True) if left > 0 else "") + ": " + end
    start = _text(key, limit, outer) + ": "
    left = limit - len(start)
    return start + (_text(value, left, outer) if left > 0 else "")

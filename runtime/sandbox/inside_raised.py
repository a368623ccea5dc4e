"""Exceptions of a candidate, made ones that the judge can raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .inside_ends import CannotTravel
from .inside_failure import known_class
from .inside_told import failure


class Raised:
    """Makes them.

    Args:
        decode: From what arrived to a value.
    """

    def __init__(self, decode: Callable[[Any], Any]) -> None:
        self._decode = decode
        self._classes: dict[int, Any] = {}

    def error_class(self, number: int | None, mro: Any) -> type[BaseException]:
        """A class for a candidate's exception class: real, so that `except` and `assertRaises` know it."""
        if number is not None and number in self._classes:
            return self._classes[number]
        known: type[BaseException] | None = None
        own = ""
        for module, name in mro:
            known = known_class(str(module), str(name))
            if known is not None:
                break
            own = own or str(name)
        base = known or Exception
        if not own:
            return base
        made: Any = type(own, (base,), {"_remote_class_id": number})
        if number is not None:
            self._classes[number] = made
        return made

    def rebuild(self, found: Any) -> BaseException:
        """The candidate's exception as one to raise here; it carries its description as `_remote`."""
        try:
            cls = self.error_class(found.get("class"), found["mro"])
            arguments = self._decode(found.get("args", [])) or []
            try:
                error = cls(*arguments)
            except Exception:  # noqa: BLE001 - a class with an __init__ of its own
                error = cls.__new__(cls)
                error.args = tuple(arguments)
            state = self._decode(found.get("state")) or {}
            for name, value in state.items():
                if isinstance(name, str) and not name.startswith("__"):
                    setattr(error, name, value)
        except (Exception, CannotTravel):  # noqa: BLE001 - whatever a forged one leads to
            error = RuntimeError("the candidate raised")
        error._remote = failure(found)  # type: ignore[attr-defined]
        return error

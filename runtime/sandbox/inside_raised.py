"""Exceptions of a candidate, made ones that the judge can raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .inside_ends import CannotTravel
from .inside_failure import known_class
from .inside_thrown import made
from .inside_told import NAME, failure

LINEAGE = 32
"""Most classes that are looked at."""


class Raised:
    """Makes them.

    Args:
        decode: From what arrived to a value.
    """

    def __init__(self, decode: Callable[[Any], Any]) -> None:
        self._decode = decode
        self._classes: dict[int, Any] = {}

    def error_class(self, mro: Any) -> type[BaseException]:
        """A class for a candidate's exception class: real, so that `except` and `assertRaises` know it and its bases.

        Args:
            mro: Module, name and number of the class and of its bases; the first that the standard library has ends
                the candidate's own.
        """
        own: list[tuple[str, int]] = []
        base: type[BaseException] = Exception
        for module, name, number in mro[:LINEAGE]:
            known = known_class(str(module), str(name))
            if known is not None:
                base = known
                break
            own.append((str(name)[:NAME], int(number)))
        cls = base
        for name, number in reversed(own):
            cls = self._classes.setdefault(number, _class(name, cls, base, number))
        return cls

    def rebuild(self, found: Any) -> BaseException:
        """The candidate's exception as one to raise here; it carries its description as `_remote`."""
        try:
            cls = self.error_class(found["mro"])
            arguments = self._decode(found.get("args", [])) or []
            error = made(cls, arguments)
            state = self._decode(found.get("state")) or {}
            for name, value in state.items():
                if isinstance(name, str) and not name.startswith("__"):
                    setattr(error, name, value)
        except (Exception, CannotTravel):  # noqa: BLE001 - whatever a forged one leads to
            error = RuntimeError("the candidate raised")
        error._remote = failure(found)  # type: ignore[attr-defined]
        return error


def _class(
    name: str, cls: type[BaseException], base: type[BaseException], number: int
) -> type[BaseException]:
    """One class of the candidate's; the text of its exceptions is the one that was told."""

    def text(self: BaseException) -> str:
        told = getattr(self, "_remote", None)
        return told["message"] if isinstance(told, dict) else cls.__str__(self)

    bases = (cls,) if issubclass(cls, base) else (cls, base)
    return type(name, bases, {"_remote_class_id": number, "__str__": text})

"""What a `re.Match` travels as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .inside_codec import Codec


class RemoteMatch:
    """The data of a `re.Match`. Truthy, with the methods of a match that only read."""

    def __init__(
        self, string: Any, spans: list[tuple[int, int]], names: dict[str, int], pattern: Any
    ) -> None:
        self.string = string
        self.pattern = pattern
        self._spans = spans
        self._names = names

    def _index(self, group: Any) -> int:
        index = self._names.get(group, -1) if isinstance(group, str) else group
        if not isinstance(index, int) or not 0 <= index < len(self._spans):
            raise IndexError("no such group")
        return index

    def span(self, group: Any = 0) -> tuple[int, int]:
        """As `re.Match.span`."""
        return self._spans[self._index(group)]

    def start(self, group: Any = 0) -> int:
        """As `re.Match.start`."""
        return self.span(group)[0]

    def end(self, group: Any = 0) -> int:
        """As `re.Match.end`."""
        return self.span(group)[1]

    def __getitem__(self, group: Any) -> Any:
        start, end = self.span(group)
        return None if start < 0 else self.string[start:end]

    def group(self, *groups: Any) -> Any:
        """As `re.Match.group`."""
        if len(groups) < 2:
            return self[groups[0] if groups else 0]
        return tuple(self[g] for g in groups)

    def groups(self, default: Any = None) -> tuple[Any, ...]:
        """As `re.Match.groups`."""
        found = (self[i] for i in range(1, len(self._spans)))
        return tuple(default if g is None else g for g in found)

    def groupdict(self, default: Any = None) -> dict[str, Any]:
        """As `re.Match.groupdict`."""
        return {n: default if self[i] is None else self[i] for n, i in self._names.items()}

    def __repr__(self) -> str:
        return f"<re.Match object; span={self.span()}, match={self[0]!r}>"

    def encoded(self, codec: Codec) -> Any:
        """As it came, for the way back."""
        items = codec.items([self.string, self.pattern])
        return {"t": "match", "s": items, "v": [list(span) for span in self._spans], "n": self._names}

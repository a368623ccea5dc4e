"""Arguments that a call changed: the new state is put into the old objects, so that every name for them sees it."""

from __future__ import annotations

from typing import Any


def update(old: Any, new: Any) -> None:
    """Bring a mutable value to a new state in place, down to nested ones, so that every name for it sees it."""
    if type(old) is not type(new):
        return
    if isinstance(old, list):
        merged = [_merge(a, b) for a, b in zip(old, new)]  # noqa: B905
        old[:] = merged + new[len(merged) :]
    elif isinstance(old, dict):
        merged_items = [(k, _merge(old[k], v) if k in old else v) for k, v in new.items()]
        old.clear()
        old.update(merged_items)
    elif isinstance(old, set):
        old.clear()
        old.update(new)
    elif isinstance(old, bytearray):
        old[:] = new
    elif hasattr(old, "__array_interface__"):
        if old.shape == new.shape:
            old[...] = new
    elif hasattr(old, "appendleft"):
        old.clear()
        old.extend(new)


def _merge(old: Any, new: Any) -> Any:
    if type(old) is type(new) and isinstance(new, (list, dict, set, bytearray)):
        update(old, new)
        return old
    return new

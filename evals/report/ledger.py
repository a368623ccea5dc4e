"""Rows from the store's ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import UsageError
from ...runtime.store import Store
from .rows import ProgramRows


def rows_from_store(store: Store, programs: Mapping[str, str] | None = None) -> list[ProgramRows]:
    """The runs of a store, one entry for each program and way of steering, in the order of their first run.

    Args:
        store: The store.
        programs: Digest, or its beginning, → what to call it; all programs by the beginning of their digest where
            none is named.

    Raises:
        UsageError: The store holds no run, or none of a program that was named.
        StoreError: The database cannot be read.
    """
    wanted = dict(programs or {})
    found: dict[tuple[str, str], ProgramRows] = {}
    keys: dict[str, str] = {}
    met: set[str] = set()
    for run in store.runs():
        digest = str(run.get("program", ""))
        asked = next((beginning for beginning in wanted if digest.startswith(beginning)), None)
        if wanted and asked is None:
            continue
        met.add(asked or "")
        steering = str(run.get("steering") or "visible")
        entry = found.get((digest, steering))
        if entry is None:
            known = str((run.get("settings") or {}).get("class") or "")
            named = wanted.get(asked or "") or f"{known} {digest[:12]}".strip()
            name = _free_name(named, (steering, digest[:8], digest), {other.name for other in found.values()})
            entry = found[digest, steering] = ProgramRows(name, digest, steering)
        attempts = run.pop("attempts")
        entry.add(run, attempts)
        for attempt in attempts:
            if attempt.get("call_keys"):
                keys.setdefault(str(attempt.get("model")), str(attempt["call_keys"][0]))
    absent = [beginning for beginning in wanted if beginning not in met]
    if absent or not found:
        what = f"of the program {absent[0]!r}" if absent else "at all"
        raise UsageError(f"the store holds no run {what}: greenloop eval writes them")
    digests = {model: _digest(store, key) for model, key in keys.items()}
    for entry in found.values():
        entry.models = {model: entry.models[model] or digests.get(model, "") for model in entry.models}
    return list(found.values())


def _free_name(name: str, additions: Sequence[str], taken: set[str]) -> str:
    """The name, with the first addition that tells it from those that are taken."""
    candidates = [name, *(f"{name} ({addition})" for addition in additions)]
    return next((one for one in candidates if one not in taken), f"{name} ({', '.join(additions)})")


def _digest(store: Store, key: str) -> str:
    """The model digest that a stored answer was made with."""
    stored = store.answer(key)
    return str(stored.content.get("digest", "")) if stored else ""

"""Rows from the store's ledger."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import UsageError
from ...runtime.store import Store
from .rows import ProgramRows


def rows_from_store(store: Store, programs: Mapping[str, str] | None = None) -> list[ProgramRows]:
    """The runs of a store, one entry for each program under one set of conditions, in the order of their first run.

    Conditions are steering, set-up, limits, metric, models with their weights, and the tests of each task: runs that
    differ in one of these are no replicates of each other.

    Args:
        store: The store.
        programs: Digest, or its beginning, → what to call it; all programs by the beginning of their digest where
            none is named.

    Raises:
        UsageError: The store holds no run, or none of a program that was named.
        StoreError: The database cannot be read.
    """
    wanted = dict(programs or {})
    found: dict[tuple[str, str], list[ProgramRows]] = {}
    entries: list[ProgramRows] = []
    seen: set[tuple[int, str, int, Any]] = set()
    keys: dict[str, str] = {}
    met: set[str] = set()
    for run in store.runs():
        digest = str(run.get("program", ""))
        asked = next((beginning for beginning in wanted if digest.startswith(beginning)), None)
        if wanted and asked is None:
            continue
        met.add(asked or "")
        steering = str(run.get("steering") or "visible")
        alike = found.setdefault((digest, steering), [])
        draw = (str(run["task_id"]), int(run.get("replicate") or 0), run.get("seed"))
        fitting = [one for one in alike if not one.differs(run)]
        entry = next((one for one in fitting if not one.other_weights(run)), None)
        if entry is None:  # models of one name in one program, unless it is the same draw again
            entry = next((one for one in fitting if (id(one), *draw) not in seen), None)
        if entry is None:
            known = str((run.get("settings") or {}).get("class") or "")
            named = wanted.get(asked or "") or f"{known} {digest[:12]}".strip()
            why: list[str] = []
            if fitting:
                why = [f"other weights of {fitting[0].other_weights(run)}"]
            elif alike:
                why = [alike[0].differs(run)]
            name = _free_name(named, (*why, steering, digest[:8], digest), {other.name for other in entries})
            entry = ProgramRows(name, digest, steering)
            alike.append(entry)
            entries.append(entry)
        attempts = run.pop("attempts")
        if (id(entry), *draw) in seen:  # an older version wrote it without its conditions
            continue
        seen.add((id(entry), *draw))
        for attempt in attempts:
            if not attempt.get("code") and not attempt.get("answer"):  # older versions wrote none
                attempt["answer"] = _answer(store, attempt.get("call_keys") or ())
        entry.add(run, attempts)
        for attempt in attempts:
            if attempt.get("call_keys") and not entry.models.get(str(attempt.get("model"))):
                keys.setdefault(str(attempt.get("model")), str(attempt["call_keys"][0]))
    absent = [beginning for beginning in wanted if beginning not in met]
    if absent or not found:
        what = f"of the program {absent[0]!r}" if absent else "at all"
        raise UsageError(f"the store holds no run {what}: greenloop eval writes them")
    digests = {model: _digest(store, key) for model, key in keys.items()}
    for entry in entries:
        entry.models = {model: entry.models[model] or digests.get(model, "") for model in entry.models}
    return entries


def _free_name(name: str, additions: Sequence[str], taken: set[str]) -> str:
    """The name, with the first addition that tells it from those that are taken."""
    told = [*additions, ", ".join(additions)]
    candidates = itertools.chain(
        [name], (f"{name} ({one})" for one in told), (f"{name} ({n})" for n in itertools.count(2))
    )
    return next(one for one in candidates if one not in taken)


def _answer(store: Store, keys: Sequence[str]) -> str:
    """What a model said in these calls."""
    stored = (store.answer(key) for key in keys)
    return "\n".join(str(one.content.get("text", "")) for one in stored if one is not None)


def _digest(store: Store, key: str) -> str:
    """The model digest that a stored answer was made with."""
    stored = store.answer(key)
    return str(stored.content.get("digest", "")) if stored else ""

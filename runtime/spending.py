"""Where the compute of runs went: by stage and model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .budget import Usage
from .run import CallRecord


@dataclass(frozen=True, slots=True)
class Spent:
    """What one stage's calls to one model cost, as if none had been stored.

    Attributes:
        stage: The stage's name; empty for calls outside of any stage of ours.
        model: The model's name.
        usage: Calls, tokens and seconds of model time.
        cached_tokens_in: Prompt tokens that the server took from its prompt cache.
        load_s: Seconds in which the model was loaded for these calls; no part of the model time.
        lost_tokens: Tokens beside these of tries that ended without an answer (timeouts, stalls, broken connections).
    """

    stage: str
    model: str
    usage: Usage
    cached_tokens_in: int = 0
    load_s: float = 0.0
    lost_tokens: int = 0

    def to_json(self) -> dict[str, Any]:
        """The row as plain JSON data."""
        return {
            "stage": self.stage,
            "model": self.model,
            **self.usage.to_json(),
            "cached_tokens_in": self.cached_tokens_in,
            "load_s": self.load_s,
            "lost_tokens": self.lost_tokens,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Spent:
        """Read what `to_json` wrote."""
        usage = Usage(
            int(data.get("calls", 0)),
            int(data.get("tokens_in", 0)),
            int(data.get("tokens_out", 0)),
            float(data.get("model_seconds", 0.0)),
        )
        cached, loading = int(data.get("cached_tokens_in", 0)), float(data.get("load_s", 0.0))
        stage, model = str(data.get("stage", "")), str(data.get("model", ""))
        return cls(stage, model, usage, cached, loading, int(data.get("lost_tokens", 0)))


def spent_by_stage(calls: Iterable[CallRecord]) -> tuple[Spent, ...]:
    """What calls cost, a row for each stage and model.

    Example:
        >>> call = CallRecord("k", "embedded", "d", 0, Usage(1, 20, 5, 0.5), cached=False, stage="generate")
        >>> [(s.stage, s.model, s.usage.calls, s.usage.tokens) for s in spent_by_stage([call, call])]
        [('generate', 'embedded', 2, 50)]
    """
    return added(Spent(c.stage, c.model, c.usage, c.cached_tokens_in, c.load_s, c.lost_tokens) for c in calls)


def usage_by_model(rows: Iterable[Spent]) -> dict[str, Usage]:
    """Model to the cost of its calls."""
    table: dict[str, Usage] = {}
    for row in rows:
        table[row.model] = table.get(row.model, Usage()) + row.usage
    return table


def added(rows: Iterable[Spent]) -> tuple[Spent, ...]:
    """Rows of the same stage and model as one, in the order in which they were first met."""
    found: dict[tuple[str, str], Spent] = {}
    for row in rows:
        before = found.get((row.stage, row.model), Spent(row.stage, row.model, Usage()))
        found[row.stage, row.model] = Spent(
            row.stage,
            row.model,
            before.usage + row.usage,
            before.cached_tokens_in + row.cached_tokens_in,
            before.load_s + row.load_s,
            before.lost_tokens + row.lost_tokens,
        )
    return tuple(found.values())

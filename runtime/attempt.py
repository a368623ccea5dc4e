"""Attempts and trajectories: what a program tried on one task, in order."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from .budget import Usage
from .execution import Execution


@dataclass(frozen=True, slots=True)
class Attempt:
    """One piece of code, where it came from and what running it showed.

    Attributes:
        code: The code as it was run, without the problem's preamble; empty if the answer held none.
        stage: Name of the stage that wrote it ("generate", "refine", …).
        iteration: How often that stage had been called before in this run, from 0.
        execution: What running it on the steering tests showed; None if it was never run.
        model: The model's name as the user wrote it.
        sampling: Temperature, max_tokens and the like, as sent.
        seed: The call's seed.
        usage: As-if compute of the attempt's calls.
        answer: The model's answer as it came, where it held no code or was written under guidance; else empty.
        feedback: What the model was told about the attempt before, where it was.
        truncated: The answer was ended by `max_tokens`.
        flags: Other things worth counting.
        call_keys: Content addresses of the calls in the store.
    """

    code: str
    stage: str
    iteration: int = 0
    execution: Execution | None = None
    model: str = ""
    sampling: dict[str, Any] = field(default_factory=dict[str, Any])
    seed: int | None = None
    usage: Usage = field(default_factory=Usage)
    answer: str = ""
    feedback: str = ""
    truncated: bool = False
    flags: tuple[str, ...] = ()
    call_keys: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The attempt as plain JSON data."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        data["execution"] = self.execution.to_json() if self.execution else None
        data["usage"] = self.usage.to_json()
        data["flags"] = list(self.flags)
        data["call_keys"] = list(self.call_keys)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Attempt:
        """Read what `to_json` wrote."""
        execution = data.get("execution")
        fields: dict[str, Any] = {
            **data,
            "execution": Execution.from_json(execution) if execution else None,
            "usage": Usage(**data.get("usage", {})),
            "flags": tuple(data.get("flags", ())),
            "call_keys": tuple(data.get("call_keys", ())),
        }
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The attempts of one (task, replicate), in order, and which one the program chose.

    Attributes:
        task_id: The task's name.
        replicate: Number of the replicate, from 0.
        attempts: In the order in which they were made.
        chosen: Index of the attempt whose code the program returned; None if it returned other code.
        usage: As-if compute of all model calls of the run, those of other modules included.
    """

    task_id: str
    replicate: int
    attempts: tuple[Attempt, ...]
    chosen: int | None
    usage: Usage

    @property
    def best(self) -> Attempt | None:
        """The chosen attempt."""
        return None if self.chosen is None else self.attempts[self.chosen]

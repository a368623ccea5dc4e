"""What a node of a genome carries besides its connections: model, temperature, iterations and the like."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ...errors import UsageError
from ...modules.wiring import Kind

TEMPERATURES = (0.0, 1.2)
ITERATIONS = (1, 3)
SAMPLES = (1, 4)
FEEDBACKS = ("error_line", "traceback", "per_test")


@dataclass(frozen=True, slots=True)
class Attributes:
    """A node's attributes; each kind of node uses some, see `USED`.

    Attributes:
        model: Name of the model among those that the search was given; empty for the one of `dspy.configure`.
        temperature: Sampling temperature.
        iterations: Most rounds of a mending node.
        samples: Most drafts of a generating node.
        prompt: Number of the instruction among those of the preset.
        feedback: What an executing node tells, see `modules.feedback`.
        stop_on_pass: Whether a selecting node ends with the first candidate that passes.
    """

    model: str = ""
    temperature: float = 0.3
    iterations: int = 1
    samples: int = 1
    prompt: int = 0
    feedback: str = "error_line"
    stop_on_pass: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (
            ("temperature", *TEMPERATURES),
            ("iterations", *ITERATIONS),
            ("samples", *SAMPLES),
        ):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"a gene's {name} lies from {low} to {high}, not at {getattr(self, name)!r}")
        if self.feedback not in FEEDBACKS or self.prompt < 0:
            raise UsageError(f"a gene has the unknown feedback or prompt {self.feedback!r}, {self.prompt!r}")

    def used(self, kind: Kind) -> Attributes:
        """The attributes with those that the kind does not use at their defaults: equal where behaviour is."""
        return Attributes(**{name: getattr(self, name) for name in USED[kind]})

    def to_json(self) -> dict[str, Any]:
        """The attributes that differ from their defaults, as plain JSON data."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default}


USED: Mapping[Kind, tuple[str, ...]] = {
    "plan": ("model", "temperature"),
    "generate": ("model", "temperature", "samples", "prompt"),
    "write_tests": ("model",),
    "execute": ("feedback",),
    "critique": ("model", "temperature", "prompt"),
    "refine": ("model", "temperature", "iterations", "prompt"),
    "route": ("model", "temperature", "iterations"),
    "escalate": ("model", "temperature", "iterations"),
    "select": ("stop_on_pass",),
    "guided": ("model", "temperature"),
}

_SPANS = {
    "temperature": TEMPERATURES[1] - TEMPERATURES[0],
    "iterations": float(ITERATIONS[1] - ITERATIONS[0]),
    "samples": float(SAMPLES[1] - SAMPLES[0]),
}


def difference(kind: Kind, one: Attributes, other: Attributes) -> float:
    """How far two nodes of a kind are apart, 0 to 1: the mean over the attributes that it uses.

    A number counts by its share of its range, anything else as 0 or 1; so for one kind this is a metric on what is
    used.
    """
    total = 0.0
    for name in USED[kind]:
        a, b = getattr(one, name), getattr(other, name)
        total += abs(a - b) / _SPANS[name] if name in _SPANS else float(a != b)
    return total / len(USED[kind])


def perturbed(
    kind: Kind, attributes: Attributes, models: Sequence[str], rng: random.Random, *, spread: float = 0.15
) -> Attributes:
    """The attributes with one of those in use changed; at a bound a number steps inwards.

    Args:
        kind: Kind of the node.
        attributes: What to change.
        models: Models to choose from.
        rng: Source of chance.
        spread: Standard deviation of a step in temperature.
    """
    choices = [n for n in USED[kind] if n != "prompt" and (n != "model" or len(models) > 1)]
    if not choices:
        return attributes
    name = rng.choice(choices)
    value = getattr(attributes, name)
    if name == "temperature":
        by = rng.gauss(0, spread)
        after = moved(value, by)
        return replace(attributes, temperature=after if after != value else moved(value, -by))
    if name in ("iterations", "samples"):
        bounds, by = (ITERATIONS if name == "iterations" else SAMPLES), rng.choice((-1, 1))
        after = stepped(value, by, bounds)
        return replace(attributes, **{name: after if after != value else stepped(value, -by, bounds)})
    if name == "stop_on_pass":
        return replace(attributes, stop_on_pass=not value)
    options: Sequence[str] = models if name == "model" else FEEDBACKS
    return replace(attributes, **{name: rng.choice([o for o in options if o != value])})


def moved(
    temperature: float, by: float, low: float = TEMPERATURES[0], high: float = TEMPERATURES[1]
) -> float:
    """A temperature after a step, clipped and rounded to thousandths so that equal ones are equal."""
    return round(min(high, max(low, temperature + by)), 3)


def stepped(value: int, by: int, bounds: tuple[int, int]) -> int:
    """A whole number after a step, inside its bounds."""
    return min(bounds[1], max(bounds[0], value + by))


def plain(attributes: Attributes) -> dict[str, Any]:
    """All attributes as plain JSON data."""
    return asdict(attributes)

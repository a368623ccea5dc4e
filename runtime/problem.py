"""What a program gets to see of a task."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal

Steering = Literal["visible", "oracle"]
"""Which tests steer a run: the visible ones, or (as in the paper) the hidden ones too."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A task without its hidden tests and its reference: all that a program is handed.

    Attributes:
        task_id: The task's name, for the ledger.
        prompt: The request in words or as a stub with docstring.
        entry_point: The name the tests call; empty where there is none.
        preamble: Imports and helpers that the tests and the stub assume; run ahead of the candidate.
        visible_tests: Test source strings that a program may look at and run.
        steering_tests: Tests that `Execute` runs in this run: the visible ones, with `oracle` the hidden too.
        steering: Which of the two it is; stamped on every figure of the run.
    """

    task_id: str
    prompt: str
    entry_point: str = ""
    preamble: str = ""
    visible_tests: tuple[str, ...] = ()
    steering_tests: tuple[str, ...] = field(default=(), repr=False)
    steering: Steering = "visible"

    def __post_init__(self) -> None:
        if self.steering == "visible":
            object.__setattr__(self, "steering_tests", self.visible_tests)

    def render(self) -> str:
        """The problem as a model reads it: the prompt, the entry point and visible tests unless it shows them.

        A stub is shown as it is: the examples in its docstring stand for the visible tests.
        """
        parts = [self.prompt.rstrip()]
        if self.entry_point and self.entry_point not in self.prompt and not self.visible_tests:
            parts.append(f"Name the function `{self.entry_point}`.")
        shown = [t for t in self.visible_tests if t.strip() not in self.prompt]
        if shown and not self._prompt_has_examples():
            parts.append("Your code must pass these tests:\n" + "\n".join(shown))
        return "\n\n".join(parts)

    def _prompt_has_examples(self) -> bool:
        """Whether it is a stub, as in HumanEval: it is taken to carry its visible tests as examples."""
        return f"def {self.entry_point}(" in self.prompt and bool(self.entry_point)

    @property
    def digest(self) -> str:
        """Content hash of what a program sees; part of seeds and of the ledger's keys."""
        content = [self.prompt, self.entry_point, self.preamble, *self.visible_tests]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

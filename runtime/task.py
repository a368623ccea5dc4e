"""What to solve and how it is scored: the problem in the open, hidden tests and reference apart.

DSPy's optimizers print examples into prompts (MIPROv2 writes the `repr` of training examples into its summary
of the data), so a `Task` stores nothing but its `Problem`: hidden tests and reference stand in a private slot
that `_store`, `toDict`, `items`, `repr` and `hash` know nothing of. It guards against accidents, not
against code that searches the memory of its own process.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from dspy import Example

from ..errors import TaskError
from .problem import Problem, Steering

FIELDS = ("task_id", "prompt", "entry_point", "preamble", "visible_tests", "hidden_tests", "reference")
"""The fields of a task in the order in which files and digests list them."""

_PROBLEM_FIELDS = FIELDS[:5]


@dataclass(frozen=True, slots=True, repr=False)
class _Private:
    """What scores a task and must not steer a program; its `repr` tells only how much there is."""

    hidden_tests: tuple[str, ...] = ()
    reference: str | None = None

    def __repr__(self) -> str:
        return f"<{len(self.hidden_tests)} hidden tests>"


class Task(Example):
    """A programming task: a `dspy.Example` with the one input `problem`.

    Args:
        task_id: The task's name, unique in its set.
        prompt: The request in words, or a stub with docstring.
        entry_point: The function (or class) that the tests call; empty for none.
        preamble: Imports and helpers that tests and stub assume; run ahead of the candidate.
        visible_tests: Test source strings that a program may see and run; they steer.
        hidden_tests: Test source strings that score; no program gets to see them.
        reference: Source of a known solution, or None.

    Raises:
        TaskError: A field has the wrong type, or there is no `task_id` or `prompt`.

    Example:
        >>> task = Task(task_id="add", prompt="Add two numbers.", entry_point="add",
        ...             visible_tests=["assert add(1, 2) == 3"], hidden_tests=["assert add(0, 0) == 0"])
        >>> task.problem.visible_tests
        ('assert add(1, 2) == 3',)
        >>> "add(0, 0)" in repr(task)
        False
    """

    def __init__(
        self,
        *,
        task_id: str,
        prompt: str,
        entry_point: str = "",
        preamble: str = "",
        visible_tests: Iterable[str] = (),
        hidden_tests: Iterable[str] = (),
        reference: str | None = None,
    ) -> None:
        problem = Problem(
            task_id=_text("task_id", task_id, required=True),
            prompt=_text("prompt", prompt, required=True),
            entry_point=_text("entry_point", entry_point),
            preamble=_text("preamble", preamble),
            visible_tests=_tests("visible_tests", visible_tests),
        )
        super().__init__(problem=problem)
        self._input_keys = {"problem"}
        self._private = _Private(
            hidden_tests=_tests("hidden_tests", hidden_tests),
            reference=None if reference is None else _text("reference", reference),
        )

    @property
    def problem(self) -> Problem:
        """All that a program is handed; nothing reachable from it is hidden."""
        return cast(Problem, self["problem"])

    @property
    def task_id(self) -> str:
        """The task's name."""
        return self.problem.task_id

    @property
    def prompt(self) -> str:
        """The request in words, or a stub with docstring."""
        return self.problem.prompt

    @property
    def entry_point(self) -> str:
        """The name that the tests call; empty where there is none."""
        return self.problem.entry_point

    @property
    def preamble(self) -> str:
        """Imports and helpers that run ahead of the candidate."""
        return self.problem.preamble

    @property
    def visible_tests(self) -> tuple[str, ...]:
        """Tests that a program may see: they steer."""
        return self.problem.visible_tests

    @property
    def hidden_tests(self) -> tuple[str, ...]:
        """Tests that score."""
        return self._private.hidden_tests

    @property
    def reference(self) -> str | None:
        """Source of a known solution, or None."""
        return self._private.reference

    @property
    def tests(self) -> tuple[str, ...]:
        """Visible and hidden tests, in this order."""
        return self.visible_tests + self.hidden_tests

    @property
    def digest(self) -> str:
        """Content hash (16 hex digits) of every field, hidden ones too: it changes when scoring might."""
        content = json.dumps([getattr(self, name) for name in FIELDS])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def problem_for(self, steering: Steering) -> Problem:
        """The problem for a run that is steered by the visible tests, or ("oracle") by the hidden ones too.

        Only an oracle's problem holds hidden tests, in `steering_tests`; `visible_tests` stay as they are.
        """
        if steering == "visible":
            return self.problem
        return dataclasses.replace(self.problem, steering="oracle", steering_tests=self.tests)

    def fields(self) -> dict[str, Any]:
        """Every field by name, hidden ones too: what a task file's line holds. Not for prompts."""
        values = {name: getattr(self, name) for name in FIELDS}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    def copy(self, **kwargs: Any) -> Task:
        """A copy, with fields of the task replaced; other keywords become stored values as in DSPy."""
        task_fields = {name: kwargs.pop(name) for name in FIELDS if name in kwargs}
        if any(name in _PROBLEM_FIELDS for name in task_fields) and "problem" in self:
            twin = type(self)(**{**self.fields(), **task_fields})
            twin._store = {**self._store, **twin._store}
        else:
            twin = type(self).__new__(type(self))
            twin._store = dict(self._store)
            twin._demos = []
            twin._private = dataclasses.replace(
                self._private,
                hidden_tests=_tests("hidden_tests", task_fields.get("hidden_tests", self.hidden_tests)),
                reference=task_fields.get("reference", self.reference),
            )
        twin._input_keys = set(self._input_keys or ()) or None
        twin._store.update(kwargs)
        return twin

    def inputs(self) -> Example:
        """What a program is called with: a plain `dspy.Example` with the one field `problem`."""
        keys = self._input_keys or {"problem"}
        kept = {key: value for key, value in self._store.items() if key in keys}
        return Example(**kept).with_inputs(*keys)

    def labels(self) -> Example:
        """Stored values that are no inputs, as a plain `dspy.Example`: none, unless a copy was given some."""
        keys = self._input_keys or {"problem"}
        return Example(**{key: value for key, value in self._store.items() if key not in keys})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self._store == other._store and self._private == other._private

    def __hash__(self) -> int:
        return hash(self.get("problem"))

    def __repr__(self) -> str:
        stored = {key: value for key, value in self._store.items() if not key.startswith("dspy_")}
        return f"Task({', '.join(f'{key}={value!r}' for key, value in stored.items())})"


def _text(name: str, value: object, required: bool = False) -> str:
    if not isinstance(value, str):
        raise TaskError(f"a task's {name} must be a string, got {type(value).__name__}")
    if required and not value.strip():
        raise TaskError(f"a task's {name} must not be empty")
    return value


def _tests(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TaskError(f"a task's {name} must be a list of strings, got {type(value).__name__}")
    tests = tuple(cast("Iterable[object]", value))
    for number, test in enumerate(tests):
        _text(f"{name}[{number}]", test)
    return cast("tuple[str, ...]", tests)

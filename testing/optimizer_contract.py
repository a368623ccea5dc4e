"""What every optimizer promises, as a test class: subclass it and give it yours.

class TestMyOptimizer(OptimizerContract):
    def optimizer(self, terms):
        return MyOptimizer(budget=terms.budget, store=terms.store, seed=terms.seed)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dspy
import pytest

from ..errors import BudgetExhausted
from ..evals.compare_methods import Terms
from ..evals.evidence import Evidence
from ..modules.blueprint import describe
from ..modules.generate import Generate
from ..modules.knobs import Float, Int
from ..modules.programs import GenerateExecuteRefine
from ..modules.refine import Refine
from ..optimizers.artifact import export, load
from ..runtime.budget import Budget
from ..runtime.replay_meter import ReplayMeter
from ..runtime.run import Session, use_session
from ..runtime.store import open_store
from ..runtime.task import Task
from .fake_model import ScriptedModel
from .small_tasks import adding_tasks

_SECRET = "hidden-marker"
_NUMBER = re.compile(r"Write f\(x\) that adds (\d+) to x")


class OptimizerContract:
    """The contract. A subclass provides `optimizer`; each test lets it search on a model whose answers are known.

    The model's drafts are right for every third task and when hot; code that is mended after a failed test is right.
    Searches run in a session on their store with the budget's accounts: an optimizer may use those or its own.

    Attributes:
        gives_evidence: Whether what it returns carries `Evidence`; False for optimizers such as DSPy's own.
        takes_valset: Whether `compile` takes `valset`, tasks for a confirmation that must not bear on the choice.
        calls: Model calls that are ample for it on six tasks.
    """

    gives_evidence: bool = True
    takes_valset: bool = True
    calls: int = 240

    def optimizer(self, terms: Terms) -> Any:
        """A fresh optimizer; to be overridden."""
        raise pytest.UsageError("a subclass of OptimizerContract provides `optimizer(terms)`")

    def student(self, model: Any) -> dspy.Module:
        """The program that is compiled: the simple loop with a few knobs."""
        return GenerateExecuteRefine(
            generate=Generate(model=model, temperature=Float(0.0, 1.0, default=0.2)),
            refine=Refine(model=model),
            max_iterations=Int(0, 2, default=0),
        )

    def test_it_returns_a_new_program_and_leaves_the_student_as_it_was(self, tmp_path: Path) -> None:
        """The student can be compiled again by another optimizer."""
        model = _model()
        student = self.student(model)
        before = describe(student)
        found = self._compile(tmp_path / "s.db", student, _tasks(0, 6))
        assert isinstance(found, dspy.Module)
        assert found is not student
        assert describe(student) == before
        assert isinstance(found(problem=_tasks(0, 1)[0].problem).code, str)

    def test_what_it_found_carries_evidence(self, tmp_path: Path) -> None:
        """Verdict, confirmed figure with n, replicates and interval, baselines with Holm, what was paid, tasks."""
        if not self.gives_evidence:
            pytest.skip("this optimizer gives no evidence")
        train, val = _tasks(0, 6), _tasks(6, 12)
        found = self._compile(tmp_path / "s.db", self.student(_model()), train, val)
        evidence = getattr(found, "evidence", None)
        assert isinstance(evidence, Evidence)
        assert Evidence.model_validate_json(evidence.model_dump_json()) == evidence
        assert evidence.verdict
        assert evidence.trials >= 1
        assert 0 <= evidence.search_rate <= 1
        assert evidence.settings
        assert evidence.paid["calls"] > 0
        assert evidence.as_if["calls"] > 0
        assert evidence.confirmed is not None
        assert evidence.confirmed.n == len(val)
        assert evidence.confirmed.simulated
        assert evidence.confirmed.model_calls > 0
        assert any("equal compute" in b.name for b in evidence.baselines)
        assert all(b.comparison.p_adjusted is not None for b in evidence.baselines)
        for part, tasks in (("tuned", train), ("validation", val)):
            assert sorted(evidence.tasks[part]) == sorted(f"{t.task_id} {t.digest}" for t in tasks)
        alone = self._compile(tmp_path / "alone.db", self.student(_model()), train)
        assert alone.evidence.confirmed is None
        assert alone.evidence.verdict.startswith("not confirmed")

    def test_the_budget_is_kept(self, tmp_path: Path) -> None:
        """No more calls than allowed; too few for anything end in `BudgetExhausted`, or in the student's settings."""
        for calls in (30, 2):
            model = _model()
            try:
                found = self._compile(
                    tmp_path / f"{calls}.db", self.student(model), _tasks(0, 6), _tasks(6, 9), calls=calls
                )
            except BudgetExhausted:
                found = None
            assert model.call_count <= calls
            if found is not None and self.gives_evidence:
                assert getattr(found, "evidence").paid["calls"] <= calls  # noqa: B009

    def test_locked_tasks_have_no_part_in_the_search(self, tmp_path: Path) -> None:
        """What is chosen does not depend on the validation tasks, and without any none is asked about."""
        train = _tasks(0, 6)
        found: list[Any] = []
        for name, val in (("none", None), ("some", _tasks(6, 9)), ("others", _tasks(9, 12))):
            if val is not None and not self.takes_valset:
                continue
            model = _model()
            program = self._compile(tmp_path / f"{name}.db", self.student(model), train, val)
            found.append(_choice(program))
            numbers = {int(n) for c in model.calls for n in _NUMBER.findall(str(c.messages))}
            allowed = {*range(6), *(int(t.task_id[1:]) for t in val or ())}
            assert numbers <= allowed
        assert all(one == found[0] for one in found)

    def test_no_hidden_test_stands_in_a_prompt(self, tmp_path: Path) -> None:
        """Visible tests steer, hidden tests score."""
        model = _model()
        self._compile(tmp_path / "s.db", self.student(model), _tasks(0, 6), _tasks(6, 9))
        assert model.calls
        assert not [c for c in model.calls if _SECRET in str(c.messages)]

    def test_a_stopped_search_goes_on_and_pays_for_no_call_twice(self, tmp_path: Path) -> None:
        """Stopped in the middle, the same call on the same store finds what an unstopped one finds."""
        train, val = _tasks(0, 6), _tasks(6, 9)
        whole = _model()
        expected = self._compile(tmp_path / "whole.db", self.student(whole), train, val)
        stop_at = max(1, whole.call_count // 2)
        first = _model(stop_at)
        with pytest.raises(KeyboardInterrupt):
            self._compile(tmp_path / "cut.db", self.student(first), train, val)
        second = _model()
        found = self._compile(tmp_path / "cut.db", self.student(second), train, val)
        made = [*first.calls[: stop_at - 1], *second.calls]
        keys = [(str(c.messages), c.seed, str(c.sampling)) for c in made]
        assert len(keys) == len(set(keys))
        assert _choice(found) == _choice(expected)
        third = _model()
        again = self._compile(tmp_path / "cut.db", self.student(third), train, val)
        assert third.call_count == 0
        assert _choice(again) == _choice(found)

    def test_what_it_found_exports_and_loads(self, tmp_path: Path) -> None:
        """The exported folder holds the program and its evidence; loaded, it writes the same code."""
        model = _model()
        found = self._compile(tmp_path / "s.db", self.student(model), _tasks(0, 6), _tasks(6, 9))
        export(found, tmp_path / "found")
        with dspy.context(lm=model):
            loaded = load(tmp_path / "found")
        assert _choice(loaded)["prompts"] == _choice(found)["prompts"]
        assert getattr(loaded, "evidence", None) == getattr(found, "evidence", None)

    def _compile(
        self,
        path: Path,
        student: dspy.Module,
        train: Sequence[Task],
        val: Sequence[Task] | None = None,
        *,
        calls: int | None = None,
    ) -> Any:
        budget = Budget(calls=calls or self.calls)
        store = open_store(f"sqlite:///{path}")
        meter = ReplayMeter(budget)
        session = Session(store, seed=3, meter=meter, on_call=(meter.booked,))
        optimizer = self.optimizer(Terms(3, budget, store, False, 1, lambda progress: None))
        valset = {"valset": list(val)} if val is not None and self.takes_valset else {}
        with use_session(session):
            return optimizer.compile(student, trainset=list(train), **valset)


def _tasks(start: int, end: int) -> list[Task]:
    tasks = adding_tasks(end)[start:]
    return [task.copy(hidden_tests=[f"{task.hidden_tests[0]}  # {_SECRET}"]) for task in tasks]


def _model(stop_at: int | None = None) -> ScriptedModel:
    """The contract's model; `stop_at` is the call at which somebody presses Ctrl-C."""
    count = 0

    def answer(messages: list[dict[str, Any]], sampling: dict[str, Any]) -> str:
        nonlocal count
        count += 1
        if stop_at is not None and count >= stop_at:
            raise KeyboardInterrupt
        number = int(_NUMBER.findall(str(messages))[-1])
        mended = any(m["role"] == "assistant" or "Previous code" in m["content"] for m in messages)
        right = number % 3 == 0 or mended or sampling["temperature"] > 0.6
        return f"```python\ndef f(x):\n    return x + {number if right else number + 1}\n```"

    return ScriptedModel(answer, identity="contract", slots=1)


def _choice(program: Any) -> dict[str, Any]:
    """What was chosen: class, settings and prompts, models by their names."""
    return {**describe(program), "settings": {k: str(v) for k, v in describe(program)["settings"].items()}}

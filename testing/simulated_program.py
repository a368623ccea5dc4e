"""Programs whose true quality is known, at every setting: to see how good an optimizer really is.

Everything here is *simulated*: models are numbers, code is a word, verdicts are drawn. Seeds, the cache of answers and
the accounts work as for real programs.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dspy

from ..modules.settings import setting
from ..runtime.attempt import Attempt
from ..runtime.budget import Usage
from ..runtime.execution import Candidate, Execution
from ..runtime.problem import Problem
from ..runtime.run import CallRecord, Run, current_run
from ..runtime.task import Task
from .fake_model import ScriptedModel

PASSED = "simulated: passed"
TOKENS_IN, TOKENS_OUT = 150, 100
SIMULATED = "simulated/models"
_POPULATION = 100_000
_TASK = re.compile(r"Simulated task (\d+)\.")


@dataclass(frozen=True)
class SimulatedWorld:
    """Models with known chances, and tasks of known difficulty.

    A model writes code that passes with the chance sigmoid(skill + ease of the task − 6 (temperature − its best)²), and
    mends code with a chance of the same form and other numbers.

    Attributes:
        models: Name → (skill at writing, its best temperature there, skill at mending, its best temperature there).
        tasks: The tasks of a study.
        eases: Task → (of writing, of mending), on the logit scale.
        population: Eases of many more tasks, of which the study's are a sample: the truth is the mean over these.
    """

    models: dict[str, tuple[float, float, float, float]]
    tasks: tuple[Task, ...]
    eases: dict[str, tuple[float, float]]
    population: tuple[tuple[float, float], ...]
    answers: set[str] = field(default_factory=set[str], compare=False, repr=False)

    @property
    def tokens_per_call(self) -> int:
        """Prompt and answer tokens of a call."""
        return TOKENS_IN + TOKENS_OUT

    @classmethod
    def drawn(cls, seed: int, *, tasks: int = 60, models: int = 2, population: int = 300) -> SimulatedWorld:
        """A world at random: models differ, and tasks differ more."""
        rng = random.Random(f"world {seed}")
        made = {
            f"model{i}": (rng.gauss(-0.6, 0.6), rng.uniform(0, 1), rng.gauss(-1.6, 0.6), rng.uniform(0, 1))
            for i in range(models)
        }

        def ease() -> tuple[float, float]:
            shared = rng.gauss(0, 1.2)
            return shared, 0.7 * shared + rng.gauss(0, 0.6)

        return cls(
            made,
            tuple(_task(i) for i in range(tasks)),
            {f"task{i}": ease() for i in range(tasks)},
            tuple(ease() for _ in range(population)),
        )

    def ease(self, number: int) -> tuple[float, float]:
        """Eases of a task by its number."""
        return self.population[number - _POPULATION] if number >= _POPULATION else self.eases[f"task{number}"]

    def write_chance(self, model: str, temperature: float, ease: float) -> float:
        """Chance that fresh code passes."""
        skill, best, _, _ = self.models[model]
        return _sigmoid(skill + ease - 6 * (temperature - best) ** 2)

    def mend_chance(self, model: str, temperature: float, ease: float) -> float:
        """Chance that failing code passes after one refinement."""
        _, _, skill, best = self.models[model]
        return _sigmoid(skill + ease - 6 * (temperature - best) ** 2)

    def truth(self, values: dict[str, Any]) -> float:
        """The true score of a configuration of `SimulatedLoop`: its mean chance over the population of tasks."""
        total = 0.0
        for write, mend in self.population:
            fails = 1 - self.write_chance(values["generate.speaker"], values["generate.temperature"], write)
            stays = 1 - self.mend_chance(values["refine.speaker"], values["refine.temperature"], mend)
            total += 1 - fails * stays ** values["iterations"]
        return total / len(self.population)

    def best(self, most_iterations: int, models: tuple[str, str] | None = None) -> float:
        """The true score of the best reachable configuration; with `models`, of those with this (writer, mender)."""
        grid = [i / 50 for i in range(51)]

        def peak(best: float) -> float:
            return min(grid, key=lambda t: abs(t - best))

        return max(
            self.truth(
                {
                    "generate.speaker": writer,
                    "generate.temperature": peak(self.models[writer][1]),
                    "refine.speaker": mender,
                    "refine.temperature": peak(self.models[mender][3]),
                    "iterations": most_iterations,
                }
            )
            for writer, mender in ([models] if models else itertools.product(self.models, repeat=2))
        )


class SimulatedStage(dspy.Module):
    """A stage of `SimulatedLoop`: it only holds settings.

    Args:
        speaker: Name of a simulated model, or a `Choice` of them (not "model": no backend knows it).
        temperature: Its temperature.
    """

    def __init__(self, speaker: Any, temperature: Any) -> None:
        super().__init__()
        self.speaker = setting(speaker)
        self.temperature = setting(temperature)


class SimulatedLoop(dspy.Module):
    """Generate, then mend until it passes: the default space of the tuner, with simulated models.

    It runs on the world's tasks and on its `population_tasks`.

    Args:
        world: The truth.
        writer: Model that writes, or a `Choice` of them.
        writing_temperature: Its temperature.
        mender: Model that mends.
        mending_temperature: Its temperature.
        iterations: Most refinements.
    """

    def __init__(
        self,
        world: SimulatedWorld,
        *,
        writer: Any,
        writing_temperature: Any,
        mender: Any,
        mending_temperature: Any,
        iterations: Any,
    ) -> None:
        super().__init__()
        self._world = _Shared(world)
        self.generate = SimulatedStage(writer, writing_temperature)
        self.refine = SimulatedStage(mender, mending_temperature)
        self.iterations = setting(iterations)

    def forward(self, problem: Problem) -> dspy.Prediction:
        """Run the loop."""
        run = current_run()
        assert run is not None, "a simulated program runs inside gl.score"
        write, mend = self._world.value.ease(int(problem.task_id.removeprefix("task")))
        writer, temperature = self.generate.speaker.value, self.generate.temperature.value
        chance = self._world.value.write_chance(writer, temperature, write)
        key, passed = self._ask(run, "generate", 0, writer, temperature, "", chance)
        mender, temperature = self.refine.speaker.value, self.refine.temperature.value
        chance = self._world.value.mend_chance(mender, temperature, mend)
        for iteration in range(self.iterations.value):
            if passed:
                break
            key, passed = self._ask(run, "refine", iteration, mender, temperature, key, chance)
        code = PASSED if passed else "simulated: failed"
        run.add_attempt(Attempt(code=code, stage="refine", execution=_execution(code)))
        return dspy.Prediction(code=code)

    def _ask(
        self, run: Run, stage: str, iteration: int, model: str, temperature: float, before: str, chance: float
    ) -> tuple[str, bool]:
        """A call: its key is its content, so that equal calls are paid once and draw the same."""
        seed = run.seed(stage, iteration)
        content = f"{run.session.seed}|{model}|{temperature!r}|{seed}|{before}|{run.task_id}|{stage}"
        digest = hashlib.blake2b(content.encode(), digest_size=12)
        key, usage = digest.hexdigest(), Usage(1, TOKENS_IN, TOKENS_OUT, 0.01)
        cached = key in self._world.value.answers
        if cached:
            run.session.meter.saw(usage)
        else:
            with run.session.meter.reserve(TOKENS_IN + TOKENS_OUT) as settle:
                settle(usage)
            self._world.value.answers.add(key)
        run.record(CallRecord(key, SIMULATED, model, seed, usage, cached))
        return key, int.from_bytes(digest.digest()[:7], "big") / 2**56 < chance


class _Shared:
    """Keeps the world one object when a program is copied."""

    def __init__(self, value: SimulatedWorld) -> None:
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


def scripted(world: SimulatedWorld, model: str) -> ScriptedModel:
    """A model of the world as a `dspy.LM`, for programs of any structure: it writes, or mends code that it is shown.

    Tasks beyond the study's are those of the population: see `population_tasks`.
    """

    def answer(messages: list[dict[str, str]], seed: int, sampling: dict[str, Any]) -> str:
        text = "\n".join(message["content"] for message in messages)
        number = int(_TASK.findall(text)[-1])
        write, mend = world.ease(number)
        temperature = float(sampling.get("temperature") or 0.0)
        mending = "simulated: failed" in text
        chance = (
            world.mend_chance(model, temperature, mend)
            if mending
            else world.write_chance(model, temperature, write)
        )
        draw = hashlib.blake2b(f"{model}|{temperature!r}|{seed}|{number}|{mending}".encode(), digest_size=8)
        passed = int.from_bytes(draw.digest()[:7], "big") / 2**56 < chance
        return f"```python\n# simulated: {'passed' if passed else 'failed'}\ndef f():\n    return {seed}\n```"

    return ScriptedModel(answer, name=model)


def population_tasks(world: SimulatedWorld) -> list[Task]:
    """The tasks that the truth is about."""
    return [_task(_POPULATION + i) for i in range(len(world.population))]


class SimulatedSandbox:
    """Says of code that holds "simulated: passed" that it passes, of other code that it fails; runs nothing."""

    tier = "simulated"
    identity = "simulated"
    python_version = "simulated"
    workers = 1

    def run(
        self, candidate: Candidate, tests: Sequence[str] = (), limits: Any = None, **how: Any
    ) -> Execution:
        """The verdict."""
        return _execution(candidate.code)


@contextmanager
def simulated_verdicts() -> Generator[None, None, None]:
    """Every session of this process judges with a `SimulatedSandbox` inside the block."""
    from ..runtime import sandbox

    made: Any = SimulatedSandbox()
    before = sandbox.default_sandbox
    sandbox.default_sandbox = lambda: made
    try:
        yield
    finally:
        sandbox.default_sandbox = before


def _execution(code: str) -> Execution:
    return Execution("passed" if PASSED in code else "failed", tests_total=1, tier="simulated")


def _task(number: int) -> Task:
    return Task(
        task_id=f"task{number}",
        prompt=f"Simulated task {number}.",
        entry_point="f",
        visible_tests=["assert f()"],
        hidden_tests=["assert f(1)"],
    )


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))

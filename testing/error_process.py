"""A candidate process with known error classes and fix rates, and a simulated model made from it.

It lets statistics, loops and searches be tested against a truth that is known. Everything it yields is
*simulated* and says so: its model name begins with "simulated/", and no figure of it is a figure of a real
model.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import UsageError
from ..runtime.task import Task
from .fake_model import ScriptedModel
from .faulty_code import code_of_class

PASSED = "passed"
Stage = Literal["generate", "refine"]

_MARK = re.compile(r"simulated: ([A-Za-z ]+)")


@dataclass(frozen=True, slots=True)
class ErrorProcess:
    """How often code passes, of which class it is where not, and what refining does to it.

    Attributes:
        pass_rate: Chance that generated code passes, the mean over tasks.
        class_mix: Class of failing code → its share; the shares add up to 1.
        fix_rates: Class → chance that one refinement of such code passes.
        break_rate: Chance that refining code which passes breaks it.
        keep_rate: Chance that a refinement which does not fix keeps the class; else the class is drawn anew.
        correlation: Of replicates within a task at generation, in [0, 1): tasks differ by a beta
            distribution; 0 makes all tasks alike.
    """

    pass_rate: float
    class_mix: Mapping[str, float]
    fix_rates: Mapping[str, float]
    break_rate: float = 0.0
    keep_rate: float = 0.8
    correlation: float = 0.0
    _difficulties: dict[str, float] = field(
        default_factory=dict[str, float], init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        rates = {"pass_rate": self.pass_rate, "break_rate": self.break_rate, "keep_rate": self.keep_rate}
        for name, rate in {**rates, **self.class_mix, **self.fix_rates}.items():
            if not 0.0 <= rate <= 1.0:
                raise UsageError(f"{name} is {rate!r}; rates and shares lie in [0, 1]")
        if not 0.0 <= self.correlation < 1.0:
            raise UsageError(f"correlation is {self.correlation!r}; it lies in [0, 1)")
        if abs(sum(self.class_mix.values()) - 1) > 1e-9:
            raise UsageError(f"the shares of class_mix add up to {sum(self.class_mix.values()):g}, not to 1")
        if PASSED in self.class_mix or set(self.class_mix) != set(self.fix_rates):
            raise UsageError("class_mix and fix_rates must name the same failing classes")

    def next_class(
        self,
        task_id: str,
        replicate: int = 0,
        seed: int = 0,
        stage: Stage = "generate",
        previous: str | None = None,
    ) -> str:
        """The class of the next code; the same arguments always give the same class.

        Args:
            task_id: The task's name; with a `correlation`, it decides how hard the task is.
            replicate: Number of the replicate.
            seed: Of this call: each iteration needs its own.
            stage: "generate", or "refine" for code that refines `previous`.
            previous: Class of the code that is refined.

        Raises:
            UsageError: A refinement of nothing, or of a class that the process does not know.
        """
        chance, keep, which = (uniform(task_id, replicate, seed, stage, part) for part in range(3))
        if stage == "generate":
            return PASSED if chance < self.task_rate(task_id) else self._draw(which)
        if previous == PASSED:
            return self._draw(which) if chance < self.break_rate else PASSED
        if previous is None or previous not in self.fix_rates:
            raise UsageError(
                f"refining needs a previous class of {[PASSED, *self.fix_rates]}, not {previous!r}"
            )
        if chance < self.fix_rates[previous]:
            return PASSED
        return previous if keep < self.keep_rate else self._draw(which)

    def trajectory(
        self, task_id: str, replicate: int = 0, seed: int = 0, iterations: int = 3, stop: bool = True
    ) -> list[str]:
        """The classes of one run: generated code, then refinements.

        Args:
            task_id: The task's name.
            replicate: Number of the replicate.
            seed: Of the run.
            iterations: Most refinements.
            stop: Whether to stop once the code passes.
        """
        classes = [self.next_class(task_id, replicate, seed)]
        for iteration in range(1, iterations + 1):
            if stop and classes[-1] == PASSED:
                break
            call_seed = int(uniform(seed, iteration) * 2**32)
            classes.append(self.next_class(task_id, replicate, call_seed, "refine", classes[-1]))
        return classes

    def task_rate(self, task_id: str) -> float:
        """Chance that code generated for this task passes."""
        if self.correlation == 0 or self.pass_rate in (0, 1):
            return self.pass_rate
        if task_id not in self._difficulties:
            from scipy.stats import beta

            scale = 1 / self.correlation - 1
            quantile = beta.ppf(
                uniform("difficulty", task_id), self.pass_rate * scale, (1 - self.pass_rate) * scale
            )
            self._difficulties[task_id] = float(quantile)
        return self._difficulties[task_id]

    def _draw(self, uniform: float) -> str:
        """A failing class by its share."""
        total = 0.0
        for name, share in self.class_mix.items():
            total += share
            if uniform < total:
                return name
        return list(self.class_mix)[-1]


def paper_process(correlation: float = 0.67) -> ErrorProcess:
    """The process with the rates of llama3.2:3b on HumanEval in "Feedback Over Form" (arXiv 2604.21950).

    Pass rate: 76.6 of 164. Class mix and fix rates: 301 failures of four configurations pooled; its table
    counts fixes over a loop of up to three refinements, here they are the chance of a single one, which
    makes this process somewhat better at refining than the models were (14 of 17 of llama's fixes came with
    the first). Break rate: 21 of the 76 that passed, in the first forced iteration. IndexError stands for
    Index- and KeyErrors, ValueError for the ten others. That a failed refinement keeps its class with 0.8
    is an assumption.

    Args:
        correlation: Of replicates within a task; 0.67 fits its pass@k.
    """
    counts = {
        "wrong answer": (35, 222),
        "NameError": (27, 46),
        "IndexError": (2, 10),
        "ValueError": (3, 10),
        "SyntaxError": (3, 6),
        "TypeError": (3, 5),
        "timeout": (2, 2),
    }
    failures = sum(n for _, n in counts.values())
    return ErrorProcess(
        pass_rate=76.6 / 164,
        class_mix={name: n / failures for name, (_, n) in counts.items()},
        fix_rates={name: fixed / n for name, (fixed, n) in counts.items()},
        break_rate=21 / 76,
        correlation=correlation,
    )


def simulated_coder(process: ErrorProcess, tasks: Sequence[Task]) -> Callable[..., str]:
    """A script for `ScriptedModel`: answers with code that really has the class which the process says.

    The task is known by its prompt in the messages. The class of the code that is to be refined stands in
    that code as a note, ``simulated: NameError``; messages without a note are requests to generate.

    Args:
        process: Where the classes come from.
        tasks: The tasks it can be asked about, each with a reference.

    Raises:
        UsageError: A task without a reference; when called, messages that hold no task's prompt.
    """
    for task in tasks:
        if task.reference is None:
            raise UsageError(f"task {task.task_id!r} has no reference; a simulated model needs one to pass")

    def answer(messages: Sequence[Mapping[str, Any]], seed: int = 0) -> str:
        text = "\n".join(str(message["content"]) for message in messages)
        asked = [task for task in tasks if task.prompt.strip() in text]
        if not asked:
            raise UsageError("the messages hold the prompt of no task that the simulated model knows")
        task = max(asked, key=lambda task: len(task.prompt))
        marks = [mark for mark in _MARK.findall(text) if mark == PASSED or mark in process.fix_rates]
        stage: Stage = "refine" if marks else "generate"
        name = process.next_class(task.task_id, 0, seed or 0, stage, marks[-1] if marks else None)
        return f"```python\n{code_of_class(name, task)}\n```"

    return answer


def simulated_model(
    process: ErrorProcess, tasks: Sequence[Task], *, name: str = "error-process", **settings: Any
) -> ScriptedModel:
    """A `dspy.LM` whose error classes and fix rates are those of the process.

    Args:
        process: Where the classes come from.
        tasks: The tasks it can be asked about, each with a reference.
        name: Shown after "simulated/".
        **settings: As for `ScriptedModel`.
    """
    return ScriptedModel(simulated_coder(process, tasks), name=name, **settings)


def uniform(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone, on every machine and in every process."""
    digest = hashlib.sha256("\x1f".join(map(repr, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56

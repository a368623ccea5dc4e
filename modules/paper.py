"""The set-up of *Feedback Over Form* (arXiv 2604.21950), so that its figures can be compared with.

What is like the paper: prompts of the same content (our own sentences, one system line and one user turn), the answer's
first fenced block taken as it is, no imports added, nothing put ahead of the code, the first 1,000 characters of the
error output, temperatures 0.3 and 0.2, 512 tokens, 10 s, at most three refinements, the last code returned, the scoring
tests steering (`oracle`). What is not: the code runs in Greenloop's sandbox, under its memory limit and without
network, and calls have seeds.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import dspy

from ..runtime.execution import Execution, Limits
from ..runtime.problem import Problem
from ..runtime.task import Task
from .adapter import CodeAdapter
from .allowed import OneOf
from .critique import Critique, GenerateCritiqueRefine
from .execute import Execute
from .generate import Generate
from .programs import GenerateExecuteRefine, Resample
from .refine import Refine

TEMPERATURE = 0.3
REFINE_TEMPERATURE = 0.2
MAX_TOKENS = 512
MAX_ITERATIONS = 3
ERROR_CHARACTERS = 1000
LIMITS = Limits(wall_s=10, cpu_s=10)

_BLOCK = re.compile(r"```(?:python)?[ \t]*\n(.*?)```", re.DOTALL)
_DEFINITION = re.compile(r"def \w.*", re.DOTALL)


class PaperGeneration(dspy.Signature):
    """You write Python as an expert does. Answer with the code of the function alone: no words, no tests."""

    problem: str = dspy.InputField()
    code: str = dspy.OutputField()


class PaperRefinement(dspy.Signature):
    """You debug Python. Answer with the code of the corrected function alone: no words."""

    message: str = dspy.InputField()
    code: str = dspy.OutputField()


class PaperAnalysis(dspy.Signature):
    """You review code. Name the mistake that the error output and the failed tests show, and the smallest change."""

    message: str = dspy.InputField()
    note: str = dspy.OutputField()


class PaperAdapter(CodeAdapter):
    """The signature's instructions as the system line, its one input as the user's turn; code as the paper finds it."""

    def format(
        self, signature: type[dspy.Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Two messages."""
        (name,) = signature.input_fields
        return [
            {"role": "system", "content": signature.instructions},
            {"role": "user", "content": str(inputs[name])},
        ]

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """The output field; `code` as `extracted` finds it."""
        (name,) = signature.output_fields
        return {name: extracted(completion) if name == "code" else completion.strip()}


class _PaperPredict(dspy.Predict):
    """A predictor that asks through `PaperAdapter`, whatever adapter the stage has set."""

    def forward(self, **kwargs: Any) -> dspy.Prediction:
        with dspy.context(adapter=PaperAdapter()):
            return super().forward(**kwargs)


class PaperGenerate(Generate):
    """`Generate` with the paper's prompt. Arguments as there, but no `instructions`, and `add_imports` is False.

    Raises:
        ProgramError: `add_imports` is to be True: the paper's harness adds none.

    Example:
        >>> PaperGenerate(model="embedded").temperature.value
        0.3
    """

    allowed: ClassVar = {**Generate.allowed, "add_imports": OneOf((False,))}

    def __init__(
        self,
        *,
        model: Any = None,
        temperature: Any = TEMPERATURE,
        top_p: Any = None,
        max_tokens: Any = MAX_TOKENS,
        name: str | None = None,
        add_imports: Any = False,
    ) -> None:
        super().__init__(
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name or "generate",
            add_imports=add_imports,
        )
        self.predict = _PaperPredict(PaperGeneration)


class PaperRefine(Refine):
    """`Refine` with the paper's prompt: problem, previous code, error output, failed tests in one turn.

    Arguments as in `PaperGenerate`.

    Example:
        >>> PaperRefine(model="embedded").temperature.value
        0.2
    """

    allowed: ClassVar = {**Refine.allowed, "add_imports": OneOf((False,))}

    def __init__(
        self,
        *,
        model: Any = None,
        temperature: Any = REFINE_TEMPERATURE,
        top_p: Any = None,
        max_tokens: Any = MAX_TOKENS,
        name: str | None = None,
        add_imports: Any = False,
    ) -> None:
        super().__init__(
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name or "refine",
            add_imports=add_imports,
        )
        self.predict = _PaperPredict(PaperRefinement)

    def ask(self, problem: Problem, /, *, iteration: int | None = None, **inputs: str) -> Any:
        """One model call with the paper's message."""
        message = _message(inputs["problem"], inputs["previous"], inputs["feedback"])
        message += "\n\nWrite the corrected function, its code and nothing else."
        return super().ask(problem, iteration=iteration, message=message)


class PaperCritique(Critique):
    """`Critique` as the analysing node of the paper's evolved pipeline. Arguments as there."""

    def __init__(
        self,
        *,
        model: Any = None,
        temperature: Any = 0.48,
        top_p: Any = None,
        max_tokens: Any = MAX_TOKENS,
        name: str | None = None,
    ) -> None:
        super().__init__(
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name or "critique",
        )
        self.predict = _PaperPredict(PaperAnalysis)

    def ask(self, problem: Problem, /, *, iteration: int | None = None, **inputs: str) -> Any:
        """One model call with the paper's message."""
        message = _message(inputs["problem"], inputs["previous"], inputs["feedback"])
        return super().ask(problem, iteration=iteration, message=message)


class PaperExecute(Execute):
    """`Execute` whose feedback is the error output as the paper shows it."""

    def forward(self, problem: Problem, code: str) -> dspy.Prediction:
        """Run `code`."""
        result = super().forward(problem, code)
        return dspy.Prediction(
            execution=result.execution, passed=result.passed, feedback=error_output(result.execution)
        )


def paper_single(model: Any, **generate: Any) -> Resample:
    """The paper's "solo" row: one draft."""
    return Resample(
        generate=PaperGenerate(model=model, **generate), execute=PaperExecute(limits=LIMITS), samples=1
    )


def paper_resample(model: Any, samples: int = 1 + MAX_ITERATIONS) -> Resample:
    """What the paper lacks: the solo row's draft drawn as often as its loop may call a model."""
    return Resample(generate=PaperGenerate(model=model), execute=PaperExecute(limits=LIMITS), samples=samples)


def paper_refine(generator: Any, refiner: Any = None, *, stop: Any = "on_pass") -> GenerateExecuteRefine:
    """The paper's manual configuration: generate → execute → refine, at most three refinements, last code returned.

    Args:
        generator: Model of the draft.
        refiner: Model of the refinements; the generator where none is given.
        stop: "on_pass", or "never" for its forced trajectories.
    """
    return GenerateExecuteRefine(
        generate=PaperGenerate(model=generator),
        execute=PaperExecute(limits=LIMITS),
        refine=PaperRefine(model=generator if refiner is None else refiner),
        max_iterations=MAX_ITERATIONS,
        stop=stop,
        keep="last",
    )


def paper_evolved(generator: Any, refiner: Any, *, stop: Any = "on_pass") -> GenerateCritiqueRefine:
    """The best evolved pipeline: the refiner's model analyses before it refines; at most 7 calls.

    Args:
        generator: Model of the draft.
        refiner: Model of the analysis and of the refinements.
        stop: "on_pass", or "never" for its forced trajectories.

    Source: the author's result file of the champion (temperatures 0.35, 0.48, 0.15; three iterations).
    """
    return GenerateCritiqueRefine(
        generate=PaperGenerate(model=generator, temperature=0.35),
        critique=PaperCritique(model=refiner),
        refine=PaperRefine(model=refiner, temperature=0.15),
        execute=PaperExecute(limits=LIMITS),
        rounds=MAX_ITERATIONS,
        stop=stop,
        keep="last",
    )


def prompts_not_the_papers(program: dspy.Module) -> list[str]:
    """Names of a program's predictors that ask in other words than the paper's stages do.

    Example:
        >>> prompts_not_the_papers(paper_single("embedded"))
        []
        >>> prompts_not_the_papers(Resample(generate=Generate(model="embedded")))
        ['generate.predict']
    """
    return [name for name, own in program.named_predictors() if not isinstance(own, _PaperPredict)]


def paper_task(task: Task) -> Task:
    """The task as the paper's harness poses it.

    A stub with docstring (HumanEval): the raw prompt, its imports and helpers not put ahead of the code, its hidden
    test the only one. A request in words (MBPP): all tests are shown. Run it with `oracle=True`.

    Example:
        >>> task = Task(task_id="t", prompt="Add.", entry_point="add", visible_tests=["assert add(1, 1) == 2"],
        ...             hidden_tests=["assert add(1, 2) == 3"])
        >>> len(paper_task(task).visible_tests)
        2
    """
    if task.entry_point and f"def {task.entry_point}(" in task.prompt:
        keep = task.preamble.strip() and task.preamble.strip() not in task.prompt
        hidden = task.hidden_tests or task.visible_tests
        return task.copy(preamble=task.preamble if keep else "", visible_tests=(), hidden_tests=hidden)
    return task.copy(visible_tests=task.tests, hidden_tests=())


def extracted(answer: str) -> str:
    """The code of an answer by the paper's rule: the first fenced block, else from the first ``def`` on."""
    block = _BLOCK.search(answer)
    if block:
        return block.group(1).strip()
    text = answer.strip()
    if text.startswith(("def ", "class ", "import ", "from ")):
        return text
    found = _DEFINITION.search(text)
    return found.group(0).strip() if found else text


def error_output(execution: Execution) -> str:
    """What stands for the error output: the traceback, else the error, then the failed tests.

    Empty for code that passed.
    """
    if execution.passed:
        return ""
    error = ": ".join(part for part in (execution.error_type, execution.message) if part)
    text = execution.traceback or error or execution.outcome.replace("_", " ")
    if execution.traceback and error and error not in text:
        text = f"{text.rstrip()}\n{error}"
    failed = [_shown(test.test, test.message) for test in execution.tests if not test.passed]
    listed = "\n".join(failed)[:ERROR_CHARACTERS] or "see the error output"
    return f"Error output:\n{text[:ERROR_CHARACTERS]}\n\nFailed tests:\n{listed}"


def _shown(test: str, message: str | None) -> str:
    """A short test as it is; of a long one (HumanEval's check) only what its failure said."""
    lines = test.strip().splitlines()
    return lines[0] if len(lines) == 1 else (message or "AssertionError").strip()


def _message(problem: str, code: str, feedback: str) -> str:
    return f"Problem:\n{problem}\n\nPrevious code:\n```python\n{code}\n```\n\n{feedback}"

"""Select: the best of several programs, by the tests that may steer, then by agreement of what they return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, get_args

import dspy

from ..errors import ProgramError
from ..runtime.execution import Candidate, Execution, Limits
from ..runtime.judge import run_candidate
from ..runtime.problem import Problem
from .allowed import COUNT, YES_OR_NO, OneOf
from .call_text import call_tests, calls, varied
from .execute import Execute
from .program import rank
from .settings import Setting, setting
from .stage import ModelStage, run_of

Inputs = Literal["vary", "ask"]
"""Where the inputs come from on which programs are compared. `vary`: the visible tests' arguments, changed by type; no
model call. `ask`: a model writes inputs on which wrong programs are likely to differ."""

INPUTS: tuple[str, ...] = get_args(Inputs)


class WriteInputs(dspy.Signature):
    """Write six calls of the function on which a wrong program would differ, one a line: NAME(arguments). No words."""

    problem: str = dspy.InputField()
    inputs: str = dspy.OutputField()


class Select(ModelStage):
    """Chooses one of several programs: visible tests first, then agreement of outputs, then the earliest.

    Among programs that do equally well by the tests, those that return the same on further inputs form a group, and the
    earliest program of the largest group is chosen: wrong programs are seldom wrong in the same way.

    Args:
        model: Model that writes distinguishing inputs, with `inputs="ask"` only.
        temperature: Its sampling temperature.
        top_p: Nucleus sampling; None leaves it to the server.
        max_tokens: Most tokens of its answer.
        execute: Stage that runs code whose execution is not given.
        inputs: Where inputs come from, see `Inputs`.
        most_inputs: Most inputs to compare on; 0 for tests alone.
        stop_on_pass: Where programs come one after the other, whether the first that passes the tests ends it
            (`modules.graph`); agreement then decides only where none passes.
        name: The stage's place in the program, which goes into seeds.

    Example:
        >>> Select(most_inputs=4).inputs.value
        'vary'

    Source: agreement after CodeT (arXiv 2207.10397), distinguishing inputs after S* (arXiv 2502.14382), which chooses
    pairwise by a model's word; here the outputs alone decide.
    """

    allowed: ClassVar = {
        **ModelStage.allowed,
        "inputs": OneOf(INPUTS),
        "most_inputs": COUNT,
        "stop_on_pass": YES_OR_NO,
    }
    add_imports: Setting = setting(False)

    def __init__(
        self,
        *,
        model: Any = None,
        temperature: Any = 0.2,
        top_p: Any = None,
        max_tokens: Any = 200,
        execute: Execute | None = None,
        inputs: Inputs | Setting = "vary",
        most_inputs: int | Setting = 8,
        stop_on_pass: bool | Setting = True,
        name: str | None = None,
    ) -> None:
        super().__init__(
            WriteInputs,
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name,
        )
        del self.add_imports  # the class's own holds: inputs have no imports, so that is no setting here
        self.execute = execute or Execute()
        self.inputs = setting(inputs)
        self.most_inputs = setting(most_inputs)
        self.stop_on_pass = setting(stop_on_pass)

    def forward(
        self, problem: Problem, codes: Sequence[str], executions: Sequence[Execution | None] | None = None
    ) -> dspy.Prediction:
        """Choose.

        Args:
            problem: What the programs are for.
            codes: The programs, at least one.
            executions: What running each showed, where it was run.

        Returns:
            `code`, `index` among `codes`, `execution`, and `agreeing`: how many of those that did best by the tests
            return the same as the chosen one.

        Raises:
            ProgramError: There is nothing to choose from.
        """
        if not codes:
            raise ProgramError("Select needs at least one program to choose from")
        known: list[Execution | None] = list(executions or [None] * len(codes))
        shown: list[Execution] = [
            e or self.execute(problem=problem, code=code).execution
            for code, e in zip(codes, known, strict=True)
        ]
        top = max(rank(e) for e in shown)
        tied = [i for i, e in enumerate(shown) if rank(e) == top]
        index, agreeing = tied[0], len(tied)
        if len({codes[i].strip() for i in tied}) > 1:
            index, agreeing = self._agreed(problem, codes, tied)
        return dspy.Prediction(code=codes[index], index=index, execution=shown[index], agreeing=agreeing)

    def _agreed(self, problem: Problem, codes: Sequence[str], tied: list[int]) -> tuple[int, int]:
        sources = self._inputs(problem)
        if not sources:
            return tied[0], 1
        tests = [f"assert {source} == ..." for source in sources]
        seen = {i: self._outputs(problem, codes[i], tests) for i in tied}
        sizes = Counter(seen.values())
        index = max(tied, key=lambda i: (sizes[seen[i]], -i))
        return index, sizes[seen[index]]

    def _inputs(self, problem: Problem) -> list[str]:
        if not problem.entry_point or self.most_inputs.value < 1:
            return []
        text = "\n".join(problem.visible_tests)
        known = [test.call for test in call_tests(text, problem.entry_point)]
        if self.inputs.value == "ask":
            prediction, _ = self.ask(problem, problem=problem.render())
            written = calls(str(prediction.inputs or ""), problem.entry_point)
            if written:
                return written[: self.most_inputs.value]
        return varied(known, self.most_inputs.value)

    def _outputs(self, problem: Problem, code: str, tests: list[str]) -> tuple[str, ...]:
        """What the program returns on each input, or how it fails there."""
        candidate = Candidate(code=code, entry_point=problem.entry_point, preamble=problem.preamble)
        limits = Limits(**self.execute.limits.value)
        execution = run_candidate(run_of(problem).session, candidate, tests, limits)
        outputs = [t.got if t.got is not None else f"raised {t.error_type}" for t in execution.tests]
        return tuple(outputs) or (execution.outcome,)

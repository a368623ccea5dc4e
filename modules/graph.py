"""Graph: a program whose stages are wired as data say; how a searched genome is expressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import dspy

from ..errors import ProgramError
from ..runtime.execution import Execution
from ..runtime.problem import Problem
from .critique import Critique
from .escalate import over_cap
from .execute import Execute
from .generate import Generate
from .knobs import Setting, setting
from .plan import GenerateByPlan, Plan
from .program import Program, rank
from .refine import Refine
from .route import Route
from .selecting import Select
from .wiring import Wiring, simple_loop
from .write_tests import WriteTests, with_tests


@dataclass(frozen=True, slots=True)
class Draft:
    """Code in a graph, with its execution once it was run."""

    code: str
    execution: Execution | None = None

    @property
    def green(self) -> bool:
        """Nothing is left to mend by the tests that may steer."""
        return self.execution is not None and self.execution.outcome in ("passed", "unverified")


class Drafts(dspy.Module):
    """A generating node: draws drafts until one passes, at most `samples`, and gives the best.

    Args:
        write: Stage that writes a draft, by a plan where it is a `GenerateByPlan`.
        execute: Stage that runs drafts; with a single sample none is run here.
        samples: Most drafts.

    Example:
        >>> Drafts(samples=2).samples.value
        2
    """

    def __init__(
        self,
        *,
        write: Generate | None = None,
        execute: Execute | None = None,
        samples: int | Setting = 1,
    ) -> None:
        super().__init__()
        self.write = write or Generate()
        self.execute = execute or Execute()
        self.samples = setting(samples)

    def forward(self, problem: Problem, plan: str = "") -> dspy.Prediction:
        """Draw.

        Returns:
            `code`, and `execution` where several samples were allowed.
        """
        drafts: list[Draft] = []
        for _ in range(self.samples.value):
            if isinstance(self.write, GenerateByPlan):
                code = self.write(problem=problem, plan=plan).code
            else:
                code = self.write(problem=problem).code
            if self.samples.value == 1:
                return dspy.Prediction(code=code, execution=None)
            drafts.append(Draft(code, self.execute(problem=problem, code=code).execution))
            if drafts[-1].green:
                break
        chosen = max(drafts, key=lambda d: rank(d.execution))
        return dspy.Prediction(code=chosen.code, execution=chosen.execution)


class Mend(dspy.Module):
    """A mending node: takes code further until it passes, at most `iterations` times.

    Args:
        step: What follows code that did not pass: `Refine` mends it, `Generate` draws anew (with a larger model:
            escalation), `Route` decides by the class of error.
        iterations: Most steps.
        keep: "best" gives the best code by the tests that steer, never worse than what came in; "last" the last.
        most_tokens: Once the run has used so many tokens no further step is begun; None for no cap.

    Example:
        >>> Mend(iterations=3).keep.value
        'best'
    """

    def __init__(
        self,
        *,
        step: Refine | Generate | Route | None = None,
        iterations: int | Setting = 1,
        keep: Literal["best", "last"] | Setting = "best",
        most_tokens: int | Setting | None = None,
    ) -> None:
        super().__init__()
        self.step = step or Refine()
        self.iterations = setting(iterations)
        self.keep = setting(keep)
        self.most_tokens = setting(most_tokens)

    def forward(
        self,
        problem: Problem,
        code: str,
        execute: Execute,
        critique: Critique | None = None,
        tests: tuple[str, ...] = (),
    ) -> dspy.Prediction:
        """Mend.

        Args:
            problem: What to solve.
            code: The code that came in.
            execute: Stage that runs code.
            critique: Stage that is asked for a note before each step.
            tests: Further tests that steer.

        Returns:
            `code` and `execution`.
        """
        steered = with_tests(problem, tests)
        result = execute(problem=steered, code=code)
        drafts = [Draft(code, result.execution)]
        for _ in range(self.iterations.value):
            if drafts[-1].green or over_cap(problem, self.most_tokens.value):
                break
            told = result.feedback
            if critique is not None:
                note = critique(
                    problem=problem, code=drafts[-1].code, execution=result.execution, feedback=told
                ).note
                told = "\n\n".join(part for part in (told, note) if part)
            code = self._next(problem, drafts[-1], told)
            result = execute(problem=steered, code=code)
            drafts.append(Draft(code, result.execution))
        chosen = max(drafts, key=lambda d: rank(d.execution)) if self.keep.value == "best" else drafts[-1]
        return dspy.Prediction(code=chosen.code, execution=chosen.execution)

    def _next(self, problem: Problem, draft: Draft, told: str) -> str:
        assert draft.execution is not None
        step: Any = self.step
        if isinstance(step, Route):
            step = step.refine if step.action(draft.execution) == "refine" else step.generate
        if isinstance(step, Generate):
            return step(problem=problem).code
        return step(problem=problem, code=draft.code, execution=draft.execution, feedback=told).code


class Graph(Program):
    """Stages wired by typed ports, run on demand from the output backwards.

    What the output does not need is not run: once code passes the tests that steer, no mending node asks a model, and a
    selecting node with `stop_on_pass` draws no further candidates. An `execute` or `critique` node works on the code of
    whichever node asks it, anew in every round of that node's loop.

    Args:
        wiring: A `Wiring`, or its plain data; without one generate, execute, refine.
        node1: Module of the wiring's first node, and so on: `Plan`, `Drafts` (generate), `WriteTests`, `Execute`,
            `Critique`, `Mend` (refine, route, escalate) or `Select`. One that is left out is made with its defaults.
        node2: As `node1`.
        node3: As `node1`.
        node4: As `node1`.
        node5: As `node1`.
        node6: As `node1`.
        node7: As `node1`.
        node8: As `node1`.

    Raises:
        ProgramError: The wiring is none, or a module does not fit its node.

    Example:
        >>> Graph(node1=Drafts(write=Generate(model="embedded"))).names
        ('generate', 'execute', 'refine')
    """

    def __init__(
        self,
        *,
        wiring: Wiring | Setting | dict[str, Any] | None = None,
        node1: dspy.Module | None = None,
        node2: dspy.Module | None = None,
        node3: dspy.Module | None = None,
        node4: dspy.Module | None = None,
        node5: dspy.Module | None = None,
        node6: dspy.Module | None = None,
        node7: dspy.Module | None = None,
        node8: dspy.Module | None = None,
    ) -> None:
        super().__init__()
        if wiring is None:
            wiring = simple_loop()
        self.wiring: Setting = setting(wiring.to_plain() if isinstance(wiring, Wiring) else wiring)
        parsed = self.parsed_wiring
        given = (node1, node2, node3, node4, node5, node6, node7, node8)
        if any(module is not None for module in given[len(parsed.nodes) :]):
            raise ProgramError(f"the wiring has {len(parsed.nodes)} nodes, and more modules were given")
        for i, (node, name, module) in enumerate(zip(parsed.nodes, parsed.names, given, strict=False), 1):
            made = module or _default(node.kind, name)
            if not isinstance(made, _MODULES[node.kind]):
                raise ProgramError(f"node{i} is {node.kind}: it takes no {type(made).__name__}")
            setattr(self, f"node{i}", made)

    @property
    def parsed_wiring(self) -> Wiring:
        """Which node feeds which."""
        return Wiring.from_plain(self.wiring.value)

    @property
    def names(self) -> tuple[str, ...]:
        """A name per node, in order; see `Wiring.names`."""
        return self.parsed_wiring.names

    def solve(self, problem: Problem) -> str:
        """Run the graph."""
        wiring = self.parsed_wiring
        return _Evaluation(self, wiring, problem).code(wiring.output).code


class _Evaluation:
    """One run of a graph: every node's value is made once, when it is first asked for."""

    def __init__(self, graph: Graph, wiring: Wiring, problem: Problem) -> None:
        self.graph, self.wiring, self.problem = graph, wiring, problem
        self._drafts: dict[int, Draft] = {}
        self._texts: dict[int, Any] = {}

    def code(self, number: int) -> Draft:
        """The code that a node gives."""
        if number not in self._drafts:
            kind = self.wiring.nodes[number - 1].kind
            module = cast("Any", self._module(number))
            if kind == "generate":
                plan = self._first(number, "plan")
                made = module(problem=self.problem, plan=self._plan(plan) if plan else "")
            elif kind == "select":
                made = self._select(number, module)
            else:
                made = self._mend(number, module)
            self._drafts[number] = Draft(made.code, made.execution)
        return self._drafts[number]

    def _mend(self, number: int, module: Any) -> Any:
        executor, critic = self._first(number, "result"), self._first(number, "note")
        assert executor is not None
        return module(
            problem=self.problem,
            code=self.code(self._sources(number, "code")[0]).code,
            execute=self._module(executor),
            critique=self._module(critic) if critic else None,
            tests=self._tests(executor),
        )

    def _select(self, number: int, module: Select) -> Any:
        executor = self._first(number, "result")
        execute = cast("Any", self._module(executor) if executor else module.execute)
        steered = with_tests(self.problem, self._tests(executor)) if executor else self.problem
        drafts: list[Draft] = []
        for source in self._sources(number, "code"):
            code = self.code(source).code
            drafts.append(Draft(code, execute(problem=steered, code=code).execution))
            passed = drafts[-1].execution is not None and drafts[-1].execution.passed
            if passed and module.stop_on_pass.value:
                return drafts[-1]
        return module(
            problem=steered, codes=[d.code for d in drafts], executions=[d.execution for d in drafts]
        )

    def _plan(self, number: int) -> str:
        if number not in self._texts:
            self._texts[number] = cast("Any", self._module(number))(problem=self.problem).plan
        return self._texts[number]

    def _tests(self, executor: int) -> tuple[str, ...]:
        writer = self._first(executor, "tests")
        if writer is None:
            return ()
        if writer not in self._texts:
            self._texts[writer] = cast("Any", self._module(writer))(problem=self.problem).tests
        return self._texts[writer]

    def _module(self, number: int) -> dspy.Module:
        return getattr(self.graph, f"node{number}")

    def _sources(self, number: int, port: Any) -> tuple[int, ...]:
        return self.wiring.nodes[number - 1].takes.get(port, ())

    def _first(self, number: int, port: Any) -> int | None:
        return next(iter(self._sources(number, port)), None)


_MODULES: dict[str, type[dspy.Module]] = {
    "plan": Plan,
    "generate": Drafts,
    "write_tests": WriteTests,
    "execute": Execute,
    "critique": Critique,
    "refine": Mend,
    "route": Mend,
    "escalate": Mend,
    "select": Select,
}


def _default(kind: str, name: str) -> dspy.Module:
    made: dict[str, Any] = {
        "plan": lambda: Plan(name=name),
        "generate": lambda: Drafts(write=Generate(name=name)),
        "write_tests": lambda: WriteTests(name=name),
        "execute": Execute,
        "critique": lambda: Critique(name=name),
        "refine": lambda: Mend(step=Refine(name=name)),
        "route": lambda: Mend(step=Route(generate=Generate(name="generate"), refine=Refine(name=name))),
        "escalate": lambda: Mend(step=Generate(name=name)),
        "select": lambda: Select(name=name),
    }
    return made[kind]()

"""Graph: a program whose stages are wired as data say; how a searched genome is expressed."""

from __future__ import annotations

from typing import Any, cast

import dspy

from ..errors import ProgramError
from ..runtime.problem import Problem
from .critique import Critique
from .execute import Execute
from .generate import Generate
from .graph_nodes import Draft, Drafts, Mend
from .guided import GuidedGenerate
from .plan import GenerateByPlan, Plan
from .program import Program
from .refine import Refine
from .route import Route
from .selecting import Select
from .settings import Setting, setting
from .wiring import DRAFTING, Wiring, simple_loop
from .write_tests import WriteTests, with_tests

__all__ = ["Draft", "Drafts", "Graph", "Mend"]


class Graph(Program):
    """Stages wired by typed ports, run on demand from the output backwards.

    What the output does not need is not run: once code passes the tests that steer, no mending node asks a model, and a
    selecting node with `stop_on_pass` draws no further candidates. An `execute` or `critique` node works on the code of
    whichever node asks it, anew in every round of that node's loop.

    Args:
        wiring: A `Wiring`, or its plain data; without one generate, execute, refine.
        node1: Module of the wiring's first node, and so on: `Plan`, `Drafts` (generate, guided), `WriteTests`,
            `Execute`, `Critique`, `Mend` (refine, route, escalate) or `Select`. One that is left out is made with its
            defaults.
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
            made = module or _default(node.kind, name, by_plan=bool(node.takes.get("plan")))
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
            if kind in DRAFTING:
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
    "guided": Drafts,
}


def _default(kind: str, name: str, *, by_plan: bool) -> dspy.Module:
    made: dict[str, Any] = {
        "plan": lambda: Plan(name=name),
        "generate": lambda: Drafts(write=(GenerateByPlan if by_plan else Generate)(name=name)),
        "write_tests": lambda: WriteTests(name=name),
        "execute": Execute,
        "critique": lambda: Critique(name=name),
        "refine": lambda: Mend(step=Refine(name=name)),
        "route": lambda: Mend(step=Route(generate=Generate(name="generate"), refine=Refine(name=name))),
        "escalate": lambda: Mend(step=Generate(name=name)),
        "select": lambda: Select(name=name),
        "guided": lambda: Drafts(write=GuidedGenerate(name=name)),
    }
    return made[kind]()

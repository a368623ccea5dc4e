"""From an expressed genome to a program: our stages in a `Graph`, numbers as knobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import dspy

from ...modules.critique import Critique
from ...modules.execute import Execute
from ...modules.generate import Generate
from ...modules.graph import Drafts, Graph, Mend
from ...modules.guided import GuidedGenerate
from ...modules.knobs import Choice, Float, Int
from ...modules.paper import LIMITS, PaperCritique, PaperExecute, PaperGenerate, PaperRefine
from ...modules.plan import GenerateByPlan, Plan
from ...modules.refine import Refine
from ...modules.route import Route
from ...modules.selecting import Select
from ...modules.settings import label
from ...modules.wiring import Kind
from ...modules.write_tests import WriteTests
from .attributes import FEEDBACKS, ITERATIONS, SAMPLES, TEMPERATURES, USED, Attributes
from .expressing import WRITTEN_DRAFTS, Expressed
from .paper_prompts import ANALYSE, GENERATE, REFINE

Pool = Mapping[str, Any]
"""Name to model, as a stage's `model` takes it; ``{"": None}`` for the model of `dspy.configure`."""


def pool_of(models: Iterable[Any]) -> Pool:
    """Models by their names."""
    return {"" if model is None else label(model): model for model in models}


GAMMAS = (0.0, 3.0)
"""Strengths of guidance that a tuner may give a guided draft."""

_SHORT: Mapping[Kind, int] = {"plan": 200, "write_tests": 300, "critique": 200}
"""Most tokens of what is no program, as in those stages' defaults."""


def build_program(expressed: Expressed, pool: Pool, *, max_tokens: int = 512) -> Graph:
    """The program that a genome stands for: it can be run, tuned, saved, exported and drawn like any other.

    Args:
        expressed: The live part of a genome.
        pool: The models that its attributes name.
        max_tokens: Most tokens of an answer.
    """
    paper = expressed.style == "paper"
    modules: dict[str, dspy.Module] = {}
    wiring = expressed.wiring
    for i, (node, name, own) in enumerate(
        zip(wiring.nodes, wiring.names, expressed.attributes, strict=True), 1
    ):
        make = _paper_module if paper else _module
        asks: dict[str, Any] = {"name": name}
        if "model" in USED[node.kind]:
            asks["model"] = _model(own, pool)
            asks["temperature"] = Float(*TEMPERATURES, default=own.temperature)
            asks["max_tokens"] = max_tokens if paper else min(max_tokens, _SHORT.get(node.kind, max_tokens))
        modules[f"node{i}"] = make(node.kind, asks, own, planned="plan" in node.takes)
        if isinstance(mend := modules[f"node{i}"], Mend):
            mend.keep.value = expressed.keep
    return Graph(wiring=wiring, **modules)


def _module(kind: Kind, asks: dict[str, Any], own: Attributes, *, planned: bool) -> dspy.Module:
    if kind == "execute":
        return Execute(feedback=_choice(FEEDBACKS, own.feedback))
    if kind == "select":
        return Select(stop_on_pass=_choice((True, False), own.stop_on_pass), name=asks["name"])
    if kind == "plan":
        return Plan(**asks)
    if kind == "generate":
        write = GenerateByPlan(**asks) if planned else Generate(**asks)
        return Drafts(write=write, samples=_int(own.samples, SAMPLES))
    if kind == "guided":
        return Drafts(write=GuidedGenerate(gamma=Float(*GAMMAS, default=1.0), **asks))
    if kind == "write_tests":
        tests = {key: value for key, value in asks.items() if key != "temperature"}
        return WriteTests(drafts=WRITTEN_DRAFTS, **tests)
    if kind == "critique":
        return Critique(**asks)
    iterations = _int(own.iterations, ITERATIONS)
    if kind == "route":
        route = Route(generate=Generate(**{**asks, "name": "generate"}), refine=Refine(**asks))
        return Mend(step=route, iterations=iterations)
    step = Refine(**asks) if kind == "refine" else Generate(**asks)
    return Mend(step=step, iterations=iterations)


def _paper_module(kind: Kind, asks: dict[str, Any], own: Attributes, *, planned: bool) -> dspy.Module:
    if kind == "execute":
        return PaperExecute(limits=LIMITS)
    if kind == "generate":
        return Drafts(
            write=_told(PaperGenerate(**asks), GENERATE[own.prompt]), execute=PaperExecute(limits=LIMITS)
        )
    if kind == "critique":
        return _told(PaperCritique(**asks), ANALYSE[own.prompt])
    refine = _told(PaperRefine(**asks), REFINE[own.prompt])
    return Mend(step=refine, iterations=_int(own.iterations, ITERATIONS))


def _told(stage: Any, instructions: str) -> Any:
    stage.predict.signature = stage.predict.signature.with_instructions(instructions)
    return stage


def _model(own: Attributes, pool: Pool) -> Any:
    return pool[own.model] if len(pool) == 1 else _choice(list(pool.values()), pool[own.model])


def _int(value: int, bounds: tuple[int, int]) -> Int:
    return Int(*bounds, default=value)


def _choice(options: Any, value: Any) -> Choice:
    return Choice(list(options), default=value)

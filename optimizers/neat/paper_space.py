"""The genome and operators of "Feedback Over Form": a generator and up to three stages of analyser and refiner."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import UsageError
from ...modules.wiring import Port, WiredNode, Wiring
from .attributes import ITERATIONS, Attributes, moved, stepped
from .expressing import Expressed
from .paper_prompts import ANALYSE, GENERATE, REFINE

MOST_STAGES = 3
ADD_STAGE, ADD_ANALYSER, REMOVE, REMOVE_ANALYSER = 0.04, 0.05, 0.18, 0.60
SWAP_MODEL, SWAP_PROMPT, MOVE_TEMPERATURE, MOVE_ITERATIONS, FEWER = 0.25, 0.30, 0.20, 0.10, 0.60
SPREAD, COLDEST, HOTTEST = 0.08, 0.05, 1.2
KEEP_OF_WEAKER = 0.3


@dataclass(frozen=True, slots=True)
class Stage:
    """A loop of refinements.

    Attributes:
        innovation: Its historical number.
        refiner: Model, prompt, temperature, and most iterations.
        analyser: Model, prompt and temperature of the note before each refinement; None for none.
    """

    innovation: int
    refiner: Attributes
    analyser: Attributes | None = None


@dataclass(frozen=True, slots=True)
class PaperGenome:
    """A generator and its stages in order."""

    generator: Attributes
    stages: tuple[Stage, ...]


class PaperSpace:
    """The paper's search space, its numbers and probabilities; `NeatSearch` lists what is not as there.

    Args:
        models: Models to choose from.
    """

    def __init__(self, models: Sequence[str]) -> None:
        if not models:
            raise UsageError("the paper's search needs at least one model")
        self.models = list(models)
        self._numbers: dict[tuple[int, ...], int] = {}

    def start(self, count: int, rng: random.Random) -> list[PaperGenome]:
        """A generator and one stage without analyser each."""
        return [
            PaperGenome(self._new(rng, 0.2, 0.6, GENERATE), (self._stage((), rng),)) for _ in range(count)
        ]

    def mutate(self, genome: PaperGenome, rng: random.Random) -> tuple[PaperGenome, str]:
        """Each change by its own chance; several can come together."""
        done: list[str] = []
        stages = list(genome.stages)
        if len(stages) < MOST_STAGES and rng.random() < ADD_STAGE:
            stages.append(self._stage(tuple(s.innovation for s in stages), rng))
            done.append("add stage")
        bare = [i for i, s in enumerate(stages) if s.analyser is None]
        if bare and rng.random() < ADD_ANALYSER:
            i = rng.choice(bare)
            stages[i] = replace(stages[i], analyser=self._new(rng, 0.1, 0.4, ANALYSE))
            done.append("add analyser")
        if rng.random() < REMOVE:
            done += _removed(stages, rng)
        generator = self._varied(genome.generator, GENERATE, rng, done)
        for i, stage in enumerate(stages):
            refiner = self._varied(stage.refiner, REFINE, rng, done)
            if rng.random() < MOVE_ITERATIONS:
                by = -1 if rng.random() < FEWER else 1
                refiner = replace(refiner, iterations=stepped(refiner.iterations, by, ITERATIONS))
                done.append("iterations")
            analyser = stage.analyser and self._varied(stage.analyser, ANALYSE, rng, done)
            stages[i] = replace(stage, refiner=refiner, analyser=analyser)
        return PaperGenome(generator, tuple(stages)), ", ".join(dict.fromkeys(done)) or "unchanged"

    def crossover(self, fitter: PaperGenome, other: PaperGenome, rng: random.Random) -> PaperGenome:
        """Generator by coin flip; stages by innovation; those of the weaker alone with 30 %; cut to three."""
        generator = fitter.generator if rng.random() < 0.5 else other.generator
        theirs = {s.innovation: s for s in other.stages}
        stages = [
            theirs[s.innovation] if s.innovation in theirs and rng.random() < 0.5 else s
            for s in fitter.stages
        ]
        known = {s.innovation for s in fitter.stages}
        stages += [s for s in other.stages if s.innovation not in known and rng.random() < KEEP_OF_WEAKER]
        return PaperGenome(generator, tuple(stages[:MOST_STAGES]))

    def distance(self, one: PaperGenome, other: PaperGenome) -> float:
        """1 per stage, .5 per analyser, .4 per model, .2 per prompt, .1 times temperature and iterations.

        Stages are compared in order. Non-negative, symmetric, 0 for equal genomes.
        """
        total = float(abs(len(one.stages) - len(other.stages)))
        total += 0.5 * abs(
            sum(s.analyser is not None for s in one.stages)
            - sum(s.analyser is not None for s in other.stages)
        )
        pairs: list[tuple[Attributes, Attributes]] = [(one.generator, other.generator)]
        for mine, theirs in zip(one.stages, other.stages, strict=False):
            pairs.append((mine.refiner, theirs.refiner))
            if mine.analyser is not None and theirs.analyser is not None:
                pairs.append((mine.analyser, theirs.analyser))
        for a, b in pairs:
            total += 0.4 * (a.model != b.model) + 0.2 * (a.prompt != b.prompt)
            total += 0.1 * abs(a.temperature - b.temperature) + 0.1 * abs(a.iterations - b.iterations)
        return total

    def express(self, genome: PaperGenome) -> Expressed:
        """Generator, one executor, then analyser and refiner per stage: at most eight nodes; the last code is kept.

        The executor counts once: so the node penalties of the published champions come out.
        """
        nodes: list[WiredNode] = [WiredNode("generate")]
        attributes = [genome.generator.used("generate")]
        if genome.stages:
            nodes.append(WiredNode("execute"))
            attributes.append(Attributes())
        code = 1
        for stage in genome.stages:
            takes: dict[Port, tuple[int, ...]] = {"code": (code,), "result": (2,)}
            if stage.analyser is not None:
                nodes.append(WiredNode("critique"))
                attributes.append(stage.analyser.used("critique"))
                takes["note"] = (len(nodes),)
            nodes.append(WiredNode("refine", takes))
            attributes.append(stage.refiner.used("refine"))
            code = len(nodes)
        return Expressed(Wiring(tuple(nodes), code), tuple(attributes), keep="last", style="paper")

    def to_json(self, genome: PaperGenome) -> dict[str, Any]:
        """The genome as plain JSON data."""
        return {
            "generator": genome.generator.to_json(),
            "stages": [
                {
                    "innovation": s.innovation,
                    "refiner": s.refiner.to_json(),
                    "analyser": s.analyser and s.analyser.to_json(),
                }
                for s in genome.stages
            ],
        }

    def _stage(self, before: tuple[int, ...], rng: random.Random) -> Stage:
        """A new stage behind those: behind the same stages it has the same number."""
        number = self._numbers.setdefault(before, len(self._numbers))
        refiner = replace(self._new(rng, 0.1, 0.4, REFINE), iterations=rng.choice((1, 2, 2)))
        return Stage(number, refiner)

    def _new(self, rng: random.Random, low: float, high: float, prompts: Sequence[str]) -> Attributes:
        return Attributes(
            model=rng.choice(self.models),
            temperature=round(rng.uniform(low, high), 3),
            prompt=rng.randrange(len(prompts)),
        )

    def _varied(
        self, own: Attributes, prompts: Sequence[str], rng: random.Random, done: list[str]
    ) -> Attributes:
        if rng.random() < SWAP_MODEL:
            own = replace(own, model=rng.choice(self.models))
            done.append("model")
        if rng.random() < SWAP_PROMPT:
            own = replace(own, prompt=rng.randrange(len(prompts)))
            done.append("prompt")
        if rng.random() < MOVE_TEMPERATURE:
            own = replace(own, temperature=moved(own.temperature, rng.gauss(0, SPREAD), COLDEST, HOTTEST))
            done.append("temperature")
        return own


def _removed(stages: list[Stage], rng: random.Random) -> list[str]:
    """Take an analyser out, or the last stage; a genome keeps one stage."""
    analysed = [i for i, s in enumerate(stages) if s.analyser is not None]
    if analysed and rng.random() < REMOVE_ANALYSER:
        i = rng.choice(analysed)
        stages[i] = replace(stages[i], analyser=None)
        return ["remove analyser"]
    if len(stages) > 1:
        stages.pop()
        return ["remove stage"]
    return []

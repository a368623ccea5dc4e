"""The programs that experiments compare, all from one config so that they share drafts and settings."""

from __future__ import annotations

from typing import Any

from ...modules.critique import Critique, GenerateCritiqueRefine
from ...modules.execute import Execute
from ...modules.generate import Generate
from ...modules.paper import PaperCritique, PaperExecute, PaperGenerate, PaperRefine
from ...modules.programs import GenerateExecuteRefine, Resample
from ...modules.refine import Refine
from ...modules.route import Route
from .config import ExperimentConfig
from .pool import Model


class Arms:
    """Makes the programs of an experiment.

    Args:
        config: The experiment's settings; `paper_faithful` takes the paper's stages.
    """

    def __init__(self, config: ExperimentConfig) -> None:
        self.config = config
        self.paper = config.paper_faithful

    def single(self, model: Model) -> Resample:
        """One draft, run once."""
        return self.resample(model, 1)

    def resample(self, model: Model, samples: int | None = None) -> Resample:
        """Independent drafts until one is green; as many as a loop may make calls."""
        return Resample(
            generate=self._generate(model),
            execute=self._execute(),
            samples=self.config.calls if samples is None else samples,
        )

    def refine(
        self,
        model: Model,
        refiner: Model | None = None,
        *,
        iterations: int | None = None,
        feedback: str | None = None,
        stop: Any = "on_pass",
        keep: Any = None,
        temperature: float | None = None,
        refine_temperature: float | None = None,
    ) -> GenerateExecuteRefine:
        """Draft, run, mend by what running showed."""
        return GenerateExecuteRefine(
            generate=self._generate(model, temperature),
            execute=self._execute(feedback),
            refine=self._refine(refiner or model, refine_temperature),
            max_iterations=self.config.max_iterations if iterations is None else iterations,
            stop=stop,
            keep=keep or ("last" if self.paper else "best"),
        )

    def route(self, model: Model) -> Route:
        """Mend what crashes, draw anew what answers wrongly."""
        return Route(
            generate=self._generate(model),
            execute=self._execute(),
            refine=self._refine(model),
            max_iterations=self.config.max_iterations,
            keep="last" if self.paper else "best",
        )

    def text_only(self, model: Model, rounds: int, note_tokens: int) -> GenerateCritiqueRefine:
        """Draft, criticise, mend: nothing is run."""
        critic = PaperCritique if self.paper else Critique
        return GenerateCritiqueRefine(
            generate=self._generate(model),
            critique=critic(
                model=model.lm, temperature=self.config.refine_temperature, max_tokens=note_tokens
            ),
            refine=self._refine(model),
            rounds=rounds,
        )

    def critique_with_execution(self, model: Model, rounds: int, note_tokens: int) -> GenerateCritiqueRefine:
        """The same program with execution: it stops when green, and the critic sees what running showed."""
        made = self.text_only(model, rounds, note_tokens)
        made.execute = self._execute()
        return made

    def _generate(self, model: Model, temperature: float | None = None) -> Generate:
        made = PaperGenerate if self.paper else Generate
        return made(
            model=model.lm,
            temperature=self.config.temperature if temperature is None else temperature,
            max_tokens=self.config.max_tokens,
        )

    def _refine(self, model: Model, temperature: float | None = None) -> Refine:
        made = PaperRefine if self.paper else Refine
        return made(
            model=model.lm,
            temperature=self.config.refine_temperature if temperature is None else temperature,
            max_tokens=self.config.max_tokens,
        )

    def _execute(self, feedback: str | None = None) -> Execute:
        limits = self.config.limits
        if self.paper and feedback is None:
            return PaperExecute(limits=limits)
        return Execute(limits=limits, feedback=feedback or self.config.feedback)

"""Execution-guided generation: a model sees, at every line, what continuations of its program do when they are run.

At each new line of the function some continuations are drawn, made executable and run on the calls of the visible
tests; what that showed goes into a second prompt, and the next line's tokens come from a mixture of both prompts'
distributions.

**Notice.** The method is that of *Execution Guided Line-by-Line Code Generation* (Lavon, Katz and Wolf, 2025, arXiv
2506.10948). Its authors state that the technique is patented, and publish their own code under CC BY-NC-SA 4.0. This is
written from the paper's description alone and shares no code with theirs; whether you may use the technique is for you
to find out. The module is optional: nothing in Greenloop uses it unless you ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar, Literal, cast

import dspy

from ..runtime.attempt import Attempt
from ..runtime.budget import Usage
from ..runtime.engine import Engine
from ..runtime.execution import Limits
from ..runtime.problem import Problem
from ..runtime.run import Run, use_stage
from ..runtime.token_calls import TokenCalls, calls_to
from ..runtime.token_source import Prompt
from .allowed import AT_LEAST_ONE, Number, OneOf
from .code_text import extract_code
from .generate import Generate
from .guided_candidates import Probe, probes
from .guided_decoding import Decoder
from .guided_prompts import PROMPT_STYLES, PromptStyle, as_guided, guided_messages
from .guided_run import Guidance, Guided, GuidedRun
from .guided_signal import SIGNALS, SignalKind
from .guided_watch import EndEvent, tell
from .settings import Setting, setting
from .stage import run_of, stub_of


class GuidedGenerate(Generate):
    """Writes a draft line by line, guided by what continuations do when they are run; stands where `Generate` does.

    True guidance needs log-probabilities: the embedded model, GGUF files, and Ollama from 0.12.11 on have them. Other
    completion endpoints are asked in *line mode*, the guided prompt alone. Without visible tests, and where a model
    offers whole answers only, it is plain `Generate`. Each attempt says which it was (`attempt.sampling["mode"]`), and
    counts the tokens of both prompts and of all continuations.

    Args:
        model: Name of a model, a `dspy.LM`, or a `Choice` of them; without one it follows `dspy.configure(lm=…)`.
        gamma: Strength of guidance, 0 or more: 0 is none, 1 the guided prompt alone, more goes beyond it.
        candidates: Continuations drawn at each line.
        lines_ahead: Most lines of each.
        temperature: Of the continuations; of the answer, where it is plain `Generate`.
        prompt_style: "instruction" or "few_shot".
        signal: What is told of each run: "trace", "final_values", or "verdict" (with got and expected).
        next_token: "argmax", or "sample" from the mixture.
        limits: Bounds of the runs that judge a finished draft; continuations have at most 2 s.
        top_p: Of plain `Generate` only.
        max_tokens: Most tokens of the answer.
        name: The stage's place in the program, which goes into seeds.
        add_imports: Add missing imports of well-known standard names to the code.
        instructions: Words that end the problem's part of the prompt instead of the built-in ones, or a `Choice` of
            variants; see `Generate`.

    Raises:
        ProgramError: A setting is out of range.

    Example:
        >>> GuidedGenerate(model="embedded", gamma=1.5).gamma.value
        1.5

    Source: arXiv 2506.10948; see the notice at the top of this module about its patent claim.
    """

    allowed: ClassVar = {
        **Generate.allowed,
        "gamma": Number(0),
        "candidates": AT_LEAST_ONE,
        "lines_ahead": AT_LEAST_ONE,
        "prompt_style": OneOf(PROMPT_STYLES),
        "signal": OneOf(SIGNALS),
        "next_token": OneOf(("argmax", "sample")),
    }
    by_token = True

    def __init__(
        self,
        *,
        model: Any = None,
        gamma: float | Setting = 1.0,
        candidates: int | Setting = 3,
        lines_ahead: int | Setting = 3,
        temperature: Any = 0.8,
        prompt_style: PromptStyle | Setting = "instruction",
        signal: SignalKind | Setting = "trace",
        next_token: Literal["argmax", "sample"] | Setting = "argmax",
        limits: Limits | Setting | None = None,
        top_p: Any = None,
        max_tokens: Any = 512,
        name: str | None = None,
        add_imports: Any = True,
        instructions: Any = None,
    ) -> None:
        super().__init__(
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name,
            add_imports=add_imports,
            instructions=instructions,
        )
        self.gamma = setting(gamma)
        self.candidates = setting(candidates)
        self.lines_ahead = setting(lines_ahead)
        self.prompt_style = setting(prompt_style)
        self.signal = setting(signal)
        self.next_token = setting(next_token)
        self.limits = setting(limits or Limits())

    def guidance(self, **changed: Any) -> Guidance:
        """The settings in force, some of them changed.

        Raises:
            ProgramError: One is out of range.
        """
        for name, value in changed.items():
            self.check(name, value)
        return replace(
            Guidance(
                gamma=self.gamma.value,
                candidates=self.candidates.value,
                lines_ahead=self.lines_ahead.value,
                temperature=self.temperature.value,
                prompt_style=self.prompt_style.value,
                signal=self.signal.value,
                sampled=self.next_token.value == "sample",
                max_tokens=self.max_tokens.value,
            ),
            **changed,
        )

    def forward(self, problem: Problem, iteration: int | None = None) -> dspy.Prediction:
        """Write a draft; see `Generate.forward`."""
        run = run_of(problem)
        place = run.next_iteration(self.name) if iteration is None else iteration
        attempt = self.write(problem, run, place, self.guidance())
        run.add_attempt(attempt)
        return dspy.Prediction(code=attempt.code, attempt=attempt)

    def write(self, problem: Problem, run: Run, place: int, settings: Guidance) -> Attempt:
        """One attempt; it is not put into the run's list.

        Args:
            problem: What to solve.
            run: The run that it belongs to.
            place: Its number, which goes into seeds.
            settings: Its settings.
        """
        problem = as_guided(problem)
        calls = probes(problem.steering_tests, problem.entry_point) if problem.entry_point else ()
        lm = self.language_model()
        engine = cast("Engine", lm.engine)
        why = _why_plain(problem, calls, settings)
        asked = None if why else calls_to(engine)
        if asked is None:
            return self._plain(problem, place, settings, why or "plain_no_completions")
        with use_stage(self.name):
            return self._guided(problem, run, place, settings, asked, calls)

    def distinct(self, problem: Problem, several: Sequence[Guidance]) -> list[tuple[int, Guidance]]:
        """Those of several settings that write different drafts, each with its number; of equal ones the first.

        At γ = 0 nothing is drawn, so what shapes continuations and signals counts for nothing; in line mode every other
        γ is 1; and all plain drafts are one.

        Args:
            problem: What to solve.
            several: Settings of attempts at one place.
        """
        problem = as_guided(problem)
        calls = probes(problem.steering_tests, problem.entry_point) if problem.entry_point else ()
        asked = calls_to(cast("Engine", self.language_model().engine))
        found: dict[Guidance | None, tuple[int, Guidance]] = {}
        for number, one in enumerate(several):
            shape: Guidance | None = one
            if asked is None or _why_plain(problem, calls, one):
                shape = None
            elif one.gamma == 0:
                shape = replace(one, candidates=0, lines_ahead=0, temperature=0, signal="")
            elif asked.source.mode == "line mode":
                shape = replace(one, gamma=1.0)
            found.setdefault(shape, (number, one))
        return list(found.values())

    def _plain(self, problem: Problem, place: int, settings: Guidance, why: str) -> Attempt:
        _, attempt = self.ask(problem, iteration=place, problem=problem.render())
        sampling = {**attempt.sampling, "mode": "plain", "why_plain": why}
        attempt = replace(attempt, sampling=sampling, flags=(*attempt.flags, why))
        tell(EndEvent(settings.words(), "plain", why, attempt.code, None))
        return attempt

    def _guided(
        self,
        problem: Problem,
        run: Run,
        place: int,
        settings: Guidance,
        asked: TokenCalls,
        calls: tuple[Probe, ...],
    ) -> Attempt:
        lm = self.language_model()
        rollout_id = cast("int | None", lm.kwargs.get("rollout_id"))
        flags: list[str] = []
        source = asked.source
        if source.mode == "line mode" and settings.gamma not in (0, 1):
            settings = replace(settings, gamma=1.0)
            flags.append("line_mode_gamma_1")
        sampling: dict[str, Any] = {**asdict(settings), "mode": source.mode}
        words = self.instructions.value if "instructions" in vars(self) else None

        def render(signal: str) -> Prompt:
            style = settings.prompt_style
            return asked.render(guided_messages(self.predict, problem, style, signal, instructions=words))

        plain = render("")
        with source.seat(plain) as seat:
            decoder = Decoder(asked, seat, problem.entry_point, settings.gamma, settings.sampled, sampling)
            found = GuidedRun(
                session=run.session,
                problem=problem,
                source=source,
                decoder=decoder,
                settings=settings,
                probes=calls,
                plain=plain,
                render=render,
                extract=lambda answer: extract_code(
                    answer,
                    entry_point=problem.entry_point,
                    stub=stub_of(problem),
                    add_imports=self.add_imports.value,
                ),
                seed=lambda use, number: run.seed(f"{self.name}:{use}:{number}", place, rollout_id),
                limits=Limits(**self.limits.value),
            ).go()
        tell(EndEvent(settings.words(), source.mode, found.stop, found.code, found.execution))
        return self._attempt(found, decoder, asked.engine, sampling, place, run, flags)

    def _attempt(
        self,
        found: Guided,
        decoder: Decoder,
        engine: Engine,
        sampling: dict[str, Any],
        place: int,
        run: Run,
        flags: list[str],
    ) -> Attempt:
        records = [stored.record for stored in decoder.stored]
        return Attempt(
            code=found.code,
            stage=self.name,
            iteration=place,
            execution=found.execution,
            model=engine.backend.spec.name,
            sampling={**sampling, "stop": found.stop, "guided_lines": found.guided_lines},
            seed=run.seed(f"{self.name}:line:0", place),
            usage=sum((record.usage for record in records), Usage()),
            answer=found.answer,
            feedback=found.signal,
            truncated=found.stop == "max_tokens",
            flags=(*flags, *found.flags),
            call_keys=tuple(record.key for record in records),
        )


def _why_plain(problem: Problem, calls: tuple[Probe, ...], settings: Guidance) -> str:
    """Why nothing can be guided by; empty where something can."""
    if not problem.steering_tests:
        return "plain_no_tests"
    if not problem.entry_point:
        return "plain_no_entry_point"
    if not calls and settings.signal != "verdict":
        return "plain_no_calls"
    return ""

"""One attempt of guided generation, from the empty answer to the program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..runtime.execution import Candidate, Execution, Limits
from ..runtime.judge import run_candidate
from ..runtime.problem import Problem
from ..runtime.run import Session
from ..runtime.token_source import Prompt, TokenSource
from .guided_candidates import Probe, Trial, executable, trials, unique
from .guided_decoding import Decoder
from .guided_region import at_line_start, code_so_far, region
from .guided_signal import MOST_CHARS, signal_text
from .guided_watch import LineEvent, tell
from .program import rank

MOST_SEEN = 6
"""The attempt ends when the same program was seen so often at the beginning of a line."""
PROBE_S = 2.0
"""Longest run of a candidate, in seconds."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """Settings of an attempt.

    Attributes:
        gamma: Strength of guidance: 0 is none, 1 the guided context alone, more goes beyond it.
        candidates: Continuations drawn at each line.
        lines_ahead: Most lines of each.
        temperature: Of the continuations.
        prompt_style: See `guided_prompts.PromptStyle`.
        signal: See `guided_signal.SignalKind`.
        sampled: Draw the next token instead of taking the likeliest.
        max_tokens: Most tokens of the answer.
    """

    gamma: float
    candidates: int
    lines_ahead: int
    temperature: float
    prompt_style: str
    signal: str
    sampled: bool
    max_tokens: int

    def words(self) -> str:
        """The settings in a few words."""
        return (
            f"γ {self.gamma:g}, {self.candidates} × {self.lines_ahead} lines at {self.temperature:g},"
            f" {self.prompt_style}, {self.signal}"
        )


@dataclass(frozen=True, slots=True)
class Guided:
    """What an attempt yielded.

    Attributes:
        answer: The answer as it was written.
        code: The program; the best draft by the tests that steer where the last one does not pass.
        execution: What it showed on these tests.
        stop: Why it ended: "passed", "end", "max_tokens", "loop".
        guided_lines: Lines in which a signal had a part.
        signal: The last signal.
        flags: Things worth counting.
    """

    answer: str
    code: str
    execution: Execution
    stop: str
    guided_lines: int
    signal: str
    flags: tuple[str, ...]


class GuidedRun:
    """Runs one attempt.

    Args:
        session: The session.
        problem: What to solve; its steering tests are what candidates and drafts are run on.
        source: The model's token source.
        decoder: Writes the answer.
        settings: The attempt's settings.
        probes: The calls of the tests.
        plain: The plain prompt.
        render: The prompt for a signal.
        extract: The program in an answer.
        seed: A seed for each line's number and use.
        limits: Of the runs that judge a finished program.
    """

    def __init__(
        self,
        *,
        session: Session,
        problem: Problem,
        source: TokenSource,
        decoder: Decoder,
        settings: Guidance,
        probes: tuple[Probe, ...],
        plain: Prompt,
        render: Callable[[str], Prompt],
        extract: Callable[[str], str],
        seed: Callable[[str, int], int],
        limits: Limits,
    ) -> None:
        self._session = session
        self._problem = problem
        self._source = source
        self._decoder = decoder
        self._settings = settings
        self._probes = probes
        self._plain = plain
        self._render = render
        self._extract = extract
        self._seed = seed
        self._limits = limits
        self._short = replace(limits, wall_s=min(limits.wall_s, PROBE_S), cpu_s=min(limits.cpu_s, PROBE_S))
        self._drafts: dict[str, Execution] = {}
        self._signal = ""
        self._flags: dict[str, None] = {}

    def go(self) -> Guided:
        """Run it.

        Raises:
            InfrastructureError: The model's server or the sandbox failed for good.
            BudgetExhausted: The next line would not fit into the budget.
        """
        settings, decoder, entry = self._settings, self._decoder, self._problem.entry_point
        seen: Counter[str] = Counter()
        guided: Prompt | None = None
        guided_lines, stop, left = 0, "", settings.max_tokens
        number = 0
        while not stop:
            text = decoder.text
            where = region(text, entry)
            found: tuple[Trial, ...] = ()
            if where == "done":
                stop = "end"
                break
            begins = where == "inside" and at_line_start(text)
            if begins or where != "inside":
                guided = None
            if begins:
                draft = _bare(code_so_far(text, entry))
                seen[draft] += 1
                if self._passes(text):
                    stop = "passed"
                elif seen[draft] >= MOST_SEEN:
                    stop = "loop"
                    self._flags["loop_break"] = None
                elif settings.gamma != 0:
                    found, guided = self._guide(text, number, left)
                    guided_lines += guided is not None
                if stop:
                    break
            line = decoder.line(self._plain, guided, left, self._seed("line", number))
            left -= len(line.pieces) if self._source.mode != "line mode" else _tokens(line.pieces)
            tell(LineEvent(settings.words(), decoder.text[len(text) :], guided is not None, found))
            number += 1
            stop = "end" if line.ended else "max_tokens" if left <= 0 else ""
        return self._result(stop, guided_lines)

    def _guide(self, text: str, number: int, left: int) -> tuple[tuple[Trial, ...], Prompt | None]:
        """Draw continuations, run them, and make the guided context; None where nothing could be run."""
        settings, entry = self._settings, self._problem.entry_point
        first = self._seed("candidates", number)
        seeds = [(first + i) % 2**31 for i in range(settings.candidates)]
        texts = self._decoder.candidates(
            self._plain, seeds, settings.temperature, settings.lines_ahead, max(left, 1)
        )
        programs = unique([executable(code_so_far(text + t, entry), entry) for t in texts])
        found = trials(
            self._session,
            self._problem,
            programs,
            self._probes,
            self._short,
            verdicts=settings.signal == "verdict",
        )
        room = self._source.context - left
        most_chars = MOST_CHARS
        while most_chars >= 400:
            signal = signal_text(found, settings.signal, most_chars)
            if not signal:
                break
            guided = self._render(signal)
            if guided.size + len(self._decoder.written) < room:
                self._signal = signal
                return found, guided
            self._flags["signal_cut"] = None
            most_chars //= 2
        return found, None

    def _passes(self, text: str) -> bool:
        code = self._extract(text)
        if not code or executable(code, self._problem.entry_point) is None:
            return False
        return self._run(code, self._short).passed

    def _run(self, code: str, limits: Limits) -> Execution:
        problem = self._problem
        candidate = Candidate(code=code, entry_point=problem.entry_point, preamble=problem.preamble)
        self._drafts[code] = run_candidate(self._session, candidate, problem.steering_tests, limits)
        return self._drafts[code]

    def _result(self, stop: str, guided_lines: int) -> Guided:
        answer = self._decoder.text
        code = self._extract(answer)
        execution = self._run(code, self._limits)
        if not execution.passed:
            best = max(self._drafts, key=lambda c: (rank(self._drafts[c]), c == code))
            if best != code:
                code, execution = best, self._run(best, self._limits)
        if guided_lines == 0:
            self._flags["never_guided"] = None
        return Guided(answer, code, execution, stop, guided_lines, self._signal, tuple(self._flags))


def _bare(code: str) -> str:
    """A program without empty lines and lines of comments: what has to grow, or nothing does."""
    lines = (line.rstrip() for line in code.split("\n"))
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def _tokens(pieces: tuple[object, ...]) -> int:
    """Tokens of a line in line mode, where its text is one piece: an estimate on the high side."""
    return sum(max(1, len(getattr(piece, "raw", b"")) // 3) for piece in pieces)

"""Guided generation on the command line: its program, and each line as it comes with candidates and traces."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from ..modules.guided import GuidedGenerate
from ..modules.guided_attempts import SMALL_GRID, GuidedAttempts
from ..modules.guided_candidates import Trial
from ..modules.guided_signal import signal_text
from ..modules.guided_watch import EndEvent, LineEvent

_MOST_CHARS = 1200
_WORDS = {
    "passed": "it passes the visible tests",
    "end": "the answer ended",
    "max_tokens": "the answer was cut at max_tokens",
    "loop": "the program did not change any more",
    "plain_no_tests": "there is no visible test to guide by",
    "plain_no_entry_point": "no entry point is named: give --entry-point NAME",
    "plain_no_calls": "no call stands out in the visible tests",
    "plain_no_completions": "the model gives whole answers only",
}


def guided_program(model: str, *, calls: int, max_tokens: int, parallel: int) -> GuidedAttempts:
    """At most `calls` guided attempts with other settings each, `parallel` at a time; four are the most there are."""
    return GuidedAttempts(
        generate=GuidedGenerate(model=model, max_tokens=max_tokens),
        grid=SMALL_GRID[:calls],
        parallel=parallel,
    )


class GuidedShow:
    """Prints what it is told: whole lines, each when its end is written; » marks those that a signal had a part in.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._attempt = ""
        self._line = ""
        self._guided = False

    def __call__(self, event: LineEvent | EndEvent) -> None:
        """Print an event."""
        if event.attempt != self._attempt:
            self._attempt = event.attempt
            self._console.print(f"\n[bold]{escape(event.attempt)}[/bold]")
        if isinstance(event, EndEvent):
            self._written("\n" if self._line.strip() else "", guided=False)
            self._line = ""
            outcome = event.execution.outcome if event.execution else "not run yet"
            why = _WORDS.get(event.stop, event.stop)
            self._console.print(escape(f"→ {outcome}: {why} ({event.mode})"), style="bold")
            return
        for number, trial in enumerate(event.trials, 1):
            self._console.print(escape(_told(number, trial)), style="dim", soft_wrap=True)
        self._written(event.text, event.guided)

    def _written(self, text: str, guided: bool) -> None:
        """Take text that may end, and begin, within a line: a token may hold a newline and the next line's indent."""
        for part in text.splitlines(keepends=True):
            self._line += part
            self._guided |= guided and bool(part.strip())
            if part.endswith("\n"):
                mark = "»" if self._guided else " "
                line = self._line.rstrip("\n")
                self._console.print(f"[green]{mark}[/green] {escape(line)}", soft_wrap=True)
                self._line, self._guided = "", False


def _told(number: int, trial: Trial) -> str:
    """A candidate with what running it showed, indented."""
    kind = "verdict" if trial.verdict is not None else "trace"
    text = signal_text([trial], kind, _MOST_CHARS).split("# Candidate 1", 1)[-1].strip("\n")
    body = "\n".join(f"    | {line}" for line in text.splitlines())
    return f"    candidate {number}\n{body}"

"""What guided generation costs: a token of the mixture over a plain one, tokens of a task.

Each round decodes the same tokens of the same prompts in three ways, one after the other: normally (one request), one
token at a time from one context, and one token at a time from two contexts mixed. The second context holds a signal, as
in guided generation. Then some starter tasks are solved, and what each kind of call took is added up.

Run it with `python benchmarks/guided.py`; it takes some minutes. `--tasks 0` leaves the second part out; `--model`
takes another GGUF file than the embedded model.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import time
import warnings
from collections import defaultdict

warnings.filterwarnings("ignore")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import greenloop as gl  # noqa: E402
from greenloop.modules.guided_prompts import guided_messages  # noqa: E402
from greenloop.modules.guided_signal import HEADER  # noqa: E402
from greenloop.runtime.backends.token_embedded import EmbeddedTokens  # noqa: E402
from greenloop.runtime.token_mixture import choose, mix  # noqa: E402
from greenloop.runtime.token_source import END, Piece, Prompt, Seat, Which, token_source_for  # noqa: E402

SIGNAL = HEADER + "\n\n" + "# line 2: y = x + 1  | x (int) = 1\n# f returned 2 (int)\n" * 8


def now() -> tuple[float, float]:
    """Seconds of the wall clock, and of the processor: the model decodes in this process."""
    return time.perf_counter(), time.process_time()


def since(started: tuple[float, float], tokens: int) -> tuple[float, float]:
    """Seconds a token since then."""
    wall, processor = now()
    return (wall - started[0]) / max(1, tokens), (processor - started[1]) / max(1, tokens)


def seconds_a_token(seat: Seat, contexts: dict[Which, Prompt], length: int) -> tuple[float, float]:
    """Write so many tokens, one at a time; the prompts are read before the clock starts."""

    def step(written: tuple[Piece, ...]) -> Piece:
        tops = [found.top for found in seat.steps(contexts, written).values()]
        return choose(mix(tops[0], tops[1], 0.5) if len(tops) == 2 else tops[0])

    step(())
    written: tuple[Piece, ...] = ()
    started = now()
    while len(written) < length and (piece := step(written)) != END:
        written += (piece,)
    return since(started, len(written))


def per_token(model: str, rounds: int, tokens: int, tasks: list[gl.Task]) -> None:
    """Print milliseconds a token of the three ways, and their ratios."""
    source = token_source_for(gl.language_model(model).engine.backend)
    assert isinstance(source, EmbeddedTokens)
    stage = gl.GuidedGenerate(model=model)
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number in range(rounds):
        problem = tasks[number % len(tasks)].problem
        plain = source.render(guided_messages(stage.predict, problem, "instruction"))
        guided = source.render(guided_messages(stage.predict, problem, "instruction", SIGNAL))
        ids = list(plain.tokens or ())
        body = {"prompt": ids, "temperature": 0, "cache_prompt": True, "id_slot": 2}
        source.complete({**body, "max_tokens": 1})  # the prompt is read before the clock starts
        started = now()
        made = source.complete({**body, "max_tokens": tokens})
        found["normal"].append(since(started, made["usage"]["completion_tokens"]))
        length = int(made["usage"]["completion_tokens"])
        with source.seat(plain) as seat:
            found["one at a time"].append(seconds_a_token(seat, {"plain": plain}, length))
            found["two contexts"].append(seconds_a_token(seat, {"plain": plain, "guided": guided}, length))
    for clock, name in enumerate(("wall", "processor")):
        times = {way: [seconds[clock] for seconds in each] for way, each in found.items()}
        for way, each in times.items():
            spread = f"{1000 * min(each):.1f}–{1000 * max(each):.1f}"
            middle = 1000 * statistics.median(each)
            print(f"{name:9} {way:14} {middle:7.1f} ms a token (median of {rounds} rounds; {spread})")
        for other, goal in (("normal", " (goal: at most 2.3)"), ("one at a time", "")):
            ratios = [a / b for a, b in zip(times["two contexts"], times[other], strict=True)]
            print(
                f"{name:9} two contexts over {other}: {statistics.median(ratios):.2f} ×"
                f" ({min(ratios):.2f}–{max(ratios):.2f}){goal}"
            )


def per_task(model: str, tasks: list[gl.Task], max_tokens: int) -> None:
    """Print tokens and model seconds of guided drafts by kind of call, beside plain drafts."""
    stage = gl.GuidedGenerate(model=model, gamma=0.5, max_tokens=max_tokens)
    plain = gl.Generate(model=model, temperature=0.0, max_tokens=max_tokens)
    kinds: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0, 0])
    lines = 0
    with gl.session() as session:
        for task in tasks:
            attempt = stage(problem=task.problem).attempt
            lines += attempt.sampling["guided_lines"]
            for key in attempt.call_keys:
                stored = session.store.answer(key).content
                kind = stored["asked"]["kind"]
                if kind == "line":
                    kind = "lines of two contexts" if len(stored["asked"]["contexts"]) == 2 else "plain lines"
                for i, name in enumerate(("calls", "tokens_in", "tokens_out", "model_seconds")):
                    kinds[kind][i] += stored["usage"][name]
        for task in tasks:
            usage = plain(problem=task.problem).attempt.usage
            for i, value in enumerate((usage.calls, usage.tokens_in, usage.tokens_out, usage.model_seconds)):
                kinds["(a plain draft)"][i] += value
    n = len(tasks)
    print(f"\n{n} starter tasks, γ 0.5, 3 candidates of 3 lines, {max_tokens} tokens; per task:")
    for kind, (calls, tokens_in, tokens_out, seconds) in kinds.items():
        print(
            f"{kind:22} {calls / n:5.1f} calls {tokens_in / n:7.0f} prompt tokens {tokens_out / n:6.0f} answer tokens"
            f" {seconds / n:6.2f} model s"
        )
    print(f"guided lines: {lines / n:.1f} a task")


def main() -> None:
    """Print both parts."""
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded", help="embedded, or gguf:PATH")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=160)
    given = parser.parse_args()
    tasks = gl.load_tasks("starter")
    sys.stdout.reconfigure(line_buffering=True)
    per_token(given.model, given.rounds, given.tokens, tasks)
    if given.tasks:
        per_task(given.model, tasks[: given.tasks], given.max_tokens)


if __name__ == "__main__":
    main()

"""What Greenloop adds to the time that model calls take.

Two figures, both against a server that answers after a set time:

1. Wall time of a whole evaluation (stages, sandbox, scoring, store) over the time its model calls take alone,
   with calls of one second on a server that serves four at a time. At most 1.05.
2. Milliseconds that one call costs beyond the server's own time, beside DSPy with litellm as is (no cache), and
   what a stored answer costs.

Run it with `python benchmarks/pipeline_overhead.py`; it takes about a minute.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

warnings.filterwarnings("ignore")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import dspy  # noqa: E402
import greenloop as gl  # noqa: E402
from greenloop.testing import ChatServer  # noqa: E402


def evaluation(call_s: float, tasks: int, at_once: int) -> float:
    """Wall time of an evaluation over the time its calls take alone."""
    chosen = gl.load_tasks("starter")[:tasks]
    by_prompt = {task.prompt.strip(): task.reference or "" for task in chosen}

    def solve(body: dict[str, Any]) -> list[Any]:
        asked = body["messages"][-1]["content"]
        code = next((code for prompt, code in by_prompt.items() if prompt in asked), "pass")
        return [call_s, f"```python\n{code}\n```"]

    with ChatServer(solve) as server, tempfile.TemporaryDirectory() as folder:
        model = gl.language_model(server.name(), slots=at_once)
        program = gl.GenerateExecuteRefine(generate=gl.Generate(model=model), refine=gl.Refine(model=model))
        with gl.session(f"sqlite:///{folder}/warm.db"):
            gl.score(program, chosen[:at_once])  # imports, connections, sandbox
        server.requests.clear()
        with gl.session(f"sqlite:///{folder}/s.db"):
            started = time.perf_counter()
            scores = gl.score(
                program, chosen
            )  # eight runs, as by default: while one is in the sandbox, another calls
            wall = time.perf_counter() - started
        calls = len(server.requests)
    alone = call_s * -(-calls // at_once)
    print(
        f"evaluation: {tasks} tasks, {calls} calls of {call_s:g} s, {at_once} at a time: {wall:.2f} s, the "
        f"calls alone {alone:.2f} s: ratio {wall / alone:.3f} (at most 1.05), {scores.mean:.0%} solved"
    )
    return wall / alone


def per_call(count: int) -> None:
    """Milliseconds of one call beyond the server's own time."""
    pieces = ["word "] * 50
    with ChatServer(lambda body: pieces) as server, tempfile.TemporaryDirectory() as folder:
        plain = dspy.LM(
            "openai/scripted", api_base=f"{server.url}/v1", api_key="none", cache=False, engine="litellm"
        )
        ours = gl.language_model(server.name())

        def timed(name: str, ask: Callable[[str], Any]) -> float:
            ask("warm up")
            started = time.perf_counter()
            for number in range(count):
                ask(f"question {number}")
            each = (time.perf_counter() - started) / count * 1000
            print(f"{name:<44}{each:8.2f} ms")
            return each

        timed("DSPy + litellm as is, not streamed", plain)
        with gl.session(f"sqlite:///{folder}/s.db"):
            timed("Greenloop, streamed, stored in SQLite", ours)
            timed("Greenloop, the stored answer", ours)


def main() -> None:
    """Print both figures."""
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--call-s", type=float, default=1.0)
    parser.add_argument("--tasks", type=int, default=48)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--calls", type=int, default=200)
    given = parser.parse_args()
    ratio = evaluation(given.call_s, given.tasks, given.at_once)
    per_call(given.calls)
    raise SystemExit(0 if ratio <= 1.05 else 1)


if __name__ == "__main__":
    main()

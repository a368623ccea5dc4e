"""What the commands share: options, the session they run in, and where output goes."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import dspy
import typer
from rich.console import Console

from ..errors import GreenloopError, TaskError, UsageError
from ..runtime.budget import Meter, anything_paid
from ..runtime.execution import Limits
from ..runtime.run import Session, session
from ..runtime.task import Task

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

TASKS_HELP = (
    "humaneval, mbpp, mbpp-full, humaneval+, mbpp+, humaneval-et, mbpp-et, codecontests,"
    " livecodebench@SINCE..UNTIL, starter, or a path: a JSONL file, or a folder of stubs with pytest files"
)
TasksArgument = Annotated[str, typer.Argument(help=TASKS_HELP)]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model", help="embedded, gguf:PATH, ollama:NAME, openai:MODEL@URL, or litellm's provider/model"
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="folder with the published files of a set, such as HumanEval.jsonl"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object on standard output")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="take only the first N tasks")]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="SQLAlchemy URL of cache, ledger and study", envvar="GREENLOOP_STORE"),
]
SeedOption = Annotated[int, typer.Option("--seed", help="seed of everything drawn")]
ConcurrencyOption = Annotated[int, typer.Option("--concurrency", min=1, max=256, help="tasks run at once")]
WallOption = Annotated[
    float | None,
    typer.Option("--wall-s", help="seconds that code may run with all its tests; 10 without it"),
]
MaxTokensOption = Annotated[int, typer.Option("--max-tokens", min=1, help="most tokens of one answer")]


def store_url(given: str | None) -> str:
    """The store's URL: the one given, else a database in the user's data folder.

    Raises:
        UsageError: It is a bare path.
    """
    if given:
        if "://" not in given:
            raise UsageError(f"--store takes a URL such as sqlite:///{given}, not {given!r}")
        return given
    from platformdirs import user_data_path

    folder = user_data_path("greenloop", appauthor=False)
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / 'greenloop.db'}"


def limits_of(wall_s: float | None) -> Limits:
    """The limits of a run of code.

    Raises:
        UsageError: The time is not positive.
    """
    if wall_s is None:
        return Limits()
    if not wall_s > 0:
        raise UsageError(f"--wall-s must be above 0, got {wall_s:g}")
    return Limits(wall_s=wall_s, cpu_s=wall_s)


def check_file(path: Path, option: str) -> None:
    """Whether a file can be written, before anything is paid.

    Raises:
        UsageError: It cannot.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"{option} {path}: there is no such folder")
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder: name a file")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"{option} {path}: it cannot be written")


def make_folder(folder: Path, option: str = "--out") -> None:
    """Make the folder of a report before anything is paid.

    Raises:
        UsageError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{option}: the folder {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{option}: nothing can be written into the folder {folder}")


@contextmanager
def command_session(
    store: str | None, seed: int, meter: Meter | None = None
) -> Generator[Session, None, None]:
    """The session of a command, on its store."""
    try:
        with session(store_url(store), seed=seed, meter=meter) as active:
            yield active
    finally:
        tell_swaps()


def tell_swaps() -> None:
    """Say how often models took each other's place in a server's memory, where they did."""
    from ..runtime.endpoint_queue import swaps

    if count := swaps():
        err.print(
            f"{count} changes of the loaded model: models do not fit together, or one is used with several num_ctx;"
            " calls were grouped",
            soft_wrap=True,
        )


def read_tasks(name: str, data: Path | None, limit: int | None) -> list[Task]:
    """The tasks a command names, at most `limit`.

    Raises:
        UsageError: There are no such tasks, or the file is malformed.
    """
    from ..evals.tasks import load_tasks
    from .show import download_progress

    if data is not None and not data.is_dir():
        raise UsageError(f"--data {data} is no folder")
    with download_progress() as progress:
        tasks = load_tasks(name, data_dir=data, progress=progress)
    if not tasks:
        raise TaskError(f"{name} holds no tasks")
    return tasks[:limit]


def check_models(
    programs: dspy.Module | Sequence[dspy.Module], tasks: Sequence[Task] = (), *, oracle: bool = False
) -> None:
    """Ask every model that the programs may use whether it is there and has room for the tasks' prompts.

    Args:
        programs: The program, or several.
        tasks: What they will be run on.
        oracle: Whether hidden tests steer too.

    Raises:
        GreenloopError: One is not; a line for each problem, all at once.
    """
    from ..modules.knobs import Choice
    from ..modules.prompt_needs import prompt_needs
    from ..modules.settings import settings
    from ..runtime.language_model import language_model
    from ..runtime.preflight import preflight

    used: list[Any] = []
    every = [programs] if isinstance(programs, dspy.Module) else programs
    for program in every:
        for path, one in settings(program).items():
            if path.split(".")[-1] == "model":
                used += one.options if isinstance(one, Choice) else [one.value] if one.value else []
    models = list({id(m) if not isinstance(m, str) else m: m for m in used}.values())
    needs = [need for program in every for need in prompt_needs(program, tasks, oracle=oracle)]
    problems = preflight(models, needs=needs)
    if not problems:
        return
    for model in models:
        try:
            cast("Any", language_model(model).engine).describe()
        except GreenloopError as first:
            raise type(first)("\n".join(problems)) from first
    raise UsageError("\n".join(problems))


def print_json(data: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    typer.echo(json.dumps(data, default=str))


def resume_hint(argv: Sequence[str]) -> str:
    """What to say after Ctrl-C or an outage."""
    command = shlex.join(["greenloop", *argv])
    if not anything_paid():
        return f"nothing was paid for; run again: {command}"
    return f"what was paid for is stored; to go on, run again: {command}"


def is_quiet() -> bool:
    """Whether progress should be lines rather than a live bar."""
    return not err.is_terminal or bool(os.environ.get("CI"))

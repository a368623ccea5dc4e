"""The command line: `greenloop COMMAND`, a thin skin over the public API.

Exit codes: 0 done; 1 a program failed or the budget was spent; 2 bad input; 3 an outage (a rerun goes on);
130 interrupted (a rerun goes on).
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from rich.markup import escape
from typer.exceptions import TyperException

from ..errors import GreenloopError, GreenloopWarning, InfrastructureError, UsageError
from .common import err, resume_hint

COMMANDS = {
    "demo": ("demo_command", "demo"),
    "solve": ("solve_command", "solve"),
    "eval": ("eval_command", "evaluate"),
    "tune": ("tune_command", "tune"),
    "run": ("eval_command", "run"),
    "experiment": ("experiment_command", "experiment"),
    "reproduce": ("reproduce_command", "reproduce_paper"),
    "doctor": ("doctor_command", "doctor"),
    "check-benchmark": ("check_command", "check_benchmark"),
    "score": ("score_command", "score_samples"),
    "power": ("power_command", "show_power"),
    "compare": ("compare_command", "compare_methods"),
    "neat": ("neat_command", "neat"),
    "report": ("report_command", "report"),
    "models": ("models_command", "models"),
    "store": ("store_command", "store"),
}
"""Command to its module and function; a command imports its own module only."""

_INTERRUPTED = 130  # typer makes this exit code of a Ctrl-C by itself


def make_app(only: str | None = None) -> typer.Typer:
    """The command line with all its commands, or with one of them."""
    app = typer.Typer(
        name="greenloop",
        help="Makes small local models write code that runs: generate, execute, refine; tuned under a budget.",
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_options)
    for name, (module, function) in COMMANDS.items():
        if only in (None, name):
            command: Any = getattr(import_module(f".{module}", __package__), function)
            if isinstance(command, typer.Typer):
                app.add_typer(command, name=name)
            else:
                app.command(name)(command)
    return app


def _options(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="print the version")
) -> None:
    if version:
        from .. import __version__

        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, and turn errors into one line and an exit code."""
    argv = sys.argv[1:] if arguments is None else arguments
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        app = make_app(argv[0] if argv and argv[0] in COMMANDS else None)
        _quiet_libraries()
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning(warnings.showwarning)
            done = app(args=argv, standalone_mode=False)
        code = done if isinstance(done, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except GreenloopError as error:
        code = _tell(error, argv)
    except TyperException as error:
        code = _option_error(error)
    if code == _INTERRUPTED:
        err.print(escape(f"stopped; {resume_hint(argv)}"), soft_wrap=True)
    sys.stdout.flush()
    sys.exit(code)


def _tell(error: GreenloopError, argv: list[str]) -> int:
    err.print(escape(f"greenloop: {error}"), soft_wrap=True)
    if isinstance(error, UsageError):
        return 2
    if isinstance(error, InfrastructureError):
        err.print(escape(resume_hint(argv)), soft_wrap=True)
        return 3
    return 1


def _option_error(error: TyperException) -> int:
    """typer's own complaints about commands and options, as one line."""
    show: Any = getattr(error, "format_message", error.__str__)
    err.print(escape(f"greenloop: {show()} (greenloop COMMAND --help lists the options)"), soft_wrap=True)
    return 2


def _show_warning(others: Callable[..., None]) -> Callable[..., None]:
    """Greenloop's own warnings as one line each; those of libraries as Python shows them."""

    def show(message: Warning | str, category: type[Warning], *where: Any, **options: Any) -> None:
        if issubclass(category, GreenloopWarning):
            err.print(escape(f"warning: {message}"), soft_wrap=True)
        else:
            others(message, category, *where, **options)

    return show


def _quiet_libraries() -> None:
    for name in ("optuna", "LiteLLM", "dspy", "httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if "optuna" in sys.modules:
        sys.modules["optuna"].logging.set_verbosity(logging.WARNING)


if __name__ == "__main__":
    main()

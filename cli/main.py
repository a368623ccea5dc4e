"""The command line: `greenloop COMMAND`, a thin skin over the public API.

Exit codes: 0 done; 1 a program failed or the budget was spent; 2 bad input; 3 an outage (a rerun goes on);
130 interrupted (a rerun goes on).
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import typer
from rich.markup import escape

from ..errors import GreenloopError, InfrastructureError, UsageError
from .common import err, resume_hint
from .demo_command import demo
from .doctor_command import doctor
from .eval_command import evaluate, run
from .solve_command import solve
from .tune_command import tune

app = typer.Typer(
    name="greenloop",
    help="Makes small local models write code that runs: generate, execute, refine; tuned under a budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(solve)
app.command("eval")(evaluate)
app.command()(tune)
app.command()(run)
app.command()(doctor)


@app.callback(invoke_without_command=True)
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
    _quiet_libraries()
    try:
        app(args=argv, standalone_mode=False)
        code = 0
    except typer.Exit as done:
        code = done.exit_code
    except KeyboardInterrupt:
        err.print(escape(f"stopped; {resume_hint(argv)}"), soft_wrap=True)
        code = 130
    except GreenloopError as error:
        code = _tell(error, argv)
    except Exception as error:
        code = _click_error(error)
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


def _click_error(error: Exception) -> int:
    """typer's own complaints about options as one line; anything else is a bug and keeps its traceback."""
    show: Any = getattr(error, "format_message", None)
    if show is None:
        if type(error).__name__ == "Abort":
            return 130
        raise error
    err.print(escape(f"greenloop: {show()} (greenloop --help lists commands and options)"), soft_wrap=True)
    return 2


def _quiet_libraries() -> None:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    for name in ("optuna", "LiteLLM", "dspy", "httpx", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if "optuna" in sys.modules:
        sys.modules["optuna"].logging.set_verbosity(logging.WARNING)


if __name__ == "__main__":
    main()

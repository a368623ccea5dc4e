"""Every error that Greenloop raises on purpose, in one tree.

::

    GreenloopError
    ├── InfrastructureError     an outage; retried, then stops a run; never a score
    │   ├── ModelUnavailable        the server is away or refuses
    │   ├── ModelTimeout            a call took longer than its limit
    │   ├── SandboxError            the sandbox itself failed, not the candidate
    │   └── StoreError              the database is away, full, damaged or too new
    ├── ProgramError            a program was put together or called wrongly
    │   └── BudgetExhausted         the next call would not fit into the budget
    └── UsageError              bad input: one clear line, exit code 2
        ├── TaskError               a task file or a task is malformed
        ├── UnknownModel            no such model, file or backend
        └── ExportError             a folder is no export, or was edited

The message of each is one line that says what was wrong and what to do. `GreenloopWarning` is the category of every
warning: what goes on, but not as one may think.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .runtime.budget import Usage

__all__ = [
    "BudgetExhausted",
    "ExportError",
    "GreenloopError",
    "GreenloopWarning",
    "InfrastructureError",
    "ModelTimeout",
    "ModelUnavailable",
    "ProgramError",
    "SandboxError",
    "StoreError",
    "TaskError",
    "UnknownModel",
    "UsageError",
]


class GreenloopError(Exception):
    """The root of the tree: catch it to catch everything Greenloop raises on purpose.

    Attributes:
        cost: What a model call had cost by the time that it was ended early; None where nothing was paid for.
    """

    cost: Usage | None = None


class InfrastructureError(GreenloopError):
    """Something outside the program failed; it is retried and never scored as the model's failure."""


class ModelUnavailable(InfrastructureError):
    """The model's server does not answer or refuses the call."""


class ModelTimeout(InfrastructureError):
    """A model call took longer than its limit."""


class SandboxError(InfrastructureError):
    """The sandbox itself failed; the candidate was not judged."""


class StoreError(InfrastructureError):
    """The store cannot be read or written."""


class ProgramError(GreenloopError):
    """A program was put together or called in a way that cannot work."""


class BudgetExhausted(ProgramError):
    """The next call would not fit into the budget of the run."""


class UsageError(GreenloopError):
    """Bad input by the user; the command line exits with code 2."""


class TaskError(UsageError):
    """A task, or a file of tasks, is malformed; the message names file, line and field."""


class UnknownModel(UsageError):
    """A model name that no backend knows; the message offers the nearest names."""


class ExportError(UsageError):
    """A folder is no Greenloop export, is incomplete, newer than this version, or was edited."""


class GreenloopWarning(UserWarning):
    """The run goes on, but something is not as one may think: weaker isolation, a model that differs, and the like.

    Example:
        >>> import warnings
        >>> warnings.simplefilter("error", GreenloopWarning)  # stop at any  # doctest: +SKIP
    """

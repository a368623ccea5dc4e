"""Greenloop makes small local models write code that runs.

`Generate`, `Execute` and `Refine` are DSPy modules; a pipeline is an ordinary DSPy program made of them; every
tunable is declared where it lives; an optimizer on Optuna finds models, temperatures and iteration counts under a
budget; the best program is exported as one inert folder that loads anywhere.

Everything here loads on first use, so that importing the package costs milliseconds.

Example:
    >>> import greenloop as gl
    >>> program = gl.GenerateExecuteRefine(generate=gl.Generate(model="embedded"), refine=gl.Refine(model="embedded"))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "errors": "errors",
    "Attempt": "runtime.attempt",
    "Budget": "runtime.budget",
    "CheapestWithin": "optimizers.front",
    "Choice": "modules.knobs",
    "Critique": "modules.critique",
    "Escalate": "modules.escalate",
    "Evidence": "evals.evidence",
    "Execute": "modules.execute",
    "Execution": "runtime.execution",
    "Figure": "evals.figures",
    "Float": "modules.knobs",
    "Generate": "modules.generate",
    "GenerateByPlan": "modules.plan",
    "GenerateCritiqueRefine": "modules.critique",
    "GenerateExecuteRefine": "modules.programs",
    "Graph": "modules.graph",
    "GreenloopError": "errors",
    "GuidedAttempts": "modules.guided_attempts",
    "GuidedGenerate": "modules.guided",
    "Int": "modules.knobs",
    "Limits": "runtime.execution",
    "NeatSearch": "optimizers.neat.search",
    "OptunaTuner": "optimizers.tuner",
    "Plan": "modules.plan",
    "Problem": "runtime.problem",
    "Program": "modules.program",
    "RandomTopology": "optimizers.neat.random_topology",
    "Refine": "modules.refine",
    "Resample": "modules.programs",
    "Route": "modules.route",
    "Select": "modules.selecting",
    "Task": "runtime.task",
    "Trajectory": "runtime.attempt",
    "WriteTests": "modules.write_tests",
    "check": "evals.check",
    "export": "optimizers.artifact",
    "knobs": "modules.knobs",
    "language_model": "runtime.language_model",
    "load": "optimizers.artifact",
    "load_tasks": "evals.tasks",
    "score": "evals.scoring",
    "session": "runtime.run",
    "solved": "evals.check",
    "space": "optimizers.space",
    "split": "evals.split",
}

__all__ = [
    "Attempt",
    "Budget",
    "CheapestWithin",
    "Choice",
    "Critique",
    "Escalate",
    "Evidence",
    "Execute",
    "Execution",
    "Figure",
    "Float",
    "Generate",
    "GenerateByPlan",
    "GenerateCritiqueRefine",
    "GenerateExecuteRefine",
    "Graph",
    "GreenloopError",
    "GuidedAttempts",
    "GuidedGenerate",
    "Int",
    "Limits",
    "NeatSearch",
    "OptunaTuner",
    "Plan",
    "Problem",
    "Program",
    "RandomTopology",
    "Refine",
    "Resample",
    "Route",
    "Select",
    "Task",
    "Trajectory",
    "WriteTests",
    "check",
    "errors",
    "export",
    "knobs",
    "language_model",
    "load",
    "load_tasks",
    "score",
    "session",
    "solved",
    "space",
    "split",
]

if TYPE_CHECKING:
    from . import errors
    from .errors import GreenloopError
    from .evals.check import check, solved
    from .evals.evidence import Evidence
    from .evals.figures import Figure
    from .evals.scoring import score
    from .evals.split import split
    from .evals.tasks import load_tasks
    from .modules.critique import Critique, GenerateCritiqueRefine
    from .modules.escalate import Escalate
    from .modules.execute import Execute
    from .modules.generate import Generate
    from .modules.graph import Graph
    from .modules.guided import GuidedGenerate
    from .modules.guided_attempts import GuidedAttempts
    from .modules.knobs import Choice, Float, Int, knobs
    from .modules.plan import GenerateByPlan, Plan
    from .modules.program import Program
    from .modules.programs import GenerateExecuteRefine, Resample
    from .modules.refine import Refine
    from .modules.route import Route
    from .modules.selecting import Select
    from .modules.write_tests import WriteTests
    from .optimizers.artifact import export, load
    from .optimizers.front import CheapestWithin
    from .optimizers.neat.random_topology import RandomTopology
    from .optimizers.neat.search import NeatSearch
    from .optimizers.space import space
    from .optimizers.tuner import OptunaTuner
    from .runtime.attempt import Attempt, Trajectory
    from .runtime.budget import Budget
    from .runtime.execution import Execution, Limits
    from .runtime.language_model import language_model
    from .runtime.problem import Problem
    from .runtime.run import session
    from .runtime.task import Task


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{home}", __name__)
    value = module if name == home else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

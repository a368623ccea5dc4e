"""Programs as inert data: a blueprint names ready-made modules and their settings, and can be built again.

Only the modules in `READY_MADE` can be built: nothing is imported by a name that stands in data.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from typing import Any, cast

import dspy
from dspy.predict.parameter import Parameter

from ..errors import ExportError, ProgramError
from ..runtime.language_model import language_model
from .critique import Critique, GenerateCritiqueRefine
from .escalate import Escalate
from .execute import Execute
from .generate import Generate
from .graph import Drafts, Graph, Mend
from .guided import GuidedGenerate
from .guided_attempts import GuidedAttempts
from .knobs import from_state
from .paper import PaperCritique, PaperExecute, PaperGenerate, PaperRefine
from .plain_state import plain_state
from .plan import GenerateByPlan, Plan
from .programs import GenerateExecuteRefine, Resample
from .refine import Refine
from .route import Route
from .selecting import Select
from .settings import Setting, settings, to_plain
from .write_tests import WriteTests

READY_MADE: dict[str, type[dspy.Module]] = {
    cls.__name__: cls
    for cls in (
        Generate,
        Execute,
        Refine,
        Critique,
        GenerateExecuteRefine,
        GenerateCritiqueRefine,
        Resample,
        Route,
        Plan,
        GenerateByPlan,
        WriteTests,
        Select,
        Escalate,
        Drafts,
        Mend,
        Graph,
        GuidedGenerate,
        GuidedAttempts,
        PaperGenerate,
        PaperExecute,
        PaperRefine,
        PaperCritique,
    )
}


def is_ready_made(program: dspy.Module) -> bool:
    """Whether the program is made of Greenloop's own modules alone, so that data suffices to build it."""
    if READY_MADE.get(type(program).__name__) is not type(program):
        return False
    return all(is_ready_made(child) for child in _children(program).values())


def blueprint(program: dspy.Module) -> dict[str, Any]:
    """A ready-made program as plain JSON data.

    Raises:
        ProgramError: A module of another class is part of it.
    """
    paths = {id(s): path for path, s in settings(program).items()}

    def draw(module: dspy.Module, path: str) -> dict[str, Any]:
        name = type(module).__name__
        if READY_MADE.get(name) is not type(module):
            raise ProgramError(f"{name} is no ready-made module of Greenloop: its blueprint cannot be drawn")
        drawn: dict[str, Any] = {}
        for key, value in vars(module).items():
            if isinstance(value, Setting):
                here = _join(path, key)
                drawn[key] = value.dump_state() if paths[id(value)] == here else {"same_as": paths[id(value)]}
        children = {k: draw(c, _join(path, k)) for k, c in _children(module).items()}
        result: dict[str, Any] = {"module": name, "settings": drawn, "modules": children}
        if "name" in vars(module):
            result["name"] = cast("Any", module).name
        return result

    return draw(program, "")


def build(data: dict[str, Any]) -> dspy.Module:
    """Build the program that a blueprint describes.

    Raises:
        ExportError: The data name a module that is none of Greenloop's, or settings that it does not have.
    """
    states: dict[str, dict[str, Any]] = {}
    made: dict[str, Setting] = {}

    def collect(node: dict[str, Any], path: str) -> None:
        for key, state in node.get("settings", {}).items():
            states[_join(path, key)] = state
        for key, child in node.get("modules", {}).items():
            collect(child, _join(path, key))

    def one(path: str) -> Setting:
        state = states[path]
        if "same_as" in state:
            return one(state["same_as"])
        if path not in made:
            made[path] = from_state(state)
        return made[path]

    def make(node: dict[str, Any], path: str) -> dspy.Module:
        cls = READY_MADE.get(str(node.get("module")))
        if cls is None:
            raise ExportError(f"the blueprint names the unknown module {node.get('module')!r}")
        arguments: dict[str, Any] = {key: one(_join(path, key)) for key in node.get("settings", {})}
        for key, child in node.get("modules", {}).items():
            arguments[key] = make(child, _join(path, key))
        if "name" in node:
            arguments["name"] = node["name"]
        unknown = arguments.keys() - inspect.signature(cls.__init__).parameters.keys()
        if unknown:
            raise ExportError(f"the blueprint gives {node['module']} the unknown settings {sorted(unknown)}")
        return cls(**arguments)

    try:
        collect(data, "")
        return make(data, "")
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, ProgramError) as error:
        raise ExportError(f"the blueprint cannot be built: {error}") from error


def predictor_state(program: dspy.Module) -> dict[str, Any]:
    """Demos, instructions and fields of every predictor by its path; language models are left out."""
    state: dict[str, Any] = {}
    for path, predictor in program.named_predictors():
        own = predictor.dump_state(json_mode=True)
        own["lm"] = None
        state[path] = json.loads(json.dumps(own, default=str))
    return state


def load_predictor_state(program: dspy.Module, state: dict[str, Any]) -> None:
    """Give a program's predictors the state that `predictor_state` took.

    Raises:
        ExportError: The program has other predictors.
    """
    predictors = dict(program.named_predictors())
    if predictors.keys() != state.keys():
        raise ExportError(
            f"the folder's prompts are for {sorted(state)}, the program's are {sorted(predictors)}"
        )
    for path, predictor in predictors.items():
        predictor.load_state(state[path])


def settings_state(program: dspy.Module) -> dict[str, Any]:
    """Every setting of any program by its path."""
    return {path: s.dump_state() for path, s in settings(program).items()}


def load_settings_state(program: dspy.Module, state: dict[str, Any]) -> None:
    """Give a program's settings the values that `settings_state` took.

    Raises:
        ExportError: The program has other settings, or a value does not fit.
    """
    own = settings(program)
    if own.keys() != state.keys():
        raise ExportError(f"the folder's settings are {sorted(state)}, the program's are {sorted(own)}")
    for path, one in own.items():
        try:
            one.load_state(state[path])
        except (KeyError, ProgramError) as error:
            raise ExportError(f"the setting {path} cannot be loaded: {error}") from error


def source_hash(program: dspy.Module) -> str | None:
    """Hash of the source of the program's class and of its parts' classes that are the user's own.

    None where the source is not at hand.
    """
    own: dict[type, None] = {type(program): None}
    for _, part in program.named_sub_modules():
        known = type(part).__module__.split(".")[0] in ("dspy", __name__.split(".")[0])
        if isinstance(part, dspy.Module) and not known:
            own.setdefault(type(part))
    try:
        return hashlib.sha256("".join(map(inspect.getsource, own)).encode()).hexdigest()
    except (OSError, TypeError):
        return None


def class_name(program: dspy.Module) -> str:
    """Module and name of the program's class."""
    return f"{type(program).__module__}:{type(program).__qualname__}"


def describe(program: dspy.Module) -> dict[str, Any]:
    """What tells one program from another: its class, its settings' values and its prompts.

    A model given as an object is more than its name: its server and the options that shape its answers count too. So do
    the plain attributes of classes that are not ready-made, see `plain_state`.
    """
    told = {
        "class": class_name(program),
        "source": None if is_ready_made(program) else source_hash(program),
        "settings": {path: s.dump_state()["value"] for path, s in settings(program).items()},
        "prompts": predictor_state(program),
    }
    models = {path: said for path, s in settings(program).items() if (said := _unsaid(s.value))}
    plain = {
        path: held
        for path, part in program.named_sub_modules()
        if isinstance(part, dspy.Module)
        and not isinstance(part, Parameter)
        and READY_MADE.get(type(part).__name__) is not type(part)
        and (held := plain_state(part))
    }
    return {**told, **({"models": models} if models else {}), **({"attributes": plain} if plain else {})}


def _unsaid(value: Any) -> dict[str, Any]:
    """What shapes a model's answers and does not stand in the name by which it is written down."""
    if not isinstance(value, dspy.BaseLM):
        return {}
    spec = language_model(value).spec
    named = {} if spec.name == to_plain(value) else {"name": spec.name}
    return {**named, **spec.unnamed_options}


def program_digest(program: dspy.Module) -> str:
    """Content hash of `describe`: the program's name in the ledger."""
    text = json.dumps(describe(program), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _children(module: dspy.Module) -> dict[str, dspy.Module]:
    """Submodules that are no predictors (a stage builds its own predictor)."""
    return {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, dspy.Module) and not isinstance(value, Parameter)
    }


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key

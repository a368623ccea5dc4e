"""The models of an exported program: what is recorded of them, and what of them is missing on this machine."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import dspy

from ..errors import ExportError, GreenloopError, UnknownModel
from ..evals.evidence import Evidence
from ..modules.knobs import Choice
from ..modules.settings import Setting, label, settings
from ..runtime.backends.direct import is_loopback
from ..runtime.backends.ollama import OllamaBackend
from ..runtime.language_model import LanguageModel, language_model
from ..runtime.model_spec import ModelSpec
from .artifact_schema import ModelEntry, ModelRef


def model_settings(program: dspy.Module) -> dict[str, Setting]:
    """The settings that hold a model, by path."""
    return {
        path: s
        for path, s in settings(program).items()
        if path.split(".")[-1].endswith("model")
        and (s.value is None or isinstance(s.value, str | dspy.BaseLM))
    }


def models_in_force(program: dspy.Module) -> dict[str, Any]:
    """Label to model, of every model that the program asks."""
    return {label(s.value): s.value for s in model_settings(program).values() if s.value is not None}


def recorded(program: dspy.Module, evidence: Evidence | None) -> tuple[ModelEntry, ...]:
    """An entry per model that the program asks: the digest that the evidence's runs saw, else this machine's."""
    seen = _seen(evidence)
    entries: list[ModelEntry] = []
    for name, model in sorted(models_in_force(program).items()):
        spec = _described(model)
        digest = seen.get(spec.name, seen.get(name, "")) or spec.digest
        same = spec.digest in ("", digest)
        entries.append(
            ModelEntry(
                name=name,
                backend=spec.backend,
                digest=digest,
                quantisation=spec.quantisation if same else None,
                parameters=spec.parameters if same else None,
                context=spec.context if same else None,
                size_bytes=spec.size_bytes if same else None,
            )
        )
    return tuple(entries)


def references(program: dspy.Module) -> dict[str, dict[str, ModelRef]]:
    """What must be known of models given as objects: their name and the options that are not the defaults."""
    found: dict[str, dict[str, ModelRef]] = {}
    for path, one in model_settings(program).items():
        for model in one.options if isinstance(one, Choice) else [one.value]:
            if not isinstance(model, dspy.BaseLM):
                continue
            spec = language_model(model).spec
            if spec.backend == "custom":
                continue
            options = spec.options.model_dump(mode="json", exclude_defaults=True)
            if options or spec.name != label(model):
                found.setdefault(path, {})[label(model)] = ModelRef(name=spec.name, options=options)
    return found


def put_in(
    program: dspy.Module, refs: Mapping[str, Mapping[str, ModelRef]], instead: Mapping[str, Any]
) -> None:
    """Give the program the models of `refs`, and of `instead` in the place of those that it names.

    Raises:
        ExportError: `instead` names a model that the program does not have.
    """
    known: set[str] = set()
    for path, one in model_settings(program).items():
        here = refs.get(path, {})

        def resolved(model: Any, here: Mapping[str, ModelRef] = here) -> Any:
            if model is None:
                return None
            name = label(model)
            known.add(name)
            if name in instead:
                return instead[name]
            return _referred(here[name]) if name in here else model

        value = resolved(one.value)
        if isinstance(one, Choice):
            one.options = [resolved(option) for option in one.options]
            one.default = resolved(one.default)
        one.value = value
    if unknown := sorted(set(instead) - known):
        raise ExportError(
            f"models= names {unknown[0]!r}; the program's models are {', '.join(sorted(known))}"
        )


def prompt_servers(program: dspy.Module, known: Collection[str] = ()) -> list[str]:
    """One line for each server beyond this machine that a program's prompts go to.

    Args:
        program: The program.
        known: Names of models that are no servers of the folder's choice: the caller put them in, or has to.
    """
    lines: dict[str, str] = {}
    for name, model in models_in_force(program).items():
        try:
            spec = language_model(model).spec
        except GreenloopError:  # what cannot be had here is told by `missing_here`, and sent nothing
            continue
        if name in known or spec.backend in ("embedded", "custom"):
            continue
        provider = f"the provider {spec.model.split('/', 1)[0]}"
        for place in spec.options.hosts or [spec.api_base or provider]:
            host = urlsplit(place if "://" in place else f"http://{place}").hostname or ""
            if place == provider or not is_loopback(host):
                said = f"prompts go to {place}, which is not this machine (model {spec.name})"
                lines.setdefault(place, said)
    return list(lines.values())


def missing_here(
    program: dspy.Module, entries: tuple[ModelEntry, ...], instead: Mapping[str, Any]
) -> list[str]:
    """One line for each model that is missing on this machine, or is another one than was exported."""
    lines: list[str] = []
    for entry in entries:
        given = instead.get(entry.name)
        if entry.backend == "custom" and given is None:
            lines.append(
                f"{entry.name} was a language model object of the exporting process: "
                f"pass load(folder, models={{{entry.name!r}: LM}})"
            )
            continue
        model = given if given is not None else models_in_force(program).get(entry.name, entry.name)
        try:
            spec = _asked_anew(language_model(model))
        except GreenloopError as error:
            lines.append(f"{error}{_was(entry)}")
            continue
        if entry.digest and spec.digest and spec.digest != entry.digest:
            lines.append(
                f"{spec.name} is another model here (digest {spec.digest[:12]}) than was exported (digest"
                f" {entry.digest[:12]}): the evidence is not about it"
            )
    return lines


def same_weights(entries: tuple[ModelEntry, ...], instead: Mapping[str, Any]) -> bool:
    """Whether the models that stand in the place of exported ones are known to be these, served from elsewhere."""
    digests = {entry.name: entry.digest for entry in entries}
    try:
        return all(
            digests.get(name) and _asked_anew(language_model(model)).digest == digests[name]
            for name, model in instead.items()
        )
    except GreenloopError:
        return False


def _asked_anew(model: LanguageModel) -> ModelSpec:
    """What server or file tells of a model now, whatever was remembered of it."""
    engine = cast("Any", model.engine)
    if isinstance(engine.backend, OllamaBackend):
        engine.backend.forget()
    path = engine.backend.spec.path
    if path is not None and not os.path.isfile(path):
        raise UnknownModel(f"{engine.backend.spec.name}: there is no file {path}")
    return engine.describe()


def _was(entry: ModelEntry) -> str:
    told = [f"digest {entry.digest[:12]}"] if entry.digest else []
    told += [entry.quantisation] if entry.quantisation else []
    return f" (exported with {', '.join(told)})" if told else ""


def _referred(ref: ModelRef) -> Any:
    """The language model of a reference; its bare name where the model cannot be had here (a GGUF file is gone)."""
    try:
        return language_model(ref.name, **ref.options)
    except GreenloopError:
        return ref.name


def _described(model: Any) -> ModelSpec:
    """What server or file tells of a model; without that, what its name tells."""
    made: LanguageModel | None = None
    try:
        made = language_model(model)
        return cast("Any", made.engine).describe()
    except GreenloopError:
        if made is not None:
            return made.spec
        return ModelSpec(name=label(model), backend="litellm", model=label(model))


def _seen(evidence: Evidence | None) -> dict[str, str]:
    seen: dict[str, str] = {}
    for finalist in evidence.finalists if evidence else ():
        seen.update(finalist.figure.models)
    if evidence is not None and evidence.confirmed is not None:
        seen.update(evidence.confirmed.models)
    return seen

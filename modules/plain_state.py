"""What a module of a user's own holds besides settings and stages, as data: it tells one program from another."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType
from typing import Any, cast

import dspy
from dspy.predict.parameter import Parameter

from ..runtime.language_model import language_model

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_OPAQUE = object()
_DSPYS_OWN = frozenset(vars(dspy.Module()))


def plain_state(module: dspy.Module) -> dict[str, Any]:
    """The plain attributes that shape what a module does, as JSON data.

    These are the public ones that its class's own code names (an optimizer may have left others), and private ones that
    keep an argument of its constructor; other private names are working state, such as a cache. Settings, stages and
    predictors are told elsewhere. A function counts by its source, defaults and closure, another object by its `repr`;
    one that shows only where it lies in memory counts for nothing.

    Args:
        module: Any DSPy module.

    Example:
        >>> class Repeat(dspy.Module):
        ...     def __init__(self, times):
        ...         super().__init__()
        ...         self.times = times
        ...     def forward(self, problem):
        ...         return dspy.Prediction(code="pass;" * self.times)
        >>> plain_state(Repeat(3))
        {'times': 3}
    """
    arguments, named = inspect.signature(type(module).__init__).parameters, _named(type(module))
    found: dict[str, Any] = {}
    for name, value in vars(module).items():
        told = name.lstrip("_") in arguments if name.startswith("_") else name in named
        data = _plain(value, ()) if told and name not in _DSPYS_OWN else _OPAQUE
        if data is not _OPAQUE:
            found[name] = data
    return found


def _named(cls: type) -> set[str]:
    """Names of attributes in the code of a class, up to what is DSPy's `Module`."""
    names: set[str] = set()
    todo: list[Any] = []
    for base in cls.__mro__[: cls.__mro__.index(dspy.Module)]:
        for held in vars(base).values():
            function = inspect.unwrap(getattr(held, "fget", None) or getattr(held, "__func__", held))
            todo.append(getattr(function, "__code__", None))
    while todo:
        code = todo.pop()
        if isinstance(code, CodeType):
            names.update(code.co_names)
            todo += code.co_consts
    return names


def _plain(value: Any, above: tuple[int, ...]) -> Any:
    """A value as JSON data; `_OPAQUE` where it says nothing, or stands in itself."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dspy.Module | Parameter) or id(value) in above:
        return _OPAQUE
    if isinstance(value, dspy.BaseLM):
        spec = language_model(value).spec
        return {"model": spec.name, **spec.unnamed_options}
    above = (*above, id(value))
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return _some({str(k): _plain(v, above) for k, v in items})
    if isinstance(value, list | tuple):
        return _listed(cast("list[Any]", value), above)
    if isinstance(value, set | frozenset):
        return _listed(sorted(cast("set[Any]", value), key=repr), above)
    if isinstance(value, functools.partial):
        made = cast("functools.partial[Any]", value)
        return _listed([made.func, made.args, made.keywords], above)
    if isinstance(value, FunctionType):
        return _listed([_name(value), _source(value), value.__defaults__, _closure(value)], above)
    if hasattr(value, "__qualname__"):  # a class, a method
        return _name(value)
    if dataclasses.is_dataclass(value):
        held = {f.name: _plain(getattr(value, f.name), above) for f in dataclasses.fields(value)}
        return {"class": _name(type(value)), **{k: v for k, v in held.items() if v is not _OPAQUE}}
    shown = repr(value)
    return _OPAQUE if _ADDRESS.search(shown) else shown


def _some(data: dict[str, Any]) -> Any:
    """What says something of a mapping; nothing of one that only holds modules."""
    told = {key: value for key, value in data.items() if value is not _OPAQUE}
    return told if told or not data else _OPAQUE


def _listed(values: list[Any], above: tuple[int, ...]) -> Any:
    told = [plain for value in values if (plain := _plain(value, above)) is not _OPAQUE]
    return told if told or not values else _OPAQUE


def _name(value: Any) -> str:
    return f"{value.__module__}:{value.__qualname__}"


def _source(function: Callable[..., Any]) -> str:
    """Its source; its byte code where that is not at hand."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return cast("Any", function).__code__.co_code.hex()


def _closure(function: FunctionType) -> list[Any]:
    """What it holds from where it was made; a cell may be empty still."""
    found: list[Any] = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue
    return found

"""A metric by name: what tells one from another."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AnySet
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any, cast

import dspy
from pydantic import BaseModel

from ..evals.scored_run import Metric
from ..modules.blueprint import describe
from ..modules.settings import label

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def metric_name(metric: Metric) -> str:
    """A metric by its name and a hash of its source and of the values that are bound in it.

    Bound are the arguments of a `functools.partial`, the defaults of a function and what it closes over, and the
    attributes of an object that is called or whose method is. Of these count plain values, containers, dataclasses,
    pydantic and DSPy modules and functions; of any other object its class alone, of a global its name in the source.

    Example:
        >>> from functools import partial
        >>> def near(example, prediction, trace=None, points=1):
        ...     return 1.0
        >>> metric_name(partial(near, points=1)) == metric_name(partial(near, points=2))
        False
    """
    named: Any = metric
    while isinstance(named, partial):
        named = cast("Any", named).func
    named = named if hasattr(named, "__qualname__") else type(named)
    text = json.dumps(_Told().of(metric, is_called=True))
    return f"{named.__module__}:{named.__qualname__} {hashlib.sha256(text.encode()).hexdigest()[:12]}"


class _Told:
    """Values as plain data; what holds itself stands once."""

    def __init__(self) -> None:
        self._under_way: set[int] = set()

    def of(self, value: Any, *, is_called: bool = False) -> Any:
        if isinstance(value, _PLAIN):
            return repr(value)
        if id(value) in self._under_way:
            return "itself"
        self._under_way.add(id(value))
        try:
            return self._held(value, is_called)
        finally:
            self._under_way.discard(id(value))

    def _held(self, value: Any, is_called: bool) -> Any:
        if isinstance(value, partial):
            bound = cast("Any", value)
            return [
                "partial",
                self.of(bound.func, is_called=True),
                self.of(bound.args),
                self.of(bound.keywords),
            ]
        if isinstance(value, MethodType):
            return ["method", self.of(value.__func__), self.of(value.__self__, is_called=True)]
        if isinstance(value, FunctionType):
            cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
            bound = [value.__defaults__, value.__kwdefaults__, cells]
            return [_name(value), _source(value), *map(self.of, bound)]
        if isinstance(value, type):
            return [_name(value), _source(value)]
        if isinstance(value, Mapping):
            pairs = cast("Mapping[Any, Any]", value).items()
            return ["mapping", sorted(json.dumps([self.of(k), self.of(v)]) for k, v in pairs)]
        if isinstance(value, AnySet):
            return ["set", sorted(json.dumps(self.of(one)) for one in cast("AnySet[Any]", value))]
        if isinstance(value, Sequence):
            return ["sequence", *map(self.of, cast("Sequence[Any]", value))]
        if isinstance(value, dspy.BaseLM):
            return ["model", label(value)]
        if isinstance(value, dspy.Module):
            return ["module", json.dumps(describe(value), sort_keys=True, default=str)]
        kind = type(value)
        if dataclasses.is_dataclass(value):
            held = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
        elif is_called or isinstance(value, BaseModel):
            held = dict(getattr(value, "__dict__", {}))
        else:
            return [_name(kind)]
        return [_name(kind), _source(kind), self.of(held)]


def _name(one: Any) -> str:
    return f"{one.__module__}:{one.__qualname__}"


def _source(one: Any) -> str:
    """Its source; where that is not at hand, its compiled code."""
    try:
        return inspect.getsource(one)
    except (OSError, TypeError):
        return repr(_code(one.__code__)) if isinstance(one, FunctionType) else ""


def _code(code: CodeType) -> list[Any]:
    constants = [_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return [code.co_code.hex(), code.co_names, constants]


def _is_filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # of a function that is not yet defined
        return False
    return True

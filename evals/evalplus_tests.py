"""The tests of HumanEval+ and MBPP+: candidate and reference on the same inputs, and when their answers agree.

The published inputs are JSON, so tuples, sets and complex numbers of MBPP arrive as lists and strings: `TYPES` says for
which tasks they are turned back, as EvalPlus does. `ORACLES` are its special cases, where more than one
answer is right.
"""

from __future__ import annotations

TYPES: dict[str, tuple[int, ...]] = {
    "[tuple(x) for x in a]": (
        2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740, 744, 809,
    ),
    "[[tuple(y) for y in x] for x in a]": (
        63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780,
    ),
    "[[tuple(y) for y in a[0]], a[1]]": (75, 413, 444, 753),
    "[a[0], tuple(a[1])]": (106, 750),
    "[[set(y) if isinstance(y, list) and y else {} for y in a[0]]]": (115,),
    "[float(a[0]), complex(a[1])]": (124,),
    "[tuple(a[0]), a[1]]": (250, 405, 446, 617, 720, 763, 808),
    "[tuple(tuple(y) for y in x) for x in a]": (259, 401, 445),
    "[tuple(tuple(y) if isinstance(y, list) else y for y in a[0])]": (278,),
    "[tuple(a[0]), a[1], a[2]]": (307,),
    "[{k: tuple(v) for k, v in a[0].items()}, *a[1:]]": (722,),
    "[complex(a[0])]": (252,),
    "_deep(a)": (580, 615, 791),
}  # fmt: skip
"""Python for the arguments `a` of a call → the MBPP tasks whose inputs it turns back."""

_SET_EQUAL = "set(got) == set(want)"
ORACLES: dict[str, str] = {
    "Mbpp/164": "True",
    "Mbpp/295": "got == want or got == 0",
    "Mbpp/581": "got == want or abs(got - round(a[0] ** 2 + 2 * a[0] * math.hypot(a[0] / 2, a[1]))) <= atol",
    "Mbpp/558": "got == want or got == _digit_distance(*map(str, a))",
    **{f"Mbpp/{number}": _SET_EQUAL for number in (2, 7, 111, 140, 232, 249, 579, 769)},
    **dict.fromkeys(
        ("check_str", "text_match_three", "text_starta_endb"),
        "got == want if isinstance(got, bool) else bool(want) == (got is not None)",
    ),
    "HumanEval/32": "abs(sum(c * got**i for i, c in enumerate(a[0]))) <= atol",
}
"""Task, or entry point, → Python that says whether `got` is right for the arguments `a`."""

_TEMPLATE = """\
import copy
import json
import math

_reference = {{}}
exec({reference!r}, _reference)


def _deep(value):
    return tuple(_deep(item) for item in value) if isinstance(value, list) else value


def _digit_distance(x, y):
    width = max(len(x), len(y))
    return sum(abs(int(p) - int(q)) for p, q in zip(x.zfill(width), y.zfill(width)))


def _is_floats(value):
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def _close(got, want, atol):
    if isinstance(want, (list, tuple)):
        same = isinstance(got, (list, tuple)) and len(got) == len(want)
        return same and all(_close(x, y, atol) for x, y in zip(got, want))
    if isinstance(want, (int, float)) and isinstance(got, (int, float)):
        return got == want or abs(got - want) <= atol + 1e-7 * abs(want)
    return got == want


def _agree(a, got, want, atol={atol!r}):
    {oracle}
    atol = atol or (1e-6 if _is_floats(want) else 0)
    return got == want or (bool(atol) and type(got) is type(want) and _close(got, want, atol))


# {name}
for a in json.loads({inputs!r}):
    a = {typed}
    want = _reference[{entry!r}](*copy.deepcopy(a))
    got = {entry}(*copy.deepcopy(a))
    if not _agree(a, got, want):
        assert got == want
        assert False
"""


def differential_test(
    name: str, entry_point: str, reference: str, inputs: str, *, task_id: str = "", atol: float = 0.0
) -> str:
    """A test that compares the candidate with the reference on inputs.

    Args:
        name: Told in the test: "base" or "plus".
        entry_point: The function.
        reference: Source that defines it.
        inputs: JSON list of argument lists.
        task_id: The task, as EvalPlus names it.
        atol: Absolute tolerance of floats; 0 for 1e-6.

    Example:
        >>> "got = inc(" in differential_test("base", "inc", "def inc(n): return n + 1", "[[1]]")
        True
    """
    number = int(task_id.partition("/")[2]) if task_id.startswith("Mbpp/") else -1
    typed = next((python for python, numbers in TYPES.items() if number in numbers), "a")
    oracle = ORACLES.get(task_id) or (ORACLES.get(entry_point) if number >= 0 else None)
    first = ""
    if oracle is not None:
        # HumanEval/32 has many right answers; the others' first rule only adds to the usual one.
        first = f"if {oracle}:\n        return True" if oracle != _SET_EQUAL else f"return {oracle}"
    return _TEMPLATE.format(
        name=name,
        reference=reference,
        entry=entry_point,
        inputs=inputs,
        typed=typed,
        atol=atol,
        oracle=first or "pass",
    )

"""Examples in a docstring, in all the notations that HumanEval's authors used, as assert statements.

What is read: doctests (``>>> f(1)`` with the value beneath, or ``>>> f(1) == 2``), calls with a connector and
a value (``f(1) == 2``, ``=>``, ``==>``, ``->``, ``➞``, ``=``, ``returns``, ``should return``, ``# returns``),
and examples by argument (``For n = 3 the output should be 6``, ``Input: n = 3`` … ``Output: 6``,
``arr = [1]`` … ``return [1]``). Only literal values count, so that the formulas of a recurrence are no
examples. Nothing is run here: whether an example agrees with a reference is for the caller to check.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_CONNECTOR = re.compile(r"[ \t]*(?:#[ \t]*)?(?:==>|=>|==|=|->|➞|→|should\s+return|returns?)[ \t]*")
_AFTER_VALUE = re.compile(r"\s*?(?:\n|$|[.,;]\s|[.,;]$|#|\(|and\b|\"\"\"|''')")
_ATOM = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|True\b|False\b|None\b|true\b|false\b", re.ASCII)
_ARITHMETIC = re.compile(r"[\d\s.+*/()-]+=(?!=)[ \t]*")
_DOCTEST = re.compile(r"^[ \t]*>>> ?(.*)$", re.MULTILINE)
_BY_ARGUMENT = re.compile(
    r"\bFor\s+(?P<given>.+?)[\s,]+the\s+(?:output|result)\s+should\s+be\s*"
    r"|\bInput:\s*(?P<input>.+?)\s*\bOutput:\s*",
    re.DOTALL,
)
_SPOKEN = {"true": "True", "false": "False"}


@dataclass(frozen=True, slots=True)
class _Value:
    """A literal at the start of some text: its source, and how far it reaches."""

    source: str
    end: int


def examples(stub: str, entry_point: str) -> list[str]:
    """Assert statements for the examples in a stub's docstring, in order of appearance, without repeats.

    Args:
        stub: Source from ``def`` on with the docstring, as raw source (escapes not yet interpreted).
        entry_point: The function's name.

    Returns:
        One line of Python each, of the form ``assert f(…) == value``; for a float
        ``assert abs(f(…) - value) < 1e-6``. Empty where no example can be read with certainty.

    Example:
        >>> examples('def inc(n):\\n    \"\"\" For n = 3 the output should be 4. \"\"\"', "inc")
        ['assert inc(3) == 4']
    """
    header, _, text = stub.partition(":\n")
    parameters = _parameters(header + ": pass", entry_point)
    found = _doctests(text, entry_point)
    prose = _DOCTEST.sub("", text)
    found += _calls(prose, entry_point, parameters)
    found += _by_argument(prose, entry_point, parameters)
    found += _by_assignment(prose, entry_point, parameters)
    if not found:
        found = _calls_by_another_name(prose, entry_point, parameters)
    position = {assertion: at for at, assertion in reversed(found)}
    return sorted(position, key=lambda assertion: position[assertion])


def _doctests(text: str, name: str) -> list[tuple[int, str]]:
    """Examples after ``>>>``: a comparison, a call with its value behind it, or with the output beneath."""
    found: list[tuple[int, str]] = []
    for match in _DOCTEST.finditer(text):
        line = match[1].strip()
        if f"{name}(" not in line:
            continue
        expression = _expression(line)
        call = _call_at(line, 0, name)
        if isinstance(expression, ast.Compare):
            found.append((match.start(), f"assert {ast.unparse(expression)}"))
        elif call is not None and (value := _value(line[call.end :])):
            found.append((match.start(), _assertion(call.source, value.source)))
        elif expression is not None:
            beneath = text[match.end() + 1 :]
            value = _value(beneath) if beneath.split("\n", 1)[0].strip() else _Value("None", 0)
            if value is not None:
                found.append((match.start(), _assertion(ast.unparse(expression), value.source)))
    return found


def _calls(
    text: str, name: str, parameters: list[str], written_as: str | None = None
) -> list[tuple[int, str]]:
    """Examples of the form call, connector, value, anywhere in the text."""
    found: list[tuple[int, str]] = []
    for match in re.finditer(rf"(?<![\w.]){re.escape(written_as or name)}\(", text):
        call = _call_at(text, match.start(), written_as or name, parameters)
        if call is None:
            continue
        connector = _CONNECTOR.match(text, call.end)
        value = _value(text[connector.end() :]) if connector else None
        if value is not None:
            source = name + call.source[len(written_as or name) :]
            found.append((match.start(), _assertion(source, value.source)))
    return found


def _calls_by_another_name(text: str, name: str, parameters: list[str]) -> list[tuple[int, str]]:
    """Examples that call the function by a name of their own (``list_sort(…)`` for ``sorted_list_sum``).

    Only calls in lines of their own with an arrow count, and with as many arguments as the function takes.
    """
    pattern = r"^[ \t]*(?:assert )?([a-z_]\w*)(?=\(.*\)\s*=?=>)"
    others = dict.fromkeys(match[1] for match in re.finditer(pattern, text, re.MULTILINE))
    return [example for other in others for example in _calls(text, name, parameters, written_as=other)]


def _by_argument(text: str, name: str, parameters: list[str]) -> list[tuple[int, str]]:
    """Examples that name the arguments (``For n = 3 …``) or list them (``Input:`` … ``Output:``)."""
    found: list[tuple[int, str]] = []
    for match in _BY_ARGUMENT.finditer(text):
        arguments = _arguments(match["given"] or match["input"], parameters)
        value = _value(text[match.end() :])
        if arguments is not None and value is not None:
            found.append((match.start(), _assertion(f"{name}({', '.join(arguments)})", value.source)))
    return found


def _by_assignment(text: str, name: str, parameters: list[str]) -> list[tuple[int, str]]:
    """Examples of a function of one argument that assign it on one line and say ``return`` on a later one."""
    if len(parameters) != 1:
        return []
    found: list[tuple[int, str]] = []
    given = list(re.finditer(rf"^[ \t]*{re.escape(parameters[0])} = ", text, re.MULTILINE))
    for number, match in enumerate(given):
        block = text[match.end() : given[number + 1].start() if number + 1 < len(given) else len(text)]
        argument = _value(block)
        result = re.search(r"^[ \t]*return(?: =)? ", block, re.MULTILINE)
        value = _value(block[result.end() :]) if result else None
        if argument is not None and value is not None:
            found.append((match.start(), _assertion(f"{name}({argument.source})", value.source)))
    return found


def _arguments(text: str, parameters: list[str]) -> list[str] | None:
    """Values from ``a = 1, b = 2``, ``a : 1`` or bare ones, in the parameters' order; None if unclear."""
    values: list[str] = []
    rest = text
    while rest.strip(" \t\n,"):
        rest = rest.lstrip(" \t\n,")
        label = re.match(r"([A-Za-z_]\w*)\s*[=:]\s*", rest)
        if label:
            rest = rest[label.end() :]
            if label[1] in parameters and parameters.index(label[1]) != len(values):
                return None
        value = _literal(rest)
        if value is None:
            return values if len(values) == len(parameters) and not label else None
        values.append(value.source)
        rest = rest[value.end :]
    return values if len(values) == len(parameters) else None


def _call_at(text: str, start: int, name: str, parameters: list[str] | None = None) -> _Value | None:
    """The call of `name` at `start`, with literal arguments; bare words other than parameters are strings."""
    if not text.startswith(f"{name}(", start):
        return None
    end = _closing(text, start + len(name))
    call = _expression(text[start:end]) if end else None
    if end is None or not isinstance(call, ast.Call) or call.keywords:
        return None
    if parameters is not None and len(call.args) != len(parameters):
        return None
    for place, argument in enumerate(call.args):
        if isinstance(argument, ast.Name) and argument.id not in (parameters or ()):
            call.args[place] = ast.Constant(argument.id)
        elif not _is_literal(argument):
            return None
    return _Value(ast.unparse(call), end)


def _value(text: str) -> _Value | None:
    """The literal that `text` starts with, if nothing unexpected follows on its line.

    In a chain of arithmetic (``19 - 5 - 6 = 8``) the last value is the one that counts.
    """
    chain = _ARITHMETIC.match(text)
    skipped = chain.end() if chain else 0
    skipped += len(text[skipped:]) - len(text[skipped:].lstrip())
    value = _literal(text[skipped:])
    if value is None or not _AFTER_VALUE.match(text, skipped + value.end):
        return None
    return _Value(value.source, skipped + value.end)


def _literal(text: str) -> _Value | None:
    """The literal that `text` starts with, as normalised source."""
    if text[:1] in "([{" and text:
        end = _closing(text, 0)
    elif text[:1] in "\"'" and text:
        end = _closing_quote(text, 0)
    else:
        atom = _ATOM.match(text)
        end = atom.end() if atom else None
    if end is None:
        return None
    source = _SPOKEN.get(text[:end], text[:end])
    node = _expression(source)
    return _Value(ast.unparse(node), end) if node is not None and _is_literal(node) else None


def _closing(text: str, start: int) -> int | None:
    """Where the bracket at `start` is closed (one past it), strings skipped; None if it never is."""
    depth, at = 0, start
    while at < len(text):
        if text[at] in "\"'":
            past = _closing_quote(text, at)
            if past is None:
                return None
            at = past
            continue
        depth += (text[at] in "([{") - (text[at] in ")]}")
        at += 1
        if depth == 0:
            return at
    return None


def _closing_quote(text: str, start: int) -> int | None:
    """Where the string at `start` ends (one past its quote); None if it does not end on its line."""
    match = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'").match(text, start)
    return match.end() if match else None


def _expression(source: str) -> ast.expr | None:
    try:
        return ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError):
        return False
    return True


def _assertion(call: str, value: str) -> str:
    if isinstance(ast.literal_eval(value), float) and not call.startswith("round("):
        return f"assert abs({call} - {value}) < 1e-06"
    return f"assert {call} == {value}"


def _parameters(header: str, name: str) -> list[str]:
    """Names of the function's parameters, in order."""
    for node in ast.walk(ast.parse(header)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return [argument.arg for argument in node.args.args]
    return []

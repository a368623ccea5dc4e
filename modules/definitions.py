"""Leaving out what stands around a function: a broken end, example calls, prints and asserts that models add."""

from __future__ import annotations

import ast

from ..runtime.parsing import parse


def definitions_only(code: str, entry_point: str) -> str:
    """The code without top-level statements that its definitions don't need.

    Small models like to end an answer with example calls, a `main()` that reads input, or asserts of their own
    making that are wrong. The tests decide, so these are left out: kept are imports, every function and class, and
    statements that bind or change names which a definition reads.

    Args:
        code: Source that holds more than the function, perhaps.
        entry_point: The function that is wanted; without it, or where the code does not define it at its top
            level, the code is returned as it is.

    Example:
        >>> definitions_only("def f():\\n    return 1\\n\\nprint(f())", "f")
        'def f():\\n    return 1'
    """
    tree = parse(code)
    if tree is None or not any(_is_definition(node) and entry_point in _bound(node) for node in tree.body):
        return code
    needed: set[str] = set()
    for node in tree.body:
        if _is_definition(node):
            needed |= _free(node)
    kept: set[int] = set()
    changed = True
    while changed:
        changed = False
        for i, node in enumerate(tree.body):
            if i not in kept and (
                _always_kept(node) or _bound(node) & needed or _changed_names(node) & needed
            ):
                kept.add(i)
                needed |= _free(node) if _is_definition(node) else _loaded(node)
                changed = True
    if len(kept) == len(tree.body):
        return code
    lines = code.splitlines()
    drop: set[int] = set()
    for i, node in enumerate(tree.body):
        if i not in kept:
            drop.update(range(node.lineno - 1, node.end_lineno or node.lineno))
    for i, node in enumerate(tree.body):
        if i in kept:
            drop -= set(range(_first_line(node) - 1, node.end_lineno or node.lineno))
    return "\n".join(line for i, line in enumerate(lines) if i not in drop).rstrip()


def complete_part(code: str, entry_point: str) -> str:
    """The code without a broken end: what comes after the wanted function and does not compile.

    An answer that is cut at its token limit, or that goes on with a second, broken function, still holds the first
    one whole. The cut is made between top-level statements only, so no function is shortened.

    Args:
        code: Source that need not compile.
        entry_point: The function that must be whole in what is kept.

    Returns:
        The longest such part; the code as it is where it compiles or there is none.

    Example:
        >>> complete_part("def f():\\n    return 1\\n\\ndef g(:\\n", "f")
        'def f():\\n    return 1'
    """
    if parse(code) is not None:
        return code
    lines = code.splitlines()
    starts = [i for i, line in enumerate(lines) if line and not line[0].isspace() and line[0] not in ")]}"]
    for start in reversed(starts):
        part = "\n".join(lines[:start]).rstrip()
        tree = parse(part)
        if tree is not None and any(_has_body(node, entry_point) for node in tree.body):
            return part
    return code


def _has_body(node: ast.stmt, name: str) -> bool:
    """A function or class of this name that holds more than a docstring."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name != name:
        return False
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return len(node.body) > 1 or not is_docstring


def _is_definition(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or (
        isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda)
    )


def _always_kept(node: ast.stmt) -> bool:
    return _is_definition(node) or isinstance(node, ast.Import | ast.ImportFrom)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _loaded(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _free(node: ast.stmt) -> set[str]:
    """Names that a definition reads from around it: not its parameters and locals."""
    own: set[str] = set()
    shared: set[str] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.arg):
            own.add(inner.arg)
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store | ast.Del):
            own.add(inner.id)
        elif isinstance(inner, ast.Global):
            shared.update(inner.names)
    return (_loaded(node) - own) | shared


def _bound(node: ast.stmt) -> set[str]:
    """Names that the statement binds at the top level."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if _is_main_guard(node):
        return set()
    names: set[str] = set()
    todo: list[ast.AST] = [node]
    while todo:
        current = todo.pop()
        if isinstance(current, ast.Name) and isinstance(current.ctx, ast.Store | ast.Del):
            names.add(current.id)
        elif isinstance(current, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(current.name)
            continue
        elif isinstance(current, ast.Import | ast.ImportFrom):
            names.update((a.asname or a.name).split(".")[0] for a in current.names)
        elif isinstance(current, ast.Lambda | ast.comprehension):
            continue
        todo.extend(ast.iter_child_nodes(current))
    return names


def _changed_names(node: ast.stmt) -> set[str]:
    """Names of objects that the statement changes in place: `d[k] = v`, `o.x = v`, `items.append(v)`."""
    if _is_main_guard(node):
        return set()
    names: set[str] = set()
    for current in ast.walk(node):
        if isinstance(current, ast.Subscript | ast.Attribute) and isinstance(current.ctx, ast.Store):
            names |= _loaded(current.value)
        if isinstance(current, ast.Expr) and isinstance(current.value, ast.Call):
            function = current.value.func
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
                names.add(function.value.id)
    return names


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test)
    )

"""Leaving out the script around a function: example calls, prints and asserts that models add at the end."""

from __future__ import annotations

import ast


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
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code
    if not any(_is_definition(node) and entry_point in _bound(node) for node in tree.body):
        return code
    needed: set[str] = set()
    for node in tree.body:
        if _is_definition(node):
            needed |= _loaded(node)
    kept: set[int] = set()
    changed = True
    while changed:
        changed = False
        for i, node in enumerate(tree.body):
            if i not in kept and (
                _always_kept(node) or _bound(node) & needed or _changed_names(node) & needed
            ):
                kept.add(i)
                needed |= _loaded(node)
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

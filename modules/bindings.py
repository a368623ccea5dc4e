"""Names in a program: which ones a statement binds, reads and changes."""

from __future__ import annotations

import ast


def is_definition(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or (
        isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda)
    )


def loaded(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def free(node: ast.stmt) -> set[str]:
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
    return (loaded(node) - own) | shared


def bound(node: ast.stmt) -> set[str]:
    """Names that the statement binds at the top level."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if is_main_guard(node):
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


def changed_names(node: ast.stmt) -> set[str]:
    """Names of objects that the statement changes in place: `d[k] = v`, `o.x = v`, `items.append(v)`."""
    if is_main_guard(node):
        return set()
    names: set[str] = set()
    for current in ast.walk(node):
        if isinstance(current, ast.Subscript | ast.Attribute) and isinstance(current.ctx, ast.Store):
            names |= loaded(current.value)
        if isinstance(current, ast.Expr) and isinstance(current.value, ast.Call):
            function = current.value.func
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
                names.add(function.value.id)
    return names


def is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test)
    )

"""What stands around a function and is no example: settings of modules, and calls that fill what it reads."""

from __future__ import annotations

import ast

from .bindings import bound, changed_names, free, is_definition, is_main_guard, loaded

_SETS = frozenset("seed stack_size disable simplefilter filterwarnings".split())
_CHANGES_ITS_ARGUMENT = frozenset(
    "heapify heappush heappop heappushpop heapreplace insort insort_left insort_right shuffle".split()
)
_SHOWS = frozenset("print pprint input open breakpoint exit quit".split())
_ENDS = frozenset("exit _exit abort main testmod".split())


class SetUp:
    """Tells the statements that a function depends on, though it reads no name that they bind, from examples.

    Two kinds count: what configures an imported module (`sys.setrecursionlimit(10**6)`, `getcontext().prec = 50`), and
    what changes data that the function reads, by a call (`build(1000)` that appends to `primes`). An example is a
    statement that prints, reads input, asserts, ends the program or calls the function, itself or by what it calls.

    Args:
        tree: The program.
        entry_point: The function.
    """

    def __init__(self, tree: ast.Module, entry_point: str) -> None:
        self._entry_point = entry_point
        self._definitions: dict[str, ast.stmt] = {}
        self._data: set[str] = set()
        self._imported: set[str] = set()
        self._binders: dict[str, list[ast.stmt]] = {}
        for node in tree.body:
            names = bound(node)
            brought = set[str]() if is_definition(node) else _imports(node)
            for name in names - brought:
                self._binders.setdefault(name, []).append(node)
            if is_definition(node):
                self._definitions.update(dict.fromkeys(names, node))
                self._data |= _made_global(node)
            else:
                self._data |= names - brought
            self._imported |= brought
        self.statements = self._statements(tree)

    def changes(self, node: ast.stmt) -> set[str]:
        """Names whose objects a statement changes in place; an example (`unittest.main()`) changes no module."""
        names = changed_names(node)
        return names - self._imported if names & self._imported and self._is_example(node) else names

    def _statements(self, tree: ast.Module) -> set[int]:
        """Places of the statements that set something up."""
        reached = self._reach({self._entry_point})
        found: set[int] = set()
        around = [(i, n) for i, n in enumerate(tree.body) if not is_definition(n) and not is_main_guard(n)]
        assigned = {i for i, n in around if isinstance(n, ast.Assign | ast.AnnAssign) and bound(n)}
        size = -1
        while size != len(reached) + len(found):
            size = len(reached) + len(found)
            for i, node in around:
                if i in found or (changed_names(node) - self._imported) & reached:
                    reached |= self._reach(loaded(node))
                elif i not in assigned and self._sets(node, reached) and not self._is_example(node):
                    found.add(i)
        return found

    def _sets(self, node: ast.stmt, reached: set[str]) -> bool:
        data = reached & self._data
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                if _root(inner) in self._imported:
                    return True
            elif isinstance(inner, ast.Call):
                name, given = _last(inner.func), {_root(a) for a in inner.args}
                if _root(inner.func) in self._imported:
                    if name.startswith("set") or name in _SETS:
                        return True
                    if name in _CHANGES_ITS_ARGUMENT and given & data:
                        return True
                elif isinstance(inner.func, ast.Name) and name in self._definitions:
                    written, arguments = self._written_by(name)
                    if written & data or (arguments and given & data):
                        return True
        return False

    def _written_by(self, name: str) -> tuple[set[str], bool]:
        """Data that a function changes, itself or by what it calls, and whether it changes what it is given."""
        written: set[str] = set()
        arguments = False
        for called in self._reach({name}) & self._definitions.keys():
            node = self._definitions[called]
            changed = self._changed_in(node)
            written |= changed & free(node) & self._data
            arguments = arguments or bool(changed & {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)})
        return written, arguments

    def _changed_in(self, node: ast.stmt) -> set[str]:
        names = _made_global(node)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Subscript | ast.Attribute) and not isinstance(inner.ctx, ast.Load):
                names.add(_root(inner))
            elif isinstance(inner, ast.Call):
                if isinstance(inner.func, ast.Attribute):
                    names.add(_root(inner.func))
                if _last(inner.func) in _CHANGES_ITS_ARGUMENT:
                    names |= {_root(a) for a in inner.args}
        return names - self._imported

    def _reach(self, names: set[str]) -> set[str]:
        """These names, and all that is read where they are bound."""
        reached: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in reached:
                reached.add(name)
                for node in self._binders.get(name, []):
                    todo += free(node) if is_definition(node) else loaded(node)
        return reached

    def _is_example(self, node: ast.stmt) -> bool:
        names = self._reach(loaded(node))
        if self._entry_point in names or names & _SHOWS - self._binders.keys():
            return True
        parts = [node, *(n for name in names for n in self._binders.get(name, []))]
        return any(self._asserts_or_ends(inner) for part in parts for inner in ast.walk(part))

    def _asserts_or_ends(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return node.func.attr in _ENDS and _root(node.func) in self._imported
        return isinstance(node, ast.Assert) or (isinstance(node, ast.Name) and node.id == "SystemExit")


def _imports(node: ast.stmt) -> set[str]:
    """Names that a statement brings in, also where it tries to."""
    found = (inner for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom))
    return {(alias.asname or alias.name).split(".")[0] for inner in found for alias in inner.names}


def _made_global(node: ast.stmt) -> set[str]:
    return {name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names}


def _root(node: ast.expr) -> str:
    """The name that an expression goes out from: `d` of `d[k].append(v)`; empty where it is none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _last(node: ast.expr) -> str:
    """The last name of a callee: `seed` of `random.seed`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""

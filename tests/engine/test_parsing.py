"""Parsing beside threads that parse by themselves."""

from __future__ import annotations

import ast
import contextlib
import gc
import sys
import threading

from greenloop.runtime.parsing import parse, syntax_tree

CODE = "def f(x):\n" + "".join(
    f"    if x == {i}:\n        return [{i}, (x + {i}) * 2, {{'a': x}}]\n" for i in range(60)
)


class Garbage:
    """Collected while a tree is constructed, it lets another thread go on in the middle."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        for _ in range(50):
            pass


def test_a_thread_that_parses_beside_us_breaks_nothing() -> None:
    wanted = ast.dump(ast.parse(CODE))
    ended = threading.Event()
    found: list[bool] = []

    def theirs() -> None:
        while not ended.is_set():
            Garbage()
            with contextlib.suppress(SystemError):  # CPython 3.11
                ast.parse(CODE)

    def ours() -> None:
        for _ in range(10):
            Garbage()
            found.append(ast.dump(syntax_tree(CODE)) == wanted)

    threads = [threading.Thread(target=ours) for _ in range(2)]
    others = [threading.Thread(target=theirs) for _ in range(2)]
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    try:
        for thread in (*others, *threads):
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        ended.set()
        for thread in others:
            thread.join()
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
    assert found == [True] * 20


def test_what_does_not_compile_is_none() -> None:
    assert parse("def f(:") is None
    assert parse("x = '\0'") is None
    assert parse("(" * 5000) is None

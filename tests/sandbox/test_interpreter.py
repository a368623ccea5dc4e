"""The sandbox behind DSPy's interpreter protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from greenloop.runtime.execution import Limits
from greenloop.runtime.sandbox import SandboxInterpreter

dspy = pytest.importorskip("dspy")


@pytest.fixture(scope="module")
def repl() -> Iterator[SandboxInterpreter]:
    with SandboxInterpreter(tools={"add": lambda a, b=1: a + b}) as made:
        yield made


def errors() -> Any:
    from dspy.primitives import code_interpreter

    return code_interpreter


def test_it_is_an_interpreter(repl: SandboxInterpreter) -> None:
    assert isinstance(repl, errors().CodeInterpreter)


def test_state_variables_and_tools(repl: SandboxInterpreter) -> None:
    assert repl.execute("x = 2\nprint(x)") == "2\n"
    assert repl.execute("print(x + y, add(3, b=4))", {"y": 5}) == "7 7\n"
    assert repl.execute("z = 1") is None


def test_a_failing_tool_raises_in_the_code() -> None:
    def broken() -> None:
        raise ValueError("no")

    with SandboxInterpreter(tools={"broken": broken}) as made:
        assert made.execute("try:\n    broken()\nexcept ValueError as e:\n    print(e)") == "no\n"


def test_submit(repl: SandboxInterpreter) -> None:
    assert repl.execute("SUBMIT({'a': [1]})\nprint('never')").output == {"a": [1]}
    repl.output_fields = [{"name": "answer"}, {"name": "why"}]
    assert repl.execute("SUBMIT(answer=1, why='so')").output == {"answer": 1, "why": "so"}
    assert repl.execute("SUBMIT(1, 'so')").output == {"answer": 1, "why": "so"}
    with pytest.raises(errors().CodeExecutionError, match="SUBMIT takes"):
        repl.execute("SUBMIT(1)")
    repl.output_fields = None


def test_failures_of_the_code_leave_the_session_alive(repl: SandboxInterpreter) -> None:
    with pytest.raises(errors().CodeExecutionError, match="ZeroDivisionError"):
        repl.execute("1 / 0")
    with pytest.raises(SyntaxError):
        repl.execute("def (")
    with pytest.raises(errors().CodeExecutionError, match="Operation not permitted"):
        repl.execute("import socket\nsocket.socket()")
    assert repl.execute("print(1)") == "1\n"


@pytest.mark.parametrize("code", ["import os\nos._exit(0)", "while True: pass"])
def test_a_lost_session_is_over(code: str) -> None:
    with SandboxInterpreter(limits=Limits(wall_s=1)) as made:
        with pytest.raises(errors().CodeInterpreterError):
            made.execute(code)
        with pytest.raises(errors().CodeInterpreterError, match="over"):
            made.execute("print(1)")


def test_what_does_not_travel_is_told_in_words_and_leaves_the_session_alive(repl: SandboxInterpreter) -> None:
    with pytest.raises(errors().CodeExecutionError, match="SUBMIT takes data, not an object of class A"):
        repl.execute("class A: pass\nSUBMIT(A())")
    with pytest.raises(errors().CodeInterpreterError, match="cannot travel: code and variables of 17"):
        repl.execute("1", {"y": "a" * 17_000_000})
    repl.tools["much"] = lambda: "a" * 17_000_000
    with pytest.raises(errors().CodeExecutionError, match="ValueError: a tool's result of 17"):
        repl.execute("much()")
    assert repl.execute("print(1)") == "1\n"


def test_rlm_runs_on_it() -> None:
    from dspy.utils.dummies import DummyLM

    answers = [{"reasoning": "count", "code": "SUBMIT(answer=str(len(question)))"}] * 3
    rlm = dspy.RLM("question -> answer", interpreter_factory=SandboxInterpreter, max_iters=2)
    with dspy.context(lm=DummyLM(answers)):
        assert rlm(question="four").answer == "4"

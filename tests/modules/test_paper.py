"""The paper's set-up: prompts, the extracted code alone, no preamble, oracle steering, the last code."""

from __future__ import annotations

import sys

import greenloop as gl
import pytest
from greenloop.errors import ProgramError
from greenloop.modules import paper
from greenloop.modules.blueprint import blueprint, build
from greenloop.testing import ScriptedModel

STUB = gl.Task(
    task_id="HumanEval/x",
    prompt='from typing import List\n\n\ndef total(xs: List[int]) -> int:\n    """Add up. >>> total([1])\n    1"""\n',
    entry_point="total",
    preamble="from typing import List\n",
    visible_tests=["assert total([1]) == 1"],
    hidden_tests=["def check(candidate):\n    assert candidate([1, 2]) == 3\n\n\ncheck(total)\n"],
)
WORDS = gl.Task(
    task_id="MBPP/x",
    prompt="Write a function that adds one.",
    entry_point="inc",
    preamble="import math\n",
    visible_tests=["assert inc(1) == 2"],
    hidden_tests=["assert inc(2) == 3"],
)
WITH_LIST = "```python\ndef total(xs: List[int]) -> int:\n    return sum(xs)\n```"
PLAIN = "```python\ndef total(xs):\n    return sum(xs)\n```"
WRONG = "```python\ndef total(xs):\n    return 0\n```"


def test_a_stubs_preamble_is_dropped_and_only_its_hidden_test_is_left() -> None:
    task = paper.paper_task(STUB)
    assert task.prompt == STUB.prompt
    assert task.preamble == ""
    assert task.tests == STUB.hidden_tests


def test_a_request_in_words_shows_all_its_tests_and_keeps_the_imports_of_its_tests() -> None:
    task = paper.paper_task(WORDS)
    assert task.visible_tests == WORDS.tests
    assert task.preamble == WORDS.preamble
    assert "assert inc(2) == 3" in task.problem.render()


EVALUATED = sys.version_info < (3, 14)
"""Whether annotations are evaluated where they stand, as when the paper was written."""


@pytest.mark.parametrize(("answer", "solved"), [(WITH_LIST, 0.0 if EVALUATED else 1.0), (PLAIN, 1.0)])
def test_the_name_errors_of_the_papers_harness_are_reproduced(answer: str, solved: float) -> None:
    with gl.session():
        scores = gl.score(paper.paper_single(ScriptedModel([answer])), [paper.paper_task(STUB)], oracle=True)
    assert scores.mean == solved
    with gl.session():
        program = gl.Resample(generate=gl.Generate(model=ScriptedModel([answer])), samples=1)
        assert gl.score(program, [STUB]).mean == 1.0


def test_prompts_are_one_system_line_and_one_turn_with_error_output_and_failed_tests() -> None:
    model = ScriptedModel([WRONG, PLAIN])
    with gl.session():
        result = paper.paper_refine(model)(problem=paper.paper_task(STUB).problem_for("oracle"))
    first, second = model.calls
    assert [m["role"] for m in first.messages] == ["system", "user"]
    assert first.messages[1]["content"] == STUB.prompt.rstrip()
    assert [m["role"] for m in second.messages] == ["system", "user"]
    shown = second.messages[1]["content"]
    assert STUB.prompt.rstrip() in shown
    assert "return 0" in shown
    assert "AssertionError" in shown
    assert "check(candidate)" not in shown
    assert (first.sampling["temperature"], second.sampling["temperature"]) == (0.3, 0.2)
    assert first.sampling["max_tokens"] == 512
    assert result.execution.passed


def test_the_last_code_is_returned() -> None:
    model = ScriptedModel([PLAIN, WRONG, WRONG, WRONG])
    with gl.session():
        forced = paper.paper_refine(model, stop="never")
        assert "return 0" in forced(problem=paper.paper_task(STUB).problem_for("oracle")).code


def test_the_evolved_pipeline_analyses_before_it_refines() -> None:
    model = ScriptedModel([WRONG, "It returns nothing but zero.", PLAIN])
    with gl.session():
        paper.paper_evolved(model, model)(problem=paper.paper_task(STUB).problem_for("oracle"))
    assert "It returns nothing but zero." in model.calls[2].messages[1]["content"]
    assert [c.sampling["temperature"] for c in model.calls] == [0.35, 0.48, 0.15]


def test_code_is_found_by_the_papers_rule() -> None:
    assert paper.extracted("Sure:\n```python\nx = 1\n```\n```python\ny = 2\n```") == "x = 1"
    assert paper.extracted("Here:\ndef f():\n    return 1") == "def f():\n    return 1"
    assert paper.extracted("import math\ndef f(): return 1").startswith("import math")


def test_error_output_is_cut_at_a_thousand_characters() -> None:
    long = gl.Execution("error", error_type="ValueError", message="x" * 5000, tests_total=1)
    text = paper.error_output(long)
    assert text.count("x") < 1000
    assert paper.error_output(gl.Execution("passed")) == ""


@pytest.mark.parametrize("stage", [paper.PaperGenerate, paper.PaperRefine])
def test_imports_that_the_papers_harness_does_not_add_are_refused(stage) -> None:
    with pytest.raises(ProgramError, match="add_imports must be False, not True"):
        stage(add_imports=True)


def test_its_programs_export() -> None:
    for program in (paper.paper_refine("embedded"), paper.paper_evolved("embedded", "embedded")):
        again = build(blueprint(program))
        assert type(again.generate) is paper.PaperGenerate
        assert again.keep.value == "last"

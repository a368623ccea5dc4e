"""WriteTests: tests of a model's own, where a task has few; only what several drafts agree on may steer."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

import dspy
from pydantic import BaseModel, Field

from ..runtime.budget import Usage
from ..runtime.problem import Problem
from ..runtime.structured import Form, read_answer
from .allowed import AT_LEAST_ONE, COUNT
from .call_text import CallTest, call_tests
from .settings import Setting, setting
from .stage import ModelStage


class WriteSixTests(dspy.Signature):
    """Write six tests of the function, edge cases too, one a line, as `assert NAME(arguments) == result`. No words."""

    problem: str = dspy.InputField()
    tests: str = dspy.OutputField()


class TestList(BaseModel):
    """Tests as data; how many there may be is the server's to keep, a longer list is read all the same."""

    __test__ = False

    tests: list[str] = Field(json_schema_extra={"minItems": 1, "maxItems": 6})


def tests_form(entry_point: str) -> Form:
    """Tests of one function as data: the grammar leaves the model arguments and results alone."""
    words = f'Answer as JSON with "tests", a list of texts that begin with `assert {entry_point}(`, in single quotes.'
    texts = rf"^assert {re.escape(entry_point)}\([^\"\\\n]{{0,160}}\) == [^\"\\\n]{{1,80}}$"
    return Form(TestList, words, {"tests": texts})


class WriteTests(ModelStage):
    """Writes tests for a problem that shows few, and keeps those that independent drafts agree on.

    A small model's own tests are often wrong, and a wrong test that steers breaks code that was right. So several
    drafts are drawn, each without sight of the others; a test stays only if `agreement` drafts name the same call with
    the same result, and more drafts name that result than any other. Tests have the form
    ``assert NAME(literals) == literal``; everything else in an answer is passed over.

    Args:
        model: Name of a model, a `dspy.LM`, or a `Choice` of them; without one it follows `dspy.configure(lm=…)`.
        temperature: Sampling temperature; at 0 the drafts would be copies that agree on anything.
        top_p: Nucleus sampling; None leaves it to the server.
        max_tokens: Most tokens of one draft.
        drafts: Drafts, one model call each.
        agreement: How many of them must say the same.
        enough: With so many visible tests none are written, and no call is made.
        structured: Ask for the tests as data, by a JSON schema where the server knows schemas. Whatever comes is read
            leniently, so the setting changes what is asked, never what passes. Off by default: it is not shown to be
            better (embedded model, starter tasks: 6 of 10 drafts held a readable test with it, 21 of 55 without; of
            those tests 7 of 24 and 23 of 86 were right). A `Choice([False, True])` lets a tuner find out.
        name: The stage's place in the program, which goes into seeds.

    Example:
        >>> WriteTests(model="embedded", drafts=3).agreement.value
        2

    Source: after CodeT (arXiv 2207.10397), where code and tests of one model vote for each other; here the tests vote
    among themselves, which costs no code.
    """

    allowed: ClassVar = {
        **ModelStage.allowed,
        "drafts": AT_LEAST_ONE,
        "agreement": AT_LEAST_ONE,
        "enough": COUNT,
    }
    add_imports: Setting = setting(False)

    def __init__(
        self,
        *,
        model: Any = None,
        temperature: Any = 0.7,
        top_p: Any = None,
        max_tokens: Any = 300,
        drafts: int | Setting = 3,
        agreement: int | Setting = 2,
        enough: int | Setting = 3,
        structured: bool | Setting = False,
        name: str | None = None,
    ) -> None:
        super().__init__(
            WriteSixTests,
            model=model,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            name=name or "write_tests",
        )
        del self.add_imports  # the class's own holds: tests have no imports, so that is no setting here
        self.drafts = setting(drafts)
        self.agreement = setting(agreement)
        self.enough = setting(enough)
        self.structured = setting(structured)

    def form(self, problem: Problem) -> Form | None:
        """See `ModelStage.form`."""
        return tests_form(problem.entry_point)

    def forward(self, problem: Problem) -> dspy.Prediction:
        """Write tests.

        Args:
            problem: What they are to test; without an entry point there is nothing to call, and no test.

        Returns:
            `tests` (sources of those that may steer, none of them a visible one), `written` (how many different ones
            the drafts held) and `usage`.
        """
        if not problem.entry_point or len(problem.visible_tests) >= self.enough.value:
            return dspy.Prediction(tests=(), written=0, usage=Usage())
        drafts: list[list[CallTest]] = []
        usage = Usage()
        for _ in range(self.drafts.value):
            prediction, attempt = self.ask(problem, problem=problem.render())
            drafts.append(read_tests(str(prediction.tests or ""), problem.entry_point))
            usage += attempt.usage
        shown = {t.call for t in call_tests("\n".join(problem.visible_tests), problem.entry_point)}
        agreed = [t for t in agreed_tests(drafts, self.agreement.value) if t.call not in shown]
        written = len({test for draft in drafts for test in draft})
        return dspy.Prediction(tests=tuple(t.source for t in agreed), written=written, usage=usage)


def read_tests(text: str, entry_point: str) -> list[CallTest]:
    """The tests in an answer, which may be a list as data or lines of Python.

    Example:
        >>> [t.source for t in read_tests('{"tests": ["assert f(1) == 2.5", "assert f(', "f")]
        ['assert f(1) == 2.5']
    """
    told = read_answer(text, TestList)  # first: what ends a line of JSON is no end of a test
    found = call_tests("\n".join(told.tests), entry_point) if told else []
    return found or call_tests(text, entry_point)


def agreed_tests(drafts: list[list[CallTest]], agreement: int) -> list[CallTest]:
    """The tests that at least `agreement` drafts hold, and whose result more drafts name than any other.

    A draft that gives one call two results contradicts itself and has no vote on it.

    Example:
        >>> a, b = CallTest("f(1)", "2"), CallTest("f(1)", "3")
        >>> [t.source for t in agreed_tests([[a], [a], [b]], 2)]
        ['assert f(1) == 2']
    """
    votes: Counter[CallTest] = Counter()
    for draft in drafts:
        results: Counter[str] = Counter(test.call for test in draft)
        votes.update(test for test in draft if results[test.call] == 1)
    rivals: dict[str, list[int]] = {}
    for test, count in votes.items():
        rivals.setdefault(test.call, []).append(count)
    return [
        test
        for test, count in votes.items()
        if count >= agreement and count == max(rivals[test.call]) and rivals[test.call].count(count) == 1
    ]


def with_tests(problem: Problem, tests: tuple[str, ...]) -> Problem:
    """The problem with further tests that steer; its visible and hidden ones stay, and a model is shown no more.

    Example:
        >>> with_tests(Problem("t", "p", visible_tests=("assert f(1)",)), ("assert f(2)",)).steering_tests
        ('assert f(1)', 'assert f(2)')
    """
    if not tests:
        return problem
    if problem.steering == "visible":
        return replace(problem, visible_tests=problem.visible_tests + tests)
    return replace(problem, steering_tests=problem.steering_tests + tests)

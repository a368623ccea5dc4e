"""The two styles of prompt, and where the signal goes in each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, cast, get_args

import dspy

from ..runtime.problem import Problem
from .adapter import CodeAdapter

PromptStyle = Literal["instruction", "few_shot"]
"""`instruction`: the prompt of `Generate`, the signal at its end. `few_shot`: two worked examples first, the signal
right after the last of them."""

PROMPT_STYLES: tuple[str, ...] = get_args(PromptStyle)

EXAMPLES = (
    {
        "problem": "Write a function that counts the words of a text that begin with a capital letter.\n\n"
        "Your code must pass these tests:\n"
        "assert capitalised('Ann met bob and Carl') == 2",
        "code": "def capitalised(text):\n"
        "    count = 0\n"
        "    for word in text.split():\n"
        "        if word[0].isupper():\n"
        "            count += 1\n"
        "    return count",
    },
    {
        "problem": "Write a function that gives the differences of neighbouring numbers of a list.\n\n"
        "Your code must pass these tests:\n"
        "assert steps([1, 4, 9]) == [3, 5]\n"
        "assert steps([7]) == []",
        "code": "def steps(numbers):\n"
        "    found = []\n"
        "    for i in range(1, len(numbers)):\n"
        "        found.append(numbers[i] - numbers[i - 1])\n"
        "    return found",
    },
)
"""Worked examples of our own."""


def as_guided(problem: Problem) -> Problem:
    """The problem as guided prompts pose it: where hidden tests steer they are shown too, as in the paper."""
    return replace(problem, visible_tests=problem.steering_tests) if problem.steering == "oracle" else problem


def guided_messages(
    predict: dspy.Predict,
    problem: Problem,
    style: str,
    signal: str = "",
    *,
    instructions: str | None = None,
) -> list[dict[str, str]]:
    """The messages of a context: with a signal the guided one, without the plain one.

    Args:
        predict: The stage's predictor; its instructions and worked examples are part of the prompt.
        problem: What to solve.
        style: A `PromptStyle`.
        signal: What running candidates showed.
        instructions: Words in place of the predictor's own.
    """
    demos = cast("list[dict[str, Any]]", list(cast("Any", predict).demos))
    if style == "few_shot":
        demos = [*demos, *EXAMPLES]
    signature = cast("type[dspy.Signature]", cast("Any", predict).signature)
    if instructions is not None:
        signature = signature.with_instructions(instructions)
    messages = CodeAdapter().format(signature, demos, {"problem": problem.render()})
    if signal:
        last = str(messages[-1]["content"])
        joined = f"{signal}\n\n{last}" if style == "few_shot" else f"{last}\n\n{signal}"
        messages = [*messages[:-1], {**messages[-1], "content": joined}]
    return [{"role": str(m["role"]), "content": str(m["content"])} for m in messages]

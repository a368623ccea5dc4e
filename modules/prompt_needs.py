"""How long the prompts of a program can get on a set of tasks: what is asked before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import dspy

from ..runtime.preflight import PromptNeed
from ..runtime.problem import Problem
from ..runtime.task import Task
from .adapter import CodeAdapter
from .guided_prompts import as_guided
from .knobs import Choice, Int
from .settings import Setting
from .stage import ModelStage

_FEEDBACK_TOKENS = 400
"""Feedback has at most some 1,000 characters (`modules.feedback`)."""


def prompt_needs(program: dspy.Module, tasks: Sequence[Task], *, oracle: bool = False) -> list[PromptNeed]:
    """The longest prompt of every stage and model of a program.

    What the run itself adds to a prompt (the code before, a plan, a note) counts at the most that the program's
    stages may answer.

    Args:
        program: Any DSPy module; its stages are looked at, with every option of their `Choice`s.
        tasks: What it is to be run on.
        oracle: Hidden tests steer too; they are shown in feedback, which is bounded, and in guided prompts.

    Example:
        >>> from greenloop import Generate, Task
        >>> (need,) = prompt_needs(Generate(model="embedded"), [Task(task_id="a", prompt="Write f().")])
        >>> need.model, need.max_tokens, need.task_id
        ('embedded', 512, 'a')
    """
    problems = [task.problem_for("oracle" if oracle else "visible") for task in tasks]
    if not problems:
        return []
    stages = cast("list[ModelStage]", [stage for _, stage in program.named_sub_modules(ModelStage)])
    most_answer = max((_most(stage.max_tokens) for stage in stages), default=0)
    needs: list[PromptNeed] = []
    plain = _longest(problems)
    for stage in stages:
        task_id, posed = _longest([as_guided(p) for p in problems]) if stage.by_token else plain
        signature: Any = stage.predict.signature
        messages = CodeAdapter().format(
            signature, list(stage.predict.demos), {"problem": posed, "message": posed}
        )
        earlier = [n for n in signature.input_fields if n not in ("problem", "feedback")]
        added = most_answer * len(earlier) + (_FEEDBACK_TOKENS if "feedback" in signature.input_fields else 0)
        forms = [form.words for problem in problems if (form := stage.form(problem))]
        said = [*(str(m["content"]) for m in messages), *sorted(forms, key=len)[-1:]]
        text = "\n".join(said)
        for model in _models(stage):
            needs.append(
                PromptNeed(
                    model=model,
                    text=text,
                    added_tokens=added,
                    max_tokens=_most(stage.max_tokens),
                    task_id=task_id,
                    stage=stage.name,
                    by_token=stage.by_token,
                )
            )
    return needs


def _longest(problems: Sequence[Problem]) -> tuple[str, str]:
    """Id and text of the problem that is longest to read."""
    return max(((p.task_id, p.render()) for p in problems), key=lambda told: len(told[1]))


def _models(stage: ModelStage) -> list[Any]:
    """Every model that the stage may be given."""
    if isinstance(stage.model, Choice):
        return [option for option in stage.model.options if option]
    chosen = stage.model.value or stage.predict.lm or dspy.settings.lm
    return [chosen] if chosen else []


def _most(setting: Setting) -> int:
    """The largest value that a setting of a number of tokens may take."""
    if isinstance(setting, Int):
        return setting.high
    if isinstance(setting, Choice):
        return max((int(option) for option in setting.options if option), default=0)
    return int(setting.value or 0)

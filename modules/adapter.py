"""The DSPy adapter of the stages: a short prompt, one fenced block asked for, any shape of answer read.

DSPy's own adapters spend some 900 characters on field markers and fail on a bare fenced block, the answer that
small models give most. Layout: system line, then the problem as the first user turn in every stage (so that a
server's prefix cache serves generate and refine alike), then, for refining, the previous code as the model's own
turn and the feedback as the next user turn.
"""

from __future__ import annotations

from typing import Any

import dspy
from dspy.adapters.base import Adapter

from .code_text import extract_code

SYSTEM = "You are an expert Python programmer."
ASK_FOR_CODE = "Answer with one ```python block that holds the whole program and nothing else."


class CodeAdapter(Adapter):
    """Renders code-writing signatures as plain chat turns and reads code out of any answer.

    A signature's input fields have a place by name: ``problem`` opens the conversation, ``previous`` is shown as
    the model's own earlier answer, every other field is a titled paragraph of the last turn (``feedback`` without
    a title). The signature's instructions end the last turn. The output field ``code`` is extracted with
    `extract_code`; any other single output field takes the whole answer.

    Args:
        entry_point: Name that the code should define.
        stub: Start of the program that the prompt shows.
        add_imports: See `extract_code`.

    Example:
        >>> CodeAdapter().parse(dspy.Signature("problem -> code"), "def f(): return 1")
        {'code': 'def f(): return 1'}
    """

    def __init__(self, *, entry_point: str = "", stub: str = "", add_imports: bool = True) -> None:
        super().__init__()
        self.entry_point = entry_point
        self.stub = stub
        self.add_imports = add_imports

    def format(
        self, signature: type[dspy.Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """The messages of a call, worked examples first."""
        system = f"{SYSTEM} {ASK_FOR_CODE}" if _wants_code(signature) else SYSTEM
        messages: list[dict[str, Any]] = [{"role": "system", "content": system}]
        for demo in demos:
            turns = self._turns(signature, dict(demo))
            answer = _answer(signature, dict(demo))
            if turns and answer:
                messages += [*turns, {"role": "assistant", "content": answer}]
        return messages + self._turns(signature, inputs)

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """The output fields of an answer; `code` is empty where the answer holds none."""
        values: dict[str, Any] = dict.fromkeys(signature.output_fields, completion.strip())
        if "code" in values:
            values["code"] = extract_code(
                completion, entry_point=self.entry_point, stub=self.stub, add_imports=self.add_imports
            )
        return values

    def _call_postprocess(
        self,
        processed_signature: type[dspy.Signature],
        original_signature: type[dspy.Signature],
        outputs: list[dict[str, Any] | str],
        lm: Any,
        lm_kwargs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """An empty answer is an answer without code, not an error."""
        texts = [(o.get("text") if isinstance(o, dict) else o) or "" for o in outputs]
        return [self.parse(processed_signature, text) for text in texts]

    def _turns(self, signature: type[dspy.Signature], values: dict[str, Any]) -> list[dict[str, Any]]:
        fields = [n for n in signature.input_fields if values.get(n) not in (None, "")]
        problem = str(values.get("problem") or "")
        last = [
            str(values[n]) if n == "feedback" else f"{n.replace('_', ' ').capitalize()}:\n{values[n]}"
            for n in fields
            if n not in ("problem", "previous")
        ]
        last.append(signature.instructions)
        if "previous" in fields:
            return [
                {"role": "user", "content": problem},
                {"role": "assistant", "content": fenced(str(values["previous"]))},
                {"role": "user", "content": "\n\n".join(last)},
            ]
        return [{"role": "user", "content": "\n\n".join([problem, *last]).strip()}]


def fenced(code: str) -> str:
    """Code as a fenced block."""
    return f"```python\n{code.strip()}\n```"


def _wants_code(signature: type[dspy.Signature]) -> bool:
    return "code" in signature.output_fields


def _answer(signature: type[dspy.Signature], values: dict[str, Any]) -> str:
    if _wants_code(signature):
        return fenced(str(values["code"])) if values.get("code") else ""
    return "\n\n".join(str(values[n]) for n in signature.output_fields if values.get(n))

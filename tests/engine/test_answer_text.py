"""What answers are cleaned of, and what must pass untouched."""

from __future__ import annotations

import random

import pytest
from greenloop.runtime.backends.answer_text import RepetitionWatch, split_thinking, strip_escapes
from hypothesis import given
from hypothesis import strategies as st

STRIPS = "```python\ndef f(s):\n    return re.sub(r'<think>.*?</think>', '', s)\n```"


@pytest.mark.parametrize(
    ("raw", "answer", "thinking"),
    [
        ("<think>hm</think>\n\nx = 1", "x = 1", "hm"),
        ("hm, well</think>x = 1", "x = 1", "hm, well"),
        ("<think>never ends", "", "never ends"),
        ("<think></think>x", "x", ""),
        ("<thinking>a</thinking>b<think>c</think>d", "bd", "a\nc"),
        ("x = 1", "x = 1", ""),
        ("```python\ns = '<think>'\n```", "```python\ns = '<think>'\n```", ""),
        (f"<think>hm</think>{STRIPS}", STRIPS, "hm"),
        (f"draft:\n{STRIPS}\nwell</think>{STRIPS}", STRIPS, f"draft:\n{STRIPS}\nwell"),
        ("```python\ns = '</think>'", "```python\ns = '</think>'", ""),
        ("```python\nx = 0\nno, better\n</think>\n\nx = 1", "x = 1", "```python\nx = 0\nno, better"),
    ],
)
def test_thinking_is_set_apart(raw: str, answer: str, thinking: str) -> None:
    assert split_thinking(raw) == (answer, thinking)


def test_escape_sequences_go_and_whitespace_stays() -> None:
    assert strip_escapes("\x1b[31mred\x1b[0m\tand\n\x07bell\x1b]") == "red\tand\nbell"


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"])))
def test_plain_text_passes_untouched(text: str) -> None:
    assert strip_escapes(text) == text


def feed(text: str, size: int = 5) -> int | None:
    """Characters after which the watch says that the text repeats itself; None where it never does."""
    watch = RepetitionWatch()
    for start in range(0, len(text), size):
        if watch.feed(text[start : start + size]):
            return start + size
    return None


@pytest.mark.parametrize(
    "block", ["x", "ab", "    return a\n", "The answer is 4. " * 3, "line of code\n" * 20]
)
def test_a_loop_is_noticed_soon(block: str) -> None:
    noticed = feed("def f(a):\n" + block * (1 + 8000 // len(block)))
    assert noticed is not None
    assert noticed < 10 + max(8 * len(block), 600)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"    if n == {n}:\n        return '{n}'" for n in range(200)),
        "\n".join(f"assert f({n}) == {n * n}" for n in range(200)),
        "# " + "-" * 78 + "\ndef f():\n    pass\n" + "# " + "=" * 100 + "\n",
        "".join(random.Random(1).choices("abc \n", k=5000)),
        "table = [\n" + "".join(f"    [{'0, ' * 9}{n}],\n" for n in range(40)) + "]",
    ],
)
def test_code_with_similar_lines_is_no_loop(text: str) -> None:
    assert feed(text) is None

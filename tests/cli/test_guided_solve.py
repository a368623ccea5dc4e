"""`greenloop solve --guided --show`: a person sees the lines, the candidates and what running them showed."""

from __future__ import annotations

import io
import json

import pytest
from greenloop.cli.main import main
from greenloop.cli.show_guided import GuidedShow
from greenloop.cli.solve_command import UNSOLVED
from greenloop.modules.guided_watch import EndEvent, LineEvent
from rich.console import Console

ASK = ["solve", "Write a function `add_pair(a, b)` that adds the two numbers.", "--entry-point", "add_pair"]
TEST = ["--test", "assert add_pair(2, 3) == 5"]


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_show_goes_with_guided(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ASK, "--show"]) == 2
    assert "--show goes with --guided" in capsys.readouterr().err


def test_guided_is_a_program_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ASK, "--guided", "--program", "resample"]) == 2
    assert "leave --program out" in capsys.readouterr().err


def test_lines_are_shown_as_they_stand_wherever_tokens_and_guidance_end() -> None:
    shown = io.StringIO()
    show = GuidedShow(Console(file=shown, width=80))
    pieces = [
        ("def f(x):\n   ", False),
        (" return [x]\n", True),
        ("def", True),
        (" g():\n  ", False),
        ("pass", False),
    ]
    for text, guided in pieces:
        show(LineEvent("γ 1", text, guided))
    show(EndEvent("γ 1", "plain", "end", "", None))
    _, _, *lines = shown.getvalue().splitlines()
    assert lines[:4] == ["  def f(x):", "»     return [x]", "» def g():", "    pass"]
    assert lines[4].startswith("→")


@pytest.mark.slow
@pytest.mark.embedded
def test_lines_come_with_candidates_and_a_rerun_shows_them_for_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [*ASK, *TEST, "--guided", "--show", "--calls", "1", "--max-tokens", "80"]
    ended = run(given)
    assert ended in (0, UNSOLVED)
    shown = capsys.readouterr().err
    assert "candidate 1" in shown
    assert "# Call: add_pair(2, 3)" in shown
    assert "true guidance embedded" in shown
    assert run([*given, "--json"]) == ended
    again = capsys.readouterr()
    found = json.loads(again.out)
    assert found["paid"]["calls"] == 0
    assert found["attempts"][0]["sampling"]["mode"] == "true guidance embedded"
    assert "candidate 1" in again.err

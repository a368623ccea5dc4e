"""MLflow's DSPy autolog keeps working on our models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TRACED = """
import dspy, mlflow
import greenloop as gl
from greenloop.testing import ScriptedModel

mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.dspy.autolog()
model = ScriptedModel(["```python\\ndef add(a, b):\\n    return a + b\\n```"])
task = gl.Task(
    task_id="add", prompt="Write add(a, b).", entry_point="add", visible_tests=["assert add(1, 2) == 3"]
)
program = gl.GenerateExecuteRefine(generate=gl.Generate(model=model), refine=gl.Refine(model=model))
with gl.session():
    print(program(problem=task.problem).execution.outcome)
    scores = gl.score(program, [task])
mlflow.flush_trace_async_logging()
for trace in mlflow.search_traces(return_type="list"):
    for span in trace.data.spans:
        print(span.span_type, span.name, span.status.status_code)
"""


@pytest.mark.slow
def test_autolog_traces_stages_and_calls(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRACED], capture_output=True, text=True, cwd=tmp_path, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert lines[0] == "passed"
    assert "SpanStatusCode.OK" in done.stdout
    kinds = {line.split()[0] for line in lines[1:]}
    assert {"CHAIN", "LLM"} <= kinds, done.stdout

"""HumanEval's and MBPP's own tasks in the forms of EvalPlus and -ET: their references in the real sandbox."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import greenloop as gl
import pytest
from greenloop.evals.evalplus_tests import TYPES
from greenloop.evals.references import check_references
from greenloop.runtime.sandbox import Sandbox


def calls(test: str, name: str) -> list[list[Any]]:
    """Literal arguments of the calls of a function."""
    found: list[list[Any]] = []
    for node in ast.walk(ast.parse(test)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            try:
                found.append([ast.literal_eval(argument) for argument in node.args])
            except ValueError:
                continue
    return found


def as_json(value: Any) -> Any:
    """As EvalPlus publishes it: tuples and sets as lists, complex numbers as text."""
    if isinstance(value, (list, tuple, set)):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return str(value) if isinstance(value, complex) else value


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.slow
def test_humaneval_in_the_form_of_evalplus_and_et(data_dir: Path, tmp_path: Path) -> None:
    records = [json.loads(line) for line in (data_dir / "HumanEval.jsonl").read_text().splitlines()]
    plus: list[dict[str, Any]] = []
    extended: list[dict[str, Any]] = []
    for record in records:
        inputs = calls(record["test"], "candidate")
        common = {key: record[key] for key in ("task_id", "prompt", "entry_point", "canonical_solution")}
        if inputs:
            atol = 1e-4 if record["task_id"] == "HumanEval/32" else 0
            plus.append(
                {**common, "base_input": inputs[:2], "plus_input": inputs[2:], "atol": atol, "contract": ""}
            )
        asserts = [
            line.strip().replace("candidate(", f"{record['entry_point']}(")
            for line in record["test"].splitlines()
            if line.startswith("    assert candidate(") and line.count("(") == line.count(")")
        ]
        asserts = [a for a in asserts if _stands_alone(a)]
        if asserts:
            extended.append({**common, "test_case_list": asserts})
    assert len(plus) > 150
    assert len(extended) > 120
    with Sandbox(workers=2) as box:
        for path in (write(tmp_path / "p.jsonl", plus), write(tmp_path / "e.jsonl", extended)):
            found = check_references(gl.load_tasks(path), box)
            assert [item.task_id for item in found.items if not item.reference.passed] == []
            # Where every input gives None or False, a hollow body is right: none of these tasks is so.
            assert found.hollow_passed == []


@pytest.mark.slow
def test_mbpp_in_the_form_of_evalplus_and_of_the_full_set(data_dir: Path, tmp_path: Path) -> None:
    records = json.loads((data_dir / "sanitized-mbpp.json").read_text())
    typed = {number for numbers in TYPES.values() for number in numbers}
    plus: list[dict[str, Any]] = []
    full: list[dict[str, Any]] = []
    for record, task in zip(records, gl.load_tasks("mbpp", data_dir), strict=True):
        inputs = [c for test in record["test_list"] for c in calls(test, task.entry_point)]
        if record["task_id"] in typed and inputs:
            plus.append(
                {
                    "task_id": f"Mbpp/{record['task_id']}",
                    "prompt": f'"""\n{record["prompt"]}\n{record["test_list"][0]}\n"""\n',
                    "entry_point": task.entry_point,
                    "canonical_solution": task.preamble + (task.reference or ""),
                    "base_input": as_json(inputs),
                    "plus_input": {},
                    "atol": 0,
                }
            )
        if not record["test_imports"]:
            full.append(
                {
                    "task_id": record["task_id"],
                    "text": record["prompt"],
                    "code": record["code"],
                    "test_list": record["test_list"],
                    "test_setup_code": "",
                    "challenge_test_list": [],
                }
            )
    assert len(plus) > 40
    with Sandbox(workers=2) as box:
        for path in (write(tmp_path / "p.jsonl", plus), write(tmp_path / "f.jsonl", full[:80])):
            found = check_references(gl.load_tasks(path), box)
            assert [item.task_id for item in found.items if not item.reference.passed] == []


def _stands_alone(source: str) -> bool:
    """It compiles, and names nothing but what it calls: some asserts use variables of `check`."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return False
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return all(id(node) in called for node in nodes if isinstance(node, ast.Name))

"""The exported folder is complete, inert, checked, and loads anywhere."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import dspy
import greenloop as gl
import pytest
from greenloop.errors import ExportError


def sample() -> gl.GenerateExecuteRefine:
    shared = gl.Float(0.0, 1.0, default=0.4)
    program = gl.GenerateExecuteRefine(
        generate=gl.Generate(model=gl.Choice(["embedded", "ollama:x"]), temperature=shared),
        execute=gl.Execute(limits=gl.Limits(wall_s=3), feedback=gl.Choice(["error_line", "per_test"])),
        refine=gl.Refine(model="embedded", temperature=shared),
        max_iterations=gl.Int(0, 5, default=3),
    )
    shared.value = 0.75
    program.generate.model.value = "ollama:x"
    program.generate.predict.demos = [dspy.Example(problem="p", code="c").with_inputs("problem")]
    return program


def test_a_program_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = gl.export(sample(), tmp_path / "best")
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "SHA256SUMS",
        "manifest.json",
        "program.json",
    ]
    loaded = gl.load(folder)
    assert loaded.generate.model.value == "ollama:x"
    assert loaded.generate.temperature is loaded.refine.temperature
    assert loaded.generate.temperature.value == 0.75
    assert loaded.execute.limits.value["wall_s"] == 3
    assert loaded.max_iterations.high == 5
    assert loaded.generate.predict.demos[0]["code"] == "c"
    assert loaded.evidence is None


def test_it_loads_in_another_process(tmp_path: Path) -> None:
    folder = gl.export(sample(), tmp_path / "best")
    code = f"import greenloop as gl; print(gl.load({str(folder)!r}).generate.temperature.value)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "0.75"


class Own(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.draft = gl.Generate(model="embedded", temperature=gl.Float(0, 1))

    def forward(self, problem):
        return self.draft(problem=problem)


def test_a_class_of_ones_own_needs_an_instance(tmp_path: Path) -> None:
    program = Own()
    program.draft.temperature.value = 0.125
    folder = gl.export(program, tmp_path / "own")
    with pytest.raises(ExportError, match=r"program=YourClass\(\)"):
        gl.load(folder)
    with pytest.raises(ExportError, match="holds the class"):
        gl.load(folder, program=gl.Resample())
    fresh = Own()
    assert gl.load(folder, program=fresh).draft.temperature.value == 0.125
    assert fresh.draft.temperature.value == 0.5


def test_an_export_replaces_an_export_and_nothing_else(tmp_path: Path) -> None:
    gl.export(sample(), tmp_path / "best")
    gl.export(sample(), tmp_path / "best")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match="no Greenloop export"):
        gl.export(sample(), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def resum(folder: Path) -> None:
    """Make the checksums fit again, as a careful forger would."""
    lines = [
        f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n"
        for n in ("README.md", "manifest.json", "program.json")
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))


def edit(folder: Path, name: str, change) -> None:
    data = json.loads((folder / name).read_text())
    change(data)
    (folder / name).write_text(json.dumps(data))
    resum(folder)


BAD = {
    "not a folder": (lambda f: shutil.rmtree(f), "no folder"),
    "a file is missing": (lambda f: (f / "program.json").unlink(), "program.json is missing"),
    "an edited value": (
        lambda f: (f / "program.json").write_text((f / "program.json").read_text().replace("0.75", "0.5")),
        "edited",
    ),
    "truncated": (
        lambda f: (f / "manifest.json").write_bytes((f / "manifest.json").read_bytes()[:50]),
        "edited",
    ),
    "truncated and summed again": (
        lambda f: ((f / "manifest.json").write_bytes((f / "manifest.json").read_bytes()[:50]), resum(f)),
        "cannot be read",
    ),
    "a newer schema": (lambda f: edit(f, "manifest.json", lambda d: d.update(schema_version=99)), "newer"),
    "another kind": (lambda f: edit(f, "manifest.json", lambda d: d.update(kind="x")), "no Greenloop export"),
    "an unknown field": (lambda f: edit(f, "manifest.json", lambda d: d.update(hook="os.system")), "damaged"),
    "an unknown module": (
        lambda f: edit(f, "program.json", lambda d: d["blueprint"].update(module="os.system")),
        "unknown module",
    ),
    "an unknown setting": (
        lambda f: edit(
            f,
            "program.json",
            lambda d: d["blueprint"]["settings"].update(evil={"kind": "setting", "value": 1}),
        ),
        "unknown settings",
    ),
    "a value out of range": (
        lambda f: edit(
            f, "program.json", lambda d: d["blueprint"]["settings"]["max_iterations"].update(value=10**9)
        ),
        "cannot be built",
    ),
    "a pickle inside": (lambda f: (f / "program.pkl").write_bytes(pickle.dumps(1)), "program.pkl"),
    "not UTF-8": (lambda f: (f / "README.md").write_bytes(b"\xff\xfe"), "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_folder_is_refused_with_one_line(case: str, tmp_path: Path) -> None:
    folder = gl.export(sample(), tmp_path / "best")
    harm, words = BAD[case]
    harm(folder)
    with pytest.raises(ExportError, match=words) as refused:
        gl.load(folder)
    assert "\n" not in str(refused.value)


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    with pytest.raises(ExportError):
        gl.export(sample(), blocker / "best")
    assert list(tmp_path.iterdir()) == [blocker]

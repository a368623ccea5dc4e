"""The exported folder is complete, inert, checked, and loads anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import dspy
import greenloop as gl
import pytest
from greenloop.errors import ExportError, GreenloopWarning
from greenloop.optimizers.artifact import read


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
    loaded = gl.load(folder, check_models=False)
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
    extension = {"manifest.json": '{"manifest_version": 3, "name": "mine"}', "README.md": "# Mine"}
    for more in ({}, {"SHA256SUMS": "0  manifest.json\n"}, {"SHA256SUMS": "", "manifest.json": "no JSON"}):
        files = {**extension, **more}
        for name, text in files.items():
            (tmp_path / "mine" / name).write_text(text)
        (tmp_path / "mine" / "thesis.txt").unlink(missing_ok=True)
        with pytest.raises(ExportError, match="no Greenloop export"):
            gl.export(sample(), tmp_path / "mine")
        assert {p.name: p.read_text() for p in (tmp_path / "mine").iterdir()} == files


def test_an_export_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = gl.export(sample(), tmp_path / "best")
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(ExportError, match="cannot be written"):
        gl.export(Own(), folder)
    assert isinstance(gl.load(folder, check_models=False), gl.GenerateExecuteRefine)
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


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


class Bomb:
    """Unpickled, it makes a folder named "owned"."""

    def __reduce__(self):
        return (os.mkdir, ("owned",))


def text(folder: Path, name: str, change) -> None:
    """Change a file's text, and make the sums fit."""
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    resum(folder)


def sums(folder: Path, change) -> None:
    path = folder / "SHA256SUMS"
    path.write_text(change(path.read_text()))


def as_link(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)


def as_pipe(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


def huge(folder: Path, name: str) -> None:
    with (folder / name).open("r+b") as file:
        file.truncate(10**12)  # a hole: it takes no room on the disk


BAD = {
    "not a folder": (lambda f: shutil.rmtree(f), "no folder"),
    "a file is missing": (lambda f: (f / "program.json").unlink(), "program.json is missing"),
    "an edited value": (
        lambda f: (f / "program.json").write_text((f / "program.json").read_text().replace("0.75", "0.5")),
        "edited",
    ),
    "an edited card": (lambda f: (f / "README.md").write_text("better than everything"), "edited"),
    "truncated": (
        lambda f: (f / "manifest.json").write_bytes((f / "manifest.json").read_bytes()[:50]),
        "edited",
    ),
    "truncated and summed again": (lambda f: text(f, "manifest.json", lambda b: b[:50]), "cannot be read"),
    "empty": (lambda f: text(f, "program.json", lambda b: b""), "cannot be read"),
    "sums of one file only": (lambda f: sums(f, lambda s: s.splitlines()[0] + "\n"), "must name"),
    "one file summed three times": (lambda f: sums(f, lambda s: 3 * (s.splitlines()[0] + "\n")), "must name"),
    "a sum of a file elsewhere": (
        lambda f: sums(f, lambda s: s.replace("README.md", "../README.md")),
        "must name",
    ),
    "a newer schema": (lambda f: edit(f, "manifest.json", lambda d: d.update(schema_version=99)), "newer"),
    "a schema before the first": (
        lambda f: edit(f, "manifest.json", lambda d: d.update(schema_version=0)),
        "no longer reads",
    ),
    "no number as a schema": (
        lambda f: edit(f, "manifest.json", lambda d: d.update(schema_version=True)),
        "no Greenloop export",
    ),
    "another kind": (lambda f: edit(f, "manifest.json", lambda d: d.update(kind="x")), "no Greenloop export"),
    "a list for an object": (lambda f: text(f, "manifest.json", lambda b: b"[" + b + b"]"), "no JSON object"),
    "an unknown field": (lambda f: edit(f, "manifest.json", lambda d: d.update(hook="os.system")), "damaged"),
    "a key twice": (
        lambda f: text(f, "program.json", lambda b: b.replace(b"{", b'{"class_name": "x", ', 1)),
        "twice",
    ),
    "NaN": (lambda f: text(f, "program.json", lambda b: b.replace(b"0.75", b"NaN")), "no JSON number"),
    "a number without end": (
        lambda f: text(f, "program.json", lambda b: b.replace(b"0.75", b"1e999")),
        "no JSON number",
    ),
    "very deep": (
        lambda f: text(f, "program.json", lambda b: b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        "cannot be read",
    ),
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
    "a setting of another type": (
        lambda f: edit(f, "program.json", lambda d: d["settings"].update(max_iterations=[3])),
        "damaged",
    ),
    "a predictor's method replaced": (
        lambda f: edit(f, "program.json", lambda d: d["prompts"]["generate.predict"].update(forward="x")),
        "'forward'",
    ),
    "a language model in the prompts": (
        lambda f: edit(
            f, "program.json", lambda d: d["prompts"]["generate.predict"].update(lm={"class": "os.system"})
        ),
        "language model",
    ),
    "an unknown option of a model": (
        lambda f: edit(
            f,
            "program.json",
            lambda d: d.update(model_refs={"generate.model": {"ollama:x": {"name": "x", "options": 3}}}),
        ),
        "damaged",
    ),
    "a pickle inside": (lambda f: (f / "program.pkl").write_bytes(pickle.dumps(Bomb())), "program.pkl"),
    "a pickle for JSON": (
        lambda f: text(f, "program.json", lambda b: pickle.dumps(Bomb(), protocol=0)),
        "cannot be read",
    ),
    "code inside": (lambda f: (f / "__init__.py").write_text("import os; os.mkdir('owned')"), "__init__.py"),
    "a folder inside": (lambda f: (f / "more").mkdir(), "more"),
    "a name with a path": (lambda f: (f / "..\\evil").write_text("x"), "no export writes"),
    "a link": (lambda f: as_link(f, "program.json"), "no plain file"),
    "a pipe": (lambda f: as_pipe(f, "program.json"), "no plain file"),
    "a huge file": (lambda f: huge(f, "program.json"), "larger than any export"),
    "not UTF-8": (lambda f: text(f, "README.md", lambda b: b"\xff\xfe"), "cannot be read"),
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


def test_no_bad_folder_runs_code(tmp_path: Path) -> None:
    """All of them are loaded in one process that tells of every import, compilation, unpickling and command."""
    for number, (harm, _) in enumerate(BAD.values()):
        harm(gl.export(sample(), tmp_path / f"bad{number}" / "best"))
    good = gl.export(sample(), tmp_path / "good")
    code = f"""
import sys, warnings
import greenloop as gl
from greenloop.errors import ExportError, GreenloopWarning
from greenloop.optimizers.artifact import read
from greenloop.runtime.backends.embedded import embedded_model_path
from greenloop.testing import ScriptedModel
from greenloop.testing.ollama_stand_in import OllamaStandIn
warnings.simplefilter("ignore")
gl.load({str(good)!r})
seen = []
watched = ("exec", "compile", "import", "pickle.find_class", "os.system", "os.exec", "os.mkdir", "subprocess.Popen")
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)) if event in watched else None)
refused = 0
for number in range({len(BAD)}):
    try:
        gl.load({str(tmp_path)!r} + f"/bad{{number}}/best")
    except ExportError:
        refused += 1
print(refused, [s for s in seen if s[0] != "import" or s[1][0] not in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == f"{len(BAD)} []"
    assert not list(tmp_path.rglob("owned"))


def test_a_folder_of_an_older_schema_is_brought_up_to_date() -> None:
    folder = Path(__file__).parent / "exports" / "schema-1"
    loaded = gl.load(folder, check_models=False)
    assert loaded.generate.temperature.value == 0.625
    assert loaded.max_iterations.value == 2
    assert loaded.evidence.confirmed.rate == 0.5
    _, manifest = read(folder)
    assert manifest.schema_version == 2
    assert manifest.models[1].digest.startswith("f72c60cabf62")
    assert manifest.data["validation"].n == 1


def cooler(program: Any) -> None:
    program.generate.temperature.value = 0.5


def shown_an_example(program: Any) -> None:
    program.generate.predict.demos = [dspy.Example(problem="p", code="c")]


@pytest.mark.parametrize("change", [cooler, shown_an_example, None])
def test_evidence_stays_behind_where_the_program_is_another_now(change: Any, tmp_path: Path) -> None:
    folder = Path(__file__).parent / "exports" / "schema-1"
    loaded = gl.load(folder, check_models=False).deepcopy()
    with warnings.catch_warnings():
        warnings.simplefilter("error", GreenloopWarning)
        assert read(gl.export(loaded, tmp_path / "same"))[1].evidence == loaded.evidence
    if change is None:
        other = {"ollama:qwen2.5-coder:3b": "embedded"}
        loaded = gl.load(folder, models=other, check_models=False)
        assert loaded.evidence is not None
    else:
        change(loaded)
    with pytest.warns(GreenloopWarning, match="changed since its evidence was gathered"):
        _, manifest = read(gl.export(loaded, tmp_path / "other"))
    assert (manifest.evidence, manifest.seed, manifest.data) == (None, None, {})


def test_the_manifest_says_what_the_program_is(tmp_path: Path) -> None:
    program = sample()
    program.generate.model.value = "embedded"
    _, manifest = read(gl.export(program, tmp_path / "best"))
    assert [m.name for m in manifest.models] == ["embedded"]
    assert manifest.models[0].quantisation == "Q4_1"
    assert len(manifest.models[0].digest) == 64
    assert manifest.sampling["generate"] == {
        "model": "embedded",
        "temperature": 0.75,
        "top_p": None,
        "max_tokens": 512,
    }
    assert manifest.limits["execute"]["wall_s"] == 3
    assert manifest.stop_rule == {"max_iterations": 3, "stop": "on_pass", "patience": 1, "keep": "best"}
    assert set(manifest.prompts) == {"generate.predict", "refine.predict"}
    assert manifest.versions["greenloop"]


class Part(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.depth = gl.Int(0, 3)


class Whole(dspy.Module):
    def __init__(self, part: dspy.Module) -> None:
        super().__init__()
        self.part = part


def test_a_changed_part_of_ones_own_program_is_noticed(tmp_path: Path) -> None:
    folder = gl.export(Whole(Part()), tmp_path / "own")
    assert gl.load(folder, program=Whole(Part())).part.depth.value == 0

    class Part2(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.depth = gl.Int(0, 3)  # the same settings, another class

    with pytest.raises(ExportError, match="changed since the export"):
        gl.load(folder, program=Whole(Part2()))


def test_the_lines_of_the_card_work(tmp_path: Path) -> None:
    program = sample()
    program.generate.model.value = "embedded"
    card = (gl.export(program, tmp_path / "best") / "README.md").read_text()
    lines = card.split("```python\n")[1].split("```")[0]
    assert len(lines.splitlines()) == 2
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error::UserWarning",
            "-c",
            lines + "print(program.generate.temperature.value)",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == "0.75"
    assert "$ greenloop run best --task 'what to write'" in card
    assert "| embedded | Q4_1 |" in card


@pytest.mark.slow
@pytest.mark.embedded
def test_the_command_of_the_card_works(tmp_path: Path) -> None:
    program = gl.Resample(generate=gl.Generate(model="embedded", max_tokens=64), samples=1)
    gl.export(program, tmp_path / "best")
    command = [sys.executable, "-m", "greenloop", "run", "best", "--task", "Write add(a, b).", "--json"]
    done = subprocess.run(
        [*command, "--store", "sqlite:///run.db"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert json.loads(done.stdout)["model_calls"] == 1

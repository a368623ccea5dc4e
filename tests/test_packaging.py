"""The list of packages equals the tree and the wheel; floors hold; the public face is what it says."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import greenloop as gl
import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ["runtime", "modules", "evals", "optimizers", "cli"]
NOT_PACKAGES = {"tests", "docs", "examples", "benchmarks", "build", "dist"}


def _toml() -> dict:
    try:
        import tomllib
    except ImportError:
        import tomli as tomllib
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def _tracked_sources() -> list[Path]:
    return sorted(
        p.relative_to(ROOT)
        for p in ROOT.rglob("*.py")
        if not any(
            part.startswith(".") or part in NOT_PACKAGES or part.endswith(".egg-info")
            for part in p.relative_to(ROOT).parts[:-1]
        )
    )


def _packages_in_tree() -> set[str]:
    return {".".join(["greenloop", *p.parent.parts]) for p in _tracked_sources() if p.name == "__init__.py"}


def test_listed_packages_equal_the_tree() -> None:
    assert set(_toml()["tool"]["setuptools"]["packages"]) == _packages_in_tree()


def test_every_source_lies_in_a_package() -> None:
    packages = _packages_in_tree()
    assert [p for p in _tracked_sources() if ".".join(["greenloop", *p.parent.parts]) not in packages] == []


@pytest.mark.slow
def test_the_wheel_holds_every_source_and_the_data(tmp_path: Path) -> None:
    clean = tmp_path / "source"
    skip = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "*.db*")
    shutil.copytree(ROOT, clean, ignore=skip)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(clean)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("greenloop/")}
    assert {n for n in names if n.endswith(".py")} == {
        f"greenloop/{p.as_posix()}" for p in _tracked_sources()
    }
    assert {"greenloop/py.typed", "greenloop/evals/starter/tasks.jsonl"} <= names


def test_imports_go_downward_and_are_relative() -> None:
    wrong: list[str] = []
    for path in _tracked_sources():
        floor = path.parts[0] if len(path.parts) > 1 else None
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
                wrong += [f"{path}: import {n}" for n in names if n.split(".")[0] in {"greenloop", *FLOORS}]
            if not isinstance(node, ast.ImportFrom):
                continue
            if node.level == 0:
                if (node.module or "").split(".")[0] in {"greenloop", *FLOORS}:
                    wrong.append(f"{path}: from {node.module}")
                continue
            base = list(path.parts[:-1])[: len(path.parts) - node.level]
            target = [*base, *(node.module or "").split(".")] if node.module else base
            target_floor = target[0] if target and target[0] else None
            if (
                floor in FLOORS
                and target_floor in FLOORS
                and FLOORS.index(target_floor) > FLOORS.index(floor)
            ):
                wrong.append(f"{path}: imports upward from {'.'.join(target)}")
            if floor in FLOORS and target_floor == "testing":
                wrong.append(f"{path}: imports from testing")
    assert wrong == []


def test_all_equals_what_is_visible() -> None:
    assert sorted(gl.__all__) == gl.__all__
    assert set(dir(gl)) == {*gl.__all__, "__version__"}
    for name in gl.__all__:
        assert getattr(gl, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Genrate"):
        gl.Genrate  # noqa: B018


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys, greenloop; heavy = {'dspy', 'litellm', 'optuna', 'sqlalchemy', 'xllamacpp', 'scipy', 'pydantic'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_root_file_shadows_a_module() -> None:
    names = {p.stem for p in ROOT.glob("*.py")} - {"__init__", "__main__"}
    assert names & set(sys.stdlib_module_names) == set()


def test_files_stay_readable() -> None:
    long = {str(p): n for p in _tracked_sources() if (n := len((ROOT / p).read_text().splitlines())) > 400}
    assert long == {}

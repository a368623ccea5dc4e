"""Every code block of the docs is what it says: those marked `runs` are executed on the embedded model, all compile."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import greenloop as gl
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"(<!-- runs -->\n)?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def blocks(page: Path) -> list[tuple[bool, str]]:
    return [(bool(mark), code) for mark, code in BLOCK.findall(page.read_text())]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_compiles_and_every_link_leads_somewhere(page: Path) -> None:
    for _, code in blocks(page):
        compile(code, name(page), "exec")
    dead = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert dead == []


@pytest.mark.slow
@pytest.mark.embedded
@pytest.mark.parametrize("page", [p for p in PAGES if any(run for run, _ in blocks(p))], ids=name)
def test_marked_blocks_run(page: Path, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n\n".join(code for run, code in blocks(page) if run))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr


def test_the_reference_names_the_whole_public_face() -> None:
    text = (ROOT / "docs" / "reference" / "api.md").read_text()
    assert [n for n in gl.__all__ if f"`gl.{n}" not in text] == []


def test_the_reference_names_every_command_and_option() -> None:
    import typer
    from greenloop.cli.main import make_app

    text = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    group = typer.main.get_command(make_app())
    missing = []
    for command, made in group.commands.items():
        missing += [] if f"greenloop {command}" in text else [command]
        for option in made.params:
            if getattr(option, "hidden", False) or not option.opts[0].startswith("--"):
                continue
            missing += [] if f"`{option.opts[0]}" in text else [f"{command} {option.opts[0]}"]
    assert missing == []

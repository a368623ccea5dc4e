"""The example of a user's own program, run as a user runs it, on the embedded model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from greenloop.optimizers.artifact import read


@pytest.mark.slow
@pytest.mark.embedded
@pytest.mark.timeout(900)
def test_the_example_tunes_picks_exports_and_loads(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / "tune_own_program.py"
    done = subprocess.run(
        [sys.executable, str(script), "--tasks", "6"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "second_tries" in done.stdout
    saved, manifest = read(tmp_path / "own-best")
    assert saved.class_name.endswith(":ShortFirst")
    assert saved.blueprint is None
    assert saved.source_sha256
    assert manifest.evidence is not None
    assert manifest.evidence.objectives == ("quality", "compute")
    assert manifest.models[0].quantisation == "Q4_1"

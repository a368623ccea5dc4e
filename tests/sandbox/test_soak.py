"""Hundreds of programs through the pool, a tenth of them hostile: nothing piles up, nothing breaks."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import pytest
from greenloop.runtime.sandbox import Sandbox
from greenloop.testing.sandbox_soak import footprint, soak


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_soak_leaves_nothing_behind_and_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = footprint(0)
    with Sandbox(workers=2) as sandbox:
        found = soak(sandbox, 300)
    deadline = time.monotonic() + 60
    after = footprint(300)
    while after.processes > before.processes and time.monotonic() < deadline:
        time.sleep(0.02)
        after = footprint(300)
    assert found.wrong == []
    assert found.outcomes["sandbox_error"] == 0
    assert sum(found.outcomes.values()) == 300
    busy = found.footprints[2:]
    assert max(f.memory_mb for f in busy) < 1.5 * min(f.memory_mb for f in busy) + 20
    assert max(f.descriptors for f in busy) <= before.descriptors + 20
    assert after.processes <= before.processes
    assert after.descriptors <= before.descriptors
    assert after.threads <= before.threads
    assert list(tmp_path.iterdir()) == []

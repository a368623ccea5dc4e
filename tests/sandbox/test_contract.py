"""Every isolating tier that this machine has keeps the contract, hostile list included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from greenloop.runtime.sandbox import Sandbox, probe
from greenloop.testing.hostile import HOSTILE
from greenloop.testing.sandbox_contract import SandboxContract

WHY_NOT = {p.tier: p.reason for p in probe()}


def _sandbox(tier: str) -> Iterator[Sandbox]:
    if WHY_NOT[tier]:
        pytest.skip(f"tier {tier}: {WHY_NOT[tier]}")
    with Sandbox(workers=1, tier=tier) as sandbox:
        yield sandbox


class TestNamespaces(SandboxContract):
    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls) -> Iterator[Sandbox]:
        yield from _sandbox("namespaces")


class TestLandlock(SandboxContract):
    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls) -> Iterator[Sandbox]:
        yield from _sandbox("landlock")


class TestSandboxExec(SandboxContract):
    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls) -> Iterator[Sandbox]:
        yield from _sandbox("sandbox-exec")


def test_the_hostile_list_is_long_and_named_once() -> None:
    names = [h.name for h in HOSTILE]
    assert len(names) >= 60
    assert len(set(names)) == len(names)

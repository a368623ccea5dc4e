"""The tiers: tried, named, refused, also for users without privileges."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from greenloop.errors import GreenloopWarning, SandboxError
from greenloop.runtime.execution import Candidate
from greenloop.runtime.sandbox import Sandbox, probe, tiers
from greenloop.runtime.sandbox.macos import profile
from greenloop.runtime.sandbox.worker import Refused

ROOT = Path(__file__).resolve().parents[2]


def test_every_tier_is_tried_and_one_isolating_one_is_the_default() -> None:
    found = probe()
    assert [p.tier for p in found] == list(tiers.TIERS)
    assert all(bool(p.reason) != p.available for p in found)
    chosen = [p for p in found if p.default]
    assert len(chosen) <= 1
    if chosen:
        assert chosen[0].tier in tiers.ISOLATING
        with Sandbox(workers=1) as sandbox:
            assert sandbox.tier == chosen[0].tier
            assert sandbox.run(Candidate("x = 1"), []).tier == sandbox.tier


def test_without_isolation_it_refuses_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = dict.fromkeys(tiers.ISOLATING, "not here")
    monkeypatch.setattr(tiers, "_tried", {**reasons, "limits": "", "unsafe": ""})
    with pytest.raises(SandboxError, match="model-written code is not run"):
        Sandbox()
    monkeypatch.setattr(tiers, "_warned", set())
    with pytest.warns(GreenloopWarning, match="isolates too little"):
        sandbox = Sandbox(workers=1, tier="unsafe")
    with sandbox:
        found = sandbox.run(Candidate("def f():\n    return 1\n", "f"), ["assert f() == 1"])
    assert (found.outcome, found.tier) == ("passed", "unsafe")


def test_a_weaker_default_warns_once(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(tiers, "_tried", {"namespaces": "blocked", "landlock": ""})
    monkeypatch.setattr(tiers, "_warned", set())
    assert [tiers.resolve_tier(None) for _ in range(2)] == ["landlock", "landlock"]
    assert [str(w.message) for w in recwarn] == ["the sandbox uses the tier 'landlock': namespaces: blocked"]


@pytest.mark.parametrize(("failure", "tries"), [(SandboxError, 2), (Refused, 1)])
def test_a_failure_that_may_pass_is_tried_once_more(
    monkeypatch: pytest.MonkeyPatch, failure: type[SandboxError], tries: int
) -> None:
    made: list[object] = []

    def fails(environment: object) -> object:
        made.append(environment)
        raise failure("the sandbox's candidate server does not start: timed out")

    monkeypatch.setattr(tiers, "_tried", {})
    monkeypatch.setattr(tiers, "Worker", fails)
    assert tiers.why_not("limits").endswith("timed out")
    assert len(made) == tries


def test_unknown_and_unavailable_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="no tier 'docker'"):
        Sandbox(tier="docker")
    monkeypatch.setattr(tiers, "_tried", {"landlock": "the kernel has no Landlock"})
    with pytest.raises(SandboxError, match="the kernel has no Landlock"):
        Sandbox(tier="landlock")


@pytest.mark.parametrize("tier", [None, "namespaces", "unsafe"])
def test_windows_is_refused_in_one_line_whatever_the_tier(
    monkeypatch: pytest.MonkeyPatch, tier: str | None
) -> None:
    monkeypatch.setattr(tiers, "_tried", {})
    monkeypatch.setattr(tiers.sys, "platform", "win32")
    with pytest.raises(SandboxError) as raised:
        tiers.resolve_tier(tier)
    assert str(raised.value) == tiers.WINDOWS
    assert "WSL 2" in tiers.WINDOWS
    assert tiers.choice(probe()) == f"none, so model-written code is not run: {tiers.WINDOWS}"


def test_the_choice_says_why_no_stronger_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = {"namespaces": "clone: Operation not permitted", "landlock": "", "limits": "", "unsafe": ""}
    monkeypatch.setattr(tiers, "_tried", reasons)
    assert tiers.choice(probe()) == "landlock (not namespaces: clone: Operation not permitted)"
    monkeypatch.setattr(tiers, "_tried", {**reasons, "namespaces": ""})
    assert tiers.choice(probe()) == "namespaces (the strongest there is)"


def test_a_kernel_that_refuses_namespaces_is_named() -> None:
    """As most containers do; here it is the limit of a user namespace of our own."""
    unshare = shutil.which("unshare")
    if not unshare or tiers.why_not("namespaces"):
        pytest.skip("no namespaces to be refused in")
    limit = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" -c "$1"'
    look = "from greenloop.runtime.sandbox import tiers; print(tiers.why_not('namespaces'))"
    command = [unshare, "--user", "--map-root-user", "sh", "-c", limit, sys.executable, look]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert done.stdout.startswith("the kernel refuses a process in namespaces of its own: clone: ")


def test_the_profile_for_macos_denies_by_default_and_quotes_paths() -> None:
    text = profile(sys.executable, False, '/tmp/a "b"', "/x/boot.py")
    assert text.startswith("(version 1)\n(deny default)")
    assert "(deny network*)" in text
    assert r"\"b\"" in text


def test_other_interpreters_with_their_packages() -> None:
    found = shutil.which("python3", path="/usr/bin")
    if not found or os.path.realpath(found) == os.path.realpath(sys.executable):
        pytest.skip("no second interpreter at /usr/bin/python3")
    version = subprocess.run(
        [found, "-c", "import sys; print(sys.version_info[:2] >= (3, 10))"], capture_output=True
    )
    if version.stdout.strip() != b"True":
        pytest.skip("/usr/bin/python3 is older than 3.10")
    with Sandbox(workers=1, python=found) as sandbox:
        code = "import sys\ndef f():\n    return list(sys.version_info[:3])\n"
        want = [int(n) for n in sandbox.python_version.split(".")]
        assert sandbox.run(Candidate(code, "f"), [f"assert f() == {want}"]).passed


UNPRIVILEGED = """
import os, sys, warnings
from concurrent.futures import ThreadPoolExecutor
warnings.simplefilter("ignore")
from greenloop.runtime.execution import Candidate, Limits
from greenloop.runtime.sandbox import Sandbox, probe
from greenloop.testing.hostile import HOSTILE
assert os.getuid() == 65534
tiers = [p.tier for p in probe() if p.available and p.tier in ("namespaces", "landlock")]
print("tiers", *tiers)
attacks = [a for a in HOSTILE if not sys.argv[1:] or a.name in sys.argv[1:]]
for tier in tiers:
    with Sandbox(workers=4, tier=tier) as sandbox, ThreadPoolExecutor(4) as threads:
        assert sandbox.run(Candidate("def f(x): return x", "f"), ["assert f(1) == 1"]).passed

        def run(attack):
            aimed = attack.aimed(home="/home", canary="/etc/shadow", port=9, pid=os.getpid())
            return attack, sandbox.run(aimed, attack.tests, attack.limits)

        for attack, found in threads.map(run, attacks):
            if found.outcome not in attack.outcomes or "LEAK" in found.stdout:
                print("WRONG", tier, attack.name, found)
print("done")
"""
QUICK = ("hard exit in a call", "fork", "kill the parent", "memory of the parent", "fake verdicts on every descriptor",
         "file in the home folder", "connects", "disk fill", "unreadable folders", "memory at once")  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("names", [QUICK, pytest.param((), marks=pytest.mark.slow)], ids=["a few", "all"])
def test_an_ordinary_user_gets_the_same(
    names: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    readable = [sys.executable, "/usr/bin/python3"]
    python = next((p for p in readable if _runs_as_nobody(p)), None)
    if python is None:
        pytest.skip("no interpreter that the user nobody can run")
    if not os.access(ROOT, os.R_OK):
        pytest.skip("the checkout is not readable")
    folder = Path("/tmp") / f"greenloop-unprivileged-{os.getpid()}"
    folder.mkdir(mode=0o755, exist_ok=True)
    link = folder / "greenloop"
    if not link.exists():
        link.symlink_to(ROOT)
    try:
        done = subprocess.run(
            [python, "-c", UNPRIVILEGED, *names],
            user=65534, group=65534, extra_groups=[], env={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/", capture_output=True, text=True, timeout=280,
        )  # fmt: skip
    finally:
        link.unlink()
        folder.rmdir()
    assert done.returncode == 0, done.stderr
    assert "WRONG" not in done.stdout, done.stdout
    assert done.stdout.startswith("tiers ")
    assert done.stdout.rstrip().endswith("done")
    assert "landlock" in done.stdout or "namespaces" in done.stdout


def _runs_as_nobody(python: str) -> bool:
    try:
        code = "import sys; sys.exit(sys.version_info < (3, 10))"
        return not subprocess.run(
            [python, "-c", code], user=65534, group=65534, env={}, capture_output=True
        ).returncode
    except OSError:
        return False

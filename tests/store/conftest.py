"""A real PostgreSQL from Debian's packages, started by the test session on the loopback address."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from greenloop.testing.ports import Port
from sqlalchemy import create_engine, text


def _programs() -> Path | None:
    """The folder with initdb and postgres, wherever Debian put it."""
    found = [Path(p).parent for name in ("initdb",) if (p := shutil.which(name))]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in found if (f / "initdb").exists() and (f / "postgres").exists()), None)


def _unprivileged() -> str | None:
    """Whom to run the server as where the tests run as root (PostgreSQL refuses root); None: as we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


@pytest.fixture
def postgres_url(_postgres: str) -> str:
    """URL of an empty PostgreSQL database; skips with the reason where there is none."""
    engine = create_engine(_postgres.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return _postgres


@pytest.fixture(scope="session")
def _postgres() -> Iterator[str]:
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    pytest.importorskip("psycopg", reason="the driver is not installed: pip install 'psycopg[binary]'")
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="greenloop-pg-"))
    if user is not None:
        shutil.chown(folder, user)
    port = Port()
    data = folder / "data"
    known = {"user": user, "cwd": folder, "check": True, "capture_output": True, "text": True}
    initdb = [programs / "initdb", "-D", data, "-U", "greenloop", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([str(a) for a in initdb], **known)
    options = f"-c listen_addresses=127.0.0.1 -c port={port.number} -c unix_socket_directories={folder} -c fsync=off"
    options += " -c max_connections=400"
    control = str(programs / "pg_ctl")
    start = [control, "-D", str(data), "-w", "-t", "180", "-l", str(folder / "log"), "-o", options, "start"]
    subprocess.run(start, **known)
    try:
        yield f"postgresql://greenloop@127.0.0.1:{port.number}/postgres"
    finally:
        subprocess.run([control, "-D", str(data), "-m", "immediate", "stop"], **known)
        shutil.rmtree(folder, ignore_errors=True)

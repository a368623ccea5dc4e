"""Which files Python itself needs: what a candidate may read."""

from __future__ import annotations

import json
import os
import site
import sys
import sysconfig

SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
)
PACKAGE_FOLDERS = ("site-packages", "dist-packages")


def readable(packages: bool) -> list[str]:
    """Absolute real paths of the standard library, the system's libraries and, if wanted, installed packages."""
    paths = [p for p in SYSTEM if os.path.exists(p)]
    for name in ("stdlib", "platstdlib"):
        paths.append(sysconfig.get_path(name))
    paths += [p for p in sys.path if p and os.path.exists(p)]
    paths += _libraries()
    if packages:
        paths += site.getsitepackages()
        paths.append(os.path.join(sys.prefix, "pyvenv.cfg"))
    found: list[str] = []
    for path in sorted({*paths, *(os.path.realpath(p) for p in paths)}):
        beneath = any(path.startswith(other + "/") for other in found)
        if os.path.exists(path) and not beneath and path != "/":
            found.append(path)
    return found


def hidden(packages: bool) -> list[str]:
    """Folders beneath the readable ones that must not be seen: installed packages, unless they are wanted."""
    if packages:
        return []
    roots = {os.path.realpath(sysconfig.get_path(n)) for n in ("stdlib", "platstdlib")}
    candidates = [os.path.join(root, name) for root in roots for name in PACKAGE_FOLDERS]
    candidates += [os.path.join("/usr/lib/python3", name) for name in PACKAGE_FOLDERS]
    return [c for c in candidates if os.path.isdir(c)]


def split(paths: list[str], without: list[str]) -> tuple[list[str], list[str]]:
    """Paths without some folders beneath them, for rules that only know "all beneath".

    Returns:
        Paths to be read with all beneath, and folders whose names alone are to be read.
    """
    whole: list[str] = []
    names: list[str] = []
    stack = list(paths)
    while stack:
        path = stack.pop()
        if path in without:
            continue
        if any(w.startswith(path + "/") for w in without) and os.path.isdir(path):
            names.append(path)
            stack += [e.path for e in os.scandir(path)]
        else:
            whole.append(path)
    return whole, names


def _libraries() -> list[str]:
    """Folders of the shared libraries that this process has mapped."""
    found: set[str] = set()
    try:
        with open("/proc/self/maps", encoding="utf-8") as file:
            for line in file:
                path = line.rstrip("\n").partition("/")[2]
                if ".so" in path:
                    found.add(os.path.dirname("/" + path))
    except OSError:
        return []
    return sorted(found)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(readable(sys.argv[1:] == ["packages"])))

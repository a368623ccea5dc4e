"""Programs that attack what runs them, each with the outcomes that are right for it.

Every program is asked for `solve(x)`, the square of `x`; none can know more of its tests than the arguments of a call.
``{home}``, ``{canary}``, ``{port}`` and ``{pid}`` stand for the user's home folder, a file with a secret, a port that
listens on this machine, and the process that runs the sandbox. A program that gets at something it must not have
prints ``LEAK``.
"""

# ruff: noqa: E501 - a program reads best as one piece
from __future__ import annotations

from dataclasses import dataclass

from ..runtime.execution import Candidate, Limits

TESTS = ("assert solve(2) == 4", "assert solve(3) == 9")
SHORT = Limits(wall_s=1, cpu_s=5, memory_mb=256)
AMPLE = Limits(wall_s=10, cpu_s=10, memory_mb=256)
"""For what ends by itself, on a slow machine too: it must not be taken for a timeout."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One attack.

    Attributes:
        name: What it does.
        code: The program.
        outcomes: The outcomes that are right; different ones are right on different tiers.
        tests: The tests it is judged by.
        preamble: The task's own helpers.
        limits: The bounds it runs under.
    """

    name: str
    code: str
    outcomes: frozenset[str]
    tests: tuple[str, ...] = TESTS
    preamble: str = ""
    limits: Limits = SHORT

    def aimed(self, *, home: str, canary: str, port: int, pid: int) -> Candidate:
        """The attack with its targets in place.

        Args:
            home: The user's home folder.
            canary: A file with a secret.
            port: A port that listens on this machine.
            pid: The process that runs the sandbox.
        """
        code = self.code.replace("{home!r}", repr(home)).replace("{canary!r}", repr(canary))
        code = code.replace("{port}", str(port)).replace("{pid}", str(pid))
        return Candidate(code.replace("{{", "{").replace("}}", "}"), "solve", self.preamble)


def _attack(
    name: str,
    code: str,
    outcomes: str,
    tests: tuple[str, ...] = TESTS,
    preamble: str = "",
    limits: Limits | None = None,
) -> Hostile:
    right = frozenset(outcomes.split())
    return Hostile(name, code, right, tests, preamble, limits or (SHORT if "timeout" in right else AMPLE))


WRONG = "\ndef solve(x):\n    return -1\n"
RIGHT = "\ndef solve(x):\n    return x * x\n"


def _try(statement: str, imports: str = "import os, sys") -> str:
    """A program that prints LEAK where a statement gets through, and raises what it raises."""
    return f"{imports}\n{statement}\nprint('LEAK')\n{WRONG}"


def _syscall(number: int, *arguments: int) -> str:
    values = ", ".join(str(a) for a in arguments)
    return (
        f"import ctypes\nif ctypes.CDLL(None).syscall({number}{', ' if values else ''}{values}) >= 0:\n"
        f"    print('LEAK')\n{WRONG}"
    )


_REACH = (
    "import sys\ndef reach():\n    f = sys._getframe()\n    while f:\n"
    "        if '_gl' in f.f_globals: f.f_globals['_gl'].failed = lambda *a: None\n        f = f.f_back\n"
)
"""Finds what notes failures, where that is in the same process."""
UNITTEST = "import unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(solve(2), 4)\n"
_EQ = "class {name}({base}):\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
_HASH = "    __hash__ = {base}.__hash__\n"

_EXITS = [
    _attack("exit while loading", "import sys\nsys.exit(0)" + WRONG, "early_exit"),
    _attack("exit in a call", "import sys\ndef solve(x):\n    sys.exit(0)", "early_exit"),
    _attack("builtin exit in a call", "def solve(x):\n    exit()", "early_exit"),
    _attack("hard exit while loading", "import os\nos._exit(0)", "early_exit"),
    _attack("hard exit in a call", "import os\ndef solve(x):\n    os._exit(0)", "early_exit"),
    _attack("abort", "import os\ndef solve(x):\n    os.abort()", "crashed"),
    _attack("kill itself", "import os\ndef solve(x):\n    os.kill(os.getpid(), 9)", "crashed"),
    _attack(
        "stop itself", "import os, signal\ndef solve(x):\n    os.kill(os.getpid(), signal.SIGSTOP)", "crashed"
    ),
    _attack(
        "terminate itself", "import signal\ndef solve(x):\n    signal.raise_signal(signal.SIGTERM)", "crashed"
    ),
    _attack("segmentation fault", "import ctypes\ndef solve(x):\n    ctypes.string_at(0)", "crashed"),
    _attack(
        "skips its test", "import unittest\ndef solve(x):\n    raise unittest.SkipTest", "error", (UNITTEST,)
    ),
    _attack(
        "stops its test",
        "import unittest.case\ndef solve(x):\n    raise unittest.case._ShouldStop",
        "error",
        (UNITTEST,),
    ),
    _attack("exit code 71", "import os\ndef solve(x):\n    os._exit(71)", "early_exit"),
]
_EQUALITY = [
    _attack("equal to all", _EQ.format(name="A", base="object") + "def solve(x):\n    return A()", "failed"),
    *(
        _attack(
            f"{base} that equals all",
            _EQ.format(name="A", base=base) + _HASH.format(base=base) + f"def solve(x):\n    return A({value})",
            "failed",
        )
        for base, value in (("int", "7"), ("float", "7.5"), ("str", "'7'"), ("tuple", "(7,)"), ("frozenset", "(7,)"))
    ),
    _attack("a difference that is always nothing", "class A:\n    def __sub__(self, other): return 0\n    __rsub__ = __sub__\n"
            "def solve(x):\n    return A()", "error", ("assert abs(solve(2) - 4.0) < 1e-6", "assert 9 - solve(3) == 0")),
    _attack("a float whose difference is nothing", "class A(float):\n    def __sub__(self, other): return 0.0\ndef solve(x):\n    return A(7)",
            "failed", ("assert abs(solve(2) - 4.0) < 1e-6",)),
    _attack("on the right side of all", "class A:\n    def __lt__(self, other): return True\n    __gt__ = __le__ = __ge__ = __lt__\n"
            "def solve(x):\n    return A()", "error", ("assert solve(2) < 5", "assert 3 < solve(2)")),
    _attack("contains all", "class A:\n    def __contains__(self, item): return True\n    def __iter__(self): return iter([7])\n"
            "def solve(x):\n    return A()", "failed", ("assert 4 in solve(2)",)),
    _attack("a class in the function's place", "class solve:\n    def __init__(self, x): pass\n    def __sub__(self, other): return 0\n",
            "error", ("assert abs(solve(2) - 4.0) < 1e-6",)),
    _attack("mock.ANY", "from unittest.mock import ANY\ndef solve(x):\n    return ANY", "failed"),
    _attack(
        "a metaclass that lies",
        "class M(type):\n    def __instancecheck__(cls, x): return True\n    def __eq__(cls, other): return True\n"
        "    __hash__ = type.__hash__\nclass A(metaclass=M): pass\ndef solve(x):\n    return A",
        "failed",
    ),
    _attack(
        "its own class equals all",
        _EQ.format(name="A", base="object") + "    def __init__(self, x): self.x = x\ndef solve(x):\n    return A(0)",
        "failed",
        ("assert solve(2) == A(2)",),
    ),
    _attack("shadows a builtin", "def abs(x):\n    return 0" + WRONG, "failed", ("assert abs(solve(2) - 4) < 1e-6",)),
    _attack("shadows a module", "class math:\n    isclose = lambda *a: True" + WRONG, "failed",
            ("import math\nassert math.isclose(solve(2), 4)",)),
    _attack("shadows the task's helper", "def square(x):\n    return -1" + WRONG, "failed",
            ("assert solve(2) == square(2)",), "def square(x):\n    return x * x\n"),
]  # fmt: skip
_SPYING = [
    _attack(
        "frames of callers",
        "import sys\ndef solve(x):\n    f = sys._getframe()\n    while f:\n"
        "        for v in list(f.f_locals.values()) + list(f.f_code.co_consts):\n"
        "            if isinstance(v, str) and chr(97) + 'ssert solve' in v: print('LEAK')\n        f = f.f_back\n    return -1",
        "failed",
    ),
    _attack(
        "objects of the collector",
        "import gc\ndef solve(x):\n    for o in gc.get_objects():\n"
        "        if isinstance(o, dict) and any('assert ' + 'solve' in v for v in o.values() if type(v) is str):\n"
        "            print('LEAK')\n    return -1",
        "failed",
    ),
    _attack(
        "writes the callers' locals",
        "import sys\ndef solve(x):\n    f = sys._getframe(1)\n    while f:\n        f.f_globals['passed'] = True\n"
        "        for k in list(f.f_locals): f.f_locals[k] = True\n        f = f.f_back\n    return -1",
        "failed error unserialisable early_exit blocked",
    ),
    _attack("patches builtins", "import builtins\nbuiltins.AssertionError = ValueError\nbuiltins.isinstance = "
            "lambda *a: True\nbuiltins.len = lambda x: 0" + WRONG,
            "failed error blocked early_exit unserialisable crashed"),
    _attack("patches json", "import json\njson.dumps = lambda *a, **k: '{{\"ok\": 4}}'" + WRONG,
            "failed error blocked early_exit unserialisable"),
    _attack(
        "patches the sandbox's own modules",
        "import sys\nfor n, m in list(sys.modules.items()):\n    if 'inside' in n:\n        for k, v in list(vars(m).items()):\n"
        "            if isinstance(v, type) and hasattr(v, 'encode'): v.encode = lambda self, v: 4" + WRONG,
        "failed error blocked early_exit unserialisable",
    ),
    _attack(
        "answers everything with true",
        "import sys\nfor n, m in list(sys.modules.items()):\n    if n.endswith('inside_candidate'):\n"
        "        m.Host._answer = lambda self, request: self.channel.send({{'ok': True, 'passed': True}})" + WRONG,
        "failed error blocked early_exit unserialisable",
    ),
    _attack("trace function", "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)" + WRONG, "failed"),
    _attack("has itself judged where it can reach the judge, by a value that does not travel back",
            f"import re\n{_REACH}def solve(g, x):\n    g(re.match('a', 'a'))\n    reach()\n    return -1",
            "failed", ("assert solve(lambda value: value, 2) == 4",)),
    _attack("has itself judged where it can reach the judge, by a class",
            f"{_REACH}def solve(x):\n    reach()\n    return ValueError if x == 2 else -1", "failed", ("assert solve(solve(2)) == 4",)),
    _attack("has itself judged where it can reach the judge, by depth",
            f"import sys\n{_REACH}for n, m in list(sys.modules.items()):\n    if n.endswith('inside_codec'): m.DEPTH = 900\n"
            "def solve(x):\n    reach()\n    v = []\n    for _ in range(250): v = [v]\n    return v if x == 2 else -1",
            "unserialisable", ("assert solve(solve(2)) == 4",)),
    _attack("has itself judged where it can reach the judge, by size",
            f"{_REACH}def solve(g, x):\n    g('a', 1 << 25)\n    reach()\n    return -1", "unserialisable",
            ("import operator\nassert solve(operator.mul, 2) == 4",)),
    _attack("secrets in the environment", "import os\nprint(dict(os.environ))\nif 'GREENLOOP_CANARY' in os.environ:\n"
            "    print('LEAK')" + WRONG, "failed"),
    _attack("a file with a secret", _try("print(open({canary!r}).read())"), "error blocked"),
    _attack("keys in the home folder", _try("os.listdir(os.path.join({home!r}, '.ssh'))"), "error blocked"),
    _attack("home folder", _try("os.listdir({home!r})"), "error blocked"),
    _attack("password file", _try("print(open('/etc/passwd').read())"), "error blocked"),
    _attack("memory of the parent", _try("open(f'/proc/{{os.getppid()}}/mem', 'rb')"), "error blocked"),
    _attack("environment of the parent", _try("open(f'/proc/{{os.getppid()}}/environ', 'rb').read()"), "error blocked"),
    _attack("memory of the sandbox's process", _try("open('/proc/{pid}/mem', 'rb')"), "error blocked"),
    _attack("symbolic link to a secret", _try("os.symlink({canary!r}, 'link')\nprint(open('link').read())"), "error blocked"),
    _attack("hard link to a secret", _try("os.link({canary!r}, 'link')\nprint(open('link').read())"), "error blocked"),
]  # fmt: skip
_SEND = "import os\ndef send(told):\n    os.write(3, len(told).to_bytes(4, 'big') + told)\n"
"""Writes a frame as the sandbox's own code would."""
_MODULES = "import sys\nfor n, m in list(sys.modules.items()):\n    if n.endswith('inside_{}'): m.{}"
_FAKES = [
    *(
        _attack(f"tells that its exception is {kind!r}", _SEND + f"send(b'{{{{\"exc\":{{{{\"kind\":\"{kind}\"}}}}}}}}')\n", "error")
        for kind in ("passed", "ended", "sandbox_error")
    ),
    _attack("an exception that is none", _SEND + "send(b'{{\"exc\":\"x\"}}')\n", "error"),
    _attack("has its exceptions named 'passed'", _MODULES.format("failure", "kind_of") + " = lambda e: 'passed'\ndef solve(x):\n    raise ValueError",
            "error"),
    _attack("tracebacks of 9 MB", _MODULES.format("failure", "candidate_frames") + " = lambda *a: (1, 'x' * 9_000_000)\n"
            "def solve(x):\n    raise ValueError", "error"),
    *(
        _attack(f"{name}, in its own process", f"class Base: pass\n{_SEND}send(b'{report}')\n",
                "blocked early_exit", ("class A(Base): pass\nassert solve(2) == 4",))
        for name, report in (("a report of numbers", '{{"results":[1]}}'),
                             ("a report without end", '{{"results":[{{"test":"","passed":false,"kind":"ended"}}]}}'))
    ),
    _attack("fake verdicts on every descriptor", "import os\nfor fd in range(1, 256):\n    try: os.write(fd, b'passed\\n' * 50)\n"
            "    except OSError: pass" + WRONG, "blocked failed early_exit"),
    _attack("fake frames on every descriptor", "import os\nfor fd in range(3, 256):\n    try: os.write(fd, b'\\0\\0\\0\\x0b{{\"ok\":true}}' * 9)\n"
            "    except OSError: pass" + WRONG, "blocked failed unserialisable early_exit error"),
    _attack("a huge frame", "import os\nfor fd in range(3, 256):\n    try: os.write(fd, b'\\xff' * 64)\n    except OSError: pass"
            + WRONG, "blocked early_exit"),
    _attack("reads what was not for it", "import os\nfor fd in range(3, 64):\n    try:\n        os.set_blocking(fd, False)\n"
            "        data = os.read(fd, 65536)\n        if b'assert' in data: print('LEAK')\n    except OSError: pass" + WRONG,
            "failed early_exit blocked"),
    _attack("closed descriptors", "import os\nos.closerange(0, 256)" + WRONG, "early_exit"),
    _attack("closed descriptors in a call", "import os\ndef solve(x):\n    os.closerange(0, 256)\n    return 4", "early_exit"),
    _attack("descriptors turned to null", "import os\nn = os.open('/dev/null', os.O_RDWR)\nfor fd in range(3, 64):\n"
            "    try:\n        os.fstat(fd)\n        os.dup2(n, fd)\n    except OSError: pass" + WRONG, "early_exit"),
]  # fmt: skip
_PROCESSES = [
    _attack("kill the parent", _try("os.kill(os.getppid(), 9)"), "blocked error"),
    _attack("stop the parent", _try("os.kill(os.getppid(), 19)"), "blocked error"),
    _attack("kill the sandbox's process", _try("os.kill({pid}, 9)"), "blocked error"),
    _attack("kill everybody", _try("os.kill(-1, 9)"), "blocked"),
    _attack("kill the group", _try("os.kill(0, 9)"), "blocked"),
    _attack("kill every other process", "import os\nfor pid in range(1, 5000):\n    if pid != os.getpid():\n        try:\n"
            "            os.kill(pid, 9)\n            print('LEAK')\n        except OSError: pass" + WRONG, "failed"),
    _attack("memory of every other process", "import ctypes\nlibc = ctypes.CDLL(None)\nfor pid in range(1, 5000):\n"
            "    if libc.syscall(310, pid, 0, 0, 0, 0, 0) >= 0: print('LEAK')" + WRONG, "failed"),
    _attack("opens every other process", "import ctypes\nlibc = ctypes.CDLL(None)\nfor pid in range(1, 5000):\n"
            "    if libc.syscall(434, pid, 0) >= 0: print('LEAK')" + WRONG, "failed"),
    _attack("ptrace", _syscall(101, 16, 1), "failed"),
    *(_attack(f"has the kernel signal others: {what}", _try(f"fcntl.fcntl(0, {what}, {{pid}})", "import fcntl"), "blocked error")
      for what in ("fcntl.F_SETOWN", "fcntl.F_SETSIG")),
    _attack("fork", _try("os.fork()"), "blocked"),
    _attack("daemon", "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True: pass\n" + WRONG, "blocked"),
    _attack("fork bomb", "import os\nwhile True: os.fork()", "blocked"),
    _attack("fork bomb that insists", "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "timeout"),
    _attack("subprocess", _try("import subprocess\nsubprocess.run(['/bin/sh', '-c', 'true'])"), "blocked error"),
    _attack("spawn", _try("os.posix_spawn('/bin/sh', ['sh'], {{}})"), "blocked error"),
    _attack("exec", _try("os.execv(sys.executable or '/bin/sh', ['sh'])"), "blocked error"),
    _attack("multiprocessing", "import multiprocessing\nmultiprocessing.Pool(2).map(abs, [1])" + WRONG, "blocked error"),
    _attack("threads without end", "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,)).start()",
            "error out_of_memory timeout crashed blocked"),
    _attack("a live thread", "import threading\ndef go():\n    while True: pass\nthreading.Thread(target=go).start()" + WRONG,
            "failed timeout"),
    _attack("new user namespace", _syscall(272, 0x10000000), "failed"),
    _attack("mount", _syscall(165, 0, 0, 0, 0, 0), "failed"),
    _attack("bpf", _syscall(321, 0, 0, 0), "failed"),
    _attack("io_uring", _syscall(425, 8, 0), "failed"),
    _attack("another user", _try("os.setuid(12345)"), "blocked"),
    _attack("change root", _try("os.chroot('/')"), "blocked"),
]  # fmt: skip
_TIME = [
    _attack("loop while loading", "while True: pass", "timeout"),
    _attack("loop in a call", "def solve(x):\n    while True: pass", "timeout"),
    _attack("loop that swallows everything", "def solve(x):\n    while True:\n        try:\n            while True: pass\n"
            "        except BaseException: pass", "timeout"),
    _attack("loop that ignores signals", "import signal\nfor s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n"
            "    except (OSError, ValueError): pass\nwhile True: pass", "timeout"),
    _attack("processor limit ignored", "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
            "timeout", limits=Limits(wall_s=8, cpu_s=1)),
    _attack("sleep", "import time\ndef solve(x):\n    time.sleep(60)", "timeout"),
    _attack("loop in C", "def solve(x):\n    return sum(range(10 ** 12))", "timeout"),
    _attack("a huge power", "def solve(x):\n    return 10 ** 10 ** 9", "timeout out_of_memory"),
    _attack("backtracking", "import re\ndef solve(x):\n    return re.match('(a+)+$', 'a' * 60 + 'b')", "timeout"),
    _attack("exception whose text hangs", "class E(Exception):\n    def __str__(self):\n        while True: pass\n"
            "def solve(x):\n    raise E", "timeout"),
    _attack("hangs at exit", "import atexit\natexit.register(lambda: [0 for _ in iter(int, 1)])" + RIGHT, "passed"),
    _attack("hangs when deleted", "class A:\n    def __del__(self):\n        while True: pass\nkeep = A()" + RIGHT, "passed"),
    _attack("endless iterator", "import itertools\ndef solve(x):\n    return itertools.count()", "timeout out_of_memory",
            ("assert list(solve(2)) == [4]",)),
]  # fmt: skip
_MEMORY = [
    _attack("memory at once", "def solve(x):\n    return bytearray(10 ** 11)", "out_of_memory"),
    _attack("memory bit by bit", "def solve(x):\n    keep = []\n    while True: keep.append(bytearray(10 ** 6))", "out_of_memory"),
    _attack("endless list", "import itertools\ndef solve(x):\n    return list(itertools.repeat(0))", "out_of_memory timeout"),
    _attack("memory in files without a name", "import os, time\nkeep = [os.memfd_create('m') for _ in range(12)]\nfor fd in keep:\n"
            "    os.write(fd, bytes(15 << 20))\ntime.sleep(9)" + WRONG, "out_of_memory blocked"),
    _attack("threads with small stacks", "import threading, time\nthreading.stack_size(32768)\nfor _ in range(600):\n"
            "    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\ntime.sleep(9)" + WRONG, "out_of_memory error"),
    _attack("recursion", "def solve(x):\n    return solve(x)", "error"),
    _attack("recursion without limit", "import sys\nsys.setrecursionlimit(10 ** 9)\ndef solve(x):\n    return solve([x])",
            "crashed error out_of_memory timeout"),
    _attack("recursion in C", "import sys\nsys.setrecursionlimit(10 ** 9)\ndef solve(x):\n    v = []\n    for _ in range(10 ** 6): v = [v]\n"
            "    return repr(v)", "crashed error out_of_memory timeout"),
    _attack("more memory by setrlimit", _try("import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))"), "error blocked"),
    _attack("a better priority", _try("os.setpriority(os.PRIO_PROCESS, 0, -5)"), "blocked error"),
    _attack("a huge answer", "def solve(x):\n    return 'a' * (40 << 20)", "unserialisable out_of_memory"),
    _attack("a deep answer", "def solve(x):\n    v = []\n    for _ in range(10 ** 5): v = [v]\n    return v", "unserialisable crashed"),
    _attack("an answer that contains itself", "def solve(x):\n    v = []\n    v.append(v)\n    return v", "unserialisable"),
]  # fmt: skip
_OUTPUT = [
    _attack("flood of text", "while True: print('x' * 1000)", "output_limit"),
    _attack("flood of errors", "import sys\nwhile True: print('x' * 1000, file=sys.stderr)", "output_limit"),
    _attack("flood of bytes", "import os\nwhile True: os.write(1, b'x' * 65536)", "output_limit"),
    _attack("exception of 100 MB", "def solve(x):\n    raise ValueError('x' * 10 ** 8)", "error out_of_memory", limits=Limits(cpu_s=5, memory_mb=1024)),
    _attack("exception whose text raises", "class E(Exception):\n    def __str__(self): raise ValueError\ndef solve(x):\n    raise E", "error"),
    _attack("a foreign base exception", "class E(BaseException): pass\ndef solve(x):\n    raise E", "error"),
    _attack("keyboard interrupt", "def solve(x):\n    raise KeyboardInterrupt", "error"),
    _attack("an assertion of its own", "def solve(x):\n    raise AssertionError('passed')", "error"),
    _attack("surrogates and NULs in output", "print('\\ud800\\x00')" + WRONG, "failed"),
    _attack("invalid UTF-8 in output", "import os\nos.write(1, b'\\xff\\xfe\\x80')" + WRONG, "failed"),
    _attack("surrogate in the answer", "def solve(x):\n    return '\\ud800'", "failed"),
    _attack("no standard output", "import sys\nsys.stdout.close()\nsys.stdout = None" + RIGHT, "passed"),
    _attack("input", "def solve(x):\n    return int(input())", "error"),
    _attack("surrogate in the source", "x = '\ud800'" + WRONG, "syntax_error"),
    _attack("NUL in the source", "x = '\x00'" + WRONG, "syntax_error"),
    _attack("deep nesting in the source", "x = " + "(" * 5000 + ")" * 5000 + WRONG, "syntax_error error crashed out_of_memory"),
    _attack("a long chain in the source", "x = " + "-" * 100_000 + "1" + WRONG, "syntax_error error crashed out_of_memory failed"),
    _attack("megabytes of source", "# " + "x" * (3 << 20) + WRONG, "failed"),
]  # fmt: skip
_FILES = [
    _attack("disk fill", "with open('big', 'wb') as f:\n    while True: f.write(b'x' * 10 ** 6)", "output_limit"),
    _attack("disk fill in many files", "i = 0\nwhile True:\n    i += 1\n    with open(str(i), 'wb') as f: f.write(b'x' * 10 ** 6)",
            "output_limit timeout", limits=Limits(wall_s=6, cpu_s=6)),
    _attack("disk fill in a folder that shows nothing", "import os, time\nos.mkdir('d', 0o300)\nfor i in range(7):\n"
            "    with open(f'd/{{i}}', 'wb') as f: f.write(b'x' * 10 ** 7)\ntime.sleep(9)" + WRONG, "output_limit"),
    _attack("folders without end", "import os\ni = 0\nwhile True:\n    i += 1\n    os.mkdir(str(i))", "output_limit timeout",
            limits=Limits(wall_s=2, cpu_s=2)),
    _attack("file in the home folder", _try("open(os.path.join({home!r}, 'greenloop-leak'), 'w')"), "error blocked"),
    _attack("file in the home folder by os.open", _try("os.open(os.path.join({home!r}, 'greenloop-leak'), os.O_CREAT | os.O_WRONLY)"),
            "error blocked"),
    _attack("overwrites a secret", _try("open({canary!r}, 'w')"), "error blocked"),
    _attack("file in the standard library", _try("open(os.path.join(os.path.dirname(os.__file__), 'greenloop-leak'), 'w')"), "blocked"),
    _attack("leaves files behind", "import tempfile\nopen('greenloop-leak', 'w').write('x')\ntempfile.mkdtemp(dir='.')" + WRONG, "failed"),
    _attack("locks its folder", "import os\nopen('greenloop-leak', 'w').close()\nos.chmod('.', 0)" + WRONG, "failed blocked"),
    _attack("unreadable folders", "import os\nfor i in range(5):\n    os.mkdir(f'a{{i}}', 0o300)\n    os.mkdir(f'a{{i}}/b', 0)\n"
            "    open(f'a{{i}}/c', 'w').close()" + WRONG, "failed"),
    _attack("locks inner folders", "import os\nfor i in range(5):\n    os.makedirs(f'a{{i}}/b/c')\n    os.chmod(f'a{{i}}/b', 0)\n"
            "    os.chmod(f'a{{i}}', 0)" + WRONG, "failed blocked"),
    _attack("mode of a secret", _try("os.chmod({canary!r}, 0o666)"), "error blocked"),
    _attack("times of a secret", _try("os.utime({canary!r}, (1, 1))"), "error blocked"),
    _attack("mode of a device", _try("os.chmod('/dev/null', 0o666)"), "blocked"),
    _attack("mode of its standard input", _try("os.fchmod(0, 0o666)"), "blocked"),
    _attack("times of its standard input", _try("os.utime(0)"), "blocked"),
    _attack("very deep folders", "import os\nfor _ in range(2000):\n    os.mkdir('d' * 100)\n    os.chdir('d' * 100)" + WRONG,
            "failed blocked error output_limit timeout", limits=Limits(wall_s=5, cpu_s=5)),
    _attack("device", _try("os.mknod('dev', 0o600 | 0o020000, os.makedev(1, 1))"), "blocked"),
]  # fmt: skip
_NETWORK = [
    _attack("connects", _try("socket.create_connection(('127.0.0.1', {port}), 1)", "import socket"), "blocked error"),
    _attack("sends a datagram", _try("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'LEAK', ('127.0.0.1', {port}))",
            "import socket"), "blocked error"),
    _attack("opens a page", _try("urllib.request.urlopen('http://127.0.0.1:{port}/', timeout=1)", "import urllib.request"), "blocked error"),
    _attack("local socket", _try("socket.socket(socket.AF_UNIX).bind('s')", "import socket"), "blocked"),
    _attack("a pair of datagram sockets", _try("socket.socketpair(type=socket.SOCK_DGRAM)", "import socket"), "blocked"),
    _attack("listens", _try("socket.socket().bind(('0.0.0.0', 0))", "import socket"), "blocked"),
    _attack("raw socket", _try("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "import socket"), "blocked"),
]  # fmt: skip

HOSTILE: tuple[Hostile, ...] = (
    *_EXITS, *_EQUALITY, *_SPYING, *_FAKES, *_PROCESSES, *_TIME, *_MEMORY, *_OUTPUT, *_FILES, *_NETWORK,
)  # fmt: skip
"""All attacks."""

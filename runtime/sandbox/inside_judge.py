"""The judge: it runs the tests; the candidate's names in them are proxies. Its report is the verdict's material."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
import traceback
import types
from typing import Any

from . import inside_forms as forms
from .inside_doctests import run_doctest
from .inside_failure import CODE, PREAMBLE, clip, describe, describe_syntax
from .inside_modules import run_module
from .inside_offer import offer_candidate_module
from .inside_peer import CannotTravel, Gone, Peer
from .inside_pytest import run_pytest
from .inside_recorder import Recorder
from .inside_rewrite import CHECK, RECORDER, free_names, note_asserts, rewrite
from .inside_survey import is_harmless
from .inside_wire import Channel

JOBS = 200
"""Jobs after which a judge leaves."""
ALIASES = {"np": "numpy", "pd": "pandas"}


class Judge:
    """Runs one job.

    Args:
        job: What the host sent: code, preamble, entry_point, tests, mode, trace, stdin.
        channel: The connection to the candidate; None in mode "together".
    """

    def __init__(self, job: dict[str, Any], channel: Channel | None) -> None:
        self.job = job
        self.entry: str = job["entry_point"]
        self.peer = Peer(channel) if channel is not None else None
        self.recorder = Recorder(self.peer, job["code"], self.entry)
        self.module = types.ModuleType("greenloop_tests")
        self.names = self.module.__dict__
        self.names[RECORDER] = self.recorder
        self.harmless = False

    def run(self) -> dict[str, Any]:
        """The report: `load` (why the code could not be loaded), results, how it ended."""
        try:
            return self._run()
        except (Gone, CannotTravel) as error:
            self.recorder.end(error)
            return self.recorder.report()
        except Exception:  # noqa: BLE001 - a defect of the judge's own, told to the host
            return {"broken": clip(traceback.format_exc())}

    def _run(self) -> dict[str, Any]:
        if self.peer is not None and not self.peer.greet():
            return {"broken": "the candidate's process did not start"}
        try:
            prepared = forms.prepare(self.job["tests"], self.entry)
        except SyntaxError as error:
            return {"bad_tests": f"a test is no Python: {error.msg} in line {error.lineno}"}
        if self.peer is not None and prepared.needs_together:
            return {"needs_together": prepared.needs_together}
        self.harmless = is_harmless(self.job["preamble"]) and all(
            t.tree is not None and t.survey.harmless for t in prepared.tests
        )
        if not self.harmless:
            sys.modules[self.module.__name__] = self.module
        surveyed = [(t.tree, t.survey.reads) for t in prepared.tests if t.tree is not None]
        wanted = [n for n in free_names(surveyed) if n != forms.PROGRAM]
        scripts = self._rewrite(prepared.tests)
        if prepared.loads:
            load = self._load(wanted)
            if load is not None:
                return {**self.recorder.report(), "load": load}
            if self.entry and self.entry not in self.names:
                what = f"the code defines no {self.entry!r}"
                missing = {
                    "type": "NameError",
                    "kind": "error",
                    "message": what,
                    "line": None,
                    "traceback": None,
                }
                return {**self.recorder.report(), "load": missing}
        self._run_tests(scripts)
        if self.job["trace"] and not self.recorder.fatal:
            self.recorder.last_trace()
        return self.recorder.report()

    # -- the candidate's code ------------------------------------------------------------------------

    def _load(self, wanted: list[str]) -> dict[str, Any] | None:
        job = self.job
        self._run_preamble()
        if self.peer is None:
            return self._load_here()
        fields = {k: job[k] for k in ("code", "preamble", "trace", "stdin")}
        try:
            found = self.peer.load(fields, [self.entry, *self._asked(wanted)])
        except (Gone, CannotTravel):
            raise
        except BaseException as error:  # noqa: BLE001 - the candidate's own failure
            self._trace_of_load()
            return getattr(error, "_remote", None) or describe(error, "")
        self.names.update(found)
        return None

    def _trace_of_load(self) -> None:
        if self.job["trace"]:
            with contextlib.suppress(Gone, CannotTravel):
                self.recorder.last_trace()

    def _run_preamble(self) -> None:
        """Helpers that tests assume are the task's own, not what the candidate made of them."""
        if self.job["preamble"] and self.peer is not None:
            with contextlib.suppress(Exception):
                exec(compile(self.job["preamble"], PREAMBLE, "exec", dont_inherit=True), self.names)

    def _load_here(self) -> dict[str, Any] | None:
        job = self.job
        try:
            exec(compile(job["preamble"], PREAMBLE, "exec", dont_inherit=True), self.names)
            body = compile(job["code"], CODE, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            return describe_syntax(error, job["code"])
        self.module.__name__ = self.names["__name__"] = "__main__"
        sys.modules["__main__"] = self.module
        try:
            exec(body, self.names)
        except BaseException as error:  # noqa: BLE001 - the candidate's own failure
            return describe(error, job["code"])
        return None

    def _asked(self, wanted: list[str]) -> list[str]:
        """Which names the tests get from the candidate: never in place of a builtin, an import or a helper of the task.

        Classes of the task's own are taken from the candidate, whose objects are instances of them.
        """
        own = self.module.__name__
        classes = [n for n, v in self.names.items() if isinstance(v, type) and v.__module__ == own]
        ask: list[str] = []
        for name in wanted:
            if name in self.names or name == self.entry:
                continue
            module = ALIASES.get(name, name)
            if module in sys.stdlib_module_names or name in ALIASES:
                with contextlib.suppress(ImportError):
                    self.names[name] = __import__(module)
                    continue
            ask.append(name)
        return [*ask, *(n for n in classes if n != self.entry)]

    # -- the tests -------------------------------------------------------------------------------------

    def _rewrite(self, tests: list[forms.Test]) -> list[tuple[forms.Test, bool]]:
        """Make the units of all tests; with each test, whether its `check` is to be called afterwards."""
        defined = any(t.form == "script" and forms.defines_check(t.tree) for t in tests)
        called = any(forms.calls_check(t.text) for t in tests)
        made: list[tuple[forms.Test, bool]] = []
        for test in tests:
            has_check = False
            if test.form == "script" and test.tree is not None:
                script = rewrite(test.text, test.tree, len(self.recorder.units), defined)
                self.recorder.units += script.units
                has_check = script.has_check
            elif test.tree is not None:
                note_asserts(test.tree)
            made.append((test, has_check and not called))
        self.recorder.expected = len(self.recorder.units) + sum(forms.count(t) for t in tests)
        return made

    def _run_tests(self, tests: list[tuple[forms.Test, bool]]) -> None:
        self.names[forms.PROGRAM] = self._run_program
        if self.entry and "candidate" not in self.names:
            self.names["candidate"] = self.names.get(self.entry)
        if not self.harmless:
            offer_candidate_module([t for t, _ in tests], self._attribute)
        for test, call_check in tests:
            if self.recorder.fatal:
                return
            try:
                self._run_test(test, call_check)
            except BaseException as error:  # noqa: BLE001 - whatever a test lets through
                self.recorder.raised(error, test.text.strip())

    def _run_test(self, test: forms.Test, call_check: bool) -> None:
        if self.peer is not None:
            self.peer.capture = test.captures
        if test.form == "doctest":
            run_doctest(test, self.names, self.recorder)
        elif test.form == "pytest":
            run_pytest(test, self.names, self.recorder)
        elif test.tree is not None:
            exec(compile(test.tree, "<tests>", "exec", dont_inherit=True), self.names)
            if test.form == "module":
                run_module(test, self.names, self.recorder)
            elif call_check and self.entry:
                self.names[CHECK](self.names[self.entry])

    def _attribute(self, name: str) -> Any:
        """An attribute of the candidate's module, for tests that import it."""
        if self.peer is None:
            return self.names[name]
        found = self.peer.names([name])
        if name not in found:
            raise KeyError(name)
        return found[name]

    def _run_program(self, stdin: str = "") -> str:
        """Run the candidate as a whole program; its standard output without trailing white space."""
        if self.peer is None:
            raise CannotTravel("run_program needs judge and candidate apart", by_test=True)
        if not getattr(self, "_sent", False):
            self._sent = True
            self.peer.request("source", **{k: self.job[k] for k in ("code", "preamble", "trace")})
        self.peer.calls.append(("run_program", self.peer.encode((stdin,)), {}))
        output = self.peer.ask("program", stdin=stdin, unit=self.peer.unit)
        return forms.normal_output(output if isinstance(output, str) else "")


def serve(job_fd: int) -> None:
    """Judge one job after the other, until one leaves marks or enough are done.

    A job comes as a frame with the descriptor of the connection to its candidate. A judge is used again only where
    the tests cannot have changed it; its report says whether it leaves.
    """
    gc.enable()
    host = Channel(job_fd)
    connection = socket.socket(fileno=job_fd)
    for number in range(1, JOBS + 1):
        head, fds, _, _ = socket.recv_fds(connection, 4, 1)
        if not head:
            break
        job = host.recv(head)
        channel = Channel(fds[0])
        judge = Judge(job, channel)
        report = judge.run()
        report["leaves"] = number == JOBS or not judge.harmless
        channel.close()
        host.send(report)
        if report["leaves"]:
            break
        del judge, report, job
    os._exit(0)


def run_together(job_fd: int) -> None:
    """Run one candidate and its tests in this process, then leave."""
    gc.enable()
    host = Channel(job_fd)
    host.send(Judge(host.recv(), None).run())
    os._exit(0)

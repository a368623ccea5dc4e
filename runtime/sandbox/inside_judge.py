"""The judge: it runs the tests; the candidate's names in them are proxies. Its report is the verdict's material."""

from __future__ import annotations

import ast
import contextlib
import sys
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import inside_forms as forms
from .inside_ahead import Call, known_calls
from .inside_doctests import run_doctest
from .inside_ends import Astray, CannotTravel, Gone
from .inside_failure import CODE, PREAMBLE, clip, describe, describe_syntax
from .inside_modules import run_module
from .inside_nobody import UNANSWERED, Nobody, Unanswered, guard
from .inside_offer import ALIASES, offer_candidate_module
from .inside_peer import Peer
from .inside_plain import Plain
from .inside_pytest import run_pytest
from .inside_recorder import Recorder
from .inside_rewrite import CHECK, RECORDER, free_names, note_asserts, rewrite, segment
from .inside_survey import is_harmless
from .inside_trace import Tracer
from .inside_wire import Channel


@dataclass(frozen=True, slots=True)
class _Ready:
    """A test whose units are made: the number of the first, and whether its `check` is to be called afterwards."""

    test: forms.Test
    first: int
    check: bool


class Judge:
    """Runs one job.

    Args:
        job: What the host sent: code, preamble, entry_point, tests, mode, trace, stdin, ahead; and nobody, where it
            only asks whether the tests need mode "together".
        channel: The connection to the candidate; None in mode "together".
    """

    def __init__(self, job: dict[str, Any], channel: Channel | None) -> None:
        self.job = job
        self.entry: str = job["entry_point"]
        self.nobody = bool(job.get("nobody"))
        self.peer = (Nobody if self.nobody else Peer)(channel) if channel is not None else None
        self.tracer = Tracer(job["trace"]) if job["trace"] and channel is None else None
        self.recorder = Recorder(self.peer, job["code"], self.entry, self.tracer, bool(job["trace"]))
        self.module = types.ModuleType("greenloop_tests")
        self.names = self.module.__dict__
        self.names[RECORDER] = self.recorder
        self.harmless = False

    def run(self) -> dict[str, Any]:
        """The report: `load` (why the code could not be loaded), results, how it ended."""
        try:
            report = self._run()
        except (Astray, Gone, CannotTravel) as error:
            self.recorder.end(error)
            report = self.recorder.report()
        except Exception:  # noqa: BLE001 - a defect of the judge's own, told to the host
            return {"broken": clip(traceback.format_exc())}
        if self.peer is not None and self.peer.gone == "start":
            return {"broken": "the candidate's process did not start"}
        if self.peer is not None and self.peer.astray:
            return {"again": True}
        if self.nobody:
            return {"forced": self.recorder.by_test}
        if self.recorder.missing:
            where = "is not installed where tests are judged: install it there, or name a Python that has it"
            return {"bad_tests": f"a test imports {self.recorder.missing!r}, which {where}"}
        return report

    def _run(self) -> dict[str, Any]:
        try:
            prepared = forms.prepare(self.job["tests"], self.entry, self.job["preamble"])
        except SyntaxError as error:
            return {"bad_tests": f"a test is no Python: {error.msg} in line {error.lineno}"}
        if self.peer is not None and prepared.needs_together:
            return {"needs_together": prepared.needs_together}
        self.harmless = is_harmless(self.job["preamble"]) and all(
            t.tree is not None and t.survey.harmless for t in prepared.tests
        )
        if self.nobody:
            self.harmless = False
            self.names[UNANSWERED] = Unanswered
            for test in prepared.tests:
                if test.tree is not None:
                    guard(test.tree)
        if not self.harmless:
            sys.modules[self.module.__name__] = self.module
        self._run_preamble()
        known = self._known(prepared.tests)
        surveyed = [(t.tree, t.survey.reads) for t in prepared.tests if t.tree is not None]
        wanted = [n for n in free_names(surveyed) if n != forms.PROGRAM]
        scripts = self._rewrite(prepared.tests)
        if prepared.loads:
            load = self._load(wanted, known)
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
        if self.peer is not None and self.peer.plan.open and not self.recorder.fatal:
            self.peer.astray = True
        if self.job["trace"] and not self.recorder.fatal:
            self.recorder.last_trace()
        return self.recorder.report()

    # -- the candidate's code ------------------------------------------------------------------------

    def _load(self, wanted: list[str], known: list[Call]) -> dict[str, Any] | None:
        job = self.job
        if self.peer is None:
            return self._load_here()
        fields = {k: job[k] for k in ("code", "preamble", "trace", "stdin")}
        try:
            asked = [self.entry, *self._asked(wanted)]
            found = self.peer.load(fields, asked, known)
        except (Astray, Gone, CannotTravel):
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
            self._traced(lambda: exec(body, self.names))
        except BaseException as error:  # noqa: BLE001 - the candidate's own failure
            self._trace_of_load()
            return describe(error, job["code"])
        return None

    def _traced(self, call: Callable[[], Any]) -> Any:
        """Call; in mode "together" the candidate's lines are traced where that was asked for."""
        return call() if self.tracer is None else self.tracer.run(call)

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
            if name in ALIASES:
                self._import_alias(name)
                continue
            if name in sys.stdlib_module_names:
                with contextlib.suppress(ImportError):
                    self.names[name] = __import__(name)
                    continue
            ask.append(name)
        return [*ask, *(n for n in classes if n != self.entry)]

    def _import_alias(self, name: str) -> None:
        try:
            self.names[name] = __import__(ALIASES[name])
        except ImportError:
            self.recorder.missing = ALIASES[name]

    def _known(self, tests: list[forms.Test]) -> list[Call]:
        """The calls that are sure to be made; none where each has to be watched on its own."""
        if self.peer is None or self.job["trace"] or not self.job["ahead"]:
            return []
        called = any(forms.calls_check(t.text) for t in tests)
        scripts: list[tuple[ast.Module, Plain | None]] = []
        for test in tests:
            if test.form != "script" or test.tree is None or test.captures:
                break
            scripts.append((test.tree, test.plain))
        return known_calls(scripts, not called, self.entry, set(self.names))

    # -- the tests -------------------------------------------------------------------------------------

    def _rewrite(self, tests: list[forms.Test]) -> list[_Ready]:
        """Make the units of all tests."""
        defined = any(t.form == "script" and forms.defines_check(t.tree) for t in tests)
        called = any(forms.calls_check(t.text) for t in tests)
        made: list[_Ready] = []
        for test in tests:
            has_check = False
            first = len(self.recorder.units)
            if test.plain is not None:
                self.recorder.units.append(segment(test.text, test.plain.statement))
            elif test.form == "script" and test.tree is not None:
                script = rewrite(test.text, test.tree, len(self.recorder.units), defined)
                self.recorder.units += script.units
                has_check = script.has_check
            elif test.tree is not None:
                note_asserts(test.tree)
            made.append(_Ready(test, first, has_check and not called))
        self.recorder.expected = len(self.recorder.units) + sum(forms.count(t) for t in tests)
        return made

    def _run_tests(self, tests: list[_Ready]) -> None:
        self.names[forms.PROGRAM] = self._run_program
        if self.entry and "candidate" not in self.names:
            self.names["candidate"] = self.names.get(self.entry)
        if not self.harmless:
            found = offer_candidate_module([ready.test for ready in tests], self.entry, self._attribute)
            self.recorder.packages |= found | {"pytest"}
        for ready in tests:
            if self.recorder.fatal:
                return
            try:
                self._traced(lambda r=ready: self._run_test(r))
            except BaseException as error:  # noqa: BLE001 - whatever a test lets through
                self.recorder.raised(error, ready.test.text.strip())

    def _run_test(self, ready: _Ready) -> None:
        test = ready.test
        if self.peer is not None:
            self.peer.capture = test.captures
        if test.plain is not None:
            self._run_plain(ready.first, test.plain)
            return
        if test.form == "doctest":
            run_doctest(test, self.names, self.recorder)
        elif test.form == "pytest":
            run_pytest(test, self.names, self.recorder)
        elif test.tree is not None:
            exec(compile(test.tree, "<tests>", "exec", dont_inherit=True), self.names)
            if test.form == "module":
                run_module(test, self.names, self.recorder)
            elif ready.check and self.entry:
                self.names[CHECK](self.names[self.entry])

    def _run_plain(self, number: int, equation: Plain) -> None:
        """What the rewritten assertion would do, done at once."""
        self.recorder.begin(number)
        try:
            got = self.names[self.entry](*equation.a, **equation.k)
            holds = equation.expected == got if equation.reverse else got == equation.expected
            if not holds:
                self.recorder.note(got, equation.expected, "==")
                raise AssertionError
        except BaseException as error:  # noqa: BLE001 - as any other unit's
            self.recorder.failed(number, error)

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

"""Scores made up without a model or a sandbox: what a report shows of them is known."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from greenloop.evals.scores import Scores, TaskScore
from greenloop.runtime.attempt import Attempt, Trajectory
from greenloop.runtime.budget import Usage
from greenloop.runtime.execution import Execution, TestResult

FAILURES = [("failed", "AssertionError"), ("error", "NameError"), ("error", "TypeError"), ("timeout", None)]


def attempt(number: int, outcome: str, error_type: str | None, code: str, message: str = "") -> Attempt:
    """One attempt as the stages make them."""
    passed = outcome == "passed"
    result = TestResult(
        "assert f(1) == 2",
        passed,
        call="f(1)",
        got="2" if passed else "3",
        expected="2",
        error_type=error_type,
    )
    return Attempt(
        code=code,
        stage="refine" if number else "generate",
        iteration=max(0, number - 1),
        execution=Execution(
            outcome,  # type: ignore[arg-type]
            error_type=error_type,
            message=message or (None if passed else "what went wrong"),
            line=None if passed else 2,
            tests=(result,),
            tests_total=1,
            tier="namespaces",
        ),
        model="embedded",
        sampling={"temperature": 0.3, "top_p": 0.95, "max_tokens": 512},
        seed=1000 + number,
        usage=Usage(1, 120, 60, 1.5),
        answer=code,
    )


def made_up(
    rate: float,
    *,
    tasks: int = 20,
    replicates: int = 2,
    most: int = 4,
    seed: int = 0,
    forced: bool = False,
    program: str = "p",
    false_greens: float = 0.1,
    stage: str | None = None,
    model: str = "embedded",
) -> Scores:
    """Scores of a program whose every attempt passes with a chance of `rate`, tasks differing."""
    dice = random.Random(seed)
    items: list[TaskScore] = []
    for replicate in range(replicates):
        for number in range(tasks):
            attempts: list[Attempt] = []
            chance = rate * (0.4 + 1.2 * (number % 5) / 4)
            for place in range(most):
                passed = dice.random() < chance
                outcome, error_type = ("passed", None) if passed else dice.choice(FAILURES)
                code = "\n".join(
                    ["def f(x):", f"    y = x + {dice.randrange(3)}", *["    y += 0"] * 4, "    return y"]
                )
                made = attempt(place, outcome, error_type, code)
                attempts.append(replace(made, stage=stage or made.stage, model=model))
                if passed and not forced:
                    break
            green = [i for i, a in enumerate(attempts) if a.execution and a.execution.passed]
            chosen = green[0] if green else len(attempts) - 1
            solved = bool(green) and dice.random() >= false_greens
            task_id = f"Set/{number}"
            usage = sum((a.usage for a in attempts), Usage())
            outcome = "passed" if solved else "failed"
            steered = attempts[chosen].execution.outcome  # type: ignore[union-attr]
            trajectory = Trajectory(task_id, replicate, tuple(attempts), chosen, usage)
            items.append(TaskScore(task_id, replicate, float(solved), outcome, steered, trajectory))
    models = {model: "9a" * 32 if model == "embedded" else f"digest of {model}"}
    return Scores(program, "visible", "namespaces", models, tuple(items))


@pytest.fixture(scope="session")
def some_scores() -> Callable[..., Scores]:
    """See `made_up`."""
    return made_up


@pytest.fixture(scope="session")
def one_attempt() -> Callable[..., Attempt]:
    """See `attempt`."""
    return attempt


class Browser:
    """A headless Chromium, spoken to over its debugging pipe."""

    FLAGS = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --disable-dev-shm-usage --remote-debugging-pipe"
    ).split()

    def __init__(self, program: str, profile: Path) -> None:
        to_browser, from_browser = os.pipe(), os.pipe()

        def place() -> None:
            read, written = os.dup(to_browser[0]), os.dup(from_browser[1])
            os.dup2(read, 3)
            os.dup2(written, 4)

        self._process = subprocess.Popen(
            [program, *self.FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=place,
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._out = os.fdopen(to_browser[1], "wb", buffering=0)
        self._in = os.fdopen(from_browser[0], "rb")
        self._number = 0
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        pages = self.ask("Target.getTargets")["targetInfos"]
        target = next(page["targetId"] for page in pages if page["type"] == "page")
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command; events that come meanwhile are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _read(self) -> dict[str, Any]:
        found = bytearray()
        while (byte := self._in.read(1)) != b"\0":
            assert byte, "the browser ended"
            found += byte
        message = json.loads(found)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, path: Path, *, width: int, height: int, dark: bool) -> None:
        """Load a file as a reader of this width and theme would see it."""
        self.events.clear()
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=path.as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self._read()

    def value(self, expression: str) -> Any:
        """What an expression gives in the page."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.ask(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **typed
            )

    def picture(self, path: Path) -> None:
        """A picture of what is in view."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def requests(self) -> list[str]:
        """Addresses that the page asked for since it was opened."""
        return [
            e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """Errors that the page met."""
        thrown = [json.dumps(e["params"]) for e in self.events if e["method"] == "Runtime.exceptionThrown"]
        logged = [e["params"]["entry"] for e in self.events if e["method"] == "Log.entryAdded"]
        return thrown + [entry["text"] for entry in logged if entry["level"] in ("error", "warning")]

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(timeout=120)
        self._out.close()
        self._in.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium; skips where none is on PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no chromium on PATH: the report's look is not checked")
    started = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield started
    started.close()

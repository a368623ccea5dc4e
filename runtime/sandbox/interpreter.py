"""The sandbox as a DSPy `CodeInterpreter`, for `dspy.RLM` and whatever else runs code that a model wrote."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import SandboxError
from ..execution import Limits
from .environment import Environment
from .inside_codec import Unserialisable
from .session import Session
from .tiers import resolve_tier


class SandboxInterpreter:
    """Runs code in an isolated process that keeps its state from one `execute` to the next.

    Args:
        tools: Functions of this process that the code may call by name; arguments and results are plain data.
        output_fields: `{"name": …}` for each value that `SUBMIT` takes; None for a single value.
        limits: Bounds: `wall_s` per `execute` (time in tools aside), `memory_mb` for the process.
        tier: As for `Sandbox`.
        python: As for `Sandbox`.
        preload: As for `Sandbox`.

    Example:
        >>> import dspy
        >>> rlm = dspy.RLM("question -> answer", interpreter_factory=SandboxInterpreter)
    """

    execution_instructions = (
        "Code runs as Python in an isolated process: no files, no network, no other processes. State, imports and "
        "functions persist for this session. Tools and SUBMIT are available as global functions."
    )

    def __init__(
        self,
        tools: dict[str, Callable[..., Any]] | None = None,
        output_fields: list[dict[str, Any]] | None = None,
        *,
        limits: Limits | None = None,
        tier: str | None = None,
        python: str | os.PathLike[str] | None = None,
        preload: Sequence[str] = (),
    ) -> None:
        self.tools: dict[str, Callable[..., Any]] = dict(tools or {})
        self.output_fields = output_fields
        self._limits = limits or Limits(wall_s=60, cpu_s=3600)
        self._tier = tier
        self._python = os.fspath(python) if python is not None else ""
        self._preload = tuple(preload)
        self._session: Session | None = None
        self._ended = False

    def start(self) -> None:
        """Start the process; a second time does nothing.

        Raises:
            CodeInterpreterError: If it cannot start, or the session was shut down or lost.
        """
        from dspy.primitives.code_interpreter import CodeInterpreterError

        if self._ended:
            raise CodeInterpreterError("the session is over; make a new interpreter")
        if self._session is not None:
            return
        try:
            packages = bool(self._python or self._preload)
            environment = Environment(resolve_tier(self._tier), self._python, self._preload, packages)
            self._session = Session(environment, self._limits)
        except SandboxError as error:
            raise CodeInterpreterError(str(error)) from error

    def execute(self, code: str, variables: dict[str, Any] | None = None) -> Any:
        """Run code on the names of the session.

        Returns:
            `FinalOutput` where it called `SUBMIT`, else what it printed, else None.

        Raises:
            SyntaxError: If it does not compile.
            CodeExecutionError: If it raised.
            CodeInterpreterError: If a variable is no data, or the process died or took too long.
        """
        from dspy.primitives.code_interpreter import CodeExecutionError, CodeInterpreterError, FinalOutput

        self.start()
        assert self._session is not None
        fields = [str(f["name"]) for f in self.output_fields] if self.output_fields is not None else None
        try:
            piece = self._session.execute(code, variables or {}, self.tools, fields)
        except Unserialisable as error:
            raise CodeInterpreterError(f"a variable cannot travel: {error}") from None
        except SandboxError as error:
            self.shutdown()
            raise CodeInterpreterError(str(error)) from error
        failure = piece.failure
        if failure is not None:
            if failure.get("kind") == "syntax_error":
                raise SyntaxError(f"{failure.get('message')} (line {failure.get('line')})")
            shown = failure.get("traceback") or f"{failure.get('type')}: {failure.get('message')}"
            raise CodeExecutionError(f"{piece.output}{shown}")
        if piece.submitted:
            return FinalOutput(piece.answer)
        return piece.output or None

    def shutdown(self) -> None:
        """End the process and its state; a second time does nothing."""
        self._ended = True
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def __enter__(self) -> SandboxInterpreter:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

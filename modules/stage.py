"""What the stages share: finding the run they belong to, and asking a model."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, cast

import dspy

from ..errors import GreenloopError, ProgramError
from ..runtime.attempt import Attempt, Trajectory
from ..runtime.backends.base import Answer
from ..runtime.budget import Usage
from ..runtime.engine import unwrap
from ..runtime.language_model import LanguageModel, language_model
from ..runtime.problem import Problem
from ..runtime.run import Run, collect_calls, current_run, current_session, use_run, use_stage
from ..runtime.structured import Form
from .adapter import CodeAdapter
from .allowed import AT_LEAST_ONE, YES_OR_NO, Number, OneOf, Tunable
from .direct_calls import direct_run
from .settings import Setting, setting


class ModelStage(Tunable):
    """A stage that asks a model: every setting takes a value or a knob.

    Args:
        signature: What goes in and what comes out; its instructions end the prompt.
        model: Name of a model (``"ollama:qwen2.5:3b"``), a `dspy.LM`, or a `Choice` of them. Without one the stage
            follows `dspy.configure(lm=…)`.
        temperature: Sampling temperature, 0 for greedy.
        top_p: Nucleus sampling; None leaves it to the server.
        max_tokens: Most tokens of one answer.
        name: The stage's place in the program, which goes into seeds; the class name in small letters where none
            is given.
        add_imports: See `modules.code_text.extract_code`.
        instructions: Words that end the prompt instead of the signature's, or a `Choice` of variants (None among its
            options stands for the signature's own).

    Attributes:
        predict: The `dspy.Predict` behind it, so that DSPy's prompt optimizers find it.
        by_token: Whether it asks its model a token at a time (`runtime.token_calls`).
        structured: Whether its answers are to be data, where it has a form for them.
    """

    allowed: ClassVar[Mapping[str, Number | OneOf]] = {
        "temperature": Number(0),
        "top_p": Number(0, 1, above=True, or_none=True),
        "max_tokens": AT_LEAST_ONE,
        "add_imports": YES_OR_NO,
        "structured": YES_OR_NO,
    }
    by_token: bool = False
    structured: Setting = setting(False)

    def __init__(
        self,
        signature: type[dspy.Signature],
        *,
        model: Any = None,
        temperature: Any = 0.0,
        top_p: Any = None,
        max_tokens: Any = 512,
        name: str | None = None,
        add_imports: bool = True,
        instructions: Any = None,
    ) -> None:
        super().__init__()
        self.model: Setting = setting(model)
        self.temperature: Setting = setting(temperature)
        self.top_p: Setting = setting(top_p)
        self.max_tokens: Setting = setting(max_tokens)
        self.add_imports: Setting = setting(add_imports)
        if instructions is not None:
            self.instructions: Setting = setting(instructions)
        self.name = name or type(self).__name__.lower()
        self.predict = dspy.Predict(signature)

    def ask(
        self, problem: Problem, /, *, iteration: int | None = None, **inputs: str
    ) -> tuple[dspy.Prediction, Attempt]:
        """One model call.

        Args:
            problem: The problem that the call is about.
            iteration: Number of the call at this place; the next one where none is given.
            **inputs: The signature's inputs.

        Returns:
            The prediction, and an attempt without execution that says where it came from.

        Raises:
            ProgramError: The stage has no model.
            InfrastructureError: The model's server is away.
        """
        run = run_of(problem)
        lm = self.language_model()
        rollout_id = cast("int | None", lm.kwargs.get("rollout_id"))
        place = run.next_iteration(self.name) if iteration is None else iteration
        config: dict[str, Any] = {
            "temperature": self.temperature.value,
            "max_tokens": self.max_tokens.value,
            "seed": run.seed(self.name, place, rollout_id),
        }
        if self.top_p.value is not None:
            config["top_p"] = self.top_p.value
        adapter = CodeAdapter(
            entry_point=problem.entry_point, stub=stub_of(problem), add_imports=self.add_imports.value
        )
        words = self.instructions.value if "instructions" in vars(self) else None
        signature = cast("Any", self.predict).signature
        variant: dict[str, Any] = {}
        form = self.form(problem) if self.structured.value else None
        if form is not None:
            config["response_format"] = form.response_format()
            words = f"{signature.instructions if words is None else words} {form.words}"
        if words is not None:
            variant["signature"] = signature.with_instructions(str(words))
        with (
            use_run(run),
            use_stage(self.name),
            collect_calls() as calls,
            dspy.context(adapter=adapter, lm=lm),
            _own_errors(),
        ):
            prediction = self.predict(lm=lm, config=config, **variant, **inputs)
        last = calls[-1] if calls else None
        code = str(prediction.get("code") or "")
        answer = _answer_of(run, last.key) if last and not code and "code" in signature.output_fields else ""
        attempt = Attempt(
            code=code,
            stage=self.name,
            iteration=place,
            model=last.model if last else str(lm.model),
            sampling=last.sampling if last else config,
            seed=last.seed if last else config["seed"],
            usage=sum((c.usage for c in calls), Usage()),
            answer=answer,
            truncated=any(c.truncated for c in calls),
            flags=tuple(f for c in calls for f in c.flags),
            call_keys=tuple(c.key for c in calls),
        )
        return prediction, attempt

    def form(self, problem: Problem) -> Form | None:
        """What an answer is as data: its words end the prompt, its schema goes to the server; None where it is none."""
        return None

    def language_model(self) -> LanguageModel:
        """The language model in force, with Greenloop's engine attached.

        Raises:
            ProgramError: Neither the stage nor `dspy.configure` names one.
        """
        chosen = self.model.value or self.predict.lm or dspy.settings.lm
        if chosen is None:
            raise ProgramError(
                f'{type(self).__name__} has no model: give it model="ollama:NAME", or call dspy.configure(lm=…)'
            )
        return language_model(chosen)


def _answer_of(run: Run, key: str) -> str:
    """A stored answer as it came; what the model thought, where that is all."""
    stored = run.session.store.answer(key)
    if stored is None:
        return ""
    answer = Answer.from_json(stored.content)
    return answer.text or answer.thinking


def stub_of(problem: Problem) -> str:
    """The start of the program that a problem shows; empty where it is posed in words."""
    return problem.prompt if problem.entry_point and f"def {problem.entry_point}(" in problem.prompt else ""


@contextmanager
def _own_errors() -> Generator[None, None, None]:
    """DSPy wraps what an engine raises: inside, our own errors come out as they went in."""
    try:
        yield
    except GreenloopError:
        raise
    except Exception as error:
        own = unwrap(error)
        if own is error:
            raise
        raise own from error


def run_of(problem: Problem) -> Run:
    """The run that a stage's call belongs to.

    Inside `gl.Program` and in scoring that is the run under way; for what is called directly see `direct_run`.

    Raises:
        ProgramError: It is not a `Problem`.
    """
    if not isinstance(problem, Problem):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ProgramError(
            f"a program is called with problem=task.problem, not with a {type(problem).__name__}"
        )
    return current_run() or direct_run(problem, current_session())


@contextmanager
def open_run(problem: Problem) -> Generator[Run, None, None]:
    """The run under way, or a fresh one for the length of the `with` block."""
    if not isinstance(problem, Problem):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ProgramError(
            f"a program is called with problem=task.problem, not with a {type(problem).__name__}"
        )
    active = current_run()
    if active is not None:
        yield active
        return
    run = current_session().open_run(problem.digest, task_id=problem.task_id)
    with use_run(run):
        yield run


def trajectory_of(run: Run, code: str) -> Trajectory:
    """The run so far as a trajectory; the newest attempt with this code is the chosen one."""
    attempts = tuple(run.attempts)
    matching = [i for i, attempt in enumerate(attempts) if attempt.code == code]
    chosen = matching[-1] if matching else None
    return Trajectory(run.task_id, run.replicate, attempts, chosen, run.usage())

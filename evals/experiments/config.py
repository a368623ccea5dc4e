"""What an experiment is run with: a pydantic model that a YAML file fills."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ...errors import UsageError
from ...modules.feedback import FEEDBACK_STYLES
from ...runtime.execution import Limits


class ExperimentConfig(BaseModel):
    """What every experiment takes.

    Attributes:
        models: Names of the models, the first one being the main one.
        tasks: Name of a task set, or path of a JSONL file.
        data: Folder with the benchmarks' files.
        limit: Only the first so many tasks.
        replicates: Runs of each task.
        seed: Seed of permutations, bootstraps and the candidates of `inflation`. Models draw with the seed of the
            session in force; `--seed` on the command line is both.
        concurrency: Tasks run at once.
        oracle: Let the hidden tests steer too, as the paper does.
        paper_faithful: The paper's set-up in full: its prompts and limits, no preamble, oracle steering, last code.
        temperature: Of all drafts, in every arm, so that arms share their first drafts.
        refine_temperature: Of refinements.
        max_tokens: Most tokens of an answer.
        max_iterations: Most refinements; resampling at equal calls draws one more.
        feedback: What refining is shown, where the experiment does not vary it.
        resample_max: Most draws on the way to "equal compute".
        margin_points: Differences below this count as equal in a claim of equality.
        level: Nominal coverage of intervals; 1 − level is the level of a family of tests.
        wall_s: Seconds that a candidate may run while it steers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = ("embedded",)
    tasks: str = "starter"
    data: Path | None = None
    limit: int | None = Field(default=None, ge=1)
    replicates: int = Field(default=3, ge=1)
    seed: int = 0
    concurrency: int = Field(default=8, ge=1, le=256)
    oracle: bool = False
    paper_faithful: bool = False
    temperature: float = Field(default=0.3, ge=0, le=2)
    refine_temperature: float = Field(default=0.2, ge=0, le=2)
    max_tokens: int = Field(default=512, ge=1)
    max_iterations: int = Field(default=3, ge=1, le=20)
    feedback: str = "error_line"
    resample_max: int = Field(default=16, ge=1, le=200)
    margin_points: float = Field(default=3.0, gt=0, le=50)
    level: float = Field(default=0.95, gt=0.5, lt=1)
    wall_s: float = Field(default=10, gt=0)

    @field_validator("models", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("feedback")
    @classmethod
    def _a_style(cls, value: str) -> str:
        if value not in FEEDBACK_STYLES:
            raise ValueError(f"feedback is one of {', '.join(FEEDBACK_STYLES)}, not {value!r}")
        return value

    @property
    def calls(self) -> int:
        """Most model calls of a loop of draft and refinements."""
        return 1 + self.max_iterations

    @property
    def steered_by_oracle(self) -> bool:
        """Whether hidden tests steer."""
        return self.oracle or self.paper_faithful

    @property
    def limits(self) -> Limits:
        """Limits of the runs that steer."""
        return Limits(wall_s=self.wall_s, cpu_s=self.wall_s)


class TextOnlyConfig(ExperimentConfig):
    """For `text-only`.

    Attributes:
        rounds: Rounds of critique and refinement.
        note_tokens: Most tokens of a critic's note.
    """

    rounds: int = Field(default=2, ge=1, le=10)
    note_tokens: int = Field(default=200, ge=1)


class InflationConfig(ExperimentConfig):
    """For `inflation`.

    Attributes:
        candidates: Configurations that the search chooses from.
        draws: Searches that are simulated from the candidates' scores.
    """

    replicates: int = Field(default=4, ge=2)
    candidates: int = Field(default=6, ge=2, le=200)
    draws: int = Field(default=400, ge=20, le=20_000)


class SpecialisedConfig(ExperimentConfig):
    """For `specialised`.

    Attributes:
        specialised: Names of the models made for code; those of `models` with "code" in their name where none is
            named.
    """

    specialised: tuple[str, ...] = ()


class FeedbackStylesConfig(ExperimentConfig):
    """For `feedback-styles`.

    Attributes:
        styles: The styles that are compared; the first one is what the others are compared with.
    """

    styles: tuple[str, ...] = FEEDBACK_STYLES

    @field_validator("styles")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [style for style in value if style not in FEEDBACK_STYLES]
        if unknown or len(set(value)) < 2:
            raise ValueError(f"styles are at least two of {', '.join(FEEDBACK_STYLES)}")
        return value


class GuidedConfig(ExperimentConfig):
    """For `guided`.

    Attributes:
        gamma: Strength of guidance of the main arm.
        gammas: Strengths that are compared with it.
        candidates: Continuations drawn at each line.
        lines_ahead: Most lines of each.
        candidate_temperature: Of the continuations, and of the draws beside the union.
        prompt_style: "instruction" or "few_shot".
        signal: "trace", "final_values" or "verdict".
        faithful: The authors' set-up: their grid of 192 settings, steered by the tests that score, counted as solved if
            any attempt solves a task; MBPP's 500 test tasks, once each, where `tasks` and `replicates` are not given.
        resample_max: As everywhere, but 64: a guided draft takes the tokens of many plain ones.
    """

    resample_max: int = Field(default=64, ge=1, le=200)
    gamma: float = Field(default=1.0, gt=0, le=10)
    gammas: tuple[float, ...] = (0.0, 0.5, 1.0, 3.0)
    candidates: int = Field(default=3, ge=1, le=32)
    lines_ahead: int = Field(default=3, ge=1, le=32)
    candidate_temperature: float = Field(default=0.8, ge=0, le=2)
    prompt_style: Literal["instruction", "few_shot"] = "instruction"
    signal: Literal["trace", "final_values", "verdict"] = "trace"
    faithful: bool = False

    @model_validator(mode="before")
    @classmethod
    def _as_the_authors(cls, values: Any) -> Any:
        if isinstance(values, dict) and cast("dict[str, Any]", values).get("faithful"):
            return {"tasks": "mbpp-full", "replicates": 1, **values}
        return values

    @property
    def steered_by_oracle(self) -> bool:
        """Whether hidden tests steer."""
        return self.faithful or super().steered_by_oracle


Config = TypeVar("Config", bound=ExperimentConfig)


def read_config(cls: type[Config], path: str | Path | None = None, **given: Any) -> Config:
    """A config from a YAML file, over which the given values that are not None win.

    Args:
        cls: The experiment's config class.
        path: The YAML file; None for the defaults.
        **given: Values that win over the file.

    Raises:
        UsageError: The file cannot be read, is no mapping, or a value is unknown or out of range.

    Example:
        >>> read_config(ExperimentConfig, replicates=5).replicates
        5
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _yaml_mapping(Path(path))
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return cls(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        known = ", ".join(cls.model_fields)
        hint = f" (settings are {known})" if first["type"] == "extra_forbidden" else ""
        raise UsageError(f"{path or 'the experiment'}: {where}: {first['msg']}{hint}") from error


def _yaml_mapping(path: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is no YAML: {str(error).splitlines()[0]}") from error
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise UsageError(f"{path} must hold a mapping of settings, such as 'replicates: 5'")
    return {str(name): value for name, value in cast("dict[Any, Any]", read).items()}

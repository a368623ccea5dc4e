"""Settings from YAML and options: options win, mistakes are one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest
from greenloop.errors import UsageError
from greenloop.evals.experiments import EXPERIMENTS, ExperimentConfig, read_config
from greenloop.evals.experiments.config import FeedbackStylesConfig


def test_a_file_fills_it_and_options_win(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("models: [embedded, 'gguf:other.gguf']\nreplicates: 5\ntemperature: 0.6\n")
    config = read_config(ExperimentConfig, path, replicates=2, limit=None)
    assert config.models == ("embedded", "gguf:other.gguf")
    assert (config.replicates, config.temperature, config.limit) == (2, 0.6, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("replicate: 5", "settings are models, tasks"),
        ("replicates: 0", "replicates"),
        ("- 1", "must hold a mapping"),
        ("a: [", "is no YAML"),
        ("feedback: shouting", "feedback is one of"),
    ],
)
def test_mistakes_name_file_and_setting(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read_config(ExperimentConfig, path)
    assert "c.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_config(ExperimentConfig, tmp_path / "none.yaml")


def test_styles_are_at_least_two_known_ones() -> None:
    with pytest.raises(UsageError, match="at least two"):
        read_config(FeedbackStylesConfig, styles=("none",))


def test_there_are_the_ten_and_guided_generation() -> None:
    assert len(EXPERIMENTS.keys() - {"guided"}) == 10

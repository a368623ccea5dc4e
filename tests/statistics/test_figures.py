"""Figures and comparisons: what every printed number carries."""

from __future__ import annotations

import pytest
from greenloop.errors import UsageError
from greenloop.evals.figures import Comparison, Figure, in_one_family
from greenloop.evals.statistics import clustered_interval, paired_difference, wilson
from greenloop.runtime.budget import Usage
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

tables = st.integers(1, 4).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 1), min_size=k, max_size=k), min_size=1, max_size=12).map(
        lambda rows: {f"t{i}": row for i, row in enumerate(rows)}
    )
)


def figure(outcomes: dict[str, list[int]], **more: object) -> Figure:
    settings: dict = {
        "usage": Usage(60, 10_000, 2_345, 81.26),
        "steering": "visible",
        "tier": "namespaces",
        "models": {"ollama:m": "sha256:abc"},
        **more,
    }
    return Figure.from_outcomes(outcomes, **settings)


@given(tables)
def test_a_figure_agrees_with_its_statistics_and_survives_json(table: dict[str, list[int]]) -> None:
    made = figure(table, green={"a": [1], "b": [0], "c": [0], "d": [0]})
    interval = clustered_interval(table)
    assert (made.rate, made.interval) == (interval.estimate, (interval.low, interval.high))
    assert made.solved == pytest.approx(sum(map(sum, table.values())) / made.replicates)
    assert made.false_green is not None
    assert made.false_green.interval == (wilson(1, 4).low, wilson(1, 4).high)
    assert Figure.model_validate_json(made.model_dump_json()) == made


def test_the_line_says_it_all() -> None:
    line = figure({str(i): [int(i < 17)] for i in range(60)}).line()
    assert line.startswith("17/60 solved (28 %, 95 % interval 19–41 %), 1 replicate, 60 calls, 12,345 tokens")
    assert "visible steering" in line
    assert "namespaces" in line
    assert "SIMULATED" in figure({"a": [1]}, simulated=True).line()
    assert figure({"a": [1, 0, 0], "b": [1, 1, 0]}).line().startswith("1/2 solved (50 %")
    assert figure({"a": [1, 0, 0]}).line().startswith("0.3/1 solved (33 %")


def test_a_figure_is_frozen_and_strict() -> None:
    made = figure({"a": [1]})
    with pytest.raises(ValidationError):
        made.rate = 0.5
    with pytest.raises(ValidationError):
        Figure.model_validate({**made.model_dump(), "surprise": 1})
    with pytest.raises(UsageError):
        figure({})


def compared(better: int, worse: int = 0, n: int = 40) -> Comparison:
    a = {str(i): [int(i < better)] for i in range(n)}
    b = {str(i): [int(n - worse <= i)] for i in range(n)}
    return Comparison.paired(a, b, name="loop", other="resampling")


def test_verdicts_in_words() -> None:
    assert compared(12).verdict == "loop is better than resampling"
    assert compared(0, 12).verdict == "loop is worse than resampling"
    assert compared(3, 2).verdict == "loop is not shown better than resampling"
    assert "p < 0.001" in compared(30).line()


@settings(max_examples=15, deadline=None)
@given(tables)
def test_a_comparison_is_the_paired_difference_in_points(table: dict[str, list[int]]) -> None:
    other = {task: [1 - row[0], *row[1:]] for task, row in table.items()}
    made, plain = Comparison.paired(table, other, name="a", other="b"), paired_difference(table, other)
    assert (made.points, made.p) == (pytest.approx(100 * plain.difference), plain.p)
    assert made.interval == (pytest.approx(100 * plain.low), pytest.approx(100 * plain.high))
    assert made.p_adjusted is None
    assert Comparison.model_validate_json(made.model_dump_json()) == made


def test_a_family_takes_back_what_one_in_many_would_show() -> None:
    lone = compared(7)
    assert lone.verdict == "loop is better than resampling"
    family = in_one_family({str(i): compared(7) for i in range(10)})
    assert family["0"].p_adjusted == pytest.approx(10 * lone.p)
    assert family["0"].verdict == "loop is not shown better than resampling"
    assert "after Holm" in family["0"].line()
    with pytest.raises(UsageError):
        in_one_family({})


def test_false_greens_are_counted_by_run_and_their_interval_knows_the_tasks() -> None:
    alike = {str(i): [int(i < 5)] * 5 for i in range(20)}
    apart = {f"{i} {k}": [int(i < 5)] for i in range(20) for k in range(5)}
    found, plain = figure({"a": [1]}, green=alike).false_green, figure({"a": [1]}, green=apart).false_green
    assert (found.count, found.green) == (plain.count, plain.green) == (25, 100)
    assert found.interval[1] - found.interval[0] > 2 * (plain.interval[1] - plain.interval[0])
    assert found.line().startswith("25 of 100 (25.0 %, ")
    assert figure({"a": [1]}).false_green.interval is None
    assert figure({"a": [1]}, green={"a": []}).false_green.line() == "0 of 0"

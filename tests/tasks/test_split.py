"""The seeded split."""

from __future__ import annotations

import pytest
from greenloop.errors import UsageError
from greenloop.evals.split import check_apart, split
from greenloop.optimizers.crossfitting import folds_of
from greenloop.runtime.task import Task
from hypothesis import given
from hypothesis import strategies as st


def make(count: int) -> list[Task]:
    return [Task(task_id=f"t{number}", prompt=f"p{number}") for number in range(count)]


def ids(tasks: list[Task]) -> list[str]:
    return [task.task_id for task in tasks]


@given(st.integers(2, 40), st.floats(0.01, 0.99), st.integers(0, 2**32), st.randoms())
def test_the_parts_are_disjoint_whole_and_the_same_in_any_order(count, fraction, seed, random):
    tasks = make(count)
    if not 0 < int(count * fraction + 0.5) < count:
        with pytest.raises(UsageError, match="leaves one part empty"):
            split(tasks, fraction, seed)
        return
    train, val = split(tasks, fraction, seed)
    assert abs(len(train) - count * fraction) <= 0.5
    assert sorted(ids(train) + ids(val)) == sorted(ids(tasks))
    random.shuffle(tasks)
    again = split(tasks, fraction, seed)
    assert (ids(again[0]), ids(again[1])) == (ids(train), ids(val))


def test_the_seed_counts():
    splits = {tuple(ids(split(make(20), 0.5, seed=seed)[0])) for seed in range(5)}
    assert len(splits) == 5


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(UsageError, match="above 0 and below 1"):
        split(make(10), fraction)


@pytest.mark.parametrize(("count", "fraction"), [(0, 0.5), (1, 0.5), (3, 0.1), (3, 0.9)])
def test_an_empty_part_is_refused(count, fraction):
    with pytest.raises(UsageError, match="leaves one part empty"):
        split(make(count), fraction)


def test_repeated_ids_are_refused():
    with pytest.raises(UsageError, match="two tasks are called 't0'"):
        split([*make(3), *make(2)], 0.5)


def test_tasks_of_one_problem_stay_on_one_side():
    """Seeds and stored answers go by the problem: a twin on the other side would be judged by its own draws."""
    twins = [
        Task(task_id=f"{name}{n}", prompt=f"p{n}", hidden_tests=[f"assert {name}({n})"])
        for n in range(10)
        for name in ("f", "g")
    ]
    for seed in range(5):
        sides = split([*twins, *make(20)[10:]], 0.5, seed)
        assert abs(len(sides[0]) - 15) <= 1
        assert len(sides[0]) + len(sides[1]) == 30
        assert not {t.problem.digest for t in sides[0]} & {t.problem.digest for t in sides[1]}
        check_apart(*sides)
        folds = folds_of(twins, 5, seed)
        assert [len(fold) for fold in folds] == [4] * 5
        assert all(len({t.problem.digest for t in fold}) == 2 for fold in folds)
    with pytest.raises(UsageError, match="such as 'g0', the same problem as 'f0'"):
        check_apart(twins[::2], twins[1::2])

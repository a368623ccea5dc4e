"""Workers of one study: none runs what another runs, the dead are taken over, the budget is one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import greenloop as gl
import optuna
import pytest
from greenloop.errors import BudgetExhausted, ModelTimeout
from greenloop.optimizers.crew import Crew, SharedMeter
from greenloop.optimizers.space import space
from greenloop.optimizers.study import open_study
from greenloop.optimizers.turns import Turns
from greenloop.runtime.budget import Usage
from greenloop.runtime.store import open_store
from greenloop.testing import ScriptedModel, adding_tasks

TASKS = adding_tasks(10)


def unsure(messages: list[dict[str, str]], seed: int, sampling: dict[str, Any]) -> str:
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    right = (seed + int(10 * sampling["temperature"])) % 3 == 0
    return f"```python\ndef f(x):\n    return x + {number if right else 999}\n```"


def knobs() -> dict[str, Any]:
    return space(gl.Resample(generate=gl.Generate(model="embedded", temperature=gl.Float(0, 1)), samples=1))


def turns(
    url: str,
    *,
    limit: int = 6,
    size: float = float("inf"),
    tuning: str = "study",
    found: dict[str, Any] | None = None,
    first: dict[str, Any] | None = None,
) -> Turns:
    store = open_store(url)
    study = open_study(store.url, "study", optuna.samplers.RandomSampler(seed=0))
    return Turns(
        study,
        Crew(store, tuning),
        found or knobs(),
        first or {"generate.temperature": 0.5},
        limit=limit,
        size=size,
        seed=0,
    )


def test_workers_in_threads_share_a_study_and_say_the_same(tmp_path: Path) -> None:
    model = ScriptedModel(unsure, identity="shared")
    program = gl.Resample(generate=gl.Generate(model=model, temperature=gl.Float(0, 1)), samples=gl.Int(1, 3))
    tuners = [
        gl.OptunaTuner(
            store=f"sqlite:///{tmp_path}/s.db",
            budget=gl.Budget(n_trials=8),
            replicates=1,
            folds=0,
            concurrency=2,
        )
        for _ in range(3)
    ]
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(t.compile, program, trainset=TASKS[:5], valset=TASKS[5:]) for t in tuners]
        tuned = [future.result(timeout=200) for future in futures]
    study = tuners[0].study
    states = Counter(t.state.name for t in study.trials)
    assert states["COMPLETE"] + states["PRUNED"] == 8
    assert states["RUNNING"] == 0
    asked = Counter((str(c.messages), c.seed, str(c.sampling)) for c in model.calls)
    assert max(asked.values()) == 1
    assert [p.evidence.trials for p in tuned] == [8, 8, 8]
    assert {str(p.evidence.settings) for p in tuned} == {str(tuned[0].evidence.settings)}
    assert {p.evidence.confirmed.rate for p in tuned} == {tuned[0].evidence.confirmed.rate}
    assert max(p.evidence.paid["calls"] for p in tuned) == len(model.calls)


def test_running_trials_count_and_no_configuration_runs_twice_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    one, two = turns(url, limit=2), turns(url, limit=2)
    first, second = one.next("b"), two.next("b")
    assert first is not None
    assert second is not None
    assert first[1] != second[1]
    ended: list[Any] = []
    waiting = threading.Thread(target=lambda: ended.append(one.next("b")))
    waiting.start()
    two.study.tell(second[0], 0.5)
    two.done(second[0])
    waiting.join(1)
    assert not ended  # the first is still running, and could be lost
    one.study.tell(first[0], 0.5)
    one.done(first[0])
    waiting.join(120)
    assert ended == [None]


def _die_in_a_trial(url: str, ready: Any) -> None:
    made = turns(url).next("b")
    ready.put(made[1] if made else None)
    signal.pause()


def test_a_living_workers_trial_is_left_alone_and_a_dead_ones_taken_over(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    here = turns(url, limit=2)
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Queue()
    process = spawn.Process(target=_die_in_a_trial, args=(url, ready))
    process.start()
    values = ready.get(timeout=240)
    mine = here.next("b")
    assert mine is not None
    assert here.study.trials[0].state.name == "RUNNING"
    here.study.tell(mine[0], 0.5)
    here.done(mine[0])
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    again = here.next("b")
    assert again is not None
    assert again[1] == values
    assert here.study.trials[0].state.name == "FAIL"
    assert here.study.trials[again[0].number].user_attrs["taken_over_from"] == 0


def test_tunings_that_share_a_study_leave_each_others_trials_alone(tmp_path: Path) -> None:
    """One trainset and two sets of validation tasks: accounts of their own, one study."""
    url = f"sqlite:///{tmp_path}/s.db"
    one, two = turns(url, tuning="with a valset"), turns(url, tuning="with another")
    mine, theirs = one.next("b"), two.next("b")
    assert mine is not None
    assert theirs is not None
    assert mine[1] != theirs[1]
    assert [t.state.name for t in one.study.trials] == ["RUNNING", "RUNNING"]


def test_a_trial_that_another_took_over_is_given_back_without_a_word(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    here, there = turns(url), turns(url)
    slow = here.next("b")
    assert slow is not None
    here.done(slow[0])  # its claim is gone, as of one that stood still
    again = there.next("b")
    assert again is not None
    assert again[1] == slow[1]
    here.give_back(*slow)
    assert [t.state.name for t in here.study.trials] == ["FAIL", "RUNNING"]


def test_a_search_that_goes_on_under_a_limit_that_reaches_for_the_whole_space_takes_it(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    found = space(gl.Resample(generate=gl.Generate(model="embedded"), samples=gl.Int(1, 6)))
    for limit in (1, 6):
        here = turns(url, limit=limit, size=6, found=found, first={"samples": 4})
        while (turn := here.next(f"{limit} trials")) is not None:
            here.study.tell(turn[0], 0.5)
            here.done(turn[0])
    assert sorted(trial.params["samples"] for trial in here.study.trials) == list(range(1, 7))


def test_where_every_draw_is_run_by_another_nothing_is_drawn_until_one_of_these_ends(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    one, two = turns(url), turns(url)
    first = one.next("b")
    assert first is not None
    two.seed = None
    two.study.sampler = optuna.samplers.PartialFixedSampler(first[1], optuna.samplers.RandomSampler())
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(two.next("b")))
    waiting.start()
    waiting.join(1)
    assert not got
    failed = sum(trial.state.name == "FAIL" for trial in one.study.trials)
    one.study.tell(first[0], 0.5)
    one.done(first[0])
    waiting.join(120)
    assert got[0][1] == first[1]
    assert failed <= 20


def test_an_interrupted_trial_is_queued_once(tmp_path: Path) -> None:
    here = turns(f"sqlite:///{tmp_path}/s.db")
    first = here.next("b")
    assert first is not None
    here.give_back(*first)
    assert [t.state.name for t in here.study.trials] == ["FAIL", "WAITING"]
    again = here.next("b")
    assert again is not None
    assert again[1] == first[1]


def test_what_was_queued_for_a_worker_that_died_before_reading_it_is_queued_again(tmp_path: Path) -> None:
    here = turns(f"sqlite:///{tmp_path}/s.db")
    here.study.enqueue_trial({"generate.temperature": 0.25})
    here.study.ask()  # and it died
    again = here.next("b")
    assert again is not None
    assert again[1] == {"generate.temperature": 0.25}


def test_a_stopped_search_draws_what_an_unstopped_one_draws(tmp_path: Path) -> None:
    drawn: dict[bool, list[Any]] = {}
    for stopped in (False, True):
        here = turns(f"sqlite:///{tmp_path}/{stopped}.db", limit=12)
        drawn[stopped] = []
        while (turn := here.next("b")) is not None:
            if stopped and len(here.study.trials) in (4, 9):
                here.give_back(*turn)
                continue
            drawn[stopped].append(turn[1])
            here.study.tell(turn[0], 1 - abs(turn[1]["generate.temperature"] - 0.3))
            here.done(turn[0])
    assert len(drawn[False]) == 12
    assert drawn[True] == drawn[False]


def test_searches_of_neighbouring_seeds_draw_apart(tmp_path: Path) -> None:
    drawn: list[set[float]] = []
    for seed in (0, 1):
        here = turns(f"sqlite:///{tmp_path}/{seed}.db")
        here.seed = seed
        drawn.append(set())
        while (turn := here.next("b")) is not None:
            drawn[-1].add(turn[1]["generate.temperature"])
            here.study.tell(turn[0], 0.5)
            here.done(turn[0])
    assert drawn[0] & drawn[1] == {0.5}


def test_a_search_that_ended_ends_for_all_and_goes_on_under_another_budget(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    turns(url).end("small")
    assert turns(url).next("small") is None
    assert turns(url).next("large") is not None


def spend(meter: SharedMeter, tokens: int) -> None:
    with meter.reserve(tokens) as settle:
        settle(Usage(calls=1, tokens_in=tokens))


def test_workers_share_one_budget(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    crews = [Crew(open_store(url), "study") for _ in range(4)]
    budget = gl.Budget(calls=100)
    meters = [SharedMeter(budget, crew) for crew in crews]

    def spend_all(meter: SharedMeter) -> None:
        while True:
            spend(meter, 10)

    def work(crew: Crew, meter: SharedMeter) -> None:
        with crew.present(), pytest.raises(BudgetExhausted):
            spend_all(meter)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, crews, meters))
    meters[0].refresh()
    assert meters[0].paid.calls <= 100
    last = SharedMeter(budget, Crew(open_store(url), "study"))
    assert last.paid == meters[0].paid
    for _ in range(100 - last.paid.calls):  # what was granted and not spent is free again
        spend(last, 10)
    assert last.paid.calls == 100
    with pytest.raises(BudgetExhausted):
        spend(last, 10)


def test_what_a_living_worker_was_granted_is_not_given_to_another(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    one, two = Crew(open_store(url), "study"), Crew(open_store(url), "study")
    mine, theirs = SharedMeter(gl.Budget(tokens=100), one), SharedMeter(gl.Budget(tokens=100), two)
    with one.present(), mine.reserve(60) as settle:
        with pytest.raises(BudgetExhausted, match="reserved by other workers"):
            spend(theirs, 60)
        settle(Usage(calls=1, tokens_in=10))
    spend(theirs, 60)
    assert theirs.paid.tokens == 70


def test_what_a_waiting_worker_was_granted_and_does_not_need_is_left_to_the_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    one, two = Crew(open_store(url), "study"), Crew(open_store(url), "study")
    mine, theirs = SharedMeter(gl.Budget(tokens=1000), one), SharedMeter(gl.Budget(tokens=1000), two)
    with one.present():
        spend(mine, 10)
        with pytest.raises(BudgetExhausted, match="reserved by other workers"):
            spend(theirs, 990)
        mine.yield_grant()
        spend(theirs, 990)
    assert theirs.paid.tokens == 1000


def time_out(meter: SharedMeter) -> None:
    with meter.reserve(60) as settle:
        settle.lost(Usage(tokens_in=30))
        settle.again()
        raise ModelTimeout("late")


def test_what_a_call_lost_is_known_to_all_workers_and_held_against_the_budget(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    one, two = Crew(open_store(url), "study"), Crew(open_store(url), "study")
    mine, theirs = SharedMeter(gl.Budget(tokens=100), one), SharedMeter(gl.Budget(tokens=100), two)
    with one.present():
        with pytest.raises(ModelTimeout):
            time_out(mine)
        theirs.refresh()
        assert theirs.paid.tokens == 30
        with mine.reserve(60) as settle:
            settle.lost(Usage(tokens_in=20))
            with pytest.raises(BudgetExhausted):
                settle.again()
    assert mine.lost.tokens == mine.own.tokens == 50

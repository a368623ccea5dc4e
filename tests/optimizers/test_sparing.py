"""What finalists and confirmation turn out not to need is searched with: budget kept, resumed, by many workers."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import greenloop as gl
import pytest
from greenloop.optimizers.confirming import RESAMPLING, SINGLE
from greenloop.optimizers.tuner import TunerProgress
from greenloop.testing import ScriptedModel, adding_tasks

TASKS = adding_tasks(20)
CALLS = 150


def unsure(messages: list[dict[str, str]], seed: int, sampling: dict[str, Any]) -> str:
    """Right for about a third of the seeds: never for all tasks, so that there is always something to win."""
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    right = (seed + int(100 * sampling["temperature"])) % 3 == 0
    return f"```python\ndef f(x):\n    return x + {number if right else 999}\n```"


def tuner(store: str, **settings: Any) -> gl.OptunaTuner:
    return gl.OptunaTuner(
        **{
            "budget": gl.Budget(calls=CALLS),
            "store": store,
            "replicates": 1,
            "folds": 0,
            "racing": False,
            "concurrency": 1,
            **settings,
        }
    )


def program(model: ScriptedModel) -> gl.Program:
    return gl.Resample(generate=gl.Generate(model=model, temperature=gl.Float(0, 1)), samples=1)


def test_what_the_plan_kept_back_and_nobody_needed_is_searched_with() -> None:
    model = ScriptedModel(unsure)
    made = tuner("sqlite://", budget=gl.Budget(calls=250))
    evidence = made.compile(program(model), trainset=TASKS[:10], valset=TASKS[10:]).evidence
    # Finalists keep 4 x 10 calls, the confirmation at most 5 x 10; of what is left a configuration takes ten.
    assert 150 <= model.call_count <= 250
    assert evidence.paid["calls"] == model.call_count
    assert evidence.trials > 0.6 * 250 / 10
    assert {b.name.split(" (")[0] for b in evidence.baselines} >= {SINGLE, RESAMPLING}
    assert "budget" not in evidence.verdict


def test_once_every_task_is_solved_nothing_more_is_spent_on_quality() -> None:
    def right(messages: list[dict[str, str]]) -> str:
        number = int(messages[1]["content"].split("adds ")[1].split()[0])
        return f"```python\ndef f(x):\n    return x + {number}\n```"

    model = ScriptedModel(right)
    tuner("sqlite://").compile(program(model), trainset=TASKS[:10])
    assert model.call_count <= 0.6 * CALLS + 4 * 10


def test_a_search_that_goes_on_is_resumed_and_a_rerun_pays_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    whole = ScriptedModel(unsure, identity="one")
    expected = tuner(f"sqlite:///{tmp_path}/whole.db").compile(program(whole), trainset=TASKS[:10])

    def stopped(progress: TunerProgress) -> None:
        if progress.scoring.paid.calls >= 0.8 * CALLS:
            raise KeyboardInterrupt

    model = ScriptedModel(unsure, identity="one")
    with pytest.raises(KeyboardInterrupt):
        tuner(url, on_progress=stopped).compile(program(model), trainset=TASKS[:10])
    resumed = tuner(url).compile(program(model), trainset=TASKS[:10])
    paid = model.call_count
    again = tuner(url).compile(program(model), trainset=TASKS[:10])
    assert model.call_count == paid <= CALLS
    keys = Counter((str(c.messages), c.seed, str(c.sampling)) for c in model.calls)
    assert max(keys.values()) == 1
    assert resumed.evidence.settings == again.evidence.settings == expected.evidence.settings
    assert resumed.evidence.trials == again.evidence.trials == expected.evidence.trials


def test_workers_search_on_together_and_end_together(tmp_path: Path) -> None:
    model = ScriptedModel(unsure, identity="shared")
    tuners = [tuner(f"sqlite:///{tmp_path}/s.db", concurrency=2) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(t.compile, program(model), trainset=TASKS[:10]) for t in tuners]
        found = [future.result(timeout=200).evidence for future in futures]
    states = Counter(trial.state.name for trial in tuners[0].study.trials)
    assert states["RUNNING"] == 0
    assert states["COMPLETE"] > 0.6 * CALLS / 10
    asked = Counter((str(c.messages), c.seed, str(c.sampling)) for c in model.calls)
    assert max(asked.values()) == 1
    assert model.call_count <= CALLS
    assert max(evidence.paid["calls"] for evidence in found) == model.call_count
    assert {evidence.trials for evidence in found} == {states["COMPLETE"]}
    assert len({str(evidence.settings) for evidence in found}) == 1

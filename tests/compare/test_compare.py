"""The comparison: equal budgets, locked tasks apart, resumable, and only words that the figures bear."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import dspy
import greenloop as gl
import pytest
from greenloop.errors import BudgetExhausted, UsageError
from greenloop.evals.compare import Method, compare, given
from greenloop.evals.compare_searches import SIMPLE_LOOP
from greenloop.evals.compare_words import topology
from greenloop.evals.experiments.result import Contrast
from greenloop.evals.report import build_report, write
from greenloop.optimizers.neat.random_topology import RandomTopology
from greenloop.optimizers.neat.search import NeatSearch
from greenloop.runtime.budget import Budget
from greenloop.testing import ChatServer, ScriptedModel, adding_tasks

TASKS = adding_tasks(12)
BUDGET = Budget(calls=90)


def mending_helps(messages: list[dict]) -> str:
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    mended = any(m["role"] == "assistant" or "Previous code" in m["content"] for m in messages)
    right = number % 3 == 0 or mended
    return f"```python\ndef f(x):\n    return x + {number if right else number + 1}\n```"


class Bootstrap:
    """DSPy's own optimizer as it is: it keeps no budget and carries no evidence."""

    def compile(self, program, /, *, trainset):
        return dspy.BootstrapFewShot(metric=gl.solved, max_bootstrapped_demos=1).compile(
            program, trainset=trainset[:2]
        )


def methods(model) -> dict[str, Method]:
    loop = gl.GenerateExecuteRefine(generate=gl.Generate(model=model), refine=gl.Refine(model=model))
    small = {"models": [model], "population": 2, "generations": 3, "replicates": 1, "finalists": 1}

    def evolved(kind):
        return Method(
            lambda t: kind(**small, budget=t.budget, store=t.store, seed=t.seed, on_progress=t.on_progress),
            kind="topology",
        )

    return {
        "loop": given(loop, "simple loop"),
        "resampling": given(gl.Resample(generate=gl.Generate(model=model)), "resampling"),
        "NEAT": evolved(NeatSearch),
        "random": evolved(RandomTopology),
        "bootstrap": Method(lambda t: Bootstrap(), loop),
    }


def run(model, url: str, **how):
    ladder = {"m": lambda n: gl.Resample(generate=gl.Generate(model=model, temperature=0.6), samples=n)}
    with gl.session(url):
        return compare(
            methods(model),
            {"own": TASKS},
            **{"budget": BUDGET, "seeds": 2, "replicates": 1, "models": [model], "resampling": ladder, **how},
        )


def asked(calls) -> set[str]:
    return {f"t{int(str(c.messages).split('adds ')[1].split()[0]):02d}" for c in calls}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('compare')}/c.db"
    model = ScriptedModel(mending_helps, identity="one")
    seen: list[set[str]] = []

    class Watch:
        def __init__(self, title: str) -> None:
            self.title, self.start = title, len(model.calls)

        def __enter__(self):
            return lambda p: None

        def __exit__(self, *_) -> None:
            if not self.title.startswith("own: "):
                seen.append(asked(model.calls[self.start :]))

    return url, model, run(model, url, watch=Watch), seen


def test_every_method_is_on_the_locked_tasks_beside_resampling_at_its_compute(whole) -> None:
    _, model, found, _ = whole
    names = {f"own: {n}" for n in methods(model)}
    assert names <= set(found.result.figures)
    assert all(found.result.figures[n].n == 6 for n in names)
    assert {found.result.figures[n].replicates for n in names} == {2}
    equal = [c for c in found.result.comparisons if c.at]
    assert {c.name for c in equal} == names - {"own: resampling"}
    assert all(c.at == "equal tokens" and c.family == 4 for c in equal)
    for c in equal:  # what a run spends is said of both sides, and "equal" is what it says
        assert c.spent is not None
        mine, theirs = (s.tokens_in + s.tokens_out for s in c.spent)
        assert mine == pytest.approx(theirs, rel=0.02)
    assert all(c.spent is not None for c in found.result.comparisons)
    assert all(c.p_adjusted is not None for c in found.result.comparisons)
    assert {s.method: s.number for s in found.searches} == {
        "loop": 0,
        "resampling": 0,
        "NEAT": 1,
        "random": 1,
        "bootstrap": 1,
    }


def test_no_search_sees_a_locked_task_and_each_keeps_the_same_budget(whole) -> None:
    _, _, found, seen = whole
    locked = {t.task_id for t in found.locked[0].tasks}
    assert len(locked) == 6
    assert seen
    assert not any(ids & locked for ids in seen)
    assert all(
        0 < s.paid.calls <= BUDGET.calls
        for s in found.searches
        if s.method in ("NEAT", "random", "bootstrap")
    )
    assert len({s.seed for s in found.searches}) == len(found.searches)


def test_the_verdict_says_what_is_not_shown_how_often_the_loop_came_back_and_how_much_was_inflated(
    whole,
) -> None:
    _, _, found, _ = whole
    verdict = found.result.verdict
    assert verdict.startswith("SIMULATED: Whether topology helps cannot be said: that takes locked tasks of")
    assert found.topology_helps is None
    assert "rediscovered: NEAT returned it in" in verdict
    assert "Own scores minus confirmed ones: NEAT" in verdict
    assert "At equal compute:" in verdict
    structures = next(t for t in found.result.tables if t.title == "Structures")
    rows = {row[0]: row for row in structures.rows}
    mine = [s for s in found.searches if s.method == "NEAT"]
    assert rows["NEAT"][2] == sum(s.structure == SIMPLE_LOOP for s in mine)
    assert rows["bootstrap"][2] == 2
    told = next(t for t in found.result.tables if t.title.startswith("How much"))
    assert {row[0] for row in told.rows} == {"NEAT", "random"}


def test_a_rerun_makes_no_call_and_says_the_same(whole) -> None:
    url, _, first, _ = whole
    model = ScriptedModel(mending_helps, identity="one")
    again = run(model, url)
    assert model.calls == []
    assert again.result.verdict == first.result.verdict
    assert again.result.figures == first.result.figures


def test_interrupted_anywhere_it_goes_on_without_paying_twice(whole, tmp_path) -> None:
    _, uncut, first, _ = whole
    url = f"sqlite:///{tmp_path}/cut.db"
    model = ScriptedModel(mending_helps, identity="one")

    class Cut:
        def __init__(self, title: str) -> None:
            self.title = title

        def __enter__(self):
            def tell(p) -> None:
                if self.title == "NEAT, search 2":
                    raise KeyboardInterrupt

            return tell

        def __exit__(self, *_) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        run(model, url, watch=Cut)
    again = run(model, url)
    keys = [(str(c.messages), c.seed, str(c.sampling)) for c in model.calls]
    assert len(keys) == len(set(keys))
    assert again.result.verdict == first.result.verdict
    assert len(model.calls) == len(uncut.calls)


def test_a_search_that_its_budget_ends_early_is_told_and_not_scored(tmp_path) -> None:
    found = run(ScriptedModel(mending_helps), f"sqlite:///{tmp_path}/c.db", budget=Budget(calls=2), seeds=1)
    assert [s.method for s in found.searches if s.program is None] == ["NEAT", "random"]
    assert "own: NEAT" not in found.result.figures
    assert any("ended before anything was found" in note for note in found.result.notes)


def test_a_search_that_found_nothing_counts_as_what_it_was_given(tmp_path) -> None:
    model = ScriptedModel(mending_helps)

    class FailsOnce:
        made = 0

        def compile(self, program, /, *, trainset):
            FailsOnce.made += 1
            if FailsOnce.made == 1:
                raise BudgetExhausted("the budget is spent")
            return gl.GenerateExecuteRefine(generate=gl.Generate(model=model), refine=gl.Refine(model=model))

    draft = gl.Resample(generate=gl.Generate(model=model), samples=1)
    both = {"loop": given(draft, "simple loop"), "unlucky": Method(lambda t: FailsOnce(), draft)}
    with gl.session(f"sqlite:///{tmp_path}/c.db"), ChatServer(["pass"]) as of_unknown_size:
        models = [model, of_unknown_size.name()]
        found = compare(both, {"own": TASKS}, budget=BUDGET, seeds=2, replicates=1, models=models)
    rates = found.locked[0].rates["unlucky"]
    assert rates[0] == found.result.figures["own: loop"].rate < rates[1] == 1
    assert found.result.figures["own: unlucky"].replicates == 2
    told = "and what it was given is scored in its place: unlucky, search 1."
    assert any(told in note for note in found.result.notes)
    assert found.result.settings["compute_held_equal"] == "model seconds"
    assert any("parameters × tokens cannot be held equal" in note for note in found.result.notes)


def test_the_report_stands_alone_and_shows_drawings_as_images(whole, tmp_path) -> None:
    _, _, found, _ = whole
    report = build_report(found.result.scores, title="Methods", experiments=[found.result], compare=False)
    written = write(report, tmp_path / "report.html")
    html = written.html.read_text()
    assert html.count('<img class="drawing"') == len(found.result.drawings) >= 4
    assert "Family tree" in html
    assert "data:image/svg+xml;base64," in html
    assert "Whether topology helps cannot be said" in written.markdown.read_text()
    assert json.loads(written.data.read_text())["experiments"][0]["experiment"] == "compare"


def contrast(name: str, other: str, points: float, p: float) -> Contrast:
    return Contrast(
        name=name,
        other=other,
        n=80,
        points=points,
        interval=(points - 3, points + 3),
        level=0.95,
        p=p,
        p_adjusted=p,
        verdict="",
        family=4,
    )


def test_topology_helps_only_where_both_benchmarks_and_every_loop_say_so() -> None:
    model = ScriptedModel(mending_helps)
    known = {**methods(model), "tuned": replace(methods(model)["loop"], searches=True)}
    both = ["humaneval", "mbpp"]
    pairs = [(b, n, o) for b in both for n in ("NEAT", "random") for o in ("loop", "tuned")]
    every = [contrast(f"{b}: {n}", f"{b}: {o}", 8, 0.01) for b, n, o in pairs]
    assert topology(every, known, both, simulated=False).helps is True
    assert "not their evolution" in topology(every, known, both, simulated=False).words
    for weak in (
        contrast("mbpp: NEAT", "mbpp: tuned", 8, 0.2),
        contrast("mbpp: NEAT", "mbpp: tuned", -8, 0.01),
    ):
        some = [weak if (c.name, c.other) == (weak.name, weak.other) else c for c in every]
        some = [c for c in some if "random" not in c.name]
        assert topology(some, known, both, simulated=False).helps is False
    assert topology(every, known, ["humaneval"], simulated=False).helps is None
    assert topology(every, known, both, simulated=True).helps is None


def test_nonsense_is_refused(tmp_path: Path) -> None:
    model = ScriptedModel(mending_helps)
    with gl.session(), pytest.raises(UsageError, match="two methods"):
        compare({"one": methods(model)["loop"]}, {"own": TASKS}, budget=BUDGET)
    with gl.session(), pytest.raises(UsageError, match="twice"):
        compare(methods(model), {"a": TASKS, "b": TASKS}, budget=BUDGET)
    plus = [task.copy(task_id=f"{task.task_id}+", hidden_tests=["assert f"]) for task in TASKS]
    with gl.session(), pytest.raises(UsageError, match="a problem stands in two benchmarks"):
        compare(methods(model), {"a": TASKS, "b": plus}, budget=BUDGET)
    with gl.session(), pytest.raises(UsageError, match="benchmark"):
        compare(methods(model), {"a": []}, budget=BUDGET)

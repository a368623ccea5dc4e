"""What a run costs: sizes that are not known, and equal compute in parameters × tokens."""

from __future__ import annotations

import warnings
from typing import Any

import dspy
import greenloop as gl
import pytest
from greenloop.cli.main import main
from greenloop.errors import UsageError
from greenloop.optimizers.objectives import costing, warn_of_tokens
from greenloop.testing import ScriptedModel, adding_tasks

TASKS = adding_tasks(8)
SMALL, LARGE = "simulated/small", "simulated/large"


def right(messages: list[dict[str, str]]) -> str:
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    return f"```python\ndef f(x):\n    return x + {number}\n```"


class AsksAnother(dspy.Module):
    """A user's module: what its knobs name is not all that it calls."""

    def __init__(self, first: Any, other: Any) -> None:
        super().__init__()
        self.draft = gl.Generate(model=first, temperature=gl.Float(0.0, 1.0))
        self._other = (other,)

    def forward(self, problem: Any) -> dspy.Prediction:
        gl.Generate(model=self._other[0], name="other")(problem=problem)
        return dspy.Prediction(code=self.draft(problem=problem).code)


def tuner(**settings: Any) -> gl.OptunaTuner:
    return gl.OptunaTuner(
        **{"budget": gl.Budget(n_trials=3), "store": "sqlite://", "replicates": 1, "folds": 0, **settings}
    )


def asks_another() -> AsksAnother:
    return AsksAnother(ScriptedModel(right, name="small"), ScriptedModel(right, name="large"))


def test_a_model_of_unknown_size_costs_tokens_where_compute_is_no_objective() -> None:
    made = tuner()
    with pytest.warns(UserWarning, match="simulated/large was called .* compute counts tokens"):
        tuned = made.compile(asks_another(), trainset=TASKS[:4], valset=TASKS[4:])
    assert tuned.evidence.confirmed.rate == 1.0
    names = [b.name for b in tuned.evidence.baselines]
    assert any("equal compute (" in name and "in tokens of whatever model" in name for name in names)
    assert made.front.unit == "tokens"
    assert all(p.cost.compute == p.cost.tokens for p in made.front.points)
    assert all(one.cost.compute == one.cost.tokens for one in made._job.tried())


def test_its_size_can_be_given_and_with_compute_as_an_objective_it_must_be() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        made = tuner(parameters={LARGE: 7e9, SMALL: 1e9})
        made.compile(asks_another(), trainset=TASKS[:4])
    assert made.front.unit == "parameters × tokens"
    with pytest.raises(UsageError, match="simulated/large was called"):
        tuner(objectives=("quality", "compute")).compile(asks_another(), trainset=TASKS[:4])


def unsized(name: str) -> ScriptedModel:
    """A model whose server publishes no size."""
    model = ScriptedModel(right, name=name)
    told = model.backend.describe().model_copy(update={"parameters": None})
    model.backend.describe = lambda: told
    return model


def test_tokens_of_several_models_are_never_called_equal_compute_nor_picked_by() -> None:
    unknown = [unsized("small"), unsized("large")]
    counted = costing(unknown, ("quality",))
    with pytest.warns(UserWarning, match=f"the size of {SMALL}, {LARGE} is not known"):
        warn_of_tokens(counted)
    assert (counted.unit, counted.caveat) == ("tokens", "in tokens of whatever model")
    for how in ({"objectives": ("quality", "compute")}, {"objectives": ("quality",), "picked_by": "compute"}):
        with pytest.raises(UsageError, match=rf"--parameters {SMALL}=1\.5e9"):
            costing(unknown, **how)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for plain in (
            costing(unknown[:1], ("quality",), picked_by="compute"),
            costing(unknown, ("quality",), {SMALL: 1e9, LARGE: 7e9}),
        ):
            warn_of_tokens(plain)
            assert plain.caveat == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--by", "seconds"), "give --within"),
        (("--parameters", "ollama:mine"), "MODEL=COUNT"),
        (("--parameters", "ollama:mine=-1"), "MODEL=COUNT"),
    ],
)
def test_options_of_cost_that_would_do_nothing_are_refused(options, words, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tune", "starter", "--out", str(tmp_path / "best"), *options])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("folds", [0, 2])
def test_equal_compute_weighs_models_by_their_size_in_cross_fitting_too(folds: int) -> None:
    small = ScriptedModel(right, name="small", seconds=1.0)
    large = ScriptedModel(right, name="large", seconds=0.1)
    program = gl.Resample(generate=gl.Generate(model=gl.Choice([small, large])), samples=1)
    tuned = tuner(
        folds=folds,
        pick=gl.CheapestWithin(points=0, by="seconds"),
        parameters={SMALL: 1e9, LARGE: 7e9},
    ).compile(program, trainset=TASKS[:4], valset=TASKS[4:])
    assert tuned.evidence.settings == {"generate.model": LARGE}
    names = [b.name for b in tuned.evidence.baselines]
    # One draft of the small model is right: however many it may take, it never reaches the large one's compute.
    assert "resampling at equal compute (12 samples reach 14 % of it)" in names

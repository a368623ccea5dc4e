"""Knobs: values in range, found wherever they are, saved, shared, and left alone by DSPy's optimizers."""

from __future__ import annotations

import math
import warnings

import dspy
import greenloop as gl
import optuna
import pytest
from greenloop.errors import ProgramError
from greenloop.modules.knobs import from_state
from greenloop.modules.settings import settings
from hypothesis import given
from hypothesis import strategies as st


class Holder(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shared = gl.Float(0.0, 1.0, default=0.5)
        self.stages = [gl.Generate(temperature=self.shared), gl.Generate(temperature=self.shared)]
        self.by_name = {"x": (gl.Int(1, 3),)}
        self.compiled = gl.GenerateExecuteRefine(max_iterations=gl.Int(0, 5, default=3))
        self.compiled._compiled = True


def test_knobs_are_found_in_lists_dicts_tuples_and_compiled_modules() -> None:
    found = gl.knobs(Holder())
    assert list(found) == ["shared", "by_name['x'][0]", "compiled.max_iterations"]


def test_a_shared_knob_stays_shared_through_deepcopy() -> None:
    copy = Holder().deepcopy()
    copy.shared.value = 0.25
    assert [stage.temperature.value for stage in copy.stages] == [0.25, 0.25]


def test_reset_copy_keeps_tuned_values() -> None:
    program = gl.GenerateExecuteRefine(max_iterations=gl.Int(0, 5, default=3))
    program.max_iterations.value = 1
    assert program.reset_copy().max_iterations.value == 1


def test_values_survive_dspys_own_save_and_load(tmp_path) -> None:
    program = gl.Generate(model="embedded", temperature=gl.Float(0, 1, default=0.3))
    program.temperature.value = 0.7
    program.save(str(tmp_path / "p.json"))
    fresh = gl.Generate(model="embedded", temperature=gl.Float(0, 1, default=0.3))
    fresh.load(str(tmp_path / "p.json"))
    assert fresh.temperature.value == 0.7


@pytest.mark.parametrize(
    "make",
    [
        lambda: gl.Choice([]),
        lambda: gl.Choice("abc"),
        lambda: gl.Choice(["a", "a"]),
        lambda: gl.Choice(["a"], default="b"),
        lambda: gl.Int(5, 1),
        lambda: gl.Int(0, "5"),
        lambda: gl.Float("a", 1),
        lambda: gl.Int(0, 5, default=9),
        lambda: gl.Float(0, 1, default=2),
        lambda: gl.Float(0, 1, log=True),
        lambda: gl.Float(0, 1, step=-1),
        lambda: gl.Float(0, 1, step="a"),
        lambda: gl.Float(0, math.inf),
        lambda: gl.Float(0, 1, default=0.3, step=0.25),
        lambda: gl.Int(0, 2.5),
        lambda: gl.Int(0, 5, step=0.5),
        lambda: gl.Int(1, 9, default=4, step=4),
    ],
)
def test_nonsense_is_refused_at_once(make) -> None:
    with pytest.raises(ProgramError):
        make()


def test_setting_a_value_out_of_range_is_refused() -> None:
    knob = gl.Int(0, 5)
    for bad in (6, -1, 1.5, True, "3", None):
        with pytest.raises(ProgramError):
            knob.value = bad
    assert knob.value == 0


def test_a_value_between_steps_is_refused_and_the_middle_is_a_step() -> None:
    for knob, between in ((gl.Int(1, 9, step=4), 4), (gl.Float(0, 1, step=0.25), 0.3)):
        with pytest.raises(ProgramError, match="in steps of"):
            knob.value = between
    knob = gl.Float(0, 1, step=0.3)
    assert (knob.value, knob.size, knob.largest) == (0.3, 4, pytest.approx(0.9))
    with pytest.raises(ProgramError, match="from 0 to 1 in steps of"):
        knob.value = 1.0


def test_a_choice_may_hold_none_and_false() -> None:
    knob = gl.Choice([None, False, "x"])
    assert knob.value is None
    knob.value = False
    assert knob.value is False


@given(low=st.integers(-50, 50), span=st.integers(0, 50), data=st.data())
def test_int_knobs_round_trip(low: int, span: int, data: st.DataObject) -> None:
    knob = gl.Int(low, low + span)
    knob.value = data.draw(st.integers(low, low + span))
    assert from_state(knob.dump_state()).value == knob.value
    assert knob.size == span + 1


@given(low=st.floats(-5, 5), span=st.floats(0.1, 10), data=st.data())
def test_float_knobs_round_trip(low: float, span: float, data: st.DataObject) -> None:
    knob = gl.Float(low, low + span)
    knob.value = data.draw(st.floats(knob.low, knob.high))
    again = from_state(knob.dump_state())
    assert again.value == knob.value
    assert again.dump_state() == knob.dump_state()
    assert knob.size == math.inf


@given(
    low=st.integers(-500, 500), steps=st.integers(0, 60), step=st.integers(1, 100), beyond=st.integers(0, 99)
)
def test_every_step_of_a_float_knob_is_allowed(low: int, steps: int, step: int, beyond: int) -> None:
    """All in hundredths."""
    high = low + steps * step + beyond * step // 100
    knob = gl.Float(low / 100, high / 100, step=step / 100)
    assert knob.size == steps + 1
    for i in range(steps + 1):
        knob.value = (low + i * step) / 100
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = optuna.distributions.FloatDistribution(knob.low, knob.largest, step=step / 100)
    assert found.high == knob.largest == (low + steps * step) / 100


def test_settings_hold_fixed_values_too() -> None:
    found = settings(gl.Generate(model="embedded", temperature=gl.Float(0, 1)))
    assert found["model"].value == "embedded"
    assert "max_tokens" in found

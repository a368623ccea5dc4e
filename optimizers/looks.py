"""Which choices were confirmed on tasks that no selection saw: with each look these are less untouched."""

from __future__ import annotations

import optuna

from .trials import Values, key

_CONFIRMED = "confirmed_choices"


def note_look(study: optuna.Study, values: Values) -> None:
    """Note in the study that a choice is about to be confirmed; the same one again is no new look."""
    study.set_user_attr(_CONFIRMED, sorted({*study.user_attrs.get(_CONFIRMED, []), key(values)}))


def looks(study: optuna.Study) -> int:
    """How many different choices of the study were confirmed so far."""
    return len(study.user_attrs.get(_CONFIRMED, []))

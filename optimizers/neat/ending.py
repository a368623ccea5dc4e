"""Where a search's budget ended: kept in the store, so that a rerun ends there too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...errors import BudgetExhausted
from ...runtime.budget import Usage
from ...runtime.replay_meter import ReplayMeter
from ...runtime.store import Store

T = TypeVar("T")
LABEL = "where the budget of a search ended"


def ending(store: Store, meter: ReplayMeter, key: str, work: Callable[[], T]) -> T:
    """Do what the budget may end; where an earlier run of the same search was ended there, end there again.

    Which of the calls under way were still made is chance. A rerun that began such work anew would find other calls
    stored than it asks for first, and pay beyond the budget. An end by wall seconds is not kept: then a rerun goes on.

    Args:
        store: The store.
        meter: The search's accounts.
        key: Names the search, its budget, and the work.
        work: The work.

    Raises:
        BudgetExhausted: The budget ended, now or in an earlier run.
    """
    known = store.answer(key)
    if known is not None:
        meter.took(known.content["keys"], Usage(**known.content["paid"]))
        raise BudgetExhausted(known.content["why"])
    before, paid = meter.keys(), meter.paid
    try:
        return work()
    except BudgetExhausted as spent:
        limit = meter.budget.timeout_s
        if limit is None or meter.wall_s < limit:
            now = meter.paid
            change = Usage(
                now.calls - paid.calls,
                now.tokens_in - paid.tokens_in,
                now.tokens_out - paid.tokens_out,
                now.model_seconds - paid.model_seconds,
            )
            content = {"why": str(spent), "keys": sorted(meter.keys() - before), "paid": change.to_json()}
            store.first_answer(key, lambda: content, label=LABEL)
        raise

"""An answer that an adapter of DSPy's could not read: an attempt without code, as when one of our stages finds none."""

from __future__ import annotations

from dataclasses import replace

import dspy

from ..runtime.attempt import Attempt
from ..runtime.run import Run

UNREAD = "unread_answer"
"""Flag of such an attempt."""


def unread_attempt(run: Run, error: dspy.AdapterParseError) -> Attempt:
    """The last call of a run that such an answer ended, as an attempt without code; the answer is as it came.

    Args:
        run: The run.
        error: What the adapter raised.
    """
    attempt = Attempt(code="", stage="program", answer=str(error.lm_response), flags=(UNREAD,))
    for call in run.calls[-1:]:
        attempt = replace(
            attempt,
            stage=call.stage or attempt.stage,
            model=call.model,
            sampling=call.sampling,
            seed=call.seed,
            usage=call.usage,
            truncated=call.truncated,
            flags=(*call.flags, UNREAD),
            call_keys=(call.key,),
        )
    return attempt

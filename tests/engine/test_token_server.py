"""The embedded server that is asked a token at a time: one of its own, and counted before a run."""

from __future__ import annotations

import pytest
from greenloop.runtime.backends import embedded
from greenloop.runtime.language_model import language_model
from greenloop.runtime.preflight import PromptNeed, memory_need, preflight

pytestmark = pytest.mark.embedded


def test_it_is_never_the_server_of_whole_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "EmbeddedServer", lambda settings: settings)
    monkeypatch.setattr(embedded, "_servers", {})
    backend = language_model("embedded", slots=6).engine.backend
    assert backend.own_server(backend.slots) is not embedded._server_for(backend.settings)


def test_a_program_of_both_needs_the_memory_of_both() -> None:
    whole, by_token = (PromptNeed("embedded", "", 0, 1, "t", "s", by_token=kind) for kind in (False, True))
    room = 2 * memory_need(language_model("embedded").engine.describe()) - 1
    assert preflight(["embedded"], needs=[whole], memory_bytes=room) == []
    assert preflight(["embedded"], needs=[by_token], memory_bytes=room) == []
    (line,) = preflight(["embedded"], needs=[whole, by_token], memory_bytes=room)
    assert "of memory" in line

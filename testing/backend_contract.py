"""What every model backend promises, as a test class: subclass it and give it your backend.

class TestMyBackend(BackendContract):
    @pytest.fixture
    def backend(self):
        return MyBackend(...)
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ..runtime.backends.base import Answer, Backend, Call
from ..runtime.model_spec import ModelSpec


class BackendContract:
    """The contract. A subclass provides the fixture `backend`; each test asks it a few short questions."""

    @pytest.fixture
    def backend(self) -> Backend:
        """The backend under test."""
        raise NotImplementedError("a subclass of BackendContract provides the fixture `backend`")

    @staticmethod
    def call(text: str = "Say one word.", **sampling: Any) -> Call:
        """A short call."""
        settings = {"temperature": 0.0, "max_tokens": 12} | sampling
        return Call(({"role": "user", "content": text},), settings, seed=7)

    def test_it_is_a_backend(self, backend: Backend) -> None:
        """It has every method and property of the protocol."""
        assert isinstance(backend, Backend)
        assert isinstance(backend.spec, ModelSpec)
        assert backend.slots >= 1

    def test_its_spec_is_plain_data_without_keys(self, backend: Backend) -> None:
        """The spec survives JSON, and shows no key."""
        data = json.loads(backend.spec.model_dump_json())
        assert ModelSpec.model_validate(data).name == backend.spec.name
        assert "api_key" not in data["options"]

    def test_its_digest_stays_the_same(self, backend: Backend) -> None:
        """Asked twice, the digest agrees with itself and with the description."""
        assert backend.digest()
        assert backend.digest() == backend.digest() == backend.describe().digest

    def test_an_answer_comes_with_its_cost(self, backend: Backend) -> None:
        """Text, tokens and seconds of a plain call."""
        answer = backend.ask(self.call())
        assert isinstance(answer, Answer)
        assert answer.text.strip()
        assert answer.tokens_in > 0
        assert answer.tokens_out > 0
        assert answer.seconds > 0

    def test_an_answer_survives_json(self, backend: Backend) -> None:
        """What the store does with an answer loses nothing."""
        answer = backend.ask(self.call())
        assert Answer.from_json(json.loads(json.dumps(answer.to_json()))) == answer

    def test_max_tokens_ends_an_answer_and_says_so(self, backend: Backend) -> None:
        """An answer that was cut is flagged, and no longer than allowed."""
        answer = backend.ask(self.call("Count from one to one hundred in words.", max_tokens=4))
        assert answer.truncated
        assert answer.finish_reason == "length"
        assert answer.tokens_out <= 4

    def test_it_may_be_asked_from_many_threads(self, backend: Backend) -> None:
        """Calls from several threads all come back."""
        calls = [self.call(f"Say {number}.") for number in range(4)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(backend.ask, calls))
        assert all(isinstance(a, Answer) for a in answers)

    def test_closing_twice_does_nothing(self, backend: Backend) -> None:
        """`close` may be called again."""
        backend.close()
        backend.close()

"""The embedded model a token at a time: exact tokens, and the two ends of the mixture, on the real model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import greenloop as gl
import pytest
from greenloop.modules.guided_prompts import guided_messages
from greenloop.modules.guided_region import region
from greenloop.runtime.backends.token_embedded import EmbeddedTokens
from greenloop.runtime.token_mixture import choose, mix
from greenloop.runtime.token_source import END, Piece, Prompt, Which, text_of, token_source_for

pytestmark = [pytest.mark.embedded, pytest.mark.slow]

TOLERANCE = 0.02
"""In nats: what batches of another size change by their order of adding up."""

TASK = gl.Task(
    task_id="t",
    prompt="Write a function `clamp(value, low, high)` that returns `value` if it lies between `low` and `high`, and"
    " otherwise the nearer of the two bounds.",
    entry_point="clamp",
    visible_tests=[
        "assert clamp(15, 0, 10) == 10",
        "assert clamp(5, 0, 10) == 5",
        "assert clamp(-1, 0, 10) == 0",
    ],
)


@pytest.fixture(scope="module")
def lm() -> Any:
    """One slot for each context, asked one after the other, nothing in a cache when a prompt is new."""
    return gl.language_model("embedded", deterministic=True, num_ctx=2048)


@pytest.fixture(scope="module")
def source(lm: Any) -> EmbeddedTokens:
    found = token_source_for(lm.engine.backend)
    assert isinstance(found, EmbeddedTokens)
    return found


def plain_prompt(source: EmbeddedTokens, style: str = "instruction") -> Prompt:
    stage = gl.GuidedGenerate(model="embedded")
    return source.render(guided_messages(stage.predict, TASK.problem, style))


def whole(source: EmbeddedTokens, ids: Sequence[int], most: int) -> list[int]:
    """The greedy continuation in one request, no prompt cache, as token ids."""
    answer = source.complete(
        {
            "prompt": list(ids),
            "max_tokens": most,
            "temperature": 0,
            "logprobs": 1,
            "cache_prompt": False,
            "id_slot": 2,
        }
    )
    return [int(entry["id"]) for entry in answer["choices"][0]["logprobs"]["content"]]


def written(attempt: gl.Attempt, session: Any) -> list[tuple[dict[str, Any], list[Piece]]]:
    """Each stored line of an attempt: what was asked, and its tokens."""
    lines = []
    for key in attempt.call_keys:
        stored = session.store.answer(key).content
        if stored["asked"]["kind"] == "line":
            lines.append((stored["asked"], [Piece.from_json(p) for p in stored["content"]["pieces"]]))
    return lines


def test_gamma_0_is_the_plain_greedy_answer_token_for_token(lm: Any, source: EmbeddedTokens) -> None:
    with gl.session() as session:
        attempt = gl.GuidedGenerate(model=lm, gamma=0.0, max_tokens=80)(problem=TASK.problem).attempt
        ours = [p.id for _, pieces in written(attempt, session) for p in pieces]
    greedy = whole(source, plain_prompt(source).tokens or (), 80)
    assert len(ours) > 20
    assert ours == greedy[: len(ours)]
    cut_early = (
        attempt.sampling["stop"] in ("passed", "max_tokens") or region(attempt.answer, "clamp") == "done"
    )
    assert cut_early or len(greedy) == len(ours) + 1, "it ends where the function's block ends"


def test_gamma_1_is_the_greedy_answer_of_the_guided_context(lm: Any, source: EmbeddedTokens) -> None:
    with gl.session() as session:
        stage = gl.GuidedGenerate(model=lm, gamma=1.0, candidates=1, lines_ahead=1, max_tokens=40)
        attempt = stage(problem=TASK.problem).attempt
        lines = written(attempt, session)
    assert attempt.sampling["guided_lines"] >= 1
    guided = [(asked, pieces) for asked, pieces in lines if set(asked["contexts"]) == {"guided"}]
    assert len(guided) == attempt.sampling["guided_lines"]
    for asked, pieces in guided:
        ids = source.tokenise(asked["contexts"]["guided"]) + [p[0] for p in asked["written"]]
        greedy = whole(source, ids, len(pieces))
        assert [p.id for p in pieces] == greedy[: len(pieces)]


@pytest.mark.parametrize("gamma", [0.5, 3.0])
def test_the_mixture_is_the_formula_on_what_the_model_lists(source: EmbeddedTokens, gamma: float) -> None:
    plain, other = plain_prompt(source), plain_prompt(source, "few_shot")
    with source.seat(plain) as seat:
        tokens: tuple[Piece, ...] = ()
        for _ in range(12):
            steps = seat.steps({"plain": plain, "guided": other}, tokens)
            mixed = mix(steps["plain"].top, steps["guided"].top, gamma)
            both = steps["plain"].top.keys() & steps["guided"].top.keys()
            raw = {p: (1 - gamma) * steps["plain"].top[p] + gamma * steps["guided"].top[p] for p in both}
            first = next(iter(both))
            for piece in both:
                assert math.isclose(mixed[piece] - mixed[first], raw[piece] - raw[first], abs_tol=1e-9)
            assert math.isclose(sum(math.exp(v) for v in mixed.values()), 1, abs_tol=1e-9)
            piece = choose(mixed)
            if piece == END:
                break
            tokens += (piece,)
    assert len(steps["plain"].top) == 100


def test_two_contexts_in_one_request_list_what_each_lists_alone(
    source: EmbeddedTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the second token on, where one seat has the server for itself."""
    quick = token_source_for(gl.language_model("embedded", num_ctx=2048).engine.backend)
    assert isinstance(quick, EmbeddedTokens)
    assert (quick.seats, quick.deterministic) == (1, False)
    plain, other = plain_prompt(source), plain_prompt(source, "few_shot")
    contexts: dict[Which, Prompt] = {"plain": plain, "guided": other}
    asked: list[Any] = []
    complete = quick.complete
    monkeypatch.setattr(quick, "complete", lambda body, *rest: asked.append(body) or complete(body, *rest))
    with source.seat(plain) as alone, quick.seat(plain) as seat:
        tokens: tuple[Piece, ...] = ()
        for _ in range(6):
            expected, found = alone.steps(contexts, tokens), seat.steps(contexts, tokens)
            for which in contexts:
                likely = {p for p, value in expected[which].top.items() if value > -5}
                assert likely <= found[which].top.keys()
                for piece in likely:
                    assert math.isclose(
                        found[which].top[piece], expected[which].top[piece], abs_tol=TOLERANCE
                    )
                assert found[which].prompt_tokens == expected[which].prompt_tokens
            tokens += (choose(expected["guided"].top),)
    assert [len(body["prompt"]) for body in asked[2:]] == [2] * 5


def test_prompts_are_tokenised_as_the_chat_is_and_pieces_are_its_text(
    lm: Any, source: EmbeddedTokens
) -> None:
    stage = gl.GuidedGenerate(model="embedded")
    messages = guided_messages(stage.predict, TASK.problem, "instruction")
    prompt = source.render(messages)
    with gl.session() as session:
        lm(messages=messages, max_tokens=1)
        assert session.meter.paid.tokens_in == prompt.size


def test_tokens_that_cut_characters_are_listed_and_drawn(source: EmbeddedTokens) -> None:
    prompt = source.render([{"role": "user", "content": "Repeat: 日本語😀日本語😀"}])
    prompt = Prompt(
        prompt.text + "日本語", (*(prompt.tokens or ()), *source.tokenise("日本語", special=False))
    )
    tokens: tuple[Piece, ...] = ()
    with source.seat(prompt) as seat:
        for _ in range(6):
            piece = choose(seat.steps({"plain": prompt}, tokens)["plain"].top)
            if piece == END:
                break
            tokens += (piece,)
    assert tokens, "a list came although the likeliest token ends within a character"
    assert "�" not in text_of(tokens)


def test_continuations_have_so_many_lines_at_most(source: EmbeddedTokens) -> None:
    prompt = plain_prompt(source)
    with source.seat(prompt) as seat:
        drawn = seat.draw(prompt, (), seeds=[1, 2, 3, 4], temperature=1.0, most_tokens=60, most_lines=2)
    assert len(drawn) == 4
    assert all(d.text.count("\n") <= 2 and 0 < d.tokens_out <= 61 for d in drawn)
    assert len({d.text for d in drawn}) > 1

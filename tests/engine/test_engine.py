"""The engine: seeds, stored answers, accounts, and errors that callers can tell apart."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from dspy.utils.callback import BaseCallback
from greenloop.errors import BudgetExhausted, ModelUnavailable, ProgramError, UnknownModel, UsageError
from greenloop.runtime import budget
from greenloop.runtime.budget import Budget, Meter
from greenloop.runtime.engine import Engine, unwrap
from greenloop.runtime.language_model import LanguageModel, language_model
from greenloop.runtime.model_spec import parse_model
from greenloop.runtime.run import CallRecord, Session, session, use_run, use_session
from greenloop.runtime.store import open_store
from greenloop.testing import ScriptedModel


def seeds(model: ScriptedModel) -> list[int]:
    return [call.seed for call in model.calls]


def test_an_equal_call_is_answered_by_the_store() -> None:
    model = ScriptedModel(["one", "two"])
    with session():
        assert model("hello") == ["one"]
        assert model("hello") == ["one"]
    assert model.call_count == 1


def test_a_rollout_id_is_another_draw_of_its_own_seed() -> None:
    model = ScriptedModel(["one", "two"], temperature=1.0)
    with session():
        assert [model("x"), model("x", rollout_id=1), model("x", rollout_id=1)] == [["one"], ["two"], ["two"]]
    assert len(set(seeds(model))) == 2


def test_seeds_come_from_task_replicate_and_place_and_not_from_order_or_model() -> None:
    first, second = ScriptedModel(["a"]), ScriptedModel(["b"])
    with session(seed=3) as active:
        with use_run(active.open_run("task", 0)):
            first("p"), first("q"), first("p")
        with use_run(active.open_run("task", 0)):
            second("q"), second("p"), second("p")
        with use_run(active.open_run("task", 1)):
            first("p")
    one, two = seeds(first), seeds(second)
    assert two == [one[1], one[0], one[2]]
    assert one[3] not in one[:3]


def test_a_seed_that_a_caller_names_is_kept() -> None:
    model = ScriptedModel(["a"])
    with session():
        dspy.Predict("question -> answer").set_lm(model)
        model("x", seed=11)
    assert seeds(model) == [11]


@pytest.mark.parametrize(
    "change",
    [{"temperature": 0.5}, {"max_tokens": 9}, {"top_p": 0.5}, {"stop": ["x"]}, {"seed": 1}],
)
def test_what_shapes_an_answer_is_part_of_its_key(change: dict[str, Any]) -> None:
    model = ScriptedModel(["a", "b"])
    with session():
        model("x", seed=0)
        model("x", **({"seed": 0} | change))
    assert model.call_count == 2


def test_both_accounts_are_kept() -> None:
    model = ScriptedModel(["three words long"], seconds=2.0)
    store = open_store()
    seen: list[CallRecord] = []
    for _ in range(2):
        meter = Meter()
        with use_session(Session(store, meter=meter, on_call=(seen.append,))):
            model("two words")
    assert (meter.paid.calls, meter.as_if.tokens_out, meter.as_if.model_seconds) == (0, 3, 2.0)
    assert [r.cached for r in seen] == [False, True]
    assert seen[0].usage == seen[1].usage
    assert seen[0].model == "simulated/script"


def test_a_run_collects_its_calls() -> None:
    model = ScriptedModel(["a b"])
    with session() as active, use_run(active.open_run("t")) as run:
        model("x")
        assert run.usage().tokens_out == 2
        assert run.calls[0].key


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"token": 5}, "budget: unknown limit 'token'; did you mean tokens?"),
        ({"calls": -5}, "budget: limit 'calls': Input should be greater than 0"),
    ],
)
def test_an_impossible_budget_is_told_in_one_line(limits: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Budget(**limits)
    assert str(caught.value) == said


def test_a_spent_budget_is_told_to_the_last_token() -> None:
    meter = Meter(Budget(tokens=2_345_678))
    meter.carry(budget.Usage(tokens_in=2_345_678))
    assert meter.exhausted() == "the budget of 2,345,678 tokens is spent"


def test_a_budget_is_kept_and_its_end_can_be_told_from_other_errors() -> None:
    model = ScriptedModel(["a"], max_tokens=10)
    with session(meter=Meter(Budget(calls=1))):
        model("x")
        with pytest.raises(Exception, match="budget") as caught:
            model("y")
        assert isinstance(unwrap(caught.value), BudgetExhausted)
        assert model("x") == ["a"], "what is stored costs nothing"


def test_an_answer_cut_by_max_tokens_is_flagged_and_not_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = ScriptedModel(["one two three four"], max_tokens=2)
    with session() as active, use_run(active.open_run("t")) as run:
        assert model("x") == ["one two"]
        assert run.calls[0].truncated
    assert "truncated" not in caplog.text


def test_threads_and_asyncio_get_the_same_answers_under_one_limit() -> None:
    model = ScriptedModel(lambda messages, seed: f"{messages[-1]['content']} {seed}")

    async def gather() -> list[Any]:
        return await asyncio.gather(*(model.acall(f"q{n}") for n in range(8)))

    with session():
        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(copy_context().run, model, f"q{n}") for n in range(8)]
            threads = [f.result() for f in futures]
        assert asyncio.run(gather()) == threads
    assert model.call_count == 8


def test_asyncio_carries_session_run_and_rollout_along() -> None:
    model = ScriptedModel(["a"], temperature=1.0)

    async def ask() -> None:
        await model.acall("x", rollout_id=5)

    with session() as active, use_run(active.open_run("t")) as run:
        asyncio.run(ask())
        assert len(run.calls) == 1
    assert model.calls[0].rollout_id == 5


def test_copies_of_a_program_share_the_engine() -> None:
    model = ScriptedModel(["[[ ## answer ## ]]\na\n[[ ## completed ## ]]"])
    predict = dspy.Predict("question -> answer")
    predict.set_lm(model)
    copied = predict.deepcopy()
    assert copied.lm.engine is model.engine
    assert copy.deepcopy(model).engine is model.engine


def test_a_program_is_saved_and_loaded_with_its_model(tmp_path: Path) -> None:
    predict = dspy.Predict("question -> answer")
    engine = language_model("openai:m@http://127.0.0.1:9", temperature=0.25, num_ctx=512).engine
    predict.set_lm(LanguageModel(engine, max_tokens=77, stop=["END"], presence_penalty=0.5))
    predict.save(tmp_path / "p.json")
    assert "api_key" not in json.dumps(json.loads((tmp_path / "p.json").read_text()))
    fresh = dspy.Predict("question -> answer")
    fresh.load(tmp_path / "p.json", allow_unsafe_lm_state=True)
    assert isinstance(fresh.lm, LanguageModel)
    assert fresh.lm.engine is predict.lm.engine
    assert fresh.lm.spec.options.temperature == 0.25
    assert fresh.lm.kwargs == predict.lm.kwargs


def test_a_model_object_of_the_users_own_is_not_loaded_or_changed_by_its_name(tmp_path: Path) -> None:
    predict = dspy.Predict("question -> answer")
    predict.set_lm(language_model(dspy.LM("openai/gpt-4o", engine=OwnEngine(), cache=False)))
    predict.save(tmp_path / "p.json")
    with pytest.raises(UsageError, match="openai/gpt-4o was a model object of your own"):
        predict.load(tmp_path / "p.json", allow_unsafe_lm_state=True)
    with pytest.raises(UsageError, match="are given where it is made"):
        language_model(predict.lm, slots=2)


def test_names_and_options_share_one_engine_and_keys_stay_secret() -> None:
    first = language_model("openai:m@http://127.0.0.1:9", api_key="sk-1")
    second = language_model("openai:m@http://127.0.0.1:9", api_key="sk-1")
    other = language_model("openai:m@http://127.0.0.1:9", api_key="sk-2")
    assert first.engine is second.engine
    assert first.engine is not other.engine
    assert "sk-1" not in first.spec.model_dump_json() + repr(first.spec) + json.dumps(first.dump_state())


def test_a_plain_dspy_lm_is_taken_over_with_its_settings() -> None:
    plain = dspy.LM("openai/m", api_base="http://127.0.0.1:9/v1", api_key="k", temperature=0.3, max_tokens=77)
    ours = language_model(plain)
    assert ours.spec.name == "openai:m@http://127.0.0.1:9/v1"
    assert (ours.kwargs["temperature"], ours.kwargs["max_tokens"], ours.cache) == (0.3, 77, False)
    assert language_model(ours) is ours
    on_our_engine = dspy.LM("openai/m", engine=ours.engine, temperature=0.3)
    assert language_model(on_our_engine).engine is ours.engine
    assert language_model(on_our_engine, slots=3).spec.options.slots == 3
    ollama = language_model(dspy.LM("ollama_chat/m", api_base="http://127.0.0.1:9"))
    assert ollama.spec.name == "ollama:m@http://127.0.0.1:9"


def test_a_dummy_lm_is_asked_through_the_engine() -> None:
    dummy = dspy.utils.DummyLM([{"answer": "yes"}])
    ours = language_model(dummy)
    assert language_model(dummy).engine is ours.engine
    with session() as active, use_run(active.open_run("t")) as run:
        ours("really?")
        assert run.calls[0].flags == ("estimated_tokens",)


class OwnEngine:
    """A DSPy engine as a user writes one."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> OwnEngine:
        return self

    def complete(self, request: Request) -> Response:
        self.requests.append(request)
        message = Message(role="assistant", parts=(TextPart("hmm</think>x = 1"),))
        return Response(
            id="1", model=request.model, message=message, finish_reason="length", usage=Usage(11, 5)
        )


def test_an_engine_of_the_users_own_gets_the_seed_and_counts_its_tokens() -> None:
    own = OwnEngine()
    ours = language_model(dspy.LM("my/engine", engine=own, cache=False), temperature=0.5)
    with session() as active, use_run(active.open_run("t")) as run:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
        answers = [ours(messages=messages, max_tokens=9)[0] for _ in range(2)]
        first, second = run.calls
    assert "x = 1" in str(answers[0])
    assert (first.usage.tokens_in, first.usage.tokens_out) == (11, 5)
    assert (first.truncated, first.thinking, first.flags) == (True, "hmm", ())
    assert first.seed != second.seed
    assert [r.config.seed for r in own.requests] == [first.seed, second.seed]
    assert own.requests[0].config.max_tokens == 9
    assert (own.requests[0].system, own.requests[0].config.temperature) == ("Be brief.", 0.5)


def test_an_outage_of_a_model_of_somebody_else_s_is_waited_out_and_its_bugs_are_not() -> None:
    class Failing(OwnEngine):
        def complete(self, request: Request) -> Response:
            if errors:
                raise errors.pop(0)
            return super().complete(request)

    errors: list[Exception] = [ConnectionError("reset"), TimeoutError("slow")]
    ours = language_model(dspy.LM("my/engine", engine=Failing(), cache=False), retry_s=60, slots=1)
    assert cast("Engine", ours.engine).backend.slots == 1
    with session() as active:
        assert "x = 1" in str(ours("hi"))
        assert not errors
        assert active.meter.paid.calls == 1
        for error, kind in ((ConnectionError("reset"), ModelUnavailable), (KeyError("bug"), dspy.LMError)):
            errors.append(error)
            brittle = language_model(dspy.LM("my/engine", engine=Failing(), cache=False), retry_s=0)
            with pytest.raises(Exception) as caught:  # noqa: PT011
                brittle("hi")
            assert isinstance(unwrap(caught.value), kind)
    with pytest.raises(UsageError, match="deterministic cannot be passed on to a model of your own"):
        language_model(dspy.LM("my/engine", engine=Failing()), deterministic=True)


def test_an_older_lm_with_forward_still_answers() -> None:
    class Older(dspy.BaseLM):
        def forward(self, prompt: Any = None, messages: Any = None, **settings: Any) -> Any:
            message = SimpleNamespace(content=messages[-1]["content"].upper())
            choice = SimpleNamespace(message=message, finish_reason="stop", text=None)
            return SimpleNamespace(choices=[choice], usage={}, model="older")

    ours = language_model(Older("my/older"))
    with session() as active, use_run(active.open_run("t")) as run:
        assert ours("hi") == ["HI"]
        assert run.calls[0].flags == ("estimated_tokens",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("embedded?num_cxt=1", "unknown option 'num_cxt'; did you mean num_ctx"),
        ("embedded?num_ctx", r"written \?option=value"),
        ("ollama:m?api_key=k", "set GREENLOOP_API_KEY"),
        ("ollama:m?deterministic=true&slots=4", "deterministic means one slot"),
        ("groq/m?deterministic=true", "cannot be had from a provider"),
        ("groq/m?num_ctx=8192", "num_ctx cannot be set at a provider"),
        ("embedded?top_k=--5", "option 'top_k'"),
        ("embedded?top_k=²", "option 'top_k'"),
        ("ollama:m?deterministic=true&hosts=a&hosts=b", "cannot be had from several hosts"),
    ],
)
def test_a_wrong_option_in_a_name_is_one_line(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        language_model(name)
    assert "\n" not in str(caught.value)


def test_options_may_stand_in_a_name() -> None:
    spec = parse_model("ollama:m:3b@http://h:1?num_ctx=8192&think=off&stop=a&stop=b&keep_alive=-1&top_p=0.9")
    assert (spec.model, spec.api_base) == ("ollama_chat/m:3b", "http://h:1")
    options = spec.options
    assert (options.num_ctx, options.think, options.stop, options.keep_alive) == (8192, False, ("a", "b"), -1)
    assert options.top_p == 0.9
    assert spec.name.endswith("top_p=0.9")
    assert parse_model("embedded?num_ctx=512", num_ctx=1024).options.num_ctx == 1024


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("olama:qwen", "did you mean ollama:NAME"),
        ("qwen2.5", r"did you mean embedded or ollama:qwen2\.5"),
        ("/models/a.gguf", r"write gguf:/models/a\.gguf"),
        ("gguf:/no/such.gguf", r"there is no file /no/such\.gguf"),
        ("openai:m@", "is no URL"),
        ("openai:m@http://h:99999/v1", "is no URL: Port out of range"),
        ("ollama:m@http://[::1", "is no URL: Invalid IPv6 URL"),
        ("", "unknown model ''"),
    ],
)
def test_an_unknown_model_is_one_line_that_offers_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownModel, match=message) as caught:
        language_model(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_cxt": 4096}, "unknown option 'num_cxt'; did you mean num_ctx"),
        ({"temperature": 3}, "option 'temperature'"),
        ({"timeout_s": 0}, "option 'timeout_s'"),
    ],
)
def test_a_wrong_option_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        language_model("ollama:m", **options)
    assert "\n" not in str(caught.value)


def test_what_small_models_do_not_take_is_refused_before_the_call() -> None:
    model = ScriptedModel(["a"])
    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    with session(), pytest.raises(Exception, match="only text is supported") as caught:
        model(messages=[{"role": "user", "content": image}])
    assert isinstance(unwrap(caught.value), ProgramError)


def test_urls_are_completed() -> None:
    assert parse_model("ollama:m@gpu").api_base == "http://gpu:11434"
    assert parse_model("ollama:m:3b@http://gpu:1").model == "ollama_chat/m:3b"
    assert parse_model("openai:a/b@https://host/v1/").api_base == "https://host/v1"


def test_ollama_host_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0")
    assert parse_model("ollama:m").api_base == "http://127.0.0.1:11434"
    monkeypatch.setenv("OLLAMA_HOST", ":11435")
    assert parse_model("ollama:m").api_base == "http://127.0.0.1:11435", "as Ollama itself reads it"
    monkeypatch.setenv("OLLAMA_HOST", "http://[::1")
    with pytest.raises(UnknownModel, match=r"OLLAMA_HOST: 'http://.*' is no URL"):
        parse_model("ollama:m")


def test_litellm_s_names_of_ollama_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    for name in ("ollama_chat/m:3b?num_ctx=8192", "ollama/m:3b?num_ctx=8192"):
        spec = parse_model(name)
        assert (spec.backend, spec.model, spec.options.num_ctx) == ("ollama", "ollama_chat/m:3b", 8192)
        assert (spec.api_base, spec.name) == ("http://127.0.0.1:11434", name)
    monkeypatch.setenv("OLLAMA_API_BASE", "http://gpu:1")
    assert parse_model("ollama_chat/m").api_base == "http://gpu:1"
    assert language_model(dspy.LM("ollama_chat/m")).spec.name == "ollama:m@http://gpu:1"


def test_a_server_that_a_variable_names_is_part_of_what_answers_are_stored_under(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("HOSTED_VLLM_API_BASE", "GROQ_API_BASE", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(variable, raising=False)
    vllm, openai = (language_model(name).engine.backend for name in ("hosted_vllm/m", "openai/m"))
    usual = openai.digest()
    assert usual == hashlib.sha256(b"openai/m|").hexdigest(), "as it always was"
    assert language_model("groq/m").engine.backend.digest() == hashlib.sha256(b"groq/m|").hexdigest()
    found: list[str] = []
    for server in ("http://one/v1", "http://two/v1"):
        monkeypatch.setenv("HOSTED_VLLM_API_BASE", server)
        monkeypatch.setenv("OPENAI_BASE_URL", server)
        found += [vllm.digest(), openai.digest()]
    assert len({*found, usual}) == 5


def test_dspy_callbacks_see_every_call_as_mlflow_autolog_needs() -> None:
    seen: list[tuple[str, Any]] = []

    class Listener(BaseCallback):
        def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            seen.append(("start", instance.model))

        def on_lm_end(self, call_id: str, outputs: Any, exception: Exception | None = None) -> None:
            seen.append(("end", outputs))

    model = ScriptedModel(["a"])
    with session(), dspy.context(callbacks=[Listener()], track_usage=True):
        model("x")
        asyncio.run(model.acall("y"))
    assert [kind for kind, _ in seen] == ["start", "end", "start", "end"]
    assert seen[1] == ("end", ["a"])
    assert len(model.history) == 2
    assert model.history[0]["usage"]["completion_tokens"] == 1


def test_a_listener_hears_of_each_call_once_it_is_booked() -> None:
    heard: list[CallRecord] = []
    model = ScriptedModel(["a"])
    with session() as active:
        active.on_call = (heard.append,)
        model("x"), model("x")
    assert [(r.cached, r.usage.calls) for r in heard] == [(False, 1), (True, 1)]

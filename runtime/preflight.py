"""Everything that can be known to go wrong before a run spends anything, all at once, a line each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import GreenloopError, ModelUnavailable
from .backends.base import Backend
from .gguf_file import GgufFile
from .model_spec import ModelSpec, with_host

_OVERHEAD = 1.15
"""Loaded weights take somewhat more memory than their file: buffers and the graph."""


_CARDS = ("/dev/nvidia0", "/dev/kfd")
"""Where Linux shows a graphics card: Ollama then puts models into the card's memory, which is not looked at."""

_FEWEST_CHARACTERS_PER_TOKEN = 2.0
"""Text with fewer characters to a token is rare: a prompt that fits at this rate needs no counting."""


@dataclass(frozen=True, slots=True)
class PromptNeed:
    """The longest prompt that a model will be sent.

    Attributes:
        model: Name, `dspy.LM` or language model.
        text: The prompt, as far as it is known before the run.
        added_tokens: Tokens that the run itself may add: earlier code, notes, feedback.
        max_tokens: Most tokens of the answer.
        task_id: The task with the longest prompt.
        stage: The stage that asks.
        by_token: It asks a token at a time: a file is then served by a server of its own beside the usual one.
    """

    model: Any
    text: str
    added_tokens: int
    max_tokens: int
    task_id: str
    stage: str
    by_token: bool = False


def preflight(
    models: Sequence[Any],
    *,
    needs: Sequence[PromptNeed] = (),
    longest_prompt_tokens: int | None = None,
    max_tokens: int | None = None,
    memory_bytes: int | None = None,
) -> list[str]:
    """Check the models of a run.

    Args:
        models: Names, `dspy.LM` objects or language models of ours.
        needs: The longest prompts that they will be sent; `modules.prompt_needs` finds them for a program.
        longest_prompt_tokens: Tokens of the longest prompt of the run.
        max_tokens: Most answer tokens; the models' own setting where none is given.
        memory_bytes: Memory that models may take together; what this machine has available where none is
            given.

    Returns:
        One line for each problem, with what to do; an empty list where nothing stands in the way.

    Example:
        >>> preflight(["ollama:no-such-model@127.0.0.1:1"])
        ['Ollama does not answer at http://127.0.0.1:1: start it with `ollama serve`']
    """
    problems: list[str] = []
    described: list[ModelSpec] = []
    sizes: dict[str, int] = {}
    for model in models:
        try:
            backend = _backend(model)
            spec = backend.describe()
            described.append(spec)
            problems += _context(spec, longest_prompt_tokens, max_tokens)
            own = [need for need in needs if _backend(need.model) is backend]
            sizes[spec.name] = _memory_with(spec, own)
            problems += _prompts(backend, spec, own)
            problems += _thinking(backend, spec)
        except GreenloopError as error:
            problems.append(str(error))
    problems += _memory(described, sizes, memory_bytes)
    return list(dict.fromkeys(problems))


def _backend(model: Any) -> Backend:
    from .engine import Engine
    from .language_model import language_model

    engine: Engine = language_model(model).engine  # pyright: ignore[reportAssignmentType]
    return engine.backend


def _context(spec: ModelSpec, longest_prompt: int | None, max_tokens: int | None) -> list[str]:
    if longest_prompt is None or spec.context is None:
        return []
    answer = max_tokens or spec.options.max_tokens
    needed = longest_prompt + answer
    if needed <= spec.context:
        return []
    return [
        f"{spec.name}: the longest prompt ({longest_prompt} tokens) and the answer ({answer}) need {needed} "
        f"tokens, the context has {spec.context}: set num_ctx to {needed} or more, or lower max_tokens"
    ]


def _prompts(backend: Backend, spec: ModelSpec, needs: Sequence[PromptNeed]) -> list[str]:
    """The model's most demanding prompt, where it does not fit into the context."""
    if spec.context is None:
        return []
    short: list[tuple[int, str]] = []
    for need in needs:
        room = spec.context - need.added_tokens - need.max_tokens
        if len(need.text) / _FEWEST_CHARACTERS_PER_TOKEN <= room:
            continue
        tokens = _tokens(backend, need.text)
        if tokens <= room:
            continue
        total = tokens + need.added_tokens + need.max_tokens
        added = f" and up to {need.added_tokens} of earlier code and feedback" if need.added_tokens else ""
        short.append(
            (
                total,
                f"{spec.name}: the prompt of task {need.task_id} in stage {need.stage} ({tokens} tokens{added}) "
                f"and the answer ({need.max_tokens}) need {total} tokens, the context has {spec.context}: "
                + _larger(spec, total),
            )
        )
    return [max(short)[1]] if short else []


def _larger(spec: ModelSpec, total: int) -> str:
    """What to do about a context that is too small."""
    if (spec.options.num_ctx or 0) > (spec.context or 0):
        return "the model was trained for no more: lower max_tokens, or take another model"
    room = -(-total // 1024) * 1024
    name = spec.name.partition("?")[0]
    return f"set num_ctx, as in '{name}?num_ctx={room}', or lower max_tokens"


def _tokens(backend: Backend, text: str) -> int:
    """Tokens of a text: by the model's own tokeniser where it is at hand, else by one much like it."""
    count = getattr(backend, "count_tokens", None)
    if count is not None:
        return int(count(text))
    from .backends.litellm_chat import load_litellm

    return int(load_litellm().token_counter(model="gpt-3.5-turbo", text=text))


def _thinking(backend: Backend, spec: ModelSpec) -> list[str]:
    """Ollama refuses `think` for a model that cannot."""
    from .backends import ollama_api
    from .backends.ollama import OllamaBackend

    members: Sequence[Backend] = getattr(backend, "members", (backend,))
    for member in members if spec.options.think else ():
        if not isinstance(member, OllamaBackend):
            continue
        try:
            card = ollama_api.show(spec.short_name, member.url)
        except ModelUnavailable:  # another of its hosts answered
            continue
        if "thinking" not in card.capabilities:
            return [f"{spec.name}: the model cannot think: leave the option `think` out"]
    return []


def _memory_with(spec: ModelSpec, needs: Sequence[PromptNeed]) -> int:
    """Memory of all servers that a model is loaded by."""
    if spec.path is None or spec.options.memory_gb is not None:
        return memory_need(spec)
    kinds = {need.by_token for need in needs} or {False}
    return sum(memory_need(spec, by_token=kind) for kind in kinds)


def _memory(specs: Sequence[ModelSpec], sizes: Mapping[str, int], limit: int | None) -> list[str]:
    """Models on this machine that are meant to be loaded together, against its memory."""
    local = [s for spec in specs for s in _placed(spec) if _is_local(s)]
    distinct = {(s.digest, s.api_base): s for s in local}.values()
    needs = {s.name: sizes.get(s.name, memory_need(s)) for s in distinct if not _is_loaded(s)}
    available = limit if limit is not None else available_memory()
    if not available or not needs:
        return []
    if max(needs.values()) > available:
        name, size = max(needs.items(), key=lambda need: need[1])
        return [f"{name} needs {_gb(size)} of memory, {_gb(available)} are free: take a smaller quantisation"]
    in_turns = {s.name for s in local if s.backend == "ollama" and s.options.exclusive}
    together = {name: size for name, size in needs.items() if name not in in_turns}
    total = sum(together.values())
    if total > available and len(together) > 1:
        each = ", ".join(f"{name} {_gb(size)}" for name, size in together.items())
        first = next(iter(together)).partition("?")[0]
        served = any(s.backend == "ollama" for s in local)
        advice = (
            f"let Ollama load them in turns, as in '{first}?exclusive=true'"
            if served
            else "take smaller quantisations, or serve them with Ollama, which loads them in turns"
        )
        return [f"the models need {_gb(total)} together ({each}), {_gb(available)} are free: {advice}"]
    return []


def _placed(spec: ModelSpec) -> list[ModelSpec]:
    """The model on each of the servers that have it."""
    hosts = [with_host(spec, host) for host in spec.options.hosts]
    return [s.model_copy(update={"name": f"{s.name} at {s.api_base}"}) for s in hosts] or [spec]


def _is_loaded(spec: ModelSpec) -> bool:
    """Whether an Ollama server has the model in memory already: that memory is no longer free."""
    from .backends import ollama_api

    if spec.backend != "ollama":
        return False
    full = ollama_api.full_name(spec.short_name)
    try:
        return any(m.name == full and m.loaded for m in ollama_api.list_models(spec.api_base))
    except ModelUnavailable:  # another of its hosts answered
        return False


def memory_need(spec: ModelSpec, *, by_token: bool = False) -> int:
    """Memory that a loaded model takes, in bytes: declared, else from weights and context; 0 where unknown.

    Args:
        spec: The model.
        by_token: By the server that is asked a token at a time.
    """
    if spec.options.memory_gb is not None:
        return int(spec.options.memory_gb * 2**30)
    weights = int((spec.size_bytes or 0) * _OVERHEAD)
    if spec.path is None or spec.context is None:
        return weights
    from .backends.embedded import SLOTS
    from .backends.token_embedded import slots_by_token

    slots = 1 if spec.options.deterministic else spec.options.slots or SLOTS
    slots = slots_by_token(slots) if by_token else slots
    return weights + GgufFile.read(spec.path).kv_bytes_per_token() * spec.context * slots


def available_memory() -> int:
    """Memory that programs can still take on this machine, in bytes; 0 where that cannot be told."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:  # macOS and other Unixes: all memory stands for what is free
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def _is_local(spec: ModelSpec) -> bool:
    """Whether the model takes this machine's own memory, and not that of a graphics card or another machine."""
    if spec.path is not None:
        return True
    base = spec.api_base or ""
    here = spec.backend == "ollama" and any(h in base for h in ("127.0.0.1", "localhost", "[::1]"))
    return here and not any(os.path.exists(card) for card in _CARDS)


def _gb(size: int) -> str:
    return f"{size / 2**30:.1f} GB"

"""Ollama's own API beside the chat: what models there are, which are loaded, fetching and unloading them."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from ...errors import ModelUnavailable, UnknownModel
from ..model_spec import ollama_url
from . import direct
from .failures import absent, data_of, misses_a_model, nothing_there
from .keys import key_for


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """A model that an Ollama server has.

    Attributes:
        name: With its tag, such as "qwen2.5-coder:3b".
        digest: Digest of the weights and their settings.
        size_bytes: Size on disk.
        parameters: As Ollama writes it, such as "3.1B".
        quantisation: Such as "Q4_K_M".
        loaded: In memory now.
        memory_bytes: Memory that it takes while loaded.
        on_cpu: Part of it that runs on the processor, in [0, 1]; None while it is not loaded.
    """

    name: str
    digest: str
    size_bytes: int
    parameters: str
    quantisation: str
    loaded: bool = False
    memory_bytes: int | None = None
    on_cpu: float | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What `show` tells of one model.

    Attributes:
        name: The model.
        capabilities: Such as "completion", "tools", "thinking".
        context: Tokens that it was trained for.
        parameters: Number of parameters.
        quantisation: Such as "Q4_K_M".
    """

    name: str
    capabilities: tuple[str, ...]
    context: int | None
    parameters: int | None
    quantisation: str


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is.

    Attributes:
        status: In Ollama's words.
        done_bytes: Of the file under way.
        total_bytes: Of the file under way; 0 where none is.
    """

    status: str
    done_bytes: int = 0
    total_bytes: int = 0


def full_name(name: str) -> str:
    """The name with its tag, "latest" where none is named."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


def request(
    url: str,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    timeout_s: float = 10,
    api_key: SecretStr | None = None,
) -> dict[str, Any]:
    """One request, its answer as data.

    Args:
        url: The server.
        method: Of HTTP.
        path: The page.
        body: Sent as JSON.
        timeout_s: Most seconds to wait for each part of the answer.
        api_key: Key for a proxy before the server; the environment's for this server without it.

    Raises:
        httpx.HTTPError: The server does not answer, or answers with an error.
        OtherProtocol: Its answer is no data.
        UsageError: The URL cannot be one.
    """
    import httpx

    answer = direct.request(
        method, f"{url}{path}", json=body, timeout=timeout_s, headers=authorization(url, api_key)
    )
    if answer.is_error:
        text = answer.text[:300]
        raise httpx.HTTPStatusError(text, request=answer.request, response=answer)
    return data_of(answer)


def authorization(url: str, api_key: SecretStr | None = None) -> dict[str, str]:
    """The header for a server behind a proxy that wants a key: the one given, else what `keys` has for this server."""
    key = api_key.get_secret_value() if api_key else key_for(url)
    return {"Authorization": f"Bearer {key}"} if key else {}


def list_models(url: str | None = None) -> list[OllamaModel]:
    """The models that a server has, with what is loaded.

    Raises:
        ModelUnavailable: The server does not answer.
    """
    url = ollama_url(url)
    with _away(url):
        listed = request(url, "GET", "/api/tags").get("models") or []
        loaded = {m.get("name"): m for m in request(url, "GET", "/api/ps").get("models") or []}
    found: list[OllamaModel] = []
    for model in listed:
        name, details = str(model.get("name")), model.get("details") or {}
        running = loaded.get(name)
        size = int(running.get("size") or 0) if running else 0
        found.append(
            OllamaModel(
                name=name,
                digest=str(model.get("digest", "")),
                size_bytes=int(model.get("size") or 0),
                parameters=str(details.get("parameter_size", "")),
                quantisation=str(details.get("quantization_level", "")),
                loaded=running is not None,
                memory_bytes=size if running else None,
                on_cpu=1 - int(running.get("size_vram") or 0) / size if running and size else None,
            )
        )
    return found


def show(name: str, url: str | None = None) -> ModelCard:
    """What the server tells of one model.

    Raises:
        ModelUnavailable: The server does not answer.
        UnknownModel: The server does not have it.
    """
    url = ollama_url(url)
    with _away(url, name):
        data = request(url, "POST", "/api/show", {"model": name})
    info = data.get("model_info") or {}
    return ModelCard(
        name=full_name(name),
        capabilities=tuple(data.get("capabilities") or ()),
        context=info.get(f"{info.get('general.architecture', '')}.context_length"),
        parameters=info.get("general.parameter_count"),
        quantisation=str((data.get("details") or {}).get("quantization_level", "")),
    )


def pull(name: str, url: str | None = None, *, insecure: bool = False) -> Iterator[PullProgress]:
    """Fetch a model, telling how far it is; ends when it is there.

    Args:
        name: The model; with a registry of your own in front, as in "host:port/library/name".
        url: The Ollama server.
        insecure: The registry speaks plain HTTP.

    Raises:
        ModelUnavailable: The server does not answer, or broke off.
        UnknownModel: The registry has no such model.

    Example:
        >>> for step in pull("qwen2.5-coder:3b"):  # doctest: +SKIP
        ...     show_bar(step.done_bytes, step.total_bytes)
    """
    import httpx

    url = ollama_url(url)
    with (
        _away(url, name),
        direct.stream(
            "POST",
            f"{url}/api/pull",
            json={"model": name, "stream": True, "insecure": insecure},
            headers=authorization(url),
            timeout=httpx.Timeout(10, read=300),
        ) as answer,
    ):
        for line in answer.iter_lines():
            if not line.strip():
                continue
            step = json.loads(line)
            if error := step.get("error"):
                if "file does not exist" in error or "not found" in error:
                    raise UnknownModel(f"no registry has a model {name!r}: see https://ollama.com/library")
                raise ModelUnavailable(f"Ollama could not fetch {name!r}: {error}")
            yield PullProgress(
                str(step.get("status", "")), int(step.get("completed") or 0), int(step.get("total") or 0)
            )
        if answer.is_error:
            raise ModelUnavailable(f"Ollama could not fetch {name!r}: HTTP {answer.status_code}")


def unload(name: str, url: str | None = None) -> None:
    """Take a model out of memory.

    Raises:
        ModelUnavailable: The server does not answer.
        UnknownModel: The server does not have it.
    """
    url = ollama_url(url)
    with _away(url, name):
        request(url, "POST", "/api/generate", {"model": name, "keep_alive": 0}, timeout_s=60)


@contextmanager
def _away(url: str, name: str = "") -> Generator[None]:
    import httpx

    try:
        yield
    except httpx.HTTPStatusError as error:
        if error.response.status_code != 404:
            raise ModelUnavailable(f"Ollama at {url}: {error}") from error
        if name and misses_a_model(error.response):
            raise UnknownModel(absent(name, url)) from error
        raise ModelUnavailable(nothing_there(url, ollama=True)) from error
    except ValueError as error:
        raise ModelUnavailable(nothing_there(url, ollama=True)) from error
    except httpx.HTTPError as error:
        line = f"Ollama does not answer at {url}: start it with `ollama serve`"
        raise ModelUnavailable(line) from error

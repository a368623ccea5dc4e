"""Public fakes and contract tests: for users' own tests, and for third-party backends, sandboxes, stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend_contract import BackendContract
    from .chat_server import ChatServer
    from .error_process import ErrorProcess, paper_process, simulated_model
    from .fake_model import ScriptedModel
    from .ollama_server import OllamaServer
    from .optimizer_contract import OptimizerContract
    from .small_tasks import adding_tasks
    from .token_model import TokenModel

__all__ = [
    "BackendContract",
    "ChatServer",
    "ErrorProcess",
    "OllamaServer",
    "OptimizerContract",
    "ScriptedModel",
    "TokenModel",
    "adding_tasks",
    "paper_process",
    "simulated_model",
]

_HOMES = {
    "BackendContract": "backend_contract",
    "ChatServer": "chat_server",
    "ErrorProcess": "error_process",
    "OllamaServer": "ollama_server",
    "OptimizerContract": "optimizer_contract",
    "ScriptedModel": "fake_model",
    "TokenModel": "token_model",
    "adding_tasks": "small_tasks",
    "paper_process": "error_process",
    "simulated_model": "error_process",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

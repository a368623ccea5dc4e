"""Model backends: what stands between the engine and a server. One protocol, one file each."""

from .base import Answer, Backend, Call

__all__ = ["Answer", "Backend", "Call"]

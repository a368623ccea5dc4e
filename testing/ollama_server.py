"""A real Ollama server of a test's own: a free port, a folder of models, killed and restarted at will."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from .ports import Port

_CACHED = "greenloop/ollama/0.17.4/bin/ollama"
_START_S = 180.0


def find_ollama() -> str | None:
    """The Ollama binary: $GREENLOOP_OLLAMA, the path, or what `make ollama` built; None without any."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    built = os.path.join(cache, _CACHED)
    named = os.environ.get("GREENLOOP_OLLAMA")
    return named or shutil.which("ollama") or (built if os.access(built, os.X_OK) else None)


class OllamaServer:
    """A server on the loopback address.

    Args:
        binary: The `ollama` program.
        folder: Where models and the log go.
        parallel: Calls served at once.
        max_loaded: Models kept loaded at once.

    Attributes:
        url: Its base URL; stays the same over a restart.
    """

    def __init__(self, binary: str, folder: Path, parallel: int = 2, max_loaded: int = 2) -> None:
        self.binary = binary
        self.folder = folder
        self.log = folder / "ollama.log"
        self._port = Port()
        self.url = f"http://127.0.0.1:{self._port.number}"
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "OLLAMA_HOST": f"127.0.0.1:{self._port.number}",
            "OLLAMA_MODELS": str(folder / "models"),
            "OLLAMA_NUM_PARALLEL": str(parallel),
            "OLLAMA_MAX_LOADED_MODELS": str(max_loaded),
            "OLLAMA_NOPRUNE": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            RuntimeError: It ended at once or did not answer in three minutes; the log's end says why.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.binary, "serve"], env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                httpx.get(f"{self.url}/api/version", timeout=1).raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.05)
        end = self.log.read_text(errors="replace")[-500:]
        raise RuntimeError(f"ollama did not start: {end}")

    def kill(self) -> None:
        """End it at once, its runners too, as a crash would."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def create(
        self,
        name: str,
        gguf: str,
        quantise: str | None = None,
        system: str | None = None,
        template: str | None = None,
        further: str = "",
    ) -> None:
        """Import a GGUF file as a model.

        Args:
            name: The model's name.
            gguf: The file.
            quantise: Another quantisation, made from an F16 file.
            system: A system prompt that makes it another model.
            template: The chat template, in Ollama's form.
            further: Further lines of the Modelfile, such as MESSAGE.
        """
        modelfile = self.folder / f"Modelfile-{name.replace(':', '-')}"
        said = f'\nSYSTEM """{system}"""' if system else ""
        shaped = f'\nTEMPLATE """{template}"""' if template else ""
        modelfile.write_text(f"FROM {gguf}{said}{shaped}\n{further}\n")
        command = [self.binary, "create", name, "-f", str(modelfile)]
        command += ["-q", quantise] if quantise else []
        subprocess.run(command, env=self._environment, check=True, capture_output=True)

    @property
    def models(self) -> Path:
        """The folder with its models, as `OllamaRegistry` serves them."""
        return self.folder / "models"

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A plain request to the server's API."""
        answer = httpx.request(method, f"{self.url}{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

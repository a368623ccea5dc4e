"""An exported folder on another machine: which models are missing there, which are another, and how to name others."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import greenloop as gl
import pytest
from greenloop.errors import ExportError
from greenloop.runtime.backends.embedded import embedded_model_path
from greenloop.testing import ScriptedModel
from greenloop.testing.ollama_stand_in import OllamaStandIn


@pytest.fixture
def ollama() -> Iterator[OllamaStandIn]:
    server = OllamaStandIn()
    server.start()
    yield server
    server.kill()


def test_loading_says_which_model_is_missing_and_how_to_get_it(tmp_path: Path, ollama: OllamaStandIn) -> None:
    ollama.create("here", embedded_model_path())
    program = gl.GenerateExecuteRefine(
        generate=gl.Generate(model=f"ollama:here@{ollama.url}"),
        refine=gl.Refine(model=f"ollama:gone@{ollama.url}"),
    )
    folder = gl.export(program, tmp_path / "best")
    with pytest.warns(UserWarning, match="`ollama pull gone`") as told:
        gl.load(folder)
    assert len(told) == 1
    assert "| ollama pull gone |" in (folder / "README.md").read_text()
    ollama.kill()
    with pytest.warns(UserWarning, match="Ollama does not answer"):
        gl.load(folder)


def test_a_model_with_another_digest_is_named_with_both(tmp_path: Path, ollama: OllamaStandIn) -> None:
    ollama.create("m", embedded_model_path())
    exported = ollama.models["m:latest"]["digest"]
    folder = gl.export(gl.Resample(generate=gl.Generate(model=f"ollama:m@{ollama.url}")), tmp_path / "best")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gl.load(folder)
    ollama.create("m", embedded_model_path(), system="another prompt")
    here = ollama.models["m:latest"]["digest"]
    with pytest.warns(UserWarning, match=rf"digest {here[:12]}\).*digest {exported[:12]}\)"):
        gl.load(folder)


def test_a_gguf_file_that_lies_elsewhere_is_missed_and_can_be_named(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    shutil.copy(embedded_model_path(), file)
    model = gl.language_model(f"gguf:{file}", num_ctx=2048)
    folder = gl.export(gl.Resample(generate=gl.Generate(model=model)), tmp_path / "best")
    assert gl.load(folder).generate.model.value.spec.options.num_ctx == 2048
    moved = file.rename(tmp_path / "other.gguf")
    with pytest.warns(UserWarning, match=r"there is no file .*exported with digest [0-9a-f]{12}, Q4_1"):
        gl.load(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = gl.load(folder, models={f"gguf:{file}": f"gguf:{moved}"})
    assert loaded.generate.model.value == f"gguf:{moved}"
    with pytest.raises(ExportError, match="the program's models are"):
        gl.load(folder, models={"embedded": "gguf:x"})


def test_a_language_model_object_has_to_be_given_again(tmp_path: Path) -> None:
    script = ScriptedModel(["def f(): pass"])
    folder = gl.export(gl.Resample(generate=gl.Generate(model=script)), tmp_path / "best")
    with pytest.warns(UserWarning, match="was a language model object") as told:
        gl.load(folder)
    assert not [one for one in told if "prompts go to" in str(one.message)]
    loaded = gl.load(folder, models={"simulated/script": script})
    assert loaded.generate.model.value is script

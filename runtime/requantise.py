"""The same weights in another quantisation, so that model choice can be tried without a download.

A coarser file of the same model is another model to every table: its name says which quantisation it has.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ..errors import UsageError
from .gguf_file import GgufFile

Quantisation = Literal["F16", "Q8_0", "Q4_0"]
_FILE_TYPES = {"F16": "MOSTLY_F16", "Q8_0": "MOSTLY_Q8_0", "Q4_0": "MOSTLY_Q4_0"}
_OWN_KEYS = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")


def requantise(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    quantisation: Quantisation,
    on_progress: Callable[[int, int], None] | None = None,
) -> GgufFile:
    """Write a GGUF file's weights in another quantisation; settings and tokeniser are copied.

    Tensors of one dimension (norms) stay as they are, and so do those whose rows the quantisation cannot
    divide.

    Args:
        source: A GGUF file; the embedded model's is `embedded_model_path()`.
        target: The file to write; it appears only when it is whole.
        quantisation: "F16", "Q8_0" or "Q4_0".
        on_progress: Called with tensors done and in all.

    Returns:
        The new file's header.

    Raises:
        UsageError: The package `gguf` is missing, the target exists, or the quantisation is unknown.
        UnknownModel: The source is no GGUF file.
    """
    if quantisation not in _FILE_TYPES:
        raise UsageError(f"unknown quantisation {quantisation!r}: {', '.join(_FILE_TYPES)}")
    path = Path(target)
    if path.exists():
        raise UsageError(f"{path} is there already: name another file, or take it away first")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}")
    known = GgufFile.read(source)
    try:
        gguf: Any = importlib.import_module("gguf")
        quants: Any = importlib.import_module("gguf.quants")
    except ImportError as error:
        raise UsageError("requantising needs the package gguf: pip install gguf") from error
    part = path.with_name(path.name + ".part")
    try:
        _write(gguf, quants, os.fspath(source), part, known.architecture, quantisation, on_progress)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return GgufFile.read(path)


def _write(
    gguf: Any,
    quants: Any,
    source: str,
    target: Path,
    architecture: str,
    quantisation: str,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(os.fspath(target), architecture)
    for name, field in reader.fields.items():
        if name.startswith(_OWN_KEYS):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), kind, sub_type=inner)
    writer.add_file_type(gguf.LlamaFileType[_FILE_TYPES[quantisation]])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    wanted = gguf.GGMLQuantizationType[quantisation]
    for done, tensor in enumerate(reader.tensors, start=1):
        data, kind = _converted(gguf, quants, tensor, wanted)
        writer.add_tensor(tensor.name, data, raw_dtype=kind)
        if on_progress is not None:
            on_progress(done, len(reader.tensors))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _converted(gguf: Any, quants: Any, tensor: Any, wanted: Any) -> tuple[Any, Any]:
    """The tensor's data in the wanted type, or as it is where that type does not suit it."""
    if len(tensor.shape) < 2 or tensor.tensor_type == wanted:
        return tensor.data, tensor.tensor_type
    weights = quants.dequantize(tensor.data, tensor.tensor_type)
    block, _ = gguf.GGML_QUANT_SIZES[wanted]
    if weights.shape[-1] % block:
        return tensor.data, tensor.tensor_type
    return quants.quantize(weights, wanted), wanted

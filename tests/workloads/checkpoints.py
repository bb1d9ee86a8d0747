"""Small safetensors files for tests, written by hand."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 128,
    "vocab_size": 100,
    "tie_word_embeddings": True,
}
GPT2 = {"model_type": "gpt2", "n_embd": 48, "n_head": 4, "n_layer": 1, "n_positions": 32, "vocab_size": 90}
_NAMES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "uint8": "U8"}


def raw(header: object, data: bytes = b"") -> bytes:
    """A file's bytes with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def write(path: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, values in tensors.items():
        content = values.tobytes()
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": _NAMES[str(values.dtype)], "shape": list(values.shape), "data_offsets": offsets}
        data += content
    path.write_bytes(raw(header, data))
    return path


def llama_tensors(dtype: Any = np.float32) -> dict[str, np.ndarray]:
    """Tensors as a Llama checkpoint of `LLAMA` names them."""
    generator = np.random.default_rng(0)
    sizes = {
        "self_attn.q_proj": (64, 64),
        "self_attn.k_proj": (32, 64),
        "self_attn.v_proj": (32, 64),
        "self_attn.o_proj": (64, 64),
        "mlp.gate_proj": (96, 64),
        "mlp.up_proj": (96, 64),
        "mlp.down_proj": (64, 96),
        "input_layernorm": (64,),
    }
    shapes = {"model.embed_tokens.weight": (100, 64), "model.norm.weight": (64,)}
    shapes |= {f"model.layers.{layer}.{name}.weight": size for layer in range(2) for name, size in sizes.items()}
    return {name: generator.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


def llama(folder: Path, tensors: Mapping[str, np.ndarray] | None = None) -> Path:
    """A folder with a config.json and one file of weights."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(LLAMA))
    write(folder / "model.safetensors", llama_tensors() if tensors is None else tensors)
    return folder

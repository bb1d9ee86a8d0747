"""Hugging Face `config.json` as a trace: the architectures' keys mapped to a `TransformerConfig`.

Keys that a file leaves out take the value that the architecture's configuration class documents for them; sizes that
decide the cost must be there. Source: configuration classes of Hugging Face Transformers 4.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from archsim.core.errors import InputError, Problem, unknown_name
from archsim.workloads.huggingface_fields import Fields
from archsim.workloads.request import Request
from archsim.workloads.trace import Trace
from archsim.workloads.transformer import transformer_trace
from archsim.workloads.transformer_config import TransformerConfig
from archsim.workloads.transformer_parts import VisionConfig

OPT_POSITION_OFFSET = 2
"""Extra rows of OPT's position table. Source: OPTLearnedPositionalEmbedding."""
GPT2_MLP_FACTOR = 4
"""MLP width over hidden size where `n_inner` is null. Source: GPT2Config."""
MISTRAL_WINDOW = 4096
"""Sliding window where the key is absent; null switches it off. Source: MistralConfig."""


def trace_from_config(
    path: str | os.PathLike[str],
    *,
    phase: str | None = None,
    batch: int = 1,
    context: int | None = None,
    output_tokens: int | None = None,
) -> Trace:
    """The trace of the model that a Hugging Face config.json describes; arguments as those of `model`.

    Raises InputError that names the file and every missing or bad key, or the supported values of `model_type`.
    """
    request = Request(phase=phase, batch=batch, context=context, output_tokens=output_tokens)
    return transformer_trace(read_config(path), request)


def read_config(path: str | os.PathLike[str]) -> TransformerConfig:
    """The hyper-parameters in a config.json, named after its folder. Raises InputError as `trace_from_config`."""
    file = Path(path)
    table = _table(file)
    model_type = table.get("model_type")
    if not isinstance(model_type, str):
        raise InputError(Problem(file=str(file), key="model_type", message="is missing or not text"))
    if model_type not in MODEL_TYPES:
        raise InputError(unknown_name("model_type", model_type, MODEL_TYPES, file=str(file), key="model_type"))
    name = file.resolve().parent.name if file.name == "config.json" else file.stem
    fields = Fields(table=table)
    values = MODEL_TYPES[model_type](fields)
    fields.check_heads(values["heads"], values["kv_heads"])
    if fields.problems:
        raise InputError(fields.placed(str(file)))
    return TransformerConfig(name=name, source=f"{file.name}, model_type {model_type}", **values)


def _table(file: Path) -> dict[str, Any]:
    try:
        table = json.loads(file.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        problem = Problem(file=str(file), message="no such file")
    except OSError as error:
        problem = Problem(file=str(file), message=f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        problem = Problem(file=str(file), message=f"is not UTF-8 (byte {error.start})")
    except json.JSONDecodeError as error:
        problem = Problem(file=str(file), line=error.lineno, message=f"is not JSON: {error.msg}")
    except (RecursionError, ValueError):
        problem = Problem(file=str(file), message="is not JSON that can be read: nested too deeply or numbers too long")
    else:
        if isinstance(table, dict):
            return table
        problem = Problem(file=str(file), message="must hold one JSON object")
    raise InputError(problem)


def _gated(fields: Fields) -> dict[str, Any]:
    """What Llama and its relatives share: RMS norms, rotary positions, gated MLPs."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    return {
        "hidden": hidden,
        "layers": fields.layers("num_hidden_layers"),
        "heads": heads,
        "head_dim": fields.head_dim("head_dim", hidden, heads),
        "ffn": fields.integer("intermediate_size"),
        "context": fields.integer("max_position_embeddings"),
        "vocab": fields.integer("vocab_size"),
        "gated": True,
        "activation": fields.activation("hidden_act", "silu"),
        "norm": "rmsnorm",
        "positions": "rotary",
        "mlp_bias": fields.boolean("mlp_bias", False),
        "head": "lm-tied" if fields.boolean("tie_word_embeddings", False) else "lm",
    }


def _llama(fields: Fields) -> dict[str, Any]:
    values = _gated(fields)
    bias = fields.boolean("attention_bias", False)
    kv_heads = fields.integer("num_key_value_heads", values["heads"])
    return values | {"kv_heads": kv_heads, "qkv_bias": bias, "output_bias": bias}


def _mistral(fields: Fields) -> dict[str, Any]:
    window = fields.optional_integer("sliding_window", MISTRAL_WINDOW)
    kv_heads = fields.integer("num_key_value_heads")
    return _gated(fields) | {"kv_heads": kv_heads, "qkv_bias": False, "output_bias": False, "window": window}


def _qwen2(fields: Fields) -> dict[str, Any]:
    if fields.boolean("use_sliding_window", False):
        fields.problem("use_sliding_window", "mixed full and sliding-window layers are not supported (got true)")
    kv_heads = fields.integer("num_key_value_heads")
    return _gated(fields) | {"kv_heads": kv_heads, "qkv_bias": True, "output_bias": False}


def _plain(hidden: int, heads: int, head_dim: int, bias: bool) -> dict[str, Any]:
    """What models with layer norms, learned positions and plain MLPs share."""
    return {
        "hidden": hidden,
        "heads": heads,
        "kv_heads": heads,
        "head_dim": head_dim,
        "norm": "layernorm",
        "positions": "learned",
        "qkv_bias": bias,
        "output_bias": bias,
        "mlp_bias": bias,
    }


def _opt(fields: Fields) -> dict[str, Any]:
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    context = fields.integer("max_position_embeddings")
    pre = fields.boolean("do_layer_norm_before", True)
    projected = fields.integer("word_embed_proj_dim", hidden)
    if projected != hidden:
        fields.problem("word_embed_proj_dim", f"must equal hidden_size {hidden} (got {projected})")
    bias = fields.boolean("enable_bias", True)
    return _plain(hidden, heads, fields.head_dim(None, hidden, heads), bias) | {
        "layers": fields.layers("num_hidden_layers"),
        "ffn": fields.integer("ffn_dim"),
        "context": context,
        "vocab": fields.integer("vocab_size"),
        "activation": fields.activation("activation_function", "relu"),
        "norm_placement": "pre" if pre else "post",
        "final_norm": pre,
        "position_rows": context + OPT_POSITION_OFFSET,
        "head": "lm-tied" if fields.boolean("tie_word_embeddings", True) else "lm",
    }


def _gpt2(fields: Fields) -> dict[str, Any]:
    hidden, heads = fields.integer("n_embd"), fields.integer("n_head")
    context = fields.integer("n_positions")
    return _plain(hidden, heads, fields.head_dim(None, hidden, heads), True) | {
        "layers": fields.layers("n_layer"),
        "ffn": fields.integer("n_inner", GPT2_MLP_FACTOR * hidden),
        "context": context,
        "vocab": fields.integer("vocab_size"),
        "activation": fields.activation("activation_function", "gelu_new"),
        "position_rows": context,
        "head": "lm-tied" if fields.boolean("tie_word_embeddings", True) else "lm",
    }


def _encoder(fields: Fields) -> dict[str, Any]:
    """What BERT and ViT share."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    return _plain(hidden, heads, fields.head_dim(None, hidden, heads), True) | {
        "layers": fields.layers("num_hidden_layers"),
        "ffn": fields.integer("intermediate_size"),
        "activation": fields.activation("hidden_act", "gelu"),
        "causal": False,
    }


def _bert(fields: Fields) -> dict[str, Any]:
    if fields.boolean("is_decoder", False):
        fields.problem("is_decoder", "BERT as a decoder is not supported (got true)")
    context = fields.integer("max_position_embeddings")
    return _encoder(fields) | {
        "context": context,
        "vocab": fields.integer("vocab_size"),
        "norm_placement": "post",
        "embed_norm": True,
        "final_norm": False,
        "position_rows": context,
        "token_types": fields.integer("type_vocab_size", 2),
        "head": "pooler",
    }


def _vit(fields: Fields) -> dict[str, Any]:
    """A file with labels is a classifier; one without is the bare model with its pooler."""
    labels = fields.count("id2label")
    image, patch = fields.integer("image_size", 224), fields.integer("patch_size", 16)
    if image % patch:
        fields.problem("patch_size", f"must divide image_size {image} (got {patch})")
        patch = image
    vision = VisionConfig(image=image, patch=patch, channels=fields.integer("num_channels", 3), classes=labels)
    return _encoder(fields) | {
        "context": vision.tokens,
        "position_rows": vision.tokens,
        "qkv_bias": fields.boolean("qkv_bias", True),
        "head": "classifier" if labels else "pooler",
        "vision": vision,
    }


MODEL_TYPES: Mapping[str, Callable[[Fields], dict[str, Any]]] = MappingProxyType(
    {
        "bert": _bert,
        "gpt2": _gpt2,
        "llama": _llama,
        "mistral": _mistral,
        "opt": _opt,
        "qwen2": _qwen2,
        "vit": _vit,
    }
)
"""Supported values of `model_type`."""

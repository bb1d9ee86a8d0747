"""Keys of `config.json` for decoders with dense MLPs, by `model_type`.

Source of names and defaults: the configuration classes of Hugging Face Transformers 4 (`configuration_*.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from archsim.workloads.huggingface_fields import Fields, Reader

OPT_POSITION_OFFSET = 2
"""Extra rows of OPT's position table. Source: OPTLearnedPositionalEmbedding."""
MLP_FACTOR = 4
"""MLP width over hidden size where no key gives it. Source: GPT2Config, BloomMLP, FalconConfig."""
WINDOW = 4096
"""Sliding window where the key is absent. Source: MistralConfig, Gemma2Config, Gemma3TextConfig."""
GEMMA_HEAD = 256
"""Width of a head where the key is absent. Source: GemmaConfig, Gemma2Config, Gemma3TextConfig."""
GEMMA3_PATTERN = 6
"""Every how many layers attend to everything where the key is absent. Source: Gemma3TextConfig."""
LAYER_TYPES = ("full_attention", "sliding_attention")


def gated(fields: Fields, *, tied: bool = False, activation_key: str = "hidden_act") -> dict[str, Any]:
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
        "activation": fields.activation(activation_key, "silu"),
        "norm": "rmsnorm",
        "positions": "rotary",
        "mlp_bias": fields.boolean("mlp_bias", False),
        "head": head(fields, tied),
    }


def head(fields: Fields, tied: bool) -> str:
    """Whether the head shares the embedding; `tied` where the key is absent."""
    return "lm-tied" if fields.boolean("tie_word_embeddings", tied) else "lm"


def plain(hidden: int, heads: int, head_dim: int, bias: bool) -> dict[str, Any]:
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


def llama(fields: Fields) -> dict[str, Any]:
    """Llama, and what differs from it in values only (Granite, Yi)."""
    values = gated(fields)
    bias = fields.boolean("attention_bias", False)
    kv_heads = fields.integer("num_key_value_heads", values["heads"])
    return values | {"kv_heads": kv_heads, "qkv_bias": bias, "output_bias": bias}


def windows(fields: Fields, layers: int, *, window: int | None, every: int) -> dict[str, Any]:
    """Window of sliding layers and how often a full one comes: from `layer_types`, else as given."""
    size = fields.integer("sliding_window") if "sliding_window" in fields.table else window
    types = fields.words("layer_types", LAYER_TYPES)
    if not types:
        return {"window": size, "full_attention_every": every}
    full = [index for index, kind in enumerate(types) if kind == "full_attention"]
    period = full[0] + 1 if full else 0
    if len(types) != layers:
        fields.problem("layer_types", f"must have one entry for each of {layers} layers (got {len(types)})")
    elif len(full) == layers:
        return {"window": None, "full_attention_every": 0}
    elif full and full != list(range(period - 1, layers, period)):
        fields.problem("layer_types", "must have its full layers at a regular distance, the last of each group")
    return {"window": size, "full_attention_every": period}


def _mistral(fields: Fields) -> dict[str, Any]:
    window = fields.optional_integer("sliding_window", WINDOW)
    kv_heads = fields.integer("num_key_value_heads")
    return gated(fields) | {"kv_heads": kv_heads, "qkv_bias": False, "output_bias": False, "window": window}


def check_full_attention(fields: Fields) -> None:
    """Qwen's switch for windows in the upper layers only."""
    if fields.boolean("use_sliding_window", False):
        fields.problem("use_sliding_window", "mixed full and sliding-window layers are not supported (got true)")


def _qwen2(fields: Fields) -> dict[str, Any]:
    check_full_attention(fields)
    kv_heads = fields.integer("num_key_value_heads")
    return gated(fields) | {"kv_heads": kv_heads, "qkv_bias": True, "output_bias": False}


def _qwen3(fields: Fields) -> dict[str, Any]:
    check_full_attention(fields)
    return llama(fields) | {"qk_norm": True}


def _gemma(fields: Fields) -> dict[str, Any]:
    key = fields.first("hidden_activation", "hidden_act")
    values = gated(fields, tied=True, activation_key=key)
    if key not in fields.table:
        values["activation"] = "gelu"
    bias = fields.boolean("attention_bias", False)
    return values | {
        "head_dim": fields.integer("head_dim", GEMMA_HEAD),
        "kv_heads": fields.integer("num_key_value_heads", values["heads"]),
        "qkv_bias": bias,
        "output_bias": bias,
    }


def _gemma2(fields: Fields) -> dict[str, Any]:
    values = _gemma(fields)
    return (
        values
        | windows(fields, values["layers"], window=WINDOW, every=2)
        | {
            "norm_placement": "sandwich",
            "score_softcap": fields.switch("attn_logit_softcapping", True),
            "logit_softcap": fields.switch("final_logit_softcapping", True),
        }
    )


def _gemma3_text(fields: Fields) -> dict[str, Any]:
    values = _gemma_sized(fields)
    every = fields.integer(fields.first("sliding_window_pattern", "_sliding_window_pattern"), GEMMA3_PATTERN)
    return (
        values
        | windows(fields, values["layers"], window=WINDOW, every=every)
        | {
            "norm_placement": "sandwich",
            "qk_norm": True,
            "score_softcap": fields.switch("attn_logit_softcapping", False),
            "logit_softcap": fields.switch("final_logit_softcapping", False),
        }
    )


def _gemma_sized(fields: Fields) -> dict[str, Any]:
    """Gemma 3's files leave out heads, vocabulary and context where they are the class's own."""
    defaults = {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "vocab_size": 262208,
        "max_position_embeddings": 131072,
    }
    merged = Fields(table={**defaults, **fields.table}, problems=fields.problems)
    return _gemma(merged)


def _gemma3(fields: Fields) -> dict[str, Any]:
    """The language model of a multimodal file; its vision encoder is left out."""
    text = fields.table.get("text_config")
    if not isinstance(text, dict):
        fields.problem("text_config", "must be an object: the language model's keys")
        text = {}
    return _gemma3_text(Fields(table=text, problems=fields.problems))


def _phi(fields: Fields) -> dict[str, Any]:
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    head_dim = fields.head_dim(None, hidden, heads)
    return plain(hidden, heads, head_dim, True) | {
        "kv_heads": fields.integer("num_key_value_heads", heads),
        "layers": fields.layers("num_hidden_layers"),
        "ffn": fields.integer("intermediate_size"),
        "context": fields.integer("max_position_embeddings"),
        "vocab": fields.integer("vocab_size"),
        "activation": fields.activation("hidden_act", "gelu_new"),
        "norm_placement": "parallel",
        "positions": "rotary",
        "rotary_dim": rotary(fields, "partial_rotary_factor", 0.5, head_dim),
        "qk_norm": fields.boolean("qk_layernorm", False),
        "head": head(fields, False),
        "head_bias": True,
    }


def _phi3(fields: Fields) -> dict[str, Any]:
    values = gated(fields)
    window = fields.optional_integer("sliding_window", 0) if "sliding_window" in fields.table else None
    return values | {
        "kv_heads": fields.integer("num_key_value_heads", values["heads"]),
        "rotary_dim": rotary(fields, "partial_rotary_factor", 1.0, values["head_dim"]),
        "qkv_bias": False,
        "output_bias": False,
        "window": window,
    }


def rotary(fields: Fields, key: str, default: float, head_dim: int) -> int:
    """The rotated part of a head; 0 for all of it, as the configuration has it."""
    part = round(fields.fraction(key, default) * head_dim)
    return 0 if part == head_dim else max(1, part)


def _falcon(fields: Fields) -> dict[str, Any]:
    hidden = fields.integer(fields.first("hidden_size", "n_embed"))
    heads = fields.integer(fields.first("num_attention_heads", "n_head"))
    new = fields.boolean("new_decoder_architecture", False)
    one = fields.boolean("multi_query", True) and not new
    groups = fields.integer(fields.first("num_kv_heads", "n_head_kv"), heads)
    both = new and fields.integer("num_ln_in_parallel_attn", 2) == 2
    parallel = new or fields.boolean("parallel_attn", True)
    bias = fields.boolean("bias", False)
    return plain(hidden, heads, fields.head_dim(None, hidden, heads), bias) | {
        "kv_heads": groups if new else 1 if one else heads,
        "layers": fields.layers(fields.first("num_hidden_layers", "n_layer")),
        "ffn": fields.integer("ffn_hidden_size", MLP_FACTOR * hidden),
        "context": fields.integer("max_position_embeddings", 2048),
        "vocab": fields.integer("vocab_size"),
        "activation": fields.activation("activation", "gelu"),
        "norm_placement": "parallel-two" if both else "parallel" if parallel else "pre",
        "positions": "alibi" if fields.boolean("alibi", False) else "rotary",
        "head": head(fields, True),
    }


def _bloom(fields: Fields) -> dict[str, Any]:
    hidden = fields.integer(fields.first("hidden_size", "n_embed"))
    heads = fields.integer(fields.first("n_head", "num_attention_heads"))
    return plain(hidden, heads, fields.head_dim(None, hidden, heads), True) | {
        "layers": fields.layers(fields.first("n_layer", "num_hidden_layers")),
        "ffn": MLP_FACTOR * hidden,
        "context": fields.integer("seq_length", 2048),
        "vocab": fields.integer("vocab_size"),
        "activation": "gelu",
        "positions": "alibi",
        "embed_norm": True,
        "head": head(fields, True),
    }


def _gpt_neox(fields: Fields) -> dict[str, Any]:
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    head_dim = fields.head_dim(None, hidden, heads)
    bias = fields.boolean("attention_bias", True)
    return plain(hidden, heads, head_dim, bias) | {
        "layers": fields.layers("num_hidden_layers"),
        "ffn": fields.integer("intermediate_size"),
        "context": fields.integer("max_position_embeddings"),
        "vocab": fields.integer("vocab_size"),
        "activation": fields.activation("hidden_act", "gelu"),
        "norm_placement": "parallel-two" if fields.boolean("use_parallel_residual", True) else "pre",
        "positions": "rotary",
        "rotary_dim": rotary(fields, "rotary_pct", 0.25, head_dim),
        "mlp_bias": True,
        "head": head(fields, False),
    }


def _starcoder2(fields: Fields) -> dict[str, Any]:
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    bias = fields.boolean("use_bias", True)
    return plain(hidden, heads, fields.head_dim(None, hidden, heads), bias) | {
        "kv_heads": fields.integer("num_key_value_heads"),
        "layers": fields.layers("num_hidden_layers"),
        "ffn": fields.integer("intermediate_size"),
        "context": fields.integer("max_position_embeddings"),
        "vocab": fields.integer("vocab_size"),
        "activation": fields.activation("hidden_act", "gelu_pytorch_tanh"),
        "positions": "rotary",
        "window": fields.integer("sliding_window") if fields.table.get("sliding_window") is not None else None,
        "head": head(fields, True),
    }


def _stablelm(fields: Fields) -> dict[str, Any]:
    values = gated(fields)
    if fields.boolean("qk_layernorm", False):
        fields.problem("qk_layernorm", "norms of queries and keys are not supported here (got true)")
    return values | {
        "kv_heads": fields.integer("num_key_value_heads", values["heads"]),
        "norm": "layernorm",
        "norm_placement": "parallel" if fields.boolean("use_parallel_residual", False) else "pre",
        "rotary_dim": rotary(fields, "partial_rotary_factor", 0.25, values["head_dim"]),
        "qkv_bias": fields.boolean("use_qkv_bias", False),
        "output_bias": False,
    }


def _bitnet(fields: Fields) -> dict[str, Any]:
    values = llama(fields)
    activation = values["activation"] if "hidden_act" in fields.table else "relu2"
    return values | {"activation": activation, "sub_norms": True, "head": head(fields, True)}


def _opt(fields: Fields) -> dict[str, Any]:
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    context = fields.integer("max_position_embeddings")
    pre = fields.boolean("do_layer_norm_before", True)
    projected = fields.integer("word_embed_proj_dim", hidden)
    bias = fields.boolean("enable_bias", True)
    return plain(hidden, heads, fields.head_dim(None, hidden, heads), bias) | {
        "layers": fields.layers("num_hidden_layers"),
        "ffn": fields.integer("ffn_dim"),
        "context": context,
        "vocab": fields.integer("vocab_size"),
        "activation": fields.activation("activation_function", "relu"),
        "norm_placement": "pre" if pre else "post",
        "embed_width": 0 if projected == hidden else projected,
        "final_norm": pre,
        "position_rows": context + OPT_POSITION_OFFSET,
        "head": head(fields, True),
    }


def _gpt2(fields: Fields) -> dict[str, Any]:
    hidden, heads = fields.integer("n_embd"), fields.integer("n_head")
    context = fields.integer("n_positions")
    return plain(hidden, heads, fields.head_dim(None, hidden, heads), True) | {
        "layers": fields.layers("n_layer"),
        "ffn": fields.integer("n_inner", MLP_FACTOR * hidden),
        "context": context,
        "vocab": fields.integer("vocab_size"),
        "activation": fields.activation("activation_function", "gelu_new"),
        "position_rows": context,
        "head": head(fields, True),
    }


DECODERS: Mapping[str, Reader] = MappingProxyType(
    {
        "bitnet": _bitnet,
        "bloom": _bloom,
        "falcon": _falcon,
        "gemma": _gemma,
        "gemma2": _gemma2,
        "gemma3": _gemma3,
        "gemma3_text": _gemma3_text,
        "gpt2": _gpt2,
        "gpt_neox": _gpt_neox,
        "granite": llama,
        "llama": llama,
        "mistral": _mistral,
        "opt": _opt,
        "phi": _phi,
        "phi3": _phi3,
        "qwen2": _qwen2,
        "qwen3": _qwen3,
        "stablelm": _stablelm,
        "starcoder2": _starcoder2,
    }
)

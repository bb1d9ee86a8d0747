"""Keys of `config.json` for state space models and encoder-decoders, by `model_type`.

Source of names and defaults: MambaConfig and T5Config of Hugging Face Transformers 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from archsim.workloads.huggingface_decoders import head
from archsim.workloads.huggingface_fields import Fields, Reader

MAMBA_CONTEXT = 2048
"""Tokens where the caller gives none. Source: Gu and Dao 2023, arXiv:2312.00752, section 4.2.2 (training length)."""
MAMBA_RANK_DIVISOR = 16
"""Hidden size over the rank of the step size where the key is "auto". Source: MambaConfig."""
T5_FORMS = ("relu", "gated-gelu", "gated-silu", "gelu")


def _mamba(fields: Fields) -> dict[str, Any]:
    hidden = fields.integer(fields.first("hidden_size", "d_model"))
    for key in ("use_bias", "bias"):
        if fields.boolean(key, False):
            fields.problem(key, "biases of the projections are not supported (got true)")
    automatic = fields.table.get("time_step_rank", "auto") == "auto"
    rank = -(-hidden // MAMBA_RANK_DIVISOR) if automatic else fields.integer("time_step_rank")
    return {
        "hidden": hidden,
        "layers": fields.layers(fields.first("num_hidden_layers", "n_layer")),
        "inner": fields.integer("intermediate_size", hidden * fields.integer("expand", 2)),
        "state": fields.integer("state_size", 16, largest=LARGEST_STATE),
        "dt_rank": rank,
        "conv": fields.integer("conv_kernel", 4, largest=LARGEST_STATE),
        "context": MAMBA_CONTEXT,
        "vocab": fields.integer("vocab_size"),
        "tied": fields.boolean("tie_word_embeddings", True),
    }


LARGEST_STATE = 2**16
"""More than any model has; a bound against nonsense."""


def _t5(fields: Fields) -> dict[str, Any]:
    form = fields.choice("feed_forward_proj", "relu", T5_FORMS)
    layers = fields.layers("num_layers")
    return {
        "hidden": fields.integer("d_model"),
        "encoder_layers": layers,
        "decoder_layers": fields.layers("num_decoder_layers", layers),
        "heads": fields.integer("num_heads"),
        "head_dim": fields.integer("d_kv"),
        "ffn": fields.integer("d_ff"),
        "context": fields.integer("n_positions", 512),
        "vocab": fields.integer("vocab_size"),
        "gated": form.startswith("gated-"),
        "activation": form.removeprefix("gated-"),
        "position_buckets": fields.integer("relative_attention_num_buckets", 32),
        "head": head(fields, True),
    }


STATE_SPACES: Mapping[str, Reader] = MappingProxyType({"mamba": _mamba})
ENCODER_DECODERS: Mapping[str, Reader] = MappingProxyType({"mt5": _t5, "t5": _t5})

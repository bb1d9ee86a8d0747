"""Keys of `config.json` for decoders with mixtures of experts and with latent attention, by `model_type`.

Source of names and defaults: the configuration classes of Hugging Face Transformers 4 (`configuration_*.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from archsim.workloads.huggingface_decoders import check_full_attention, gated, llama, windows
from archsim.workloads.huggingface_fields import Fields, Reader
from archsim.workloads.transformer_parts import LatentAttention, MoeConfig

LARGEST_EXPERTS = 2**20
"""More than any model has; a bound against nonsense."""


def _moe(fields: Fields, experts_key: str, ffn_key: str, **more: Any) -> MoeConfig:
    """The mixture: experts and their width under the given keys, active ones under `num_experts_per_tok`."""
    experts = fields.integer(experts_key, largest=LARGEST_EXPERTS)
    key = fields.first("num_experts_per_tok", "experts_per_token")
    active = fields.at_most(key, fields.integer(key), experts, experts_key)
    return MoeConfig(experts=experts, active=active, ffn=fields.integer(ffn_key), **more)


def _mixtral(fields: Fields) -> dict[str, Any]:
    return gated(fields) | {
        "kv_heads": fields.integer("num_key_value_heads"),
        "qkv_bias": False,
        "output_bias": False,
        "window": fields.integer("sliding_window") if fields.table.get("sliding_window") is not None else None,
        "moe": _moe(fields, "num_local_experts", "intermediate_size"),
    }


def _every(fields: Fields) -> dict[str, int]:
    fields.no_list("mlp_only_layers", "dense layers at chosen places are not supported: must be empty")
    return {"every": fields.layers("decoder_sparse_step", 1)}


def _qwen2_moe(fields: Fields) -> dict[str, Any]:
    check_full_attention(fields)
    shared = fields.integer("shared_expert_intermediate_size")
    mixture = _moe(
        fields, "num_experts", "moe_intermediate_size", shared_ffn=shared, shared_gate=True, **_every(fields)
    )
    kv_heads = fields.integer("num_key_value_heads")
    return gated(fields) | {"kv_heads": kv_heads, "qkv_bias": True, "output_bias": False, "moe": mixture}


def _qwen3_moe(fields: Fields) -> dict[str, Any]:
    check_full_attention(fields)
    mixture = _moe(fields, fields.first("num_experts", "num_local_experts"), "moe_intermediate_size", **_every(fields))
    return llama(fields) | {"qk_norm": True, "moe": mixture}


def _gpt_oss(fields: Fields) -> dict[str, Any]:
    values = gated(fields)
    bias = fields.boolean("attention_bias", True)
    experts = fields.first("num_local_experts", "num_experts")
    return (
        values
        | windows(fields, values["layers"], window=128, every=2)
        | {
            "kv_heads": fields.integer("num_key_value_heads"),
            "qkv_bias": bias,
            "output_bias": bias,
            "sinks": True,
            "moe": _moe(fields, experts, "intermediate_size", router_bias=True, expert_bias=True),
        }
    )


def _deepseek(fields: Fields) -> dict[str, Any]:
    values = gated(fields)
    if fields.boolean("attention_bias", False):
        fields.problem("attention_bias", "biases of latent attention are not supported (got true)")
    latent = LatentAttention(
        kv_rank=fields.integer("kv_lora_rank"),
        q_rank=fields.optional_integer("q_lora_rank", 1536),
        nope_dim=fields.integer("qk_nope_head_dim"),
        rope_dim=fields.integer("qk_rope_head_dim"),
        value_dim=fields.integer("v_head_dim"),
    )
    fixed = {"qkv_bias": False, "output_bias": False, "latent": latent, "moe": _deepseek_moe(fields)}
    return values | {"kv_heads": values["heads"], "head_dim": latent.query_dim} | fixed


def _deepseek_moe(fields: Fields) -> MoeConfig | None:
    """The mixture; a null number of experts is a dense model."""
    if "n_routed_experts" in fields.table and fields.table["n_routed_experts"] is None:
        return None
    shared = fields.table.get("n_shared_experts")
    width = fields.integer("moe_intermediate_size")
    return _moe(
        fields,
        "n_routed_experts",
        "moe_intermediate_size",
        shared_ffn=0 if shared is None else fields.integer("n_shared_experts", largest=LARGEST_EXPERTS) * width,
        dense_layers=_dense_layers(fields),
        every=fields.layers("moe_layer_freq", 1),
        router_bias=fields.table.get("model_type") == "deepseek_v3",
    )


def _dense_layers(fields: Fields) -> int:
    """Dense layers at the start; none where the key says 0 or is absent."""
    return fields.layers("first_k_dense_replace") if fields.table.get("first_k_dense_replace") else 0


MIXTURES: Mapping[str, Reader] = MappingProxyType(
    {
        "deepseek_v2": _deepseek,
        "deepseek_v3": _deepseek,
        "gpt_oss": _gpt_oss,
        "mixtral": _mixtral,
        "qwen2_moe": _qwen2_moe,
        "qwen3_moe": _qwen3_moe,
    }
)

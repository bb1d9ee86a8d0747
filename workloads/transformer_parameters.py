"""How many parameters follow from a transformer's hyper-parameters."""

from __future__ import annotations

from archsim.workloads.transformer_config import TransformerConfig
from archsim.workloads.transformer_parts import LatentAttention, MoeConfig


def parameters(config: TransformerConfig) -> int:
    """All trained values: embeddings, projections, biases, norms and head; tied weights once."""
    mixtures = sum(config.is_moe(layer) for layer in range(config.layers))
    dense = (config.layers - mixtures) * _mlp(config)
    mixed = mixtures * _mixture(config, config.moe) if config.moe else 0
    return _embedding(config) + config.layers * (_attention(config) + _norms(config)) + dense + mixed + _head(config)


def linear(inputs: int, outputs: int, bias: bool) -> int:
    """Weights of a projection, and its biases where it has them."""
    return inputs * outputs + (outputs if bias else 0)


def _norm(config: TransformerConfig, width: int) -> int:
    return width * (2 if config.norm == "layernorm" else 1)


def _norms(config: TransformerConfig) -> int:
    """Norms of one block."""
    count = {"pre": 2, "post": 2, "sandwich": 4, "parallel": 1, "parallel-two": 2}[config.norm_placement]
    heads = 2 * _norm(config, config.head_dim) if config.qk_norm else 0
    inner = _norm(config, config.query_width) + _norm(config, config.ffn) if config.sub_norms else 0
    return count * _norm(config, config.hidden) + heads + inner


def _attention(config: TransformerConfig) -> int:
    if config.latent:
        return _latent(config, config.latent)
    qkv = linear(config.hidden, config.query_width + 2 * config.kv_width, config.qkv_bias)
    sinks = config.heads if config.sinks else 0
    return qkv + sinks + linear(config.query_width, config.hidden, config.output_bias)


def _latent(config: TransformerConfig, latent: LatentAttention) -> int:
    width = config.heads * latent.query_dim
    if latent.q_rank is None:
        query = config.hidden * width
    else:
        query = latent.q_rank * (config.hidden + width) + _norm(config, latent.q_rank)
    down = config.hidden * latent.cache_width + _norm(config, latent.kv_rank)
    up = latent.kv_rank * config.heads * (latent.nope_dim + latent.value_dim)
    return query + down + up + config.value_width * config.hidden


def _mlp(config: TransformerConfig) -> int:
    return _gated(config, config.ffn, config.mlp_bias)


def _gated(config: TransformerConfig, width: int, bias: bool) -> int:
    up = linear(config.hidden, width, bias)
    return up * (2 if config.gated else 1) + linear(width, config.hidden, bias)


def _mixture(config: TransformerConfig, moe: MoeConfig) -> int:
    router = linear(config.hidden, moe.experts, moe.router_bias)
    shared = _gated(config, moe.shared_ffn, False) if moe.shared_ffn else 0
    gate = config.hidden if moe.shared_gate else 0
    return router + moe.experts * _gated(config, moe.ffn, moe.expert_bias) + shared + gate


def _embedding(config: TransformerConfig) -> int:
    rows = config.position_rows + config.token_types
    count = rows * config.hidden + (_norm(config, config.hidden) if config.embed_norm else 0)
    count += config.vocab * (config.embed_width or config.hidden)
    if config.embed_width:
        count += 2 * config.embed_width * config.hidden
    if config.vision is None:
        return count
    class_token = config.hidden
    return count + class_token + linear(config.vision.channels * config.vision.patch**2, config.hidden, True)


def _head(config: TransformerConfig) -> int:
    final = _norm(config, config.hidden) if config.final_norm else 0
    bias = config.vocab if config.head_bias else 0
    match config.head:
        case "lm":
            return final + bias + config.hidden * config.vocab
        case "pooler":
            return final + linear(config.hidden, config.hidden, True)
        case "classifier":
            return final + linear(config.hidden, config.vision.classes if config.vision else 0, True)
        case "lm-tied" | "none":
            return final + bias

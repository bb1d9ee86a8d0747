"""Attention of one block as ops: with keys and values of their own for each head or group, or from a shared latent."""

from __future__ import annotations

from archsim.workloads.op import Role
from archsim.workloads.transformer_config import TransformerConfig
from archsim.workloads.transformer_emit import Emitter
from archsim.workloads.transformer_parts import LatentAttention


def attention(emit: Emitter, config: TransformerConfig, layer: int, source: str) -> str:
    """The ops from the block's input to the output projection, whose name is given back."""
    at = f"layers.{layer}."
    if config.latent:
        mixed = _latent_attention(emit, config, config.latent, layer, source)
    else:
        mixed = _grouped_attention(emit, config, layer, source)
    if config.sub_norms:
        elements = emit.step.rows * config.query_width
        mixed = emit.vector(at + "attn_sub_norm", mixed, elements=elements, functions=(config.norm,), kind="norm")
    return emit.gemm(at + "o_proj", mixed, n=config.hidden, k=config.value_width)


def product(
    emit: Emitter, name: str, *after: str, heads: int, kv_heads: int, n: int, k: int, role: Role, tokens: int = 0
) -> str:
    """An attention product: the query heads that share keys and values are rows of one GEMM."""
    rows = heads // kv_heads * (tokens or emit.step.tokens)
    return emit.gemm(name, *after, b=emit.step.batch * kv_heads, m=rows, n=n, k=k, role=role)


def _grouped_attention(emit: Emitter, config: TransformerConfig, layer: int, source: str) -> str:
    at, step = f"layers.{layer}.", emit.step
    query = emit.gemm(at + "q_proj", source, n=config.query_width, k=config.hidden)
    key = emit.gemm(at + "k_proj", source, n=config.kv_width, k=config.hidden)
    value = emit.gemm(at + "v_proj", source, n=config.kv_width, k=config.hidden)
    if config.qk_norm:
        query = _head_norm(emit, config, at + "q_norm", query, config.query_width)
        key = _head_norm(emit, config, at + "k_norm", key, config.kv_width)
    if config.positions == "rotary":
        rotated = config.rotary_dim or config.head_dim
        query = emit.vector(at + "q_rope", query, elements=step.rows * config.heads * rotated, functions=("rope",))
        key = emit.vector(at + "k_rope", key, elements=step.rows * config.kv_heads * rotated, functions=("rope",))
    role = Role.KV if config.causal else Role.ACTIVATION
    seen = step.seen(config.window_of(layer))
    shape = {"heads": config.heads, "kv_heads": config.kv_heads}
    scores = product(emit, at + "qk", query, key, n=seen, k=config.head_dim, role=role, **shape)
    weights = _softmax(emit, config, at, scores, seen)
    return product(emit, at + "av", weights, value, n=config.head_dim, k=seen, role=role, **shape)


def _head_norm(emit: Emitter, config: TransformerConfig, name: str, source: str, width: int) -> str:
    return emit.vector(name, source, elements=emit.step.rows * width, functions=(config.norm,), kind="norm")


def _softmax(emit: Emitter, config: TransformerConfig, at: str, scores: str, seen: int) -> str:
    """Weights from scores; caps and position biases of the scores stand before the softmax."""
    elements = config.heads * emit.step.rows * seen
    if config.score_softcap:
        scores = emit.vector(at + "score_cap", scores, elements=elements, functions=("softcap",))
    if config.positions == "alibi":
        scores = emit.vector(at + "alibi", scores, elements=elements, functions=("alibi",))
    return emit.vector(at + "softmax", scores, elements=elements, functions=("softmax",), kind="softmax")


def _latent_attention(
    emit: Emitter, config: TransformerConfig, latent: LatentAttention, layer: int, source: str
) -> str:
    """Keys and values from a latent: expanded for each head, or in decode absorbed into queries and outputs."""
    at, rows = f"layers.{layer}.", emit.step.rows
    query = _latent_query(emit, config, latent, at, source)
    query = emit.vector(at + "q_rope", query, elements=rows * config.heads * latent.rope_dim, functions=("rope",))
    down = emit.gemm(at + "kv_a_proj", source, n=latent.cache_width, k=config.hidden)
    elements = rows * latent.kv_rank
    compressed = emit.vector(at + "kv_a_norm", down, elements=elements, functions=(config.norm,), kind="norm")
    key = emit.vector(at + "k_rope", down, elements=rows * latent.rope_dim, functions=("rope",))
    if emit.step.phase == "decode" and emit.step.latent == "absorbed":
        return _absorbed(emit, config, latent, layer, query, key, compressed)
    return _expanded(emit, config, latent, layer, query, key, compressed)


def _latent_query(emit: Emitter, config: TransformerConfig, latent: LatentAttention, at: str, source: str) -> str:
    width = config.heads * latent.query_dim
    if latent.q_rank is None:
        return emit.gemm(at + "q_proj", source, n=width, k=config.hidden)
    down = emit.gemm(at + "q_a_proj", source, n=latent.q_rank, k=config.hidden)
    elements = emit.step.rows * latent.q_rank
    normed = emit.vector(at + "q_a_norm", down, elements=elements, functions=(config.norm,), kind="norm")
    return emit.gemm(at + "q_b_proj", normed, n=width, k=latent.q_rank)


def _expanded(
    emit: Emitter,
    config: TransformerConfig,
    latent: LatentAttention,
    layer: int,
    query: str,
    key: str,
    compressed: str,
) -> str:
    """Keys and values of the new tokens are expanded for every head.

    They are what the naive form caches; otherwise they live for this pass only and the latent is cached.
    """
    at, heads = f"layers.{layer}.", config.heads
    seen = emit.step.seen(config.window_of(layer))
    naive = emit.step.latent == "naive"
    role = Role.KV if naive else Role.ACTIVATION
    width = heads * (latent.nope_dim + latent.value_dim)
    input_role = Role.ACTIVATION if naive else Role.KV
    up = emit.gemm(at + "kv_b_proj", compressed, n=width, k=latent.kv_rank, input_role=input_role)
    shape = {"heads": heads, "kv_heads": heads}
    scores = product(emit, at + "qk", query, up, key, n=seen, k=latent.query_dim, role=role, **shape)
    weights = _softmax(emit, config, at, scores, seen)
    return product(emit, at + "av", weights, up, n=latent.value_dim, k=seen, role=role, **shape)


def _absorbed(
    emit: Emitter,
    config: TransformerConfig,
    latent: LatentAttention,
    layer: int,
    query: str,
    key: str,
    compressed: str,
) -> str:
    """All heads attend to the cached latents themselves: the expansion's two halves act on queries and on outputs."""
    at, rows, heads = f"layers.{layer}.", emit.step.rows, config.heads
    seen = emit.step.seen(config.window_of(layer))
    absorbed = emit.gemm(at + "q_absorb", query, b=heads, m=rows, n=latent.kv_rank, k=latent.nope_dim)
    shape = {"heads": heads, "kv_heads": 1}
    kept = (absorbed, key, compressed)
    scores = product(emit, at + "qk", *kept, n=seen, k=latent.cache_width, role=Role.KV, **shape)
    weights = _softmax(emit, config, at, scores, seen)
    mixed = product(emit, at + "av", weights, compressed, n=latent.kv_rank, k=seen, role=Role.KV, **shape)
    return emit.gemm(at + "v_absorb", mixed, b=heads, m=rows, n=latent.value_dim, k=latent.kv_rank)

"""One pass through a transformer as ops: every block expanded, with exact dependencies.

The names are the same in every model: ``layers.0.q_proj``, ``layers.0.qk``, ``layers.0.down_proj``, ``lm_head``, ...
The decode segments of a generation carry a prefix: ``decode1.layers.0.q_proj``.
"""

from __future__ import annotations

from archsim.workloads.op import AnyOp, Op, Role
from archsim.workloads.transformer_attention import attention
from archsim.workloads.transformer_config import TransformerConfig
from archsim.workloads.transformer_emit import Emitter, Pass
from archsim.workloads.transformer_mlp import mlp
from archsim.workloads.transformer_parts import VisionConfig


def pass_ops(config: TransformerConfig, step: Pass) -> tuple[AnyOp, ...]:
    """The ops of one pass in order: embedding, layers, final norm, head."""
    emit = Emitter(step=step)
    stream = _patch_embedding(emit, config, config.vision) if config.vision else _token_embedding(emit, config)
    for layer in range(config.layers):
        stream = _block(emit, config, layer, stream)
    if config.final_norm:
        stream = _norm(emit, config, "final_norm", stream)
    _head(emit, config, stream)
    return tuple(emit.ops)


def _norm(emit: Emitter, config: TransformerConfig, name: str, source: str) -> str:
    elements = emit.step.rows * config.hidden
    return emit.vector(name, source, elements=elements, functions=(config.norm,), kind="norm")


def _residual(emit: Emitter, config: TransformerConfig, name: str, branch: str, source: str) -> str:
    return emit.vector(name, branch, source, elements=emit.step.rows * config.hidden, functions=("add",))


def _token_embedding(emit: Emitter, config: TransformerConfig) -> str:
    step, width = emit.step, config.embed_width or config.hidden
    gathered = step.rows * width
    stream = emit.vector(
        "embed", *step.start, elements=gathered, functions=("gather",), kind="gather", role=Role.PARAMETER
    )
    if config.embed_width:
        stream = emit.gemm("project_in", stream, n=config.hidden, k=width)
    if config.positions == "learned":
        tables = 1 + (1 if config.token_types else 0)
        elements, functions = step.rows * config.hidden, ("add",) * tables
        stream = emit.vector("pos_embed", stream, elements=elements, functions=functions, extra_reads=tables - 1)
    return _norm(emit, config, "embed_norm", stream) if config.embed_norm else stream


def _patch_embedding(emit: Emitter, config: TransformerConfig, vision: VisionConfig) -> str:
    step, side = emit.step, vision.patches_per_side
    patches = emit.add(
        Op.conv(
            "patch_embed",
            n=step.batch,
            k=config.hidden,
            c=vision.channels,
            p=side,
            q=side,
            r=vision.patch,
            s=vision.patch,
            stride_h=vision.patch,
            stride_w=vision.patch,
            after=step.start,
        )
    )
    return emit.vector("pos_embed", patches, elements=step.rows * config.hidden, functions=("add",))


def _block(emit: Emitter, config: TransformerConfig, layer: int, source: str) -> str:
    """One block: the norms stand where the model places them, the two branches are added to the stream."""
    match config.norm_placement:
        case "pre" | "sandwich":
            return _pre_norm_block(emit, config, layer, source)
        case "post":
            return _post_norm_block(emit, config, layer, source)
        case "parallel" | "parallel-two":
            return _parallel_block(emit, config, layer, source)


def _pre_norm_block(emit: Emitter, config: TransformerConfig, layer: int, source: str) -> str:
    at, sandwich = f"layers.{layer}.", config.norm_placement == "sandwich"
    attended = attention(emit, config, layer, _norm(emit, config, at + "input_norm", source))
    if sandwich:
        attended = _norm(emit, config, at + "attn_output_norm", attended)
    middle = _residual(emit, config, at + "attn_add", attended, source)
    output = mlp(emit, config, layer, _norm(emit, config, at + "post_norm", middle))
    if sandwich:
        output = _norm(emit, config, at + "mlp_output_norm", output)
    return _residual(emit, config, at + "mlp_add", output, middle)


def _post_norm_block(emit: Emitter, config: TransformerConfig, layer: int, source: str) -> str:
    at = f"layers.{layer}."
    middle = _residual(emit, config, at + "attn_add", attention(emit, config, layer, source), source)
    normed = _norm(emit, config, at + "post_norm", middle)
    output = _residual(emit, config, at + "mlp_add", mlp(emit, config, layer, normed), normed)
    return _norm(emit, config, at + "output_norm", output)


def _parallel_block(emit: Emitter, config: TransformerConfig, layer: int, source: str) -> str:
    at = f"layers.{layer}."
    normed = _norm(emit, config, at + "input_norm", source)
    attended = attention(emit, config, layer, normed)
    if config.norm_placement == "parallel-two":
        normed = _norm(emit, config, at + "post_norm", source)
    middle = _residual(emit, config, at + "attn_add", attended, source)
    return _residual(emit, config, at + "mlp_add", mlp(emit, config, layer, normed), middle)


def _head(emit: Emitter, config: TransformerConfig, source: str) -> None:
    rows = emit.step.head_rows
    match config.head:
        case "lm" | "lm-tied":
            _language_head(emit, config, source)
        case "classifier" if config.vision:
            emit.gemm("head", source, n=config.vision.classes, k=config.hidden, m=rows)
        case "pooler":
            pooled = emit.gemm("pooler", source, n=config.hidden, k=config.hidden, m=rows)
            emit.vector("pooler_act", pooled, elements=rows * config.hidden, functions=("tanh",))
        case _:
            return


def _language_head(emit: Emitter, config: TransformerConfig, source: str) -> None:
    rows, width = emit.step.head_rows, config.embed_width or config.hidden
    if config.embed_width:
        source = emit.gemm("project_out", source, n=width, k=config.hidden, m=rows)
    logits = emit.gemm("lm_head", source, n=config.vocab, k=width, m=rows)
    if config.logit_softcap:
        emit.vector("logit_cap", logits, elements=rows * config.vocab, functions=("softcap",))

"""The MLP of one block as ops: dense, or a mixture of experts."""

from __future__ import annotations

from archsim.workloads.routing import ExpertGroup
from archsim.workloads.transformer_config import TransformerConfig
from archsim.workloads.transformer_emit import Emitter
from archsim.workloads.transformer_parts import MoeConfig


def mlp(emit: Emitter, config: TransformerConfig, layer: int, source: str) -> str:
    """The ops from a branch's input to its output, whose last name is given back."""
    if config.moe and config.is_moe(layer):
        return _mixture(emit, config, config.moe, layer, source)
    return _dense(emit, config, f"layers.{layer}.", source, width=config.ffn, sub_norm=config.sub_norms)


def _dense(
    emit: Emitter,
    config: TransformerConfig,
    at: str,
    source: str,
    *,
    width: int,
    sub_norm: bool = False,
    group: ExpertGroup | None = None,
) -> str:
    """An MLP, or those of a group of equally loaded experts as one batched product with a matrix for each."""
    experts, rows = (group.experts, group.tokens) if group else (1, emit.step.rows)
    elements = experts * rows * width

    def project(name: str) -> str:
        return emit.gemm(at + name, source, b=experts, m=rows, n=width, k=config.hidden)

    if config.gated:
        gate = project("gate_proj")
        up = project("up_proj")
        functions = (config.activation, "gate")
        act = emit.vector(at + "act", gate, up, elements=elements, functions=functions, extra_reads=1)
    else:
        up = project("fc1")
        act = emit.vector(at + "act", up, elements=elements, functions=(config.activation,))
    if sub_norm:
        act = emit.vector(at + "ffn_sub_norm", act, elements=elements, functions=(config.norm,), kind="norm")
    last = "down_proj" if config.gated else "fc2"
    return emit.gemm(at + last, act, b=experts, m=rows, n=config.hidden, k=width)


def _mixture(emit: Emitter, config: TransformerConfig, moe: MoeConfig, layer: int, source: str) -> str:
    """Router, dispatch, experts by load, shared experts, and the weighted sum of what they give."""
    at, step = f"layers.{layer}.", emit.step
    logits = emit.gemm(at + "router", source, n=moe.experts, k=config.hidden)
    scored = step.rows * moe.experts
    scores = emit.vector(at + "router_softmax", logits, elements=scored, functions=("softmax",), kind="softmax")
    chosen = emit.vector(at + "router_topk", scores, elements=scored, functions=("topk",))
    sent = step.rows * moe.active * config.hidden
    sent_to = emit.vector(at + "dispatch", source, chosen, elements=sent, functions=("gather",), kind="gather")
    groups = step.routing.groups(
        layer=layer, phase=step.phase, tokens=step.rows, experts=moe.experts, active=moe.active
    )
    outputs = []
    for number, group in enumerate(groups):
        place = f"{at}experts." if len(groups) == 1 else f"{at}experts.group{number}."
        outputs.append(_dense(emit, config, place, sent_to, width=moe.ffn, group=group))
    if moe.shared_ffn:
        outputs.append(_dense(emit, config, at + "shared_experts.", source, width=moe.shared_ffn))
    if moe.shared_gate:
        outputs.append(emit.gemm(at + "shared_gate", source, n=1, k=config.hidden))
    terms = moe.active + (1 if moe.shared_ffn else 0)
    return emit.vector(
        at + "combine",
        *outputs,
        chosen,
        elements=step.rows * config.hidden,
        functions=("weigh",) * terms,
        extra_reads=terms - 1,
    )

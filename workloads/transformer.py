"""Transformers as traces: which passes a phase runs, with how many tokens, and what the cache holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archsim.core.errors import Problem
from archsim.workloads.kinds import Network
from archsim.workloads.op import AnyOp
from archsim.workloads.request import Request, check_phase, reject
from archsim.workloads.routing import UniformRouting
from archsim.workloads.segments import decode_segments
from archsim.workloads.trace import Trace
from archsim.workloads.transformer_config import TransformerConfig, config_from_table
from archsim.workloads.transformer_emit import Pass
from archsim.workloads.transformer_ops import pass_ops

DECODER_PHASES = ("prefill", "decode", "generate", "forward")
ENCODER_PHASES = ("forward",)


def network(name: str, table: Mapping[str, Any]) -> Network[TransformerConfig]:
    """The network in the tables of a catalog file."""
    return Network(config=config_from_table(name, table), build=transformer_trace)


def transformer_trace(config: TransformerConfig, request: Request) -> Trace:
    """The trace of a transformer in the phase asked for.

    Without a length the model's own context is taken (for decode: all of it but the new token), without a phase
    prefill for decoders and forward for the others. A generation of T tokens is the prefill, whose head gives the first
    token, and T - 1 decode steps.
    Raises InputError for a phase the model does not have and for sizes below 1.
    """
    phase, context, tokens = _resolve(config, request)
    ops: list[AnyOp] = []
    for step in _passes(config, replace(request, phase=phase), context, tokens):
        start = (ops[-1].name,) if ops else ()
        ops.extend(pass_ops(config, replace(step, start=start)))
    return Trace(
        name=config.name,
        ops=tuple(ops),
        parameters=config.parameters,
        kv_elements_per_token=_cache_width(config, request),
        kv_tokens=request.batch * _cached_tokens(config, phase, context, tokens),
        output_tokens=tokens,
        batch=request.batch,
        source=config.source,
    )


def _resolve(config: TransformerConfig, request: Request) -> tuple[str, int, int]:
    """Phase, context and tokens to generate (0 unless generating)."""
    phases = DECODER_PHASES if config.causal else ENCODER_PHASES
    phase = request.phase or phases[0]
    problems = check_phase(config.name, phase, phases) + replace(request, phase=phase).problems()
    if config.vision and request.context not in (None, config.vision.tokens):
        message = f"{config.name} runs {config.vision.tokens} tokens, fixed by image and patch (got {request.context})"
        problems.append(Problem(key="context", message=message))
    if phase == "generate" and request.output_tokens is None:
        problems.append(Problem(key="output_tokens", message="generate needs the number of tokens to generate"))
    reject(problems)
    default = config.context - (1 if phase == "decode" else 0)
    context = default if request.context is None else request.context
    return phase, context, (request.output_tokens or 0) if phase == "generate" else 0


def _passes(config: TransformerConfig, request: Request, context: int, tokens: int) -> list[Pass]:
    batch, phase = request.batch, request.phase
    decode = Pass(
        phase="decode",
        batch=batch,
        tokens=1,
        kv_len=context + 1,
        head_rows=batch,
        routing=request.routing or UniformRouting(),
        latent=request.latent_attention,
    )
    if phase == "decode":
        return [decode]
    prefill = replace(decode, phase="prefill", tokens=context, kv_len=context)
    if phase == "prefill":
        return [prefill]
    if phase == "forward":
        rows = batch * context if config.head in ("lm", "lm-tied") else batch
        return [replace(prefill, phase="forward", head_rows=rows)]
    segments = decode_segments(context, tokens - 1, config.window, grows=bool(config.full_attention_every))
    return [
        prefill,
        *(
            replace(decode, kv_len=segment.kv_len, count=segment.count, prefix=f"decode{number}.")
            for number, segment in enumerate(segments, 1)
        ),
    ]


def _cache_width(config: TransformerConfig, request: Request) -> int:
    """Elements that a token leaves in the cache; the naive form of latent attention caches expanded heads."""
    if config.latent and config.causal and request.latent_attention == "naive":
        return config.layers * config.heads * (config.latent.query_dim + config.latent.value_dim)
    return config.kv_elements_per_token


def _cached_tokens(config: TransformerConfig, phase: str, context: int, tokens: int) -> int:
    """Tokens of one sequence that the cache holds at its fullest: the last generated token is never fed back.

    Where only some layers have a window, as many whole tokens as fill the same memory, rounded up.
    """
    if not config.causal or phase == "forward":
        return 0
    held = context + (1 if phase == "decode" else max(0, tokens - 1))
    windows = [config.window_of(layer) for layer in range(config.layers)]
    return math.ceil(sum(held if window is None else min(held, window) for window in windows) / config.layers)

"""Transformers as traces: which passes a phase runs, with how many tokens, and what the cache holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archsim.core.errors import Problem
from archsim.workloads.kinds import Network
from archsim.workloads.op import AnyOp
from archsim.workloads.request import Request, check_phase, reject
from archsim.workloads.segments import decode_segments
from archsim.workloads.trace import Trace
from archsim.workloads.transformer_config import TransformerConfig, config_from_table
from archsim.workloads.transformer_ops import Pass, pass_ops

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
    for step in _passes(config, phase, request.batch, context, tokens):
        start = (ops[-1].name,) if ops else ()
        ops.extend(pass_ops(config, replace(step, start=start)))
    return Trace(
        name=config.name,
        ops=tuple(ops),
        parameters=config.parameters,
        kv_elements_per_token=config.kv_elements_per_token,
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


def _passes(config: TransformerConfig, phase: str, batch: int, context: int, tokens: int) -> list[Pass]:
    if phase == "decode":
        return [_decode(batch, _touched(config, context + 1, 1))]
    kv_len = _touched(config, context, context)
    prefill = Pass(phase="prefill", batch=batch, tokens=context, kv_len=kv_len, head_rows=batch)
    if phase == "prefill":
        return [prefill]
    if phase == "forward":
        rows = batch * context if config.head in ("lm", "lm-tied") else batch
        return [replace(prefill, phase="forward", head_rows=rows)]
    segments = decode_segments(context, tokens - 1, config.window)
    return [
        prefill,
        *(
            replace(_decode(batch, segment.kv_len), count=segment.count, prefix=f"decode{number}.")
            for number, segment in enumerate(segments, 1)
        ),
    ]


def _decode(batch: int, kv_len: int) -> Pass:
    return Pass(phase="decode", batch=batch, tokens=1, kv_len=kv_len, head_rows=batch)


def _touched(config: TransformerConfig, kv_len: int, queries: int) -> int:
    """Keys that `queries` consecutive queries touch: all, or a sliding window's width and what it slides over."""
    return kv_len if config.window is None else min(kv_len, config.window + queries - 1)


def _cached_tokens(config: TransformerConfig, phase: str, context: int, tokens: int) -> int:
    """Tokens of one sequence that the cache holds at its fullest: the last generated token is never fed back."""
    if not config.causal or phase == "forward":
        return 0
    held = context + (1 if phase == "decode" else max(0, tokens - 1))
    return held if config.window is None else min(held, config.window)

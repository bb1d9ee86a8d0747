"""Encoder-decoder transformers (T5) as traces: one pass of the encoder, then a decoder that attends to it.

Source: Raffel et al. 2020, arXiv:1910.10683, section 2.1: root-mean-square norms before the branches, no biases, a
relative position bias that all layers of a stack share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from archsim.core.errors import Problem
from archsim.workloads.kinds import Network
from archsim.workloads.op import AnyOp, Role
from archsim.workloads.request import Request, check_phase, reject
from archsim.workloads.segments import decode_segments
from archsim.workloads.trace import Trace
from archsim.workloads.transformer_attention import product
from archsim.workloads.transformer_emit import Emitter, Pass

PHASES = ("prefill", "decode", "generate", "forward")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderDecoderConfig:
    """Hyper-parameters of an encoder-decoder transformer."""

    name: str
    hidden: int
    encoder_layers: int
    decoder_layers: int
    heads: int
    head_dim: int
    ffn: int
    context: int
    """Input tokens where the caller gives none."""
    vocab: int
    gated: bool = False
    activation: str = "relu"
    position_buckets: int = 32
    """Rows of the table of relative positions, one column for each head; each stack has one."""
    head: Literal["lm", "lm-tied"] = "lm-tied"
    source: str = ""

    @property
    def width(self) -> int:
        """What the heads take together."""
        return self.heads * self.head_dim

    @property
    def kv_elements_per_token(self) -> int:
        """Keys and values of one token over the decoder's layers: of the tokens made, and of the input's alike."""
        return 2 * self.decoder_layers * self.width

    @property
    def parameters(self) -> int:
        """All trained values; tied weights once."""
        attention = 4 * self.hidden * self.width
        mlp = (3 if self.gated else 2) * self.hidden * self.ffn
        encoder = self.encoder_layers * (attention + mlp + 2 * self.hidden)
        decoder = self.decoder_layers * (2 * attention + mlp + 3 * self.hidden)
        tables = self.vocab * self.hidden * (1 if self.head == "lm-tied" else 2)
        return tables + 2 * self.position_buckets * self.heads + encoder + decoder + 2 * self.hidden


def network(name: str, table: Mapping[str, Any]) -> Network[EncoderDecoderConfig]:
    """The network in the tables of a catalog file."""
    config = EncoderDecoderConfig(name=name, source=table["source"], **table["config"])
    return Network(config=config, build=encoder_decoder_trace)


def encoder_decoder_trace(config: EncoderDecoderConfig, request: Request) -> Trace:
    """The trace of the model in the phase asked for.

    `context` counts input tokens. Prefill runs the encoder, projects the keys and values that the decoder will attend
    to, and runs the decoder on its start token; a generation of T tokens adds T - 1 decode steps. A decode step alone
    attends to `context` input tokens and as many tokens made before. Forward runs both stacks on `context` tokens.
    Raises InputError for a phase the model does not have and for sizes below 1.
    """
    phase = request.phase or PHASES[0]
    problems = check_phase(config.name, phase, PHASES) + replace(request, phase=phase).problems()
    if phase == "generate" and request.output_tokens is None:
        problems.append(Problem(key="output_tokens", message="generate needs the number of tokens to generate"))
    if phase == "decode" and request.context == 0:
        problems.append(Problem(key="context", message=f"{config.name} decodes from an input: at least 1 (got 0)"))
    reject(problems)
    context = config.context if request.context is None else request.context
    tokens = (request.output_tokens or 0) if phase == "generate" else 0
    held = {"forward": 0, "decode": 2 * context + 1}.get(phase, context + max(1, tokens))
    return Trace(
        name=config.name,
        ops=_ops(config, phase, request.batch, context, tokens),
        parameters=config.parameters,
        kv_elements_per_token=config.kv_elements_per_token,
        kv_tokens=request.batch * held,
        output_tokens=tokens,
        batch=request.batch,
        source=config.source,
    )


def _ops(config: EncoderDecoderConfig, phase: str, batch: int, context: int, tokens: int) -> tuple[AnyOp, ...]:
    step = Pass(phase="decode", batch=batch, tokens=1, kv_len=context + 1, head_rows=batch)
    if phase == "decode":
        return _decoder(config, step, context, project=False)
    whole = replace(step, phase="prefill" if phase != "forward" else "forward", tokens=context, kv_len=context)
    ops = _encoder(config, whole)
    first = replace(whole, tokens=1, kv_len=1, start=(ops[-1].name,))
    if phase == "forward":
        first = replace(whole, head_rows=batch * context, start=(ops[-1].name,))
    ops += _decoder(config, first, context, project=True)
    for number, segment in enumerate(decode_segments(1, tokens - 1) if tokens > 1 else (), 1):
        part = replace(step, kv_len=segment.kv_len, count=segment.count, prefix=f"decode{number}.")
        ops += _decoder(config, replace(part, start=(ops[-1].name,)), context, project=False)
    return ops


def _encoder(config: EncoderDecoderConfig, step: Pass) -> tuple[AnyOp, ...]:
    build = _Stack(config=config, emit=Emitter(step=step), stack="encoder.", role=Role.ACTIVATION)
    stream = build.embed()
    for layer in range(config.encoder_layers):
        at = f"encoder.layers.{layer}."
        stream = build.attend(at, stream, keys=step.kv_len)
        stream = build.mlp(at, stream)
    build.norm("encoder.final_norm", stream)
    return tuple(build.emit.ops)


def _decoder(config: EncoderDecoderConfig, step: Pass, context: int, *, project: bool) -> tuple[AnyOp, ...]:
    """`project`: keys and values of the encoder's output are made here, and not read from the cache."""
    build = _Stack(config=config, emit=Emitter(step=step), stack="decoder.", role=Role.KV)
    encoded = step.start if project else ()
    stream = build.embed()
    for layer in range(config.decoder_layers):
        at = f"decoder.layers.{layer}."
        stream = build.attend(at, stream, keys=step.kv_len)
        stream = build.cross(at, stream, encoded, keys=context)
        stream = build.mlp(at, stream)
    normed = build.norm("decoder.final_norm", stream)
    build.emit.gemm("lm_head", normed, n=config.vocab, k=config.hidden, m=step.head_rows)
    return tuple(build.emit.ops)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """The ops of one stack's branches; each method gives the name of the stream behind its branch."""

    config: EncoderDecoderConfig
    emit: Emitter
    stack: str
    role: Role
    """Of keys and values: the decoder caches them."""

    @property
    def elements(self) -> int:
        return self.emit.step.rows * self.config.hidden

    def embed(self) -> str:
        name, start = f"{self.stack}embed", self.emit.step.start
        return self.emit.vector(
            name, *start, elements=self.elements, functions=("gather",), kind="gather", role=Role.PARAMETER
        )

    def norm(self, name: str, source: str) -> str:
        return self.emit.vector(name, source, elements=self.elements, functions=("rmsnorm",), kind="norm")

    def attend(self, at: str, stream: str, *, keys: int) -> str:
        """Attention within the stack; its scores get the relative position bias."""
        config, emit = self.config, self.emit
        normed = self.norm(at + "input_norm", stream)
        query, key, value = (
            emit.gemm(at + name, normed, n=config.width, k=config.hidden) for name in ("q_proj", "k_proj", "v_proj")
        )
        return self._mix(at, "", stream, query, (key,), (value,), keys=keys, bias=True)

    def cross(self, at: str, stream: str, encoded: tuple[str, ...], *, keys: int) -> str:
        """Attention to the encoder's output: projected here once, in later steps read from the cache."""
        config, emit = self.config, self.emit
        normed = self.norm(at + "cross_norm", stream)
        query = emit.gemm(at + "cross_q_proj", normed, n=config.width, k=config.hidden)
        made: list[tuple[str, ...]] = [(), ()]
        if encoded:
            rows = emit.step.batch * keys
            made = [
                (emit.gemm(at + name, *encoded, m=rows, n=config.width, k=config.hidden),)
                for name in ("cross_k_proj", "cross_v_proj")
            ]
        return self._mix(at, "cross_", stream, query, made[0], made[1], keys=keys, bias=False)

    def _mix(
        self,
        at: str,
        kind: str,
        stream: str,
        query: str,
        key: tuple[str, ...],
        value: tuple[str, ...],
        *,
        keys: int,
        bias: bool,
    ) -> str:
        config, emit, at = self.config, self.emit, at + kind
        shape = {"heads": config.heads, "kv_heads": config.heads}
        scores = product(emit, at + "qk", query, *key, n=keys, k=config.head_dim, role=self.role, **shape)
        elements = config.heads * emit.step.rows * keys
        if bias:
            scores = emit.vector(at + "position_bias", scores, elements=elements, functions=("add",))
        weights = emit.vector(at + "softmax", scores, elements=elements, functions=("softmax",), kind="softmax")
        mixed = product(emit, at + "av", weights, *value, n=config.head_dim, k=keys, role=self.role, **shape)
        output = emit.gemm(at + "o_proj", mixed, n=config.hidden, k=config.width)
        return emit.vector(at + "attn_add", output, stream, elements=self.elements, functions=("add",))

    def mlp(self, at: str, stream: str) -> str:
        config, emit = self.config, self.emit
        normed = self.norm(at + "post_norm", stream)
        names = ("gate_proj", "up_proj") if config.gated else ("fc1",)
        ups = [emit.gemm(at + name, normed, n=config.ffn, k=config.hidden) for name in names]
        functions = (config.activation, "gate") if config.gated else (config.activation,)
        elements = emit.step.rows * config.ffn
        act = emit.vector(at + "act", *ups, elements=elements, functions=functions, extra_reads=len(ups) - 1)
        down = emit.gemm(at + ("down_proj" if config.gated else "fc2"), act, n=config.hidden, k=config.ffn)
        return emit.vector(at + "mlp_add", down, stream, elements=self.elements, functions=("add",))

"""Mamba as traces: projections, a depthwise causal convolution, and the selective scan as vector operations.

Source: Gu and Dao 2023, arXiv:2312.00752, section 3.4 and algorithm 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from archsim.core.errors import Problem
from archsim.workloads.kinds import Network
from archsim.workloads.op import AnyOp, Op, Role
from archsim.workloads.request import Request, check_phase, reject
from archsim.workloads.trace import Trace
from archsim.workloads.transformer_emit import Emitter, Pass

PHASES = ("prefill", "decode", "generate", "forward")


@dataclass(frozen=True, slots=True, kw_only=True)
class MambaConfig:
    """Hyper-parameters of a selective state space model without attention; head and embedding are tied."""

    name: str
    hidden: int
    layers: int
    inner: int
    """Channels of the state space (twice the hidden size)."""
    state: int
    """State variables of a channel."""
    dt_rank: int
    """Width of the compressed step size."""
    conv: int
    """Taps of the causal convolution."""
    context: int
    """Tokens where the caller gives none; the model itself has no limit."""
    vocab: int
    tied: bool = True
    source: str = ""

    @property
    def state_elements(self) -> int:
        """What one sequence keeps instead of a cache: states and the convolution's last inputs, over all layers."""
        return self.layers * self.inner * (self.state + self.conv - 1)

    @property
    def parameters(self) -> int:
        """All trained values; tied weights once."""
        mixer = self.hidden * 2 * self.inner + self.inner * (self.conv + 1)
        mixer += self.inner * (self.dt_rank + 2 * self.state) + self.dt_rank * self.inner + self.inner
        mixer += self.inner * self.state + self.inner + self.inner * self.hidden
        embeddings = self.vocab * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * (mixer + self.hidden) + self.hidden


def network(name: str, table: Mapping[str, Any]) -> Network[MambaConfig]:
    """The network in the tables of a catalog file."""
    config = MambaConfig(name=name, source=table["source"], **table["config"])
    return Network(config=config, build=mamba_trace)


def mamba_trace(config: MambaConfig, request: Request) -> Trace:
    """The trace of the model in the phase asked for.

    A decode step costs the same after any number of tokens: `context` changes nothing there. There is no KV cache; the
    state of a fixed size (`state_elements`) is read and written by the decode ops.
    Raises InputError for a phase the model does not have and for sizes below 1.
    """
    phase = request.phase or PHASES[0]
    problems = check_phase(config.name, phase, PHASES) + replace(request, phase=phase).problems()
    if phase == "generate" and request.output_tokens is None:
        problems.append(Problem(key="output_tokens", message="generate needs the number of tokens to generate"))
    reject(problems)
    tokens = (request.output_tokens or 0) if phase == "generate" else 0
    ops: list[AnyOp] = []
    for step in _passes(phase, request.batch, request.context or config.context, tokens):
        start = (ops[-1].name,) if ops else ()
        ops.extend(_pass_ops(config, replace(step, start=start)))
    return Trace(
        name=config.name,
        ops=tuple(ops),
        parameters=config.parameters,
        output_tokens=tokens,
        batch=request.batch,
        source=config.source,
    )


def _passes(phase: str, batch: int, context: int, tokens: int) -> list[Pass]:
    decode = Pass(phase="decode", batch=batch, tokens=1, kv_len=1, head_rows=batch)
    prefill = replace(decode, phase="prefill", tokens=context)
    match phase:
        case "decode":
            return [decode]
        case "prefill":
            return [prefill]
        case "forward":
            return [replace(prefill, phase="forward", head_rows=batch * context)]
        case _:
            steps = [replace(decode, count=tokens - 1, prefix="decode1.")] if tokens > 1 else []
            return [prefill, *steps]


def _pass_ops(config: MambaConfig, step: Pass) -> tuple[AnyOp, ...]:
    emit = Emitter(step=step)
    width = step.rows * config.hidden
    stream = emit.vector(
        "embed", *step.start, elements=width, functions=("gather",), kind="gather", role=Role.PARAMETER
    )
    for layer in range(config.layers):
        at = f"layers.{layer}."
        normed = emit.vector(at + "input_norm", stream, elements=width, functions=("rmsnorm",), kind="norm")
        mixed = _mixer(emit, config, at, normed)
        stream = emit.vector(at + "mixer_add", mixed, stream, elements=width, functions=("add",))
    normed = emit.vector("final_norm", stream, elements=width, functions=("rmsnorm",), kind="norm")
    emit.gemm("lm_head", normed, n=config.vocab, k=config.hidden, m=step.head_rows)
    return tuple(emit.ops)


def _mixer(emit: Emitter, config: MambaConfig, at: str, source: str) -> str:
    """One block's selective state space, from its input to the output projection."""
    channels = emit.step.rows * config.inner
    projected = emit.gemm(at + "in_proj", source, n=2 * config.inner, k=config.hidden)
    conv = emit.add(
        Op.conv(
            at + "conv1d",
            n=emit.step.batch,
            k=config.inner,
            c=config.inner,
            p=1,
            q=emit.step.tokens,
            r=1,
            s=config.conv,
            groups=config.inner,
            after=(projected,),
        )
    )
    active = emit.vector(at + "conv_act", conv, elements=channels, functions=("silu",))
    selected = emit.gemm(at + "x_proj", active, n=config.dt_rank + 2 * config.state, k=config.inner)
    step_size = emit.gemm(at + "dt_proj", selected, n=config.inner, k=config.dt_rank)
    delta = emit.vector(at + "dt_act", step_size, elements=channels, functions=("softplus",))
    scanned = _scan(emit, config, at, (active, delta, selected))
    gated = emit.vector(at + "gate", scanned, projected, elements=channels, functions=("silu", "gate"), extra_reads=1)
    return emit.gemm(at + "out_proj", gated, n=config.hidden, k=config.inner)


def _scan(emit: Emitter, config: MambaConfig, at: str, after: tuple[str, ...]) -> str:
    """The recurrence h = exp(delta A) h + delta B x, y = C h + D x.

    Over many tokens the state stays inside and only y is written; a decode step reads and writes the state.
    """
    channels, state = emit.step.rows * config.inner, config.state
    shared_reads = 2 * state / config.inner
    if emit.step.phase != "decode":
        functions = ("scan-update",) * state + ("scan-output",) * state + ("skip",)
        return emit.vector(at + "scan", *after, elements=channels, functions=functions, extra_reads=1 + shared_reads)
    updated = emit.vector(
        at + "scan_update",
        *after,
        elements=channels * state,
        functions=("scan-update",),
        extra_reads=(2 + shared_reads) / state,
        role=Role.KV,
    )
    functions = ("scan-output",) * state + ("skip",)
    return emit.vector(at + "scan", updated, *after, elements=channels, functions=functions, extra_reads=state)

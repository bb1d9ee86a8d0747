"""BitMoD's simulator, in the revision behind the paper (November 2024) and in the later one (July 2025).

Rules, for a product of `tokens` rows by [reduction, channels] weights on R x C PEs of L lanes:

- compute = ceil(reduction / L) * ceil(channels / R) * ceil(tokens / C) * latency; no fill, no drain. Bit-parallel PEs
  have latency 1, bit-serial ones half the weight's whole bits: rounded half to even in 2024, up in 2025.
- Operands come once, but where both are larger than their buffer: then all weights once for each buffer-full of inputs,
  or the other way round, whichever moves fewer bytes. Rows are whole bytes in DRAM, whole words of 64 bits in writes to
  the buffers. DRAM cycles are whole; a layer takes the longer of compute and DRAM, layers one after the other.
- Energy: every PE in every compute cycle; one read of each buffer's port a tile; writes of 64 bits for all that is
  fetched and all results; DRAM by the bit. Ports are as wide as what the array takes in a cycle.
- Every layer of a prompt works on all its tokens, the one before the vocabulary too. A decode step attends to the
  cached tokens alone. Vector operations are not counted.
- Attention in 2024 is one product for all heads at the weights' latency: scores reduce over the whole hidden size
  instead of a head's, and the mix of values is done for every head and token again. Keys and values have 16 bits in
  DRAM, and the linear weights' bits in writes to the buffer.
- A weight has its code's bits and its share of the group's scale; the choice of a special value is free.
- In 2025 it is one product for every head of keys, at their bits.

Source: Chen et al., BitMoD, HPCA 2025, and its simulator (github.com/abdelfattah-lab/BitMoD-HPCA-25, commits 6b68523
and e445a5f), told in words and checked against its runs (docs/validation.md).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format, Granularity
from archsim.arch.formats.stored import StoredFormat
from archsim.arch.interpolation import log_log
from archsim.sim.published.machine import (
    ChannelArray,
    buffer_of,
    channel_array,
    dram_of,
    op_cost,
    stored_bits,
)
from archsim.sim.published.networks import refuse_other_networks
from archsim.sim.published.simulator import AcceleratorFor, PublishedSimulator
from archsim.sim.records import OpCost
from archsim.workloads.attention import attentions
from archsim.workloads.op import AnyOp, Op, Role
from archsim.workloads.trace import Trace

WORD_BITS = 64
"""Width of a write to a buffer."""
KV_BITS_2024 = 16.0
BRICK_BITS = 4
"""Widths of weights that ports are made for are multiples of it."""
TERM_BITS = 2
"""Bits of a weight that a bit-serial PE takes in a cycle."""
_PORTS = Path(__file__).with_name("data") / "bitmod_ports.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product as the simulator sees it, and the bits it counts for it."""

    reduction: int
    channels: int
    tokens: int
    sequences: int = 1
    """Sequences whose tokens are tiled apart (weights are shared)."""
    batch: int = 1
    """Products of this shape with weights of their own."""
    weight_bits: float
    written_weight_bits: float
    """Of a weight in writes to the buffer."""
    latency_bits: float
    """Bits of a weight that set the latency."""
    input_bits: float
    input_row_bytes: int | None = None
    """Bytes of a token's inputs where they are not those of the reduction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What differs between the revisions."""

    name: str
    latency: Callable[[float], int]
    """Cycles of a bit-serial PE from a weight's bits."""
    attention: Callable[[Attended], Product]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """One of the two products of attention: sizes for one sequence, `scores` or the mix of values."""

    scores: bool
    heads: int
    kv_heads: int
    head_dim: int
    queries: int
    """Tokens that ask: 1 in decode."""
    context: int
    batch: int
    weight_bits: float
    """Of the linear layers."""
    kv_bits: float
    input_bits: float


def _attention_2024(a: Attended) -> Product:
    prompt = a.queries > 1
    if a.scores:
        reduction, channels, tokens = a.heads * a.head_dim, a.context if prompt else 1, a.heads * a.queries
    else:
        reduction, channels, tokens = a.context, a.heads * a.queries, a.queries
    return Product(
        reduction=reduction,
        channels=channels,
        tokens=tokens,
        batch=a.batch,
        weight_bits=KV_BITS_2024,
        written_weight_bits=a.weight_bits,
        latency_bits=a.weight_bits,
        input_bits=a.input_bits,
        input_row_bytes=_row_bytes(a.head_dim * a.kv_heads, KV_BITS_2024),
    )


def _attention_2025(a: Attended) -> Product:
    return Product(
        reduction=a.head_dim if a.scores else a.context,
        channels=a.context if a.scores else a.head_dim,
        tokens=a.heads // a.kv_heads * a.queries,
        batch=a.batch * a.kv_heads,
        weight_bits=a.kv_bits,
        written_weight_bits=a.kv_bits,
        latency_bits=a.kv_bits,
        input_bits=a.input_bits,
    )


_2024 = Revision(
    name="bitmod-2024",
    latency=lambda bits: round(math.floor(bits) / TERM_BITS),
    attention=_attention_2024,
)
_2025 = Revision(
    name="bitmod-2025",
    latency=lambda bits: math.ceil(math.floor(bits) / TERM_BITS),
    attention=_attention_2025,
)


def _costs(revision: Revision, trace: Trace, accelerator_for: AcceleratorFor, _: Format) -> tuple[OpCost, ...]:
    costs = []
    for op, product, port_bits in _products(trace, revision):
        accelerator = accelerator_for(op.phase)
        if product is None:
            costs.append(op_cost(op, accelerator))
        else:
            costs.append(_cost(op, product, port_bits, accelerator, revision))
    return tuple(costs)


def _products(trace: Trace, revision: Revision) -> Iterator[tuple[AnyOp, Product | None, float]]:
    """Every op with its product (None: not counted), and the bits of the linear weights that ports are made for."""
    found = attentions(trace)
    scores = {attention.scores.name for attention in found}
    mixes = {attention.mix.name for attention in found}
    tokens = _tokens(trace)
    refuse_other_networks(trace, found, tokens, revision.name)
    linear = (op for op in trace.ops if isinstance(op, Op) and op.weights.role is Role.PARAMETER)
    weight_bits = next((simulated_bits(op.weights.format) for op in linear), KV_BITS_2024)
    for op in trace.ops:
        if not isinstance(op, Op):
            yield op, None, weight_bits
        elif op.name in scores or op.name in mixes:
            attended = _attended(op, trace.batch, tokens[op.phase], weight_bits, scores=op.name in scores)
            yield op, revision.attention(attended), weight_bits
        else:
            weight_bits = simulated_bits(op.weights.format)
            yield op, _linear(op, trace.batch, tokens.get(op.phase, op.size(op.rows)), weight_bits), weight_bits


def simulated_bits(fmt: Format | None) -> float:
    """Bits of a weight as the simulator counts them: its code with its share of the group's scale, no more.

    The choice of a special value is left out (docs/published-simulators.md). Bits that a design states are taken.

    >>> from archsim.arch.formats import format
    >>> simulated_bits(format("bitmod-fp3:g128")), simulated_bits(format("bitmod-int6:g128"))
    (3.0625, 6.0625)
    """
    bits = stored_bits(fmt)
    assert fmt is not None
    scale = fmt.arithmetic.scale
    if isinstance(fmt, StoredFormat) or scale.granularity is not Granularity.GROUP:
        return bits
    entries, integer = fmt.arithmetic.lookup_entries, fmt.arithmetic.integer_bits
    code = math.log2(entries) if entries else float(integer)
    return min(bits, code + scale.bits / scale.group_size) if code else bits


def _tokens(trace: Trace) -> dict[str, int]:
    """Tokens of all sequences that linear layers work on, by phase: the most of any layer."""
    tokens: dict[str, int] = {}
    for op in trace.ops:
        if isinstance(op, Op) and op.weights.role is Role.PARAMETER:
            tokens[op.phase] = max(tokens.get(op.phase, 1), op.size(op.rows))
    return tokens


def _linear(op: Op, batch: int, tokens: int, weight_bits: float) -> Product:
    per_sequence = tokens // batch if tokens % batch == 0 else tokens
    return Product(
        reduction=op.size(op.reduction),
        channels=op.size(op.columns),
        tokens=tokens,
        sequences=batch if per_sequence > 1 and tokens % batch == 0 else 1,
        batch=op.size(op.batch),
        weight_bits=weight_bits,
        written_weight_bits=weight_bits,
        latency_bits=weight_bits,
        input_bits=stored_bits(op.inputs.format),
    )


def _attended(op: Op, batch: int, tokens: int, weight_bits: float, *, scores: bool) -> Attended:
    """Sizes of attention from one of its products; a decode step's own token is not attended to."""
    queries = max(1, tokens // batch)
    kv_heads = op.size(op.batch) // batch
    context = op.size(op.columns) if scores else op.size(op.reduction)
    return Attended(
        scores=scores,
        heads=op.size(op.rows) * kv_heads // queries,
        kv_heads=kv_heads,
        head_dim=op.size(op.reduction) if scores else op.size(op.columns),
        queries=queries,
        context=context - 1 if op.phase == "decode" and context > 1 else context,
        batch=batch,
        weight_bits=weight_bits,
        kv_bits=stored_bits(op.weights.format),
        input_bits=stored_bits(op.inputs.format),
    )


def _cost(op: AnyOp, product: Product, port_bits: float, accelerator: Accelerator, revision: Revision) -> OpCost:
    assert isinstance(op, Op)
    array = channel_array(accelerator, revision.name)
    dram = dram_of(accelerator, revision.name)
    weights = buffer_of(accelerator, "weights", op.weights.role, revision.name)
    inputs = buffer_of(accelerator, "inputs", Role.ACTIVATION, revision.name)
    tiles = _tiles(product, array)
    compute = tiles * (revision.latency(product.latency_bits) if array.serial else 1)
    sizes = _bytes(product)
    times = _fetches(sizes, weights.capacity_bits / 8, inputs.capacity_bits / 8)
    fetched = sizes[0] * times[0] + sizes[1] * times[1]
    moved = fetched + sizes[2]
    written = dram.write_energy.per_element_pj(sizes[2] * 8.0)
    parts = [
        ("mac", _pe_pj(op, accelerator) * array.units * compute),
        (dram.name, dram.read_energy.per_element_pj(fetched * 8.0) + written),
        *zip((weights.name, inputs.name), _buffer_pj(product, array, port_bits, tiles, times), strict=True),
    ]
    return op_cost(
        op,
        accelerator,
        compute=compute,
        total=max(compute, int(moved * 8 / dram.read_bits_per_cycle)),
        memory=dram,
        energy_pj={name: sum(pj for other, pj in parts if other == name) for name, _ in parts},
        dram_bytes=float(moved),
    )


def _buffer_pj(
    product: Product, array: ChannelArray, port_bits: float, tiles: int, times: tuple[int, int]
) -> tuple[float, float]:
    """Energy of the weights' and of the inputs' buffer: a read of the port a tile, a word for all that is written."""
    (w_read, w_write), (i_read, i_write) = _ports(array, port_bits, product.input_bits)
    weights, inputs, results = _words(product)
    return (
        tiles * w_read + weights * times[0] * w_write,
        tiles * i_read + (inputs * times[1] + results) * i_write,
    )


def _tiles(product: Product, array: ChannelArray) -> int:
    down = math.ceil(product.reduction / array.lanes) * math.ceil(product.channels / array.rows)
    across = product.sequences * math.ceil(product.tokens // product.sequences / array.columns)
    return down * across * product.batch


def _bytes(product: Product) -> tuple[int, int, int]:
    """Weights, inputs and results in DRAM: rows of whole bytes."""
    input_row = product.input_row_bytes or _row_bytes(product.reduction, product.input_bits)
    return (
        _row_bytes(product.reduction, product.weight_bits) * product.channels * product.batch,
        input_row * product.tokens * product.batch,
        _row_bytes(product.channels, product.input_bits) * product.tokens * product.batch,
    )


def _words(product: Product) -> tuple[float, float, float]:
    """Words of weights, inputs and results written to the buffers: rows of whole words."""
    input_words: float = math.ceil(product.reduction * product.input_bits / WORD_BITS)
    if product.input_row_bytes is not None:
        input_words = product.input_row_bytes * 8 / WORD_BITS
    return (
        math.ceil(product.reduction * product.written_weight_bits / WORD_BITS) * product.channels * product.batch,
        input_words * product.tokens * product.batch,
        math.ceil(product.channels * product.input_bits / WORD_BITS) * product.tokens * product.batch,
    )


def _row_bytes(elements: int, bits: float) -> int:
    return math.ceil(elements * bits / 8)


def _fetches(sizes: tuple[int, int, int], weight_bytes: float, input_bytes: float) -> tuple[int, int]:
    """How often weights and inputs are fetched."""
    weights, inputs, _ = sizes
    if weights <= weight_bytes or inputs <= input_bytes:
        return 1, 1
    of_weights, of_inputs = math.ceil(inputs / input_bytes), math.ceil(weights / weight_bytes)
    if of_weights * weights + inputs < of_inputs * inputs + weights:
        return of_weights, 1
    return 1, of_inputs


def _ports(array: ChannelArray, weight_bits: float, input_bits: float) -> tuple[tuple[float, float], ...]:
    """(pJ of a read, pJ of a write of a word) of the weights' and the inputs' buffer."""
    turns = 2 if array.serial else 1
    weights = array.lanes * BRICK_BITS * math.ceil(weight_bits / BRICK_BITS) * array.rows / turns
    inputs = array.lanes * input_bits * array.columns / turns
    return port_energy(weights), port_energy(inputs)


def port_energy(bits: float) -> tuple[float, float]:
    """pJ of one read and of writing 64 bits through a port of `bits`, of 512 KiB; between known widths log-log."""
    widths, reads, writes = _port_table()
    return log_log(bits, widths, reads), log_log(bits, widths, writes)


@cache
def _port_table() -> tuple[tuple[float, ...], ...]:
    with _PORTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(tuple(float(row[key]) for row in rows) for key in ("port_bits", "read_pj", "write_64_pj"))


def _pe_pj(op: Op, accelerator: Accelerator) -> float:
    """Energy of one PE and cycle."""
    weights, inputs = op.weights.format, op.inputs.format
    assert weights is not None
    assert inputs is not None
    engine = accelerator.engine
    cost = engine.unit_cost(weights.arithmetic, inputs.arithmetic, inputs.arithmetic)
    return cost.energy_pj * engine.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic) + cost.cycle_pj


BITMOD_2024 = PublishedSimulator(
    name="bitmod-2024",
    summary="counts as BitMoD's simulator of November 2024 does: all heads as one, no vector operations",
    costs=partial(_costs, _2024),
)
BITMOD_2025 = PublishedSimulator(
    name="bitmod-2025",
    summary="counts as BitMoD's simulator of July 2025 does: no vector operations",
    costs=partial(_costs, _2025),
)

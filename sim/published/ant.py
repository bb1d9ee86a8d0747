"""ANT's simulator, which is BitFusion's with another array: layers tiled by search, narrow operands by composition.

- An array of N x M PEs of `unit_bits`; operands of p bits fit unit_bits // max(p, brick_bits) times: inputs lengthen
  the array, weights widen it. Output stationary: ceil(pixels / rows) * ceil(channels / columns) * reduction cycles a
  tile; weight stationary: pixels * ceil(channels / columns) * ceil(reduction / rows). No fill, no drain.
- Tiles are powers of two of samples, output side, channels in and out; every order of the loops is tried. Each tile is
  padded to the array, the last as much as the first. Half of each buffer holds tiles.
- DRAM moves beside compute, but for the first tiles and the last results.
- Kernels are square, of the height that is stated: 1x7 counts one tap, 7x1 counts 49. Results have 16 bits.
- Energy: PEs at work, their leakage and DRAM's background power in every cycle; bits of buffers and of DRAM. Buffers
  leak nothing. Products of activations and vector operations are not counted.

Source: Guo et al., ANT, MICRO 2022, and its simulator (github.com/clevercool/ANT-Quantization), told in words and
checked against its runs (docs/validation.md).
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.bit_composable import ComposableEngine
from archsim.arch.formats import Format
from archsim.arch.memory import MemoryLevel
from archsim.core.errors import InfeasibleError, InputError, Problem
from archsim.sim.published.ant_search import Array, Counts, Layer, Prices, best_counts
from archsim.sim.published.machine import buffer_of, dram_of, op_cost, stored_bits
from archsim.sim.published.simulator import AcceleratorFor, PublishedSimulator
from archsim.sim.records import OpCost
from archsim.workloads.op import AnyOp, Op, OperandName, Role
from archsim.workloads.trace import Trace

NAME = "ant-2022"
_DATA = Path(__file__).with_name("data") / "ant.toml"


@cache
def _constants() -> dict[str, Any]:
    return tomllib.loads(_DATA.read_text(encoding="utf-8"))


def _costs(trace: Trace, accelerator_for: AcceleratorFor, accumulator: Format) -> tuple[OpCost, ...]:
    return tuple(_cost(op, accelerator_for(op.phase), accumulator) for op in trace.ops)


def _cost(op: AnyOp, accelerator: Accelerator, accumulator: Format) -> OpCost:
    engine = accelerator.engine
    if not isinstance(engine, ComposableEngine) or accelerator.cores != 1 or engine.arrays != 1:
        message = f"'{NAME}' counts one array of kind 'bit-composable' (got {accelerator.kind!r})"
        raise InputError(Problem(key="simulation.convention", message=message, hint="such as base = 'ant-2022'"))
    if not isinstance(op, Op) or op.weights.role is not Role.PARAMETER:
        return op_cost(op, accelerator)
    layer = _layer(op)
    buffers = _buffers(accelerator)
    dram = dram_of(accelerator, NAME)
    core_pj, leakage_w = _core(op, accelerator, accumulator)
    counts = best_counts(layer, _array(layer, engine, buffers, dram), _prices(core_pj, buffers))
    if counts is None:
        raise InfeasibleError(f"op {op.name!r}: not one tile fits half of the buffers ('{NAME}')")
    total = counts.compute + counts.stalls
    energy = _energy_pj(counts, buffers, dram) | {"mac": counts.compute * core_pj}
    standing_w = leakage_w + dram.leakage_w * dram.instances
    energy["leakage"] = total / accelerator.clock_hz * standing_w * 1e12
    moved = counts.dram_reads + counts.dram_writes
    return op_cost(
        op, accelerator, compute=counts.compute, total=total, memory=dram, energy_pj=energy, dram_bytes=moved / 8
    )


def _layer(op: Op) -> Layer:
    """The layer with its slips: square kernels and outputs, of the height. Raises InputError for grouped convs."""
    bits = {"input_bits": _whole_bits(op, "inputs"), "weight_bits": _whole_bits(op, "weights")}
    if op.size(op.batch) != 1 or len(op.rows) > 3:
        message = f"'{NAME}' knows neither grouped nor 3-D convolutions (op {op.name!r})"
        raise InputError(Problem(key="simulation.convention", message=message))
    if op.kind == "gemm":
        k, n = op.size(op.reduction), op.size(op.columns)
        return Layer(batch=op.size(op.rows), output=1, kernel=1, input_channels=k, output_channels=n, **bits)
    sizes = op.loops
    return Layer(
        batch=sizes["n"],
        output=sizes["p"],
        kernel=sizes["r"],
        input_channels=sizes["c"],
        output_channels=sizes["k"],
        **bits,
    )


def _whole_bits(op: Op, operand: OperandName) -> int:
    """Stored bits of an element. Raises InputError for those that are no whole number: the rules have no metadata."""
    fmt = op.operand(operand).format
    bits = stored_bits(fmt)
    if bits != int(bits):
        assert fmt is not None
        message = f"'{NAME}' knows formats of whole bits: {operand} of {op.name!r} are {fmt.name}, {bits:g} bits"
        raise InputError(Problem(key="simulation.convention", message=message, hint="such as int4 or flint4:channel"))
    return int(bits)


def _buffers(accelerator: Accelerator) -> tuple[MemoryLevel, MemoryLevel, MemoryLevel]:
    return (
        buffer_of(accelerator, "weights", Role.PARAMETER, NAME),
        buffer_of(accelerator, "inputs", Role.ACTIVATION, NAME),
        buffer_of(accelerator, "outputs", Role.ACTIVATION, NAME),
    )


def _array(layer: Layer, engine: ComposableEngine, buffers: tuple[MemoryLevel, ...], dram: MemoryLevel) -> Array:
    weights, inputs, outputs = buffers
    return Array(
        rows=engine.array.rows,
        columns=engine.array.columns,
        more_rows=max(1, engine.unit_bits // max(layer.input_bits, engine.brick_bits)),
        more_columns=max(1, engine.unit_bits // max(layer.weight_bits, engine.brick_bits)),
        weight_stationary=engine.dataflows[0].name == "ws",
        buffer_bits=(weights.capacity_bits, inputs.capacity_bits, outputs.capacity_bits),
        bits_per_cycle=dram.read_bits_per_cycle,
        result_bits=_constants()["results"]["bits"],
    )


def _core(op: Op, accelerator: Accelerator, accumulator: Format) -> tuple[float, float]:
    """pJ of all PEs in a cycle at work, and their leakage in W."""
    weights, inputs = op.weights.format, op.inputs.format
    assert weights is not None
    assert inputs is not None
    engine = accelerator.engine
    cost = engine.unit_cost(weights.arithmetic, inputs.arithmetic, accumulator.arithmetic)
    per_pe = cost.energy_pj * engine.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic)
    return (per_pe + cost.cycle_pj) * accelerator.units, cost.leakage_w * accelerator.units


def _prices(core_cycle_pj: float, buffers: tuple[MemoryLevel, ...]) -> Prices:
    weights, inputs, outputs = buffers
    search = _constants()["search"]
    reads, writes = (
        tuple(energy.per_element_pj(1.0) for energy in energies)
        for energies in (
            (weights.read_energy, inputs.read_energy, outputs.read_energy),
            (weights.write_energy, inputs.write_energy, outputs.write_energy),
        )
    )
    return Prices(
        core_cycle_pj=core_cycle_pj,
        buffer_read_pj=(reads[0], reads[1], reads[2]),
        buffer_write_pj=(writes[0], writes[1], writes[2]),
        dram_read_pj=search["dram_read_pj_per_bit"],
        dram_write_pj=search["dram_write_pj_per_bit"],
    )


def _energy_pj(counts: Counts, buffers: tuple[MemoryLevel, ...], dram: MemoryLevel) -> dict[str, float]:
    energy = dict.fromkeys((level.name for level in buffers), 0.0)
    for level, read, written in zip(buffers, counts.buffer_reads, counts.buffer_writes, strict=True):
        energy[level.name] += level.read_energy.per_element_pj(read) + level.write_energy.per_element_pj(written)
    energy[dram.name] = dram.read_energy.per_element_pj(counts.dram_reads)
    energy[dram.name] += dram.write_energy.per_element_pj(counts.dram_writes)
    return energy


ANT_2022 = PublishedSimulator(
    name=NAME,
    summary="counts as ANT's simulator does: square kernels, no fill or drain, no products of activations",
    costs=_costs,
)

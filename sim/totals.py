"""What only the whole trace can say: sums, area, memory footprint, time to first token."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Engine, UnitCost
from archsim.arch.formats import ArithmeticKind, Format
from archsim.sim.layers import layer_rows
from archsim.sim.problem import data_rate, element_bits, stored_bits
from archsim.sim.records import OpCost, TraceCost
from archsim.sim.schedule import OpPlacement, output_bits
from archsim.sim.vector import IdleArray
from archsim.workloads.cache import cached_operands
from archsim.workloads.op import OPERANDS, Op, Role, VectorOp
from archsim.workloads.sparsity import parse_sparsity
from archsim.workloads.trace import Trace

UM2_PER_MM2 = 1e6


def trace_cost(
    trace: Trace,
    accelerator: Accelerator,
    placements: Sequence[OpPlacement],
    costs: Sequence[OpCost],
    accumulator: Format,
    *,
    warnings: Iterable[str] = (),
) -> TraceCost:
    """The trace's cost from its ops', one after the other."""
    pairs = list(zip(trace.ops, costs, strict=True))
    cycles = sum(cost.cycles * op.count for op, cost in pairs)
    latency_s = cycles / accelerator.clock_hz
    units = unit_costs(trace, accelerator, accumulator)
    energy = _energy(accelerator, trace, costs)
    peaks = peak_macs(trace.ops, [op.macs * op.count for op in trace.ops], accelerator)
    peak = sum(rate * cost.cycles * op.count for rate, (op, cost) in zip(peaks, pairs, strict=True))
    footprint = peak_memory_bytes(trace, accelerator.engine)
    ttft_s, tpot_s, throughput = _serving(trace, costs, latency_s)
    return TraceCost(
        layers=layer_rows(trace.ops, placements, costs),
        cycles=cycles,
        latency_s=latency_s,
        energy_j=energy,
        area_mm2=area_mm2(accelerator, units),
        macs=trace.macs,
        utilization=trace.macs / peak if trace.macs and peak else None,
        dram_bytes=sum(cost.dram_bytes * op.count for op, cost in pairs),
        peak_memory_bytes=footprint,
        ttft_s=ttft_s,
        tpot_s=tpot_s,
        throughput_per_s=throughput,
        warnings=tuple(dict.fromkeys([*warnings, *_warnings(trace, accelerator, costs, footprint, accumulator)])),
        estimates=tuple(dict.fromkeys([*_estimates(accelerator, units), *_data_estimates(trace, accelerator)])),
    )


def unit_costs(trace: Trace, accelerator: Accelerator, accumulator: Format) -> list[UnitCost]:
    """PE costs of every pair of operand formats in the trace; the widest sets the area."""
    pairs = {
        (op.weights.format, op.inputs.format): None
        for op in trace.ops
        if isinstance(op, Op) and op.weights.format is not None and op.inputs.format is not None
    }
    return [
        accelerator.engine.unit_cost(weights.arithmetic, inputs.arithmetic, accumulator.arithmetic)
        for weights, inputs in pairs
        if weights is not None and inputs is not None
    ]


def idle_array(trace: Trace, accelerator: Accelerator, accumulator: Format) -> IdleArray:
    """What the PEs (the widest that the trace's formats need) take while the vector unit works."""
    units = unit_costs(trace, accelerator, accumulator)
    leakage_w = max((unit.leakage_w for unit in units), default=0.0)
    mac_pj = max((unit.energy_pj for unit in units), default=0.0)
    return IdleArray(
        leakage_w=leakage_w * accelerator.units,
        idle_pj_per_cycle=mac_pj * accelerator.idle_energy_fraction * accelerator.units,
    )


def peak_macs(ops: Sequence[object], macs: Sequence[int], accelerator: Accelerator) -> list[float]:
    """Peak MACs per cycle on the data of each op; `macs` are what each does over all its runs.

    Ops without MACs occupy the array at the mean rate of the others, weighed by MACs.
    """
    peaks = [_peak(op, accelerator) for op in ops]
    done: dict[float, int] = {}
    for peak, count in zip(peaks, macs, strict=True):
        if peak:
            done[peak] = done.get(peak, 0) + count
    ideal = math.fsum(count / peak for peak, count in done.items())
    mean = next(iter(done)) if len(done) == 1 else sum(done.values()) / ideal if ideal else float(accelerator.units)
    return [mean if peak is None else peak for peak in peaks]


def _peak(op: object, accelerator: Accelerator) -> float | None:
    if isinstance(op, Op) and op.weights.format is not None and op.inputs.format is not None:
        return accelerator.units * data_rate(op, accelerator.engine).macs_per_unit_cycle
    return None


def _energy(accelerator: Accelerator, trace: Trace, costs: Sequence[OpCost]) -> dict[str, float | None]:
    names = ["mac", *(level.name for level in accelerator.memories), "vector", "network", "leakage", "idle"]
    totals: dict[str, float | None] = dict.fromkeys(names)
    for op, cost in zip(trace.ops, costs, strict=True):
        for name, joules in cost.energy_j.items():
            totals[name] = (totals.get(name) or 0.0) + joules * op.count
    return totals


def area_mm2(accelerator: Accelerator, units: list[UnitCost]) -> dict[str, float | None]:
    """mm² by component; None where there is no figure (off-chip memory, wires)."""
    area = _compute_area(accelerator, units)
    for level in accelerator.memories:
        area[level.name] = None if level.area_mm2 is None else level.area_mm2 * level.instances
    vector = accelerator.vector
    lanes = vector.lanes * accelerator.cores
    area["vector"] = None if vector.area_um2 is None else vector.area_um2 * lanes / UM2_PER_MM2
    area["network"] = None
    return area


def compute_area_mm2(accelerator: Accelerator, units: list[UnitCost]) -> float | None:
    """mm² of all PEs and their decoders; None where a PE has no figure."""
    area = _compute_area(accelerator, units)
    mac = area["mac"]
    return None if mac is None else mac + (area.get("decoder") or 0.0)


def _compute_area(accelerator: Accelerator, units: list[UnitCost]) -> dict[str, float | None]:
    widest = max((unit.area_um2 or 0.0 for unit in units), default=0.0)
    known = bool(units) and all(unit.area_um2 is not None for unit in units)
    area: dict[str, float | None] = {"mac": widest * accelerator.units / UM2_PER_MM2 if known else None}
    if decoders := max((unit.decoder_area_um2 for unit in units), default=0.0):
        area["decoder"] = decoders * accelerator.engine.arrays * accelerator.cores / UM2_PER_MM2
    return area


def peak_memory_bytes(trace: Trace, engine: Engine | None = None) -> float:
    """Bytes the network needs at once: parameters, the KV cache at its fullest, and the largest activations of one op.

    Parameters take the mean bits of the weights in the trace's ops, as `engine` stores them (None: dense); those of
    biases and norms are few.
    """
    return (parameter_bits(trace, engine) + kv_bits(trace) + _activation_bits(trace)) / 8


def parameter_bits(trace: Trace, engine: Engine | None = None) -> float:
    sizes = [
        (op.elements("weights"), _weight_bits(op, engine))
        for op in trace.ops
        if isinstance(op, Op) and op.weights.role is Role.PARAMETER
    ]
    elements = sum(count for count, _ in sizes)
    return trace.parameters * sum(count * bits for count, bits in sizes) / elements if elements else 0.0


def _weight_bits(op: Op, engine: Engine | None) -> float:
    return element_bits(op.weights.format) if engine is None else stored_bits(op, "weights", engine)


def kv_bits(trace: Trace) -> float:
    formats = [operand.format for operand, _ in cached_operands(trace)]
    bits = element_bits(formats[0]) if formats else 0.0
    return trace.kv_elements_per_token * trace.kv_tokens * bits


def _activation_bits(trace: Trace) -> float:
    most = 0.0
    for op in trace.ops:
        if isinstance(op, Op):
            most = max(most, op.elements("inputs") * element_bits(op.inputs.format) + output_bits(op))
        elif isinstance(op, VectorOp):
            most = max(most, op.elements * op.reads_per_element * element_bits(op.input_format) + output_bits(op))
    return most


def _serving(
    trace: Trace, costs: Sequence[OpCost], latency_s: float
) -> tuple[float | None, float | None, float | None]:
    """Time to first token, time per output token, and results per second (tokens for decode and generate)."""
    prefill = sum(c.latency_s * op.count for op, c in zip(trace.ops, costs, strict=True) if op.phase == "prefill")
    decode = sum(c.latency_s * op.count for op, c in zip(trace.ops, costs, strict=True) if op.phase == "decode")
    steps = decode_steps(trace)
    ttft_s = prefill or None
    tpot_s = decode / steps if steps else None
    if not latency_s:
        return ttft_s, tpot_s, None
    per_sequence = trace.output_tokens if trace.output_tokens and prefill else max(1, steps)
    return ttft_s, tpot_s, trace.batch * per_sequence / latency_s


def decode_steps(trace: Trace) -> int:
    """Decode steps in the trace: its output tokens, less the one that a prefill gives; one where it states none."""
    phases = {op.phase for op in trace.ops}
    if "decode" not in phases:
        return 0
    return max(1, trace.output_tokens - ("prefill" in phases))


def _warnings(
    trace: Trace, accelerator: Accelerator, costs: Sequence[OpCost], footprint: float, accumulator: Format
) -> list[str]:
    found = [warning for cost in costs for warning in cost.warnings]
    outermost = accelerator.memories[0] if accelerator.memories else None
    if outermost is not None and outermost.off_chip and footprint * 8 > outermost.capacity_bits:
        found.append(
            f"{trace.name} needs {footprint / 2**30:.2f} GiB, more than {outermost.name} holds "
            f"({outermost.capacity_bits / 8 / 2**30:.2f} GiB)"
        )
    found += accumulator_warnings(trace, accumulator)
    found += dense_warnings(trace, accelerator)
    found += figure_warnings(trace, accelerator)
    passes = any(flow.stream for flow in accelerator.engine.dataflows)
    if passes and any(level.per == "pe" for level in accelerator.memories):
        names = ", ".join(level.name for level in accelerator.memories if level.per == "pe")
        found.append(f"{names}: registers in systolic PEs are part of the PE's own cost and are not counted again")
    return found


def figure_warnings(trace: Trace, accelerator: Accelerator) -> list[str]:
    """Warnings for floats and looked-up values on PEs whose stated area and energy are those of integers."""
    if not accelerator.integer_figures:
        return []
    formats = {op.operand(name).format for op in trace.ops if isinstance(op, Op) for name in ("weights", "inputs")}
    found = []
    for kind, what in ((ArithmeticKind.FLOAT, "take a larger one"), (ArithmeticKind.LOOKUP, "need tables beside it")):
        names = sorted(one.name for one in formats if one is not None and one.arithmetic.kind is kind)
        if names:
            found.append(f"the figures stated for a PE are for integers: {', '.join(names)} would {what}")
    return found


def accumulator_warnings(trace: Trace, accumulator: Format) -> list[str]:
    """A warning for each pair of operand formats whose single products are wider than the accumulator.

    Integers multiply to the sum of their bits; floats are accumulated at least as precisely as they are.
    """
    found = []
    for op in trace.ops:
        if not isinstance(op, Op) or op.weights.format is None or op.inputs.format is None:
            continue
        pair = (op.weights.format, op.inputs.format)
        kinds = {fmt.arithmetic.kind for fmt in (*pair, accumulator)}
        integer = sum(fmt.arithmetic.integer_bits for fmt in pair)
        significand = max(fmt.arithmetic.significand_bits for fmt in pair)
        named = f"products of {pair[0].name} weights and {pair[1].name} inputs"
        start = f"quantization.accumulator {accumulator.name} is narrower than"
        if kinds == {ArithmeticKind.INTEGER} and accumulator.arithmetic.integer_bits < integer:
            found.append(f"{start} the {named} ({integer} bits)")
        elif kinds == {ArithmeticKind.FLOAT} and accumulator.arithmetic.significand_bits < significand:
            found.append(f"{start} the operands in {named} (significands of {significand} bits)")
    return found


def dense_warnings(trace: Trace, accelerator: Accelerator) -> list[str]:
    """A warning for each reason why zeros of stated patterns are computed and stored like any other value."""
    by_reason: dict[str, list[str]] = {}
    for op in trace.ops:
        if isinstance(op, Op) and (sparse := _sparse_operands(op)):
            rate = data_rate(op, accelerator.engine)
            unused = sparse - rate.exploited - _packed_outputs(op, accelerator.engine)
            if unused == sparse or (rate.why_dense and "weights" in unused):
                by_reason.setdefault(rate.why_dense, []).append(op.name)
    start = f"{'an' if accelerator.kind[0] in 'aeiou' else 'a'} {accelerator.kind} array"
    return [
        f"{start} {reason or 'does not exploit sparsity'}: {len(names)} ops, such as {names[0]}, are computed and "
        "stored dense"
        for reason, names in by_reason.items()
    ]


def _packed_outputs(op: Op, engine: Engine) -> frozenset[str]:
    packed = stored_bits(op, "outputs", engine) < element_bits(op.outputs.format)
    return frozenset({"outputs"} if packed else ())


def _sparse_operands(op: Op) -> frozenset[str]:
    found = ((name, op.operand(name).sparsity) for name in OPERANDS)
    return frozenset(name for name, text in found if text is not None and parse_sparsity(text).density < 1)


def _data_estimates(trace: Trace, accelerator: Accelerator) -> list[str]:
    """What the engine assumed of the ops' data."""
    rates = [data_rate(op, accelerator.engine) for op in trace.ops if isinstance(op, Op) and op.weights.format]
    return [estimate for rate in rates for estimate in rate.estimates]


def _estimates(accelerator: Accelerator, units: list[UnitCost]) -> tuple[str, ...]:
    found = [*accelerator.estimates, *accelerator.vector.estimates]
    for level in accelerator.memories:
        found += level.estimates
    for unit in units:
        found += unit.estimates
    return tuple(dict.fromkeys(found))

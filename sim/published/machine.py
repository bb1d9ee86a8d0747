"""What the published simulators take from a design: an array of output channels by tokens, its buffers, its DRAM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import SpatialAxis
from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.spatial import SpatialEngine
from archsim.arch.formats import Format
from archsim.arch.memory import MemoryLevel
from archsim.core.errors import InputError, Problem
from archsim.sim.records import OpCost
from archsim.workloads.op import AnyOp, Op, OperandName

PJ = 1e-12
CHANNELS, TOKENS = {"columns", "n", "k"}, {"rows", "m"}
"""Loops of output channels and of tokens, by which the two axes of an array are told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelArray:
    """Output channels down, tokens across, `lanes` products of the reduction in a PE."""

    rows: int
    columns: int
    lanes: int
    serial: bool
    """PEs take the weights' terms one after the other."""

    @property
    def units(self) -> int:
        return self.rows * self.columns


def channel_array(accelerator: Accelerator, convention: str) -> ChannelArray:
    """The array of an output-stationary design. Raises InputError for any other."""
    engine = accelerator.engine
    if accelerator.cores == 1 and engine.arrays == 1:
        match engine:
            case SerialEngine():
                return ChannelArray(rows=engine.rows, columns=engine.columns, lanes=engine.unit.lanes, serial=True)
            case SpatialEngine(axes=(first, second)):
                sizes = {_side(axis): axis.size for axis in (first, second)}
                if sizes.keys() == {"channels", "tokens"}:
                    lanes = engine.unit.lanes
                    return ChannelArray(rows=sizes["channels"], columns=sizes["tokens"], lanes=lanes, serial=False)
            case _:
                pass
    message = f"'{convention}' counts one array of output channels by tokens that holds its results"
    hint = "a catalog entry such as bitmod-28nm, or kind 'spatial' with one axis of 'columns' and one of 'rows'"
    raise InputError(Problem(key="simulation.convention", message=message, hint=hint))


def _side(axis: SpatialAxis) -> str:
    dims = set(axis.gemm_dims)
    return "channels" if dims <= CHANNELS else "tokens" if dims <= TOKENS else ""


def buffer_of(accelerator: Accelerator, operand: OperandName, role: str, convention: str) -> MemoryLevel:
    """The outermost on-chip level of an operand. Raises InputError when there is none."""
    found = next((m for m in accelerator.memories if not m.off_chip and m.serves(operand, role)), None)
    if found is None:
        message = f"'{convention}' needs an on-chip memory for {operand}"
        raise InputError(Problem(key="simulation.convention", message=message))
    return found


def dram_of(accelerator: Accelerator, convention: str) -> MemoryLevel:
    """The off-chip memory. Raises InputError when there is none."""
    found = next((m for m in accelerator.memories if m.off_chip), None)
    if found is None:
        message = f"'{convention}' needs an off-chip memory"
        raise InputError(Problem(key="simulation.convention", message=message))
    return found


def stored_bits(fmt: Format | None) -> float:
    """Stored bits of an element; a format must have been assigned."""
    if fmt is None:
        raise ValueError("an operand has no format: apply a quantization policy first")
    return float(fmt.bits_per_element)


def op_cost(
    op: AnyOp,
    accelerator: Accelerator,
    *,
    compute: int = 0,
    total: int = 0,
    memory: MemoryLevel | None = None,
    energy_pj: Mapping[str, float] | None = None,
    dram_bytes: float = 0.0,
) -> OpCost:
    """A record of what a simulator counts for an op; what it does not count is 0."""
    given = energy_pj or {}
    names = ("mac", *(level.name for level in accelerator.memories), "vector", *given)
    energy = dict.fromkeys(names, 0.0) | {name: value * PJ for name, value in given.items()}
    weights, inputs = (op.weights.format, op.inputs.format) if isinstance(op, Op) else (None, None)
    peak = 0.0
    if weights is not None and inputs is not None:
        rate = accelerator.engine.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic)
        peak = accelerator.units * rate
    waits = memory.name if memory is not None and total > compute else "compute"
    return OpCost(
        cycles=total,
        compute_cycles=compute,
        stall_cycles=total - compute,
        latency_s=total / accelerator.clock_hz,
        energy_j=energy,
        macs=op.macs,
        utilization=op.macs / (peak * total) if peak and total else None,
        compute_utilization=op.macs / (peak * compute) if peak and compute else None,
        mapping_utilization=op.macs / (peak * compute) if peak and compute else None,
        bound=waits if isinstance(op, Op) else "vector",
        dram_bytes=dram_bytes,
    )

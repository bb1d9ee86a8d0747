"""Costs of products under their best mappings, found once for all points that share what decides them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.memory import MemoryLevel
from archsim.core.errors import InfeasibleError
from archsim.explore.design_parts import Resolved
from archsim.explore.lru import Recent
from archsim.explore.reasons import reason_of
from archsim.explore.trace_table import UnsuitableError
from archsim.mappers.search import best_mapping
from archsim.mappers.settings import MapperSettings
from archsim.mappers.unmet import unmet
from archsim.sim.batch_kernels import CYCLES, DRAM, ENERGY, FLAGS, HAS_DECODER, HAS_NETWORK, LATENCY, MAC
from archsim.sim.infeasible import check_off_chip, no_tile
from archsim.sim.kernels import Floats
from archsim.sim.records import OpCost, Room
from archsim.sim.room import best_beside
from archsim.workloads.op import Op, VectorOp

MOST_KEPT = 200_000
"""Costs kept: about 300 bytes each."""
MOST_REFUSALS = 4096
LARGEST_EXACT = 2.0**53

Row = Floats | None
"""A row as of `sim.batch_kernels`; None where nothing fits."""
Kept = tuple[Floats, Room | None]
"""A row, and what its mapping leaves to other tensors."""
RESIDENT = (frozenset[str](), frozenset({"inputs"}), frozenset({"outputs"}), frozenset({"inputs", "outputs"}))
"""Operands on chip by the code of a variant."""


class OpCosts:
    """Rows of costs by machine, op and placement."""

    def __init__(self) -> None:
        self._kept: Recent[Kept | None] = Recent(MOST_KEPT)
        self._refusals: Recent[str] = Recent(MOST_REFUSALS)
        self.searches = 0
        """How many mappings were searched for."""

    def row(
        self, machine: Hashable, point: Resolved, accelerator: Accelerator, op: Op, number: int, code: int, bits: float
    ) -> Row:
        """The cost of an op with its best mapping. `machine` and the op's `number` stand for all that decides it."""

        def found(reserved_bits: float) -> Kept | None:
            key = (machine, number, code, reserved_bits)
            return self._kept.get(key, lambda: self._searched(point, accelerator, op, code, reserved_bits))

        kept = best_beside(found, _room, bits)
        return None if kept is None else kept[0]

    def _searched(self, point: Resolved, accelerator: Accelerator, op: Op, code: int, bits: float) -> Kept | None:
        self.searches += 1
        cost = best_mapping(
            op,
            accelerator,
            point.mapper.settings,
            point.simulation.counting,
            point.quantization.accumulator,
            resident=RESIDENT[code],
            reserved_bits=bits,
            details=False,
        )
        return None if cost is None else (cost_row(cost, accelerator), cost.room)

    def refusal(self, point: Resolved, accelerator: Accelerator, op: Op, number: int) -> str:
        """Why an op has no mapping. Only what decides how tiles fit matters; neither bandwidths nor energies do."""
        key = (
            op.name,
            number,
            point.array.number,
            point.mapper.number,
            point.simulation.number,
            point.quantization.accumulator.name,
            accelerator.cores,
            *[
                (level.capacity_bits, level.per, level.instances, level.off_chip, level.double_buffer, level.bypass,
                 level.read_word_bits)
                for level in accelerator.memories
            ],
        )  # fmt: skip

        def fits(memories: tuple[MemoryLevel, ...]) -> bool:
            chip = replace(accelerator, memories=memories)
            settings, counting = point.mapper.settings, point.simulation.counting
            return best_mapping(op, chip, settings, counting, point.quantization.accumulator) is not None

        def has(settings: MapperSettings) -> bool:
            counting, accumulator = point.simulation.counting, point.quantization.accumulator
            return best_mapping(op, accelerator, settings, counting, accumulator) is not None

        def reason() -> str:
            return reason_of(unmet(op, point.mapper.settings, has) or no_tile(op, accelerator, fits))

        return self._refusals.get(key, reason)


def _room(kept: Kept) -> Room | None:
    return kept[1]


def too_large(op: Op | VectorOp, accelerator: Accelerator) -> str:
    """Why an op's tensors do not fit the outermost memory."""
    try:
        check_off_chip(op, accelerator)
    except InfeasibleError as error:
        return reason_of(error)
    raise UnsuitableError


def machine_key(point: Resolved) -> Hashable:
    """What decides the cost of products: everything but the vector unit and what the ops themselves say."""
    return (
        point.array.number,
        point.chip.number,
        point.mapper.number,
        point.simulation.number,
        point.quantization.accumulator.name,
        *[state.number for state in point.memories],
    )


def cost_row(cost: OpCost, accelerator: Accelerator) -> Floats:
    """A cost as a row. Raises UnsuitableError for one that a row cannot say."""
    energy, names = cost.energy_j, component_names(accelerator.memories)
    if not energy.keys() <= set(names) or cost.cycles > LARGEST_EXACT:
        raise UnsuitableError
    row = np.zeros(MAC + len(names))
    row[CYCLES], row[LATENCY], row[ENERGY], row[DRAM] = (
        cost.cycles,
        cost.latency_s,
        cost.total_energy_j,
        cost.dram_bytes,
    )
    row[FLAGS] = HAS_NETWORK * ("network" in energy) + HAS_DECODER * ("decoder" in energy)
    row[MAC:] = [energy.get(name, 0.0) for name in names]
    return row


def component_names(memories: Sequence[MemoryLevel]) -> tuple[str, ...]:
    """Components of energy in the order of a row's columns."""
    return ("mac", *[level.name for level in memories], "vector", "network", "leakage", "idle", "decoder")

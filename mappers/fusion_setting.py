"""Where a chain would run: the levels that keep its tensors, and what of its surroundings is there too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.arch.memory import MemoryLevel
from archsim.mappers.chains import Chain
from archsim.mappers.settings import MapperSettings
from archsim.sim.conventions import Counting
from archsim.sim.cost import PJ, Costing
from archsim.sim.fused import Machine
from archsim.sim.problem import build_problem, element_bits
from archsim.sim.schedule import CostOp, home_level
from archsim.sim.vector import IdleArray
from archsim.workloads.op import OPERANDS, Op, OperandName


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What every chain of a design shares. `cost_op` is the mapper's best cost of one tile."""

    accelerator_for: Callable[[str], Accelerator]
    """The accelerator in a phase of the workload."""
    counting: Counting
    accumulator: Format
    mapper: MapperSettings
    cost_op: CostOp
    array: IdleArray
    wide_results: bool = False
    """Room for what a product makes at the width of sums: for arrays whose sums go out before they are complete."""
    most_tilings: int = 24
    """Cuts of one chain whose tiles are mapped; the bound says how far from the best of all cuts it stopped."""

    @property
    def sum_bits(self) -> float:
        """Width of a sum that is not complete."""
        return element_bits(self.accumulator)

    def held_bits(self, fmt: Format | None) -> float:
        """Width of a product's result while it is held."""
        own = element_bits(fmt)
        return max(own, self.sum_bits) if self.wide_results else own


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is on chip besides the chain: whether its input and its result are anyway, and the bits of all others."""

    input_stays: bool = False
    output_stays: bool = False
    taken_bits: float = 0.0


ALONE = Around()


@dataclass(frozen=True, slots=True, kw_only=True)
class Homes:
    """The outermost on-chip level of activations, that of weights, and the off-chip memory."""

    home: MemoryLevel
    weights: MemoryLevel
    far: MemoryLevel


def find_homes(chain: Chain, accelerator: Accelerator) -> Homes | str:
    """The levels a chain needs, or why the accelerator has them not."""
    far = [level for level in accelerator.memories if level.off_chip]
    if len(far) != 1:
        return "nothing lies off chip" if not far else "more than one memory lies off chip"
    home = home_level(accelerator)
    if home is None:
        return "no level of the chip takes both inputs and outputs"
    products = (*chain.firsts, chain.last)
    for op in products:
        for name in OPERANDS:
            if not far[0].serves(name, op.operand(name).role.value):
                return f"{far[0].name} does not hold {name}"
        for name in ("inputs", "outputs"):
            if _outermost(accelerator, op, name) is not home:
                return f"{home.name} does not hold the {name} of {op.name}"
    levels = {level.name: level for op in products if (level := _outermost(accelerator, op, "weights")) is not None}
    if len(levels) != 1 or any(_outermost(accelerator, op, "weights") is None for op in products):
        return "no one level of the chip holds the weights of all its products"
    (weights,) = levels.values()
    if weights.instances > 1:
        return f"{weights.name} has {weights.instances} parts, none of which all of the array sees"
    return Homes(home=home, weights=weights, far=far[0])


def _outermost(accelerator: Accelerator, op: Op, name: OperandName) -> MemoryLevel | None:
    """The outermost on-chip level that serves an operand."""
    role = op.operand(name).role.value
    return next((level for level in accelerator.memories if not level.off_chip and level.serves(name, role)), None)


def double_buffers(level: MemoryLevel, counting: Counting) -> bool:
    """Whether room for a second tile is kept."""
    return counting.reserve == "all" or (counting.reserve == "design" and level.double_buffer)


def machine_of(chain: Chain, accelerator: Accelerator, homes: Homes, setting: Setting) -> Machine:
    """What costs of the chain's ops rest on."""
    op = chain.last
    problem = build_problem(op, accelerator, accelerator.engine.dataflows[0], setting.counting, setting.accumulator)
    costing = Costing.of(accelerator, problem, setting.accumulator, setting.counting)
    return Machine(
        accelerator=accelerator,
        counting=setting.counting,
        far=homes.far,
        peak_macs_per_cycle=problem.peak_macs_per_cycle,
        leakage_w=costing.leakage_w,
        array_cycle_pj=costing.array_cycle_pj,
        idle_pj_per_mac=accelerator.idle_energy_fraction * costing.unit.energy_pj,
        idle=setting.array,
        partial_bits=setting.sum_bits,
    )


def least_energy(chain: Chain, accelerator: Accelerator, setting: Setting) -> tuple[list[float], float]:
    """(pJ of the MACs of each product, pJ in every cycle at least: leakage of memories and PEs)."""
    macs_pj, leakages_w = [], [setting.array.leakage_w + _memories_w(accelerator)]
    for op in (*chain.firsts, chain.last):
        problem = build_problem(op, accelerator, accelerator.engine.dataflows[0], setting.counting, setting.accumulator)
        costing = Costing.of(accelerator, problem, setting.accumulator, setting.counting)
        macs_pj.append(costing.mac_pj(op.macs))
        leakages_w.append(costing.leakage_w)
    return macs_pj, min(leakages_w) / PJ / accelerator.clock_hz


def _memories_w(accelerator: Accelerator) -> float:
    return sum(level.leakage_w * level.instances for level in accelerator.memories)

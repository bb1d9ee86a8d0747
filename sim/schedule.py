"""The schedule of a trace: ops one after the other, activations kept on chip between them where they fit.

Placement is greedy in program order. A tensor may stay in the outermost on-chip level that serves both inputs and
outputs, from the op that makes it to the last that reads it; it does when every op on the way still has a mapping and
the objective over those ops improves. What an op takes as its weights (keys and values) is always written and read.
Equal ops under equal placement are costed once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

from archsim.arch.accelerator import Accelerator
from archsim.arch.memory import MemoryLevel
from archsim.core.errors import InfeasibleError, InputError, Problem
from archsim.sim.conventions import Counting
from archsim.sim.infeasible import Fits, check_off_chip, no_tile
from archsim.sim.problem import element_bits
from archsim.sim.records import OpCost
from archsim.sim.room import best_beside, room_left
from archsim.sim.vector import IdleArray, vector_cost
from archsim.workloads.layers import layer_name
from archsim.workloads.op import AnyOp, Op, Role, Transfer, VectorOp
from archsim.workloads.trace import Trace

CostOp = Callable[[Op, frozenset[str], float], OpCost | None]
"""(op, operands resident on chip, bits of that level taken by other tensors) -> best cost, None when nothing fits."""


ENDS = ("inputs", "outputs")
"""An activation is the output of one op and an input of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpPlacement:
    """What of one op stays on chip: which operands, the share of a vector op's reads, and what else is held."""

    inputs: tuple[bool, ...] = ()
    """For each op it reads from: whether that output is on chip."""
    outputs: bool = False
    reserved_bits: float = 0.0

    def operands(self, op: Op) -> frozenset[str]:
        """Resident operands of a product: its `inputs` come from the first op it reads, with parameters from all."""
        sources = self.inputs if op.weights.role is Role.PARAMETER else self.inputs[:1]
        names = (("inputs", bool(sources) and all(sources)), ("outputs", self.outputs))
        return frozenset(name for name, resident in names if resident)

    @property
    def input_fraction(self) -> float:
        return sum(self.inputs) / len(self.inputs) if self.inputs else 0.0


@dataclass(slots=True)
class Scheduler:
    """Costs ops under placements, remembering what it has costed."""

    accelerator: Accelerator
    counting: Counting
    cost_op: CostOp
    phases: frozenset[str] = frozenset()
    """Phases in which the hardware is set up differently: their ops are costed apart."""
    array: IdleArray = field(default_factory=IdleArray)
    """What the PEs take during vector operations."""
    fits: Callable[[Op, tuple[MemoryLevel, ...]], bool] | None = None
    """Whether an op has a mapping with other memories; asked only to explain why it has none."""
    unmet: Callable[[Op], InfeasibleError | None] | None = None
    """The error of an op whose mappings, though the memories would hold one, all lack something else asked for."""
    memo: dict[Hashable, OpCost | None] = field(default_factory=dict)
    numbers: dict[Hashable, int] = field(default_factory=dict)
    """A number for each group of ops that cost the same."""
    numbered: dict[int, tuple[AnyOp, int]] = field(default_factory=dict)
    """The ops that were met, by identity, with their number."""

    def number(self, op: AnyOp) -> int:
        """The number of the ops that cost what `op` costs."""
        known = self.numbered.get(id(op))
        if known is not None:
            return known[1]
        key = (signature(op), op.phase if op.phase in self.phases else "")
        number = self.numbers.setdefault(key, len(self.numbers))
        self.numbered[id(op)] = (op, number)
        return number

    def cost(self, op: AnyOp, placement: OpPlacement) -> OpCost | None:
        """Cost of one occurrence; None when no mapping fits beside what the placement holds."""
        if isinstance(op, Transfer):
            raise InputError(Problem(message=f"op {op.name!r} transfers over link {op.link!r}: no links are defined"))
        key = (self.number(op), placement.inputs, placement.outputs, placement.reserved_bits)
        if key not in self.memo:
            self.memo[key] = self._cost(op, placement)
        return self.memo[key]

    def fits_with(self, op: Op) -> Fits | None:
        """`fits` for one op."""
        fits = self.fits
        return None if fits is None else lambda memories: fits(op, memories)

    def _cost(self, op: Op | VectorOp, placement: OpPlacement) -> OpCost | None:
        if isinstance(op, VectorOp):
            return vector_cost(
                op,
                self.accelerator,
                self.counting,
                resident_inputs=placement.input_fraction,
                resident_outputs=placement.outputs,
                array=self.array,
            )
        number, resident = self.number(op), placement.operands(op)

        def found(reserved_bits: float) -> OpCost | None:
            key = ("product", number, resident, reserved_bits)
            if key not in self.memo:
                self.memo[key] = self.cost_op(op, resident, reserved_bits)
            return self.memo[key]

        return best_beside(found, room_left, placement.reserved_bits)


def signature(op: AnyOp) -> Hashable:
    """What decides an op's cost, and no more: equal signatures cost the same."""
    match op:
        case Op():
            operands = ((o.axes, o.role, o.format, o.sparsity) for o in (op.inputs, op.weights, op.outputs))
            counted = () if op.stats is None else (op.stats, layer_name(op.name))
            return (op.kind, tuple(op.loops.items()), *operands, *counted)
        case VectorOp():
            each = (op.reads_per_element, op.operations_per_element, op.writes_per_element)
            return (op.kind, op.elements, *each, op.format, op.input_format, op.role)
        case Transfer():
            return replace(op, name="", count=1, after=None, phase="forward")


def place(
    trace: Trace, scheduler: Scheduler, additive: Callable[[OpCost, float, float], float]
) -> tuple[list[OpPlacement], list[OpCost]]:
    """Placement and cost of every op. `additive(cost, total_latency, total_energy)` is what placement minimises."""
    producers, consumers = dependencies(trace)
    placements = [OpPlacement(inputs=(False,) * len(sources)) for sources in producers]
    known: dict[tuple[int, int], OpCost] = {}
    costs = [_must(scheduler, op, placement, known) for op, placement in zip(trace.ops, placements, strict=True)]
    home = home_level(scheduler.accelerator)
    if home is None or scheduler.counting.tiling == "whole-layer":
        return placements, costs
    latency = sum(cost.latency_s * op.count for op, cost in zip(trace.ops, costs, strict=True))
    energy = sum(cost.total_energy_j * op.count for op, cost in zip(trace.ops, costs, strict=True))

    def value(i: int, cost: OpCost) -> float:
        return additive(cost, latency, energy) * trace.ops[i].count

    for i, readers in enumerate(consumers):
        bits = output_bits(trace.ops[i])
        if (
            not readers
            or bits > home.capacity_bits
            or any(_reads_as_weights(trace.ops[j], producers[j], i) for j in readers)
        ):
            continue
        changed = _with_resident(placements, producers, i, readers, bits)
        trial = {j: scheduler.cost(trace.ops[j], placement) for j, placement in changed.items()}
        if any(cost is None for cost in trial.values()):
            continue
        found = {j: cost for j, cost in trial.items() if cost is not None}
        if sum(value(j, cost) for j, cost in found.items()) < sum(value(j, costs[j]) for j in found):
            for j, cost in found.items():
                placements[j], costs[j] = changed[j], cost
    return placements, costs


def _reads_as_weights(reader: AnyOp, sources: tuple[int, ...], i: int) -> bool:
    """Whether the reader takes op i's result as its weights: keys and values go through the cache, off chip."""
    return isinstance(reader, Op) and reader.weights.role is not Role.PARAMETER and i in sources[1:]


def _must(scheduler: Scheduler, op: AnyOp, placement: OpPlacement, known: dict[tuple[int, int], OpCost]) -> OpCost:
    """Cost of an op that keeps nothing on chip; `known` are those of others, by number and number of sources."""
    key = (scheduler.number(op), len(placement.inputs))
    if key not in known:
        known[key] = _costed(scheduler, op, placement)
    return known[key]


def _costed(scheduler: Scheduler, op: AnyOp, placement: OpPlacement) -> OpCost:
    if not isinstance(op, Transfer) and scheduler.counting.tiling != "whole-layer":
        check_off_chip(op, scheduler.accelerator)
    cost = scheduler.cost(op, placement)
    if cost is not None:
        return cost
    assert isinstance(op, Op)  # a vector op needs no tile
    unmet = None if scheduler.unmet is None else scheduler.unmet(op)
    raise unmet or no_tile(op, scheduler.accelerator, scheduler.fits_with(op))


def _with_resident(
    placements: list[OpPlacement], producers: list[tuple[int, ...]], i: int, readers: tuple[int, ...], bits: float
) -> dict[int, OpPlacement]:
    """The placements that change when op i's output stays on chip until its last reader."""
    changed = {i: replace(placements[i], outputs=True)}
    for j in range(i + 1, max(readers) + 1):
        placement = placements[j]
        if j in readers:
            inputs = tuple(
                resident or source == i for resident, source in zip(placement.inputs, producers[j], strict=True)
            )
            placement = OpPlacement(inputs=inputs, outputs=placement.outputs, reserved_bits=placement.reserved_bits)
            beside = bool(producers[j]) and producers[j][0] != i
        else:
            beside = True
        if beside:
            placement = OpPlacement(
                inputs=placement.inputs, outputs=placement.outputs, reserved_bits=placement.reserved_bits + bits
            )
        changed[j] = placement
    return changed


def dependencies(trace: Trace) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """For each op the ops it reads from and the later ops that read it, by index."""
    index: dict[str, int] = {}
    producers: list[tuple[int, ...]] = []
    for i, op in enumerate(trace.ops):
        if op.after is None:
            producers.append((i - 1,) if i else ())
        else:
            producers.append(tuple(index[name] for name in op.after if name in index))
        index[op.name] = i
    readers: list[list[int]] = [[] for _ in trace.ops]
    for i, sources in enumerate(producers):
        for source in dict.fromkeys(sources):
            readers[source].append(i)
    return producers, [tuple(found) for found in readers]


def home_level(accelerator: Accelerator) -> MemoryLevel | None:
    """The on-chip level where activations can stay: the outermost that serves inputs and outputs, one per chip."""
    on_chip = [level for level in accelerator.memories if not level.off_chip]
    first = [next((level for level in on_chip if level.serves(name, "activation")), None) for name in ENDS]
    home = first[0]
    return home if home is not None and home is first[1] and home.per == "chip" else None


def output_bits(op: AnyOp) -> float:
    """Stored bits of an op's result."""
    match op:
        case Op():
            return op.elements("outputs") * element_bits(op.outputs.format)
        case VectorOp():
            return op.elements * op.writes_per_element * element_bits(op.format)
        case Transfer():
            return op.bytes * 8.0

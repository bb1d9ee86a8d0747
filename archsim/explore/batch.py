"""Many points at once: what they share is read, searched and built once, and the rest runs over arrays.

Results equal those of `archsim.evaluate` to the bit.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archsim.api.overrides import Override
from archsim.api.work import Pairs, expanded, format_pairs, refused_pairs
from archsim.arch.accelerator import VectorUnit
from archsim.arch.memory import MemoryLevel
from archsim.core.errors import ArchsimError
from archsim.core.toml import TomlDocument
from archsim.explore.design_parts import Resolved, UnreadableError
from archsim.explore.lru import Recent
from archsim.explore.machines import Fitting, Machine, Machines, with_vector
from archsim.explore.op_costs import OpCosts, component_names, machine_key, too_large
from archsim.explore.points import PointReader, Values
from archsim.explore.trace_table import TraceTable, UnsuitableError
from archsim.reports.values import known_sum, ratio
from archsim.sim import batch_kernels as kernels
from archsim.sim.batch_kernels import Chips, Goal, Progress, Wanted
from archsim.sim.kernels import Floats, Ints
from archsim.sim.totals import area_mm2
from archsim.workloads.op import Op
from archsim.workloads.trace import Trace

MOST_TRACES = 128
MOST_PAIRS = 4096
MOST_WANTED = 64
TOGETHER = 128
"""Points whose arrays are held at once."""
GOALS = {
    "latency": kernels.LATENCY_GOAL,
    "energy": kernels.ENERGY_GOAL,
    "edp": kernels.EDP_GOAL,
    "weighted": kernels.WEIGHTED_GOAL,
}
COMPENSATED = sys.version_info >= (3, 12)
"""Whether Python's `sum` compensates what it rounds."""
REFUSED = (
    ArchsimError,
    UnreadableError,
    UnsuitableError,
    ArithmeticError,
    AssertionError,
    LookupError,
    TypeError,
    ValueError,
)
"""What sends a point the plain way, which says why in its own words."""

Totals = dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One point: its resolved design as text, the files that it names, and its totals or why it has none."""

    text: str
    files: tuple[tuple[str, str], ...]
    values: Totals
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A point on the way."""

    place: int
    point: Resolved
    machine: Machine
    fitting: Fitting
    vector: VectorUnit
    key: Hashable


class BatchEvaluator:
    """Evaluates points of one design with one workload."""

    def __init__(
        self,
        document: TomlDocument,
        path: Path | None,
        overrides: Sequence[Override],
        digest: Callable[[object], tuple[tuple[str, str], ...]],
    ) -> None:
        self._reader = PointReader(document, path, overrides, digest)
        self._machines = Machines()
        self.costs = OpCosts()
        self._signatures: Recent[int] = Recent(20_000)
        self._numbers = 0
        self._traces: Recent[Trace] = Recent(8)
        self._pairs: Recent[Pairs] = Recent(MOST_PAIRS)
        self._refused: Recent[Pairs] = Recent(MOST_PAIRS)
        self._tables: Recent[TraceTable] = Recent(MOST_TRACES)

    def rows(self, points: Sequence[Values]) -> list[Row | None]:
        """A row for each point, in their order; None for one that only the plain way evaluates or refuses."""
        found: list[Row | None] = [None] * len(points)
        groups: dict[Hashable, list[_Item]] = {}
        for place, values in enumerate(points):
            try:
                item = self._item(place, values)
            except REFUSED:
                continue
            point, table = item.point, item.fitting.table
            key = (table.number, point.frame.number, point.mapper.number, point.simulation.number)
            groups.setdefault(key, []).append(item)
        for items in groups.values():
            for start in range(0, len(items), TOGETHER):
                self._evaluate(items[start : start + TOGETHER], found)
        return found

    def _item(self, place: int, values: Values) -> _Item:
        point = self._reader.read(values)
        machine = self._machines.machine(point)
        table = self._table(point, machine, values)
        return _Item(
            place=place,
            point=point,
            machine=machine,
            fitting=self._machines.fitting(point, machine, table),
            vector=self._machines.vector(point),
            key=machine_key(point),
        )

    def _table(self, point: Resolved, machine: Machine, values: Values) -> TraceTable:
        """The trace of a point, with what its engine must have expanded first."""
        stated = (point.workload.number, point.quantization.number, point.sparsity.number)
        engine = machine.accelerator.engine

        def trace() -> Trace:
            return self._traces.get(stated, lambda: point.frame.trace(point, self._reader.overrides(values)))

        pairs = self._pairs.get(stated, lambda: format_pairs(trace()))
        refused = self._refused.get(
            (point.array.number, point.chip.number, *stated), lambda: refused_pairs(pairs, engine)
        )

        def make() -> TraceTable:
            self._numbers += 1
            return TraceTable(expanded(trace(), engine), self._numbers, self._signature, point.array.phases)

        return self._tables.get((stated, refused, point.array.phases), make)

    def _signature(self, key: Hashable) -> int:
        def count() -> int:
            self._numbers += 1
            return self._numbers

        return self._signatures.get(key, count)

    def _evaluate(self, items: list[_Item], found: list[Row | None]) -> None:
        """Points of one trace and one set of options, through the placement of their ops, into `found`."""
        batch = _Batch(items)
        active = []
        for p, item in enumerate(items):
            try:
                reason = self._begin(batch, p, item)
            except REFUSED:
                continue
            if reason is None:
                active.append(p)
            else:
                found[item.place] = _row(item, {}, reason)
        while active:
            batch.place(active)
            waiting = []
            for p in active:
                if batch.progress.step[p] == kernels.DONE:
                    found[items[p].place] = _row(items[p], _values(items[p], batch, p))
                    continue
                try:
                    self._serve(batch, p, items[p])
                except REFUSED:
                    continue
                waiting.append(p)
            active = waiting

    def _begin(self, batch: _Batch, p: int, item: _Item) -> str | None:
        """The costs of all products with everything off chip; why there is none where one has none."""
        accelerator, table = item.machine.accelerator, item.fitting.table
        outermost = accelerator.memories[0]
        limited = batch.goal.places and outermost.off_chip
        sizes = table.footprints(outermost) if limited else ()
        for c, op in enumerate(table.classes):
            if limited and sizes[c] > outermost.capacity_bits:
                return too_large(op, accelerator)
            if isinstance(op, Op) and not self._cost(batch, p, item, (c, 0, 0.0)):
                set_up = item.machine.accelerator_for(op.phase)
                return self.costs.refusal(item.point, set_up, op, table.signatures[c])
        return None

    def _serve(self, batch: _Batch, p: int, item: _Item) -> None:
        """The costs that a point waits for."""
        wanted = batch.wanted
        for w in range(wanted.number[p]):
            variant = (int(wanted.op_class[p, w]), int(wanted.code[p, w]), float(wanted.share[p, w]))
            self._cost(batch, p, item, variant)

    def _cost(self, batch: _Batch, p: int, item: _Item, variant: tuple[int, int, float]) -> bool:
        """Make one variant's cost known; False where nothing fits."""
        table = item.fitting.table
        number = table.variant(variant)
        batch.reach(table.count)
        op = table.classes[variant[0]]
        if not isinstance(op, Op):
            return True
        accelerator = item.machine.accelerator_for(op.phase)
        row = self.costs.row(
            item.key, item.point, accelerator, op, table.signatures[variant[0]], variant[1], variant[2]
        )
        batch.known[p, number] = kernels.INFEASIBLE if row is None else kernels.FEASIBLE
        if row is not None:
            batch.rows[p, number] = row
        return row is not None


class _Batch:
    """The arrays of points of one trace and one set of options."""

    def __init__(self, items: list[_Item]) -> None:
        first, points = items[0], len(items)
        self.table = first.fitting.table
        levels = len(first.machine.accelerator.memories)
        columns = kernels.MAC + levels + kernels.N_OTHERS
        n, variants = len(self.table.work.op_class), len(self.table.variants.code)
        self.chips = _chips(items)
        self.goal = _goal(first.point)
        self.known: Ints = np.zeros((points, variants), np.int64)
        self.rows: Floats = np.zeros((points, variants, columns))
        self.progress = Progress(
            step=np.full(points, kernels.START, np.int64),
            mask=np.zeros((points, n), np.int64),
            kept=np.zeros((points, n), np.bool_),
            taken=np.zeros((points, n)),
            variant=np.zeros((points, n), np.int64),
            cycles=np.zeros(points, np.int64),
            sums=np.zeros((points, kernels.COMPONENTS + levels + kernels.N_OTHERS)),
        )
        self.wanted = Wanted(
            number=np.zeros(points, np.int64),
            op_class=np.zeros((points, MOST_WANTED), np.int64),
            code=np.zeros((points, MOST_WANTED), np.int64),
            share=np.zeros((points, MOST_WANTED)),
        )

    def reach(self, variants: int) -> None:
        """Make room for as many variants."""
        room = self.known.shape[1]
        if variants > room:
            points, _, columns = self.rows.shape
            self.known = np.concatenate([self.known, np.zeros((points, room), np.int64)], axis=1)
            self.rows = np.concatenate([self.rows, np.zeros((points, room, columns))], axis=1)

    def place(self, active: list[int]) -> None:
        """Place the ops of points as far as costs are known."""
        designs = np.array(active, np.int64)
        kernels.place(
            designs, self.table.work, self.table.variants, self.chips, self.known, self.rows, self.progress,
            self.wanted, self.goal,
        )  # fmt: skip


def _chips(items: list[_Item]) -> Chips:
    kinds = items[0].fitting.table.vector_kinds
    numbers = [
        (
            item.machine.accelerator.clock_hz,
            item.vector.energy_pj,
            item.machine.memories_w,
            item.fitting.array_w,
            item.fitting.idle_pj,
            item.machine.home_bits,
        )
        for item in items
    ]
    lanes = [
        [item.vector.operations_per_cycle(kind) * item.point.chip.options.cores for kind in kinds] for item in items
    ]
    return Chips(
        levels=np.array([item.machine.levels for item in items]),
        numbers=np.array(numbers, np.float64),
        lanes=np.array(lanes, np.float64).reshape(len(items), len(kinds)),
        far=np.array([item.machine.far for item in items], np.int64),
        near=np.array([item.machine.near for item in items], np.int64),
        peak=np.array([item.fitting.peak for item in items]),
    )


def _goal(point: Resolved) -> Goal:
    settings, counting = point.mapper.settings, point.simulation.counting
    return Goal(
        objective=GOALS[settings.objective],
        latency=float(settings.exponents[0]),
        energy=float(settings.exponents[1]),
        compensated=COMPENSATED,
        stalls=bool(counting.memory_stalls),
        places=counting.tiling != "whole-layer",
    )


def _row(item: _Item, values: Totals, reason: str | None = None) -> Row:
    point = item.point
    states = (point.array, point.chip, point.vector, point.workload, point.quantization, point.sparsity, point.mapper)
    files = {file for state in (*states, point.simulation, *point.memories) for file in state.files}
    return Row(
        text=point.frame.text(point),
        files=tuple(sorted(files)) if files else (),
        values=values,
        reason=reason,
    )


def _values(item: _Item, batch: _Batch, p: int) -> Totals:
    """The totals of a point, as `sim.totals` and `reports.document` make them from the sums over its ops."""
    cycles, sums = int(batch.progress.cycles[p]), batch.progress.sums[p].tolist()
    table, accelerator = item.fitting.table, with_vector(item.machine.accelerator, item.vector)
    latency_s = cycles / accelerator.clock_hz
    energy = _energy(accelerator.memories, sums)
    area = area_mm2(accelerator, item.fitting.units)
    energy_j = known_sum(energy)
    power_w = ratio(energy_j, latency_s)
    tops = ratio(2 * table.macs / 1e12, latency_s)
    peak, prefill = sums[kernels.PEAK], sums[kernels.PREFILL_S]
    steps = table.decode_steps
    per_sequence = table.output_tokens if table.output_tokens and prefill else max(1, steps)
    values: Totals = {
        "latency_s": latency_s,
        "cycles": float(cycles),
        "energy_j": energy_j,
        "area_mm2": known_sum(area),
        "power_w": power_w,
        "edp_js": None if energy_j is None else energy_j * latency_s,
        "macs": float(table.macs),
        "utilization": table.macs / peak if table.macs and peak else None,
        "dram_bytes": sums[kernels.DRAM_BYTES],
        "peak_memory_bytes": table.peak_memory_bytes,
        "throughput_per_s": table.batch * per_sequence / latency_s if latency_s else None,
        "tops": tops,
        "tops_per_w": ratio(tops, power_w),
        "ttft_s": prefill or None,
        "tpot_s": sums[kernels.DECODE_S] / steps if steps else None,
        "accuracy": None,
    }
    values.update({f"energy_j.{name}": value for name, value in energy.items()})
    values.update({f"area_mm2.{name}": value for name, value in area.items()})
    for name, value in values.items():
        if value is not None and not math.isfinite(value):
            values[name] = None
    return values


def _energy(memories: Sequence[MemoryLevel], sums: list[float]) -> Totals:
    names = component_names(memories)
    energy: Totals = dict(zip(names, sums[kernels.COMPONENTS :], strict=True))
    present = int(sums[kernels.PRESENT])
    if not present & kernels.HAS_NETWORK:
        energy["network"] = None
    if not present & kernels.HAS_DECODER:
        del energy["decoder"]
    return energy

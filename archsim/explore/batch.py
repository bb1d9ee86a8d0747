"""Many points at once: what they share is read, searched and built once, and the rest runs over arrays.

Results equal those of `archsim.evaluate` to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np

from archsim.api.overrides import Override
from archsim.api.work import Pairs, expanded, format_pairs, refused_pairs
from archsim.core.errors import ArchsimError
from archsim.core.toml import TomlDocument
from archsim.explore.bases import Bases
from archsim.explore.batch_arrays import Batch, Item
from archsim.explore.batch_rows import Row, row_of, values_of
from archsim.explore.design_parts import Resolved, UnreadableError
from archsim.explore.kept import off_chip
from archsim.explore.kept_batch import Entry, KeptCosts, KeptPlan, kept_refusal, plan_of
from archsim.explore.lru import Recent
from archsim.explore.machines import Machine, Machines
from archsim.explore.op_costs import OpCosts, machine_key, too_large
from archsim.explore.points import PointReader, Values
from archsim.explore.trace_table import TraceTable, UnsuitableError
from archsim.sim import batch_kernels as kernels
from archsim.sim.kernels import Bools
from archsim.workloads.op import Op
from archsim.workloads.trace import Trace

MOST_TRACES = 128
MOST_TABLES = 512
"""150 KB each for a decoder of 32 layers, which takes 50 ms to make: more than all else about a point."""
MOST_PAIRS = 4096
MOST_POINTS = 1024
TOGETHER = 128
"""Points whose arrays are held at once."""
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


class BatchEvaluator:
    """Evaluates points of one design with one workload."""

    def __init__(
        self,
        document: TomlDocument,
        path: Path | None,
        overrides: Sequence[Override],
        digest: Callable[[object], tuple[tuple[str, str], ...]],
        bases: Bases | None = None,
    ) -> None:
        """With `bases`, points keep the mappings of those; else each op is mapped for each point."""
        self._reader = PointReader(document, path, overrides, digest)
        self._bases = bases
        self._plans: Recent[KeptPlan] = Recent(MOST_TRACES)
        self._kept_costs = KeptCosts()
        self._machines = Machines()
        self.costs = OpCosts()
        self._signatures: Recent[int] = Recent(20_000)
        self._numbers = 0
        self._traces: Recent[Trace] = Recent(8)
        self._pairs: Recent[Pairs] = Recent(MOST_PAIRS)
        self._refused: Recent[Pairs] = Recent(MOST_PAIRS)
        self._tables: Recent[TraceTable] = Recent(MOST_TABLES)

    def rows(self, points: Sequence[Values]) -> list[Row | None]:
        """A row for each point, in their order; None for one that only the plain way evaluates or refuses."""
        found: list[Row | None] = []
        for start in range(0, len(points), MOST_POINTS):
            found += self._rows(points[start : start + MOST_POINTS])
        return found

    def _rows(self, points: Sequence[Values]) -> list[Row | None]:
        found: list[Row | None] = [None] * len(points)
        groups: dict[Hashable, list[Item]] = {}
        for place, values in enumerate(points):
            try:
                item = self._item(place, values)
            except REFUSED:
                continue
            point, table = item.point, item.fitting.table
            key = (
                table.number,
                point.frame.number,
                point.mapper.number,
                point.simulation.number,
                item.plan and item.plan.number,
            )
            groups.setdefault(key, []).append(item)
        if self._bases is not None:
            self._evaluate_kept(list(groups.values()), found)
            return found
        for items in groups.values():
            for start in range(0, len(items), TOGETHER):
                self._evaluate(items[start : start + TOGETHER], found)
        return found

    def _item(self, place: int, values: Values) -> Item:
        point = self._reader.read(values)
        machine = self._machines.machine(point)
        table = self._table(point, machine, values)
        return Item(
            place=place,
            point=point,
            machine=machine,
            fitting=self._machines.fitting(point, machine, table),
            vector=self._machines.vector(point),
            key=machine_key(point),
            plan=None if self._bases is None else self._plan(self._bases, point, machine, table, values),
        )

    def _plan(self, bases: Bases, point: Resolved, machine: Machine, table: TraceTable, values: Values) -> KeptPlan:
        """How a trace runs with the mappings of its base. Raises UnsuitableError where rows of levels do not say it."""
        if machine.accelerator.engine.changes_levels:
            raise UnsuitableError
        stated = (point.workload.number, point.quantization.number, point.sparsity.number)

        def make() -> KeptPlan:
            raw = self._traces.get(stated, lambda: point.frame.trace(point, self._reader.overrides(values)))
            trace = expanded(raw, machine.accelerator.engine)
            self._numbers += 1
            return plan_of(self._numbers, table, trace, bases.kept(values, trace), self._signature)

        return self._plans.get((table.number, point.frame.number, *stated), make)

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

    def _evaluate(self, items: list[Item], found: list[Row | None]) -> None:
        """Points of one trace and one set of options, through the placement of their ops, into `found`."""
        batch = Batch(items)
        active = []
        for p, item in enumerate(items):
            try:
                reason = self._begin(batch, p, item)
            except REFUSED:
                continue
            if reason is None:
                active.append(p)
            else:
                found[item.place] = row_of(item, {}, reason)
        while active:
            batch.place(active)
            waiting = []
            for p in active:
                if batch.progress.step[p] == kernels.DONE:
                    found[items[p].place] = row_of(items[p], values_of(items[p], batch, p))
                    continue
                try:
                    self._serve(batch, p, items[p])
                except REFUSED:
                    continue
                waiting.append(p)
            active = waiting

    def _evaluate_kept(self, groups: Sequence[list[Item]], found: list[Row | None]) -> None:
        """Points that run with the mappings of their bases, into `found`; each group is one trace and one base."""
        batches = [Batch(items, _plan_of(items[0]).rows) for items in groups]
        possible = [np.ones(batch.known.shape, np.bool_) for batch in batches]
        shared: dict[Hashable, list[tuple[int, int, Entry]]] = {}
        for g, items in enumerate(groups):
            plan = _plan_of(items[0])
            for p, item in enumerate(items):
                alike = (item.point.frame.number, item.point.simulation.number, off_chip(item.machine.accelerator))
                for product in plan.products:
                    chip = item.machine.in_phase(product.op.phase)
                    entry = Entry(plan=plan.number, product=product, point=item.point, chip=chip)
                    shared.setdefault((*alike, product.shape_number), []).append((g, p, entry))
        for entries in shared.values():
            rows, fits = self._kept_costs.cost([entry for *_, entry in entries])
            for i, (g, p, entry) in enumerate(entries):
                batches[g].rows[p, entry.product.number] = rows[i]
                possible[g][p, entry.product.number] = fits[i]
        for items, batch, good in zip(groups, batches, possible, strict=True):
            self._run_kept(items, batch, good, found)

    def _run_kept(self, items: list[Item], batch: Batch, possible: Bools, found: list[Row | None]) -> None:
        """Points of one trace whose products are costed, into `found`."""
        plan = _plan_of(items[0])
        good = []
        for p, item in enumerate(items):
            reason = kept_refusal(plan, item.machine, possible[p], limited=batch.goal.places)
            if reason is None:
                good.append(p)
            else:
                found[item.place] = row_of(item, {}, reason)
        kernels.run(
            np.array(good, np.int64), plan.table.work, plan.variant, plan.vector, plan.variants, batch.chips,
            batch.rows, batch.progress, batch.goal,
        )  # fmt: skip
        for p in good:
            found[items[p].place] = row_of(items[p], values_of(items[p], batch, p))

    def _begin(self, batch: Batch, p: int, item: Item) -> str | None:
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

    def _serve(self, batch: Batch, p: int, item: Item) -> None:
        """The costs that a point waits for."""
        wanted = batch.wanted
        for w in range(wanted.number[p]):
            variant = (int(wanted.op_class[p, w]), int(wanted.code[p, w]), float(wanted.share[p, w]))
            self._cost(batch, p, item, variant)

    def _cost(self, batch: Batch, p: int, item: Item, variant: tuple[int, int, float]) -> bool:
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


def _plan_of(item: Item) -> KeptPlan:
    """How a point with fixed mappings runs."""
    assert item.plan is not None
    return item.plan

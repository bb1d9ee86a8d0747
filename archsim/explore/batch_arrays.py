"""The arrays of points that are evaluated together: one trace, one set of options, many machines."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from archsim.arch.accelerator import VectorUnit
from archsim.explore.design_parts import Resolved
from archsim.explore.kept_batch import KeptPlan
from archsim.explore.machines import Fitting, Machine
from archsim.sim import batch_kernels as kernels
from archsim.sim.batch_kernels import Chips, Goal, Progress, Wanted
from archsim.sim.kernels import Floats, Ints

MOST_WANTED = 64
GOALS = {
    "latency": kernels.LATENCY_GOAL,
    "energy": kernels.ENERGY_GOAL,
    "edp": kernels.EDP_GOAL,
    "weighted": kernels.WEIGHTED_GOAL,
}
COMPENSATED = sys.version_info >= (3, 12)
"""Whether Python's `sum` compensates what it rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A point on the way."""

    place: int
    point: Resolved
    machine: Machine
    fitting: Fitting
    vector: VectorUnit
    key: Hashable
    plan: KeptPlan | None


class Batch:
    """The arrays of points of one trace and one set of options."""

    def __init__(self, items: list[Item], variants: int | None = None) -> None:
        """Room for as many variants; without a number, for those that have come up."""
        first, points = items[0], len(items)
        self.table = first.fitting.table
        levels = len(first.machine.accelerator.memories)
        columns = kernels.MAC + levels + kernels.N_OTHERS
        n = len(self.table.work.op_class)
        variants = len(self.table.variants.code) if variants is None else variants
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


def _chips(items: list[Item]) -> Chips:
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

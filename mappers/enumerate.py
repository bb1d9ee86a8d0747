"""A whole space of mappings, one after the other: how many there are, how many fit, the best, and how they lie.

docs/mapper.md ("The whole space") says which mappings these are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.core.errors import InfeasibleError
from archsim.mappers.bypass import bypasses
from archsim.mappers.constraints import Constraints
from archsim.mappers.enumerate_kernels import new_path, walk_all
from archsim.mappers.enumerate_mix_kernels import Terms, new_room
from archsim.mappers.enumerate_space import hierarchy_of, most_rows, units_of
from archsim.mappers.enumerate_tally_kernels import (
    CELLS,
    FRONT,
    FULL_COSTS,
    LEGAL,
    NESTS,
    TRIED,
    Tally,
    cell_of,
    edges_of,
    new_tally,
)
from archsim.mappers.settings import MapperSettings, allowed_dataflows
from archsim.mappers.starts import choices
from archsim.sim.conventions import Counting
from archsim.sim.cost import Costing, pass_loops
from archsim.sim.kernels import NESTED_REUSE, Floats, Ints
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem, build_problem
from archsim.workloads.op import OPERANDS, Op

OBJECTIVES = ("latency", "energy", "edp", "weighted")
USUAL_LIMIT = 20_000_000
"""Mappings of a space that is enumerated unless another limit is stated: seconds to half a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extreme:
    """The best legal mapping by one objective."""

    value: float
    """In cycles, pJ, or their product."""
    cycles: float
    energy_pj: float
    mapping: Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Legal mappings by energy and cycles, in cells whose edges grow by steps of some 5 %."""

    energy_edges_pj: Floats
    """(E + 1,)"""
    cycle_edges: Floats
    """(C + 1,)"""
    counts: Ints
    """(E, C)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeSpace:
    """What an enumeration counted."""

    mappings: int
    """Mappings of the declared space, whether they fit or not."""
    legal: int
    """Those whose tiles fit the memories."""
    nests: int
    best: dict[str, Extreme]
    """By objective; empty where nothing fits."""
    below: tuple[dict[str, int], ...]
    """Of each mapping that was ranked: legal ones that are better, by objective."""
    least_energy_pj: float
    most_energy_pj: float
    least_cycles: float
    most_cycles: float
    mean_energy_pj: float
    mean_cycles: float
    front: tuple[tuple[float, float], ...]
    """(energy in pJ, cycles) that no legal mapping beats in both, by rising energy."""
    histogram: Histogram | None
    costed_whole: int
    """Mappings costed one by one; the others as the sum of what their operands cost."""


class TooManyMappingsError(InfeasibleError):
    """A space has more mappings than the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the space has more than {limit:,} mappings, the limit of an enumeration")
        self.limit = limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A mapping whose place in the space is asked for, in cycles and pJ."""

    cycles: float
    energy_pj: float

    def values(self, exponents: tuple[float, float]) -> tuple[float, float, float, float]:
        """By each of `OBJECTIVES`."""
        latency, energy = exponents
        weighted = float(self.cycles**latency * self.energy_pj**energy)
        return self.cycles, self.energy_pj, self.cycles * self.energy_pj, weighted


def enumerate_space(
    op: Op,
    accelerator: Accelerator,
    settings: MapperSettings,
    counting: Counting,
    accumulator: Format,
    *,
    limit: int = USUAL_LIMIT,
    ranked: Sequence[Ranked] = (),
    histogram: bool = False,
) -> WholeSpace:
    """Every mapping of `op` that the settings declare, over dataflows and what may be passed by.

    Raises:
        TooManyMappingsError: there are more than `limit`; found by counting alone, before any is costed.
    """
    parts = []
    for flow in allowed_dataflows(accelerator, settings):
        problem = build_problem(op, accelerator, flow, counting, accumulator)
        costing = Costing.of(accelerator, problem, accumulator, counting)
        parts += [(problem, costing, skipped) for skipped in bypasses(problem, settings.constraints.of(op))]
    total = 0
    for problem, costing, skipped in parts:
        total += count_mappings(problem, costing, settings, skipped=skipped, limit=limit - total)
        if total > limit:
            raise TooManyMappingsError(limit)
    spaces = [
        enumerate_problem(problem, costing, settings, skipped=skipped, ranked=ranked, histogram=histogram)
        for problem, costing, skipped in parts
    ]
    return merged(spaces)


def count_mappings(
    problem: Problem,
    costing: Costing,
    settings: MapperSettings,
    *,
    skipped: frozenset[tuple[str, str]] = frozenset(),
    limit: int,
) -> int:
    """Mappings of one problem, legal or not; where there are more than `limit`, more than that."""
    tally = _walk(problem, costing, settings, skipped, costed=False, most=limit, ranked=(), cells=False)
    return int(max(tally.counts[TRIED], tally.counts[NESTS] if tally.counts[NESTS] > limit else 0))


def enumerate_problem(
    problem: Problem,
    costing: Costing,
    settings: MapperSettings,
    *,
    skipped: frozenset[tuple[str, str]] = frozenset(),
    ranked: Sequence[Ranked] = (),
    histogram: bool = False,
    cycle_limit: float = math.inf,
) -> WholeSpace:
    """Every mapping of one problem: one op, one dataflow, one choice of what is passed by (`skipped`).

    Those that take more than `cycle_limit` are counted, and not among the best.
    """
    tally = _walk(
        problem,
        costing,
        settings,
        skipped,
        costed=True,
        most=np.iinfo(np.int64).max,
        ranked=ranked,
        cells=histogram,
        cycle_limit=cycle_limit,
    )
    return _result(problem, tally, settings)


def _walk(
    problem: Problem,
    costing: Costing,
    settings: MapperSettings,
    skipped: frozenset[tuple[str, str]],
    *,
    costed: bool,
    most: int,
    ranked: Sequence[Ranked],
    cells: bool,
    cycle_limit: float = math.inf,
) -> Tally:
    said = settings.constraints.of(problem.op)
    chosen = choices(problem, perfect=settings.perfect_factors, constraints=said)
    hierarchy = hierarchy_of(problem, skipped, said, even=settings.even_tiles)
    terms = _terms(problem, costing, settings, said, costed=costed, most=most)
    n_dims, n_levels = len(problem.dims), len(problem.levels_used)
    rows = 1 if settings.even_tiles else most_rows(problem, hierarchy, settings.perfect_factors)
    room, path = new_room(n_dims, problem.machine, rows, hierarchy.chains), new_path(n_dims)
    # A mapping that is as good as another to the last digits is not better.
    marks = np.array([one.values(settings.exponents) for one in ranked]).reshape(len(ranked), len(OBJECTIVES))
    tally = new_tally(n_dims, n_levels, marks=marks * (1 - 1e-9), cells=cells, longest=cycle_limit)
    tally.origin[:] = _origin(problem, terms)
    units, n_units = units_of(chosen)
    walk_all(
        chosen.tiles, units, n_units, problem.shape, problem.machine, hierarchy, terms, path, room, tally
    )  # fmt: skip
    return tally


def _terms(
    problem: Problem, costing: Costing, settings: MapperSettings, said: Constraints, *, costed: bool, most: int
) -> Terms:
    streamed = math.inf
    if said.min_utilization > 0:
        streamed = problem.op.macs / (problem.peak_macs_per_cycle * said.min_utilization)
    return Terms(
        perfect=settings.perfect_factors,
        even=settings.even_tiles,
        costed=costed,
        separable=not problem.machine.counting[NESTED_REUSE],
        most=most,
        most_streamed=streamed,
        fixed_pj=float(costing.fixed_pj(problem)),
        pj_per_cycle=float(costing.pj_per_cycle(problem)),
        weights=np.array(settings.exponents, np.float64),
        weighted=settings.objective == "weighted",
    )


def _origin(problem: Problem, terms: Terms) -> tuple[int, int]:
    """Where histograms begin: no mapping takes less than the array at its peak, nor less energy than its MACs."""
    cycles = max(1.0, problem.op.macs / problem.peak_macs_per_cycle)
    energy = terms.fixed_pj + terms.pj_per_cycle * cycles
    elements = [problem.op.elements(name) for name in OPERANDS]
    for j, count in enumerate(elements):
        outer = next((i for i in range(len(problem.levels_used)) if problem.level_stage[i, j] == 0), -1)
        if outer >= 0:
            table = problem.machine.write_pj if j == 2 else problem.machine.read_pj
            energy += float(table[outer, j]) * count
    first = cell_of(np.array([max(energy / 2, 1e-6), cycles / 2]))
    return int(first[0]), int(first[1])


def _result(problem: Problem, tally: Tally, settings: MapperSettings) -> WholeSpace:
    names = OBJECTIVES if settings.objective == "weighted" else OBJECTIVES[:3]
    least, most, shortest, longest, energy, cycles = (float(value) for value in tally.extremes)
    legal = max(1, int(tally.counts[LEGAL]))
    n = int(tally.counts[FRONT])
    points = sorted((float(tally.front[1, i]), float(tally.front[0, i])) for i in range(n))
    return WholeSpace(
        mappings=int(tally.counts[TRIED]),
        legal=int(tally.counts[LEGAL]),
        nests=int(tally.counts[NESTS]),
        best={name: _extreme(problem, tally, i) for i, name in enumerate(names) if tally.n_loops[i] >= 0},
        below=tuple({name: int(row[i]) for i, name in enumerate(names)} for row in tally.below),
        least_energy_pj=least,
        most_energy_pj=most,
        least_cycles=shortest,
        most_cycles=longest,
        mean_energy_pj=energy / legal,
        mean_cycles=cycles / legal,
        front=tuple(points),
        histogram=_histogram(tally),
        costed_whole=int(tally.counts[FULL_COSTS]),
    )


def _histogram(tally: Tally) -> Histogram | None:
    if not len(tally.cells):
        return None
    return Histogram(
        energy_edges_pj=edges_of(int(tally.origin[0]), CELLS),
        cycle_edges=edges_of(int(tally.origin[1]), CELLS),
        counts=tally.cells,
    )


def _extreme(problem: Problem, tally: Tally, objective: int) -> Extreme:
    loops = tuple(
        Loop(problem.dims[int(dim)], int(factor), problem.axis_names[int(axis)] if axis >= 0 else None)
        for dim, factor, axis in tally.loops[objective, :, : int(tally.n_loops[objective])].T
    )
    tiles = {
        level.name: {
            str(operand): int(tally.tiles[objective, i, j])
            for j, operand in enumerate(OPERANDS)
            if tally.tiles[objective, i, j] >= 0
        }
        for i, level in enumerate(problem.levels_used)
    }
    passes = bool(problem.flow[0])
    tile = {dim: int(size) for dim, size in zip(problem.dims, tally.base[objective], strict=True)} if passes else {}
    value, _, cycles, energy = (float(number) for number in tally.best[objective])
    return Extreme(
        value=value,
        cycles=cycles,
        energy_pj=energy,
        mapping=Mapping(
            dataflow=problem.dataflow.name,
            loops=loops,
            tiles={name: held for name, held in tiles.items() if held},
            array_tile=tile,
            passes=pass_loops(problem, tile) if passes else (),
        ),
    )


def merged(spaces: list[WholeSpace]) -> WholeSpace:
    """Several parts of a space as one."""
    first, legal = spaces[0], max(1, sum(space.legal for space in spaces))
    best: dict[str, Extreme] = {}
    for space in spaces:
        for name, extreme in space.best.items():
            if name not in best or _rank(name, extreme) < _rank(name, best[name]):
                best[name] = extreme
    points: list[tuple[float, float]] = []
    for energy, cycles in sorted({point for space in spaces for point in space.front}):
        if not points or cycles < points[-1][1]:
            points.append((energy, cycles))
    return WholeSpace(
        mappings=sum(space.mappings for space in spaces),
        legal=sum(space.legal for space in spaces),
        nests=sum(space.nests for space in spaces),
        best=best,
        below=tuple(
            {name: sum(space.below[i][name] for space in spaces) for name in row} for i, row in enumerate(first.below)
        ),
        least_energy_pj=min(space.least_energy_pj for space in spaces),
        most_energy_pj=max(space.most_energy_pj for space in spaces),
        least_cycles=min(space.least_cycles for space in spaces),
        most_cycles=max(space.most_cycles for space in spaces),
        mean_energy_pj=sum(space.mean_energy_pj * space.legal for space in spaces) / legal,
        mean_cycles=sum(space.mean_cycles * space.legal for space in spaces) / legal,
        front=tuple(points),
        histogram=_merged_histograms([space.histogram for space in spaces if space.histogram is not None]),
        costed_whole=sum(space.costed_whole for space in spaces),
    )


def _rank(objective: str, extreme: Extreme) -> tuple[float, float]:
    """The objective, then what decides between equal ones: energy for latency, else time."""
    return extreme.value, extreme.energy_pj if objective == "latency" else extreme.cycles


def _merged_histograms(parts: list[Histogram]) -> Histogram | None:
    if not parts:
        return None
    first = parts[0]
    energies = min((part.energy_edges_pj for part in parts), key=lambda edges: float(edges[0]))
    cycles = min((part.cycle_edges for part in parts), key=lambda edges: float(edges[0]))
    counts = np.zeros_like(first.counts)
    for part in parts:
        rows = np.minimum(np.searchsorted(energies, part.energy_edges_pj[:-1] * (1 + 1e-9), "right") - 1, CELLS - 1)
        columns = np.minimum(np.searchsorted(cycles, part.cycle_edges[:-1] * (1 + 1e-9), "right") - 1, CELLS - 1)
        np.add.at(counts, (rows[:, None], columns[None, :]), part.counts)
    return Histogram(energy_edges_pj=energies, cycle_edges=cycles, counts=counts)

"""A whole space of mappings, one after the other: how many there are, how many fit, the best, and how they lie.

docs/mapper.md ("The whole space") says which mappings these are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.core.errors import InfeasibleError
from archsim.mappers.bypass import bypasses
from archsim.mappers.constraints import Constraints
from archsim.mappers.enumerate_kernels import new_path, walk_all
from archsim.mappers.enumerate_mix_kernels import Terms, new_room
from archsim.mappers.enumerate_row_kernels import Hierarchy
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
from archsim.mappers.factors import divisors_of
from archsim.mappers.settings import MapperSettings, allowed_dataflows
from archsim.mappers.starts import Choices, choices
from archsim.sim.conventions import Counting
from archsim.sim.cost import Costing, pass_loops
from archsim.sim.frame import CHIP_AXES, COARSE, GROUPS
from archsim.sim.kernels import NESTED_REUSE, TRANSFERRED, WORDS, Floats, Ints
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem, build_problem
from archsim.workloads.op import OPERANDS, Op

OBJECTIVES = ("latency", "energy", "edp", "weighted")
USUAL_LIMIT = 20_000_000
"""Mappings of a space that is enumerated unless another limit is stated: seconds to half a minute."""
_MOST_ROWS = 200_000


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


class TooManyMappings(InfeasibleError):
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
        TooManyMappings: there are more than `limit`; found by counting alone, before any is costed.
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
            raise TooManyMappings(limit)
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
) -> WholeSpace:
    """Every mapping of one problem: one op, one dataflow, one choice of what is passed by (`skipped`)."""
    tally = _walk(
        problem, costing, settings, skipped, costed=True, most=np.iinfo(np.int64).max, ranked=ranked, cells=histogram
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
) -> Tally:
    said = settings.constraints.of(problem.op)
    chosen = choices(problem, perfect=settings.perfect_factors, constraints=said)
    hierarchy = _hierarchy(problem, skipped, said, even=settings.even_tiles)
    terms = _terms(problem, costing, settings, said, costed=costed, most=most)
    n_dims, n_levels = len(problem.dims), len(problem.levels_used)
    rows = 1 if settings.even_tiles else _most_rows(problem, hierarchy, settings.perfect_factors)
    room, path = new_room(n_dims, problem.machine, rows, hierarchy.chains), new_path(n_dims)
    # A mapping that is as good as another to the last digits is not better.
    marks = np.array([one.values(settings.exponents) for one in ranked]).reshape(len(ranked), len(OBJECTIVES))
    tally = new_tally(n_dims, n_levels, marks=marks * (1 - 1e-9), cells=cells)
    tally.origin[:] = _origin(problem, terms)
    units, n_units = _units(chosen)
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


class _Place(NamedTuple):
    level: int
    operand: int


def _hierarchy(problem: Problem, skipped: frozenset[tuple[str, str]], said: Constraints, *, even: bool) -> Hierarchy:
    n_levels, n_dims = len(problem.levels_used), len(problem.dims)
    names = [level.name for level in problem.levels_used]
    chains = np.full((3, n_levels), -1, np.int64)
    for j, operand in enumerate(OPERANDS):
        held = [
            i
            for i in range(n_levels)
            if (problem.level_stage[i, j] >= 0 or problem.resident[i, j]) and (names[i], operand) not in skipped
        ]
        chains[j, : len(held)] = held
    own = [_multiplied(problem, i) for i in range(n_levels)]
    stage = problem.level_stage.max(axis=1)
    above = np.array(
        [math_or(own[k] for k in range(n_levels) if stage[k] <= stage[i]) for i in range(n_levels)], np.int64
    )
    fixed = np.zeros((n_levels, 3, n_dims), np.int64)
    order = np.full((n_levels, n_dims), -1, np.int64)
    for i, name in enumerate(names):
        for rank, dim in enumerate(said.order_at(name)):
            order[i, problem.dims.index(dim)] = rank
        for j, operand in enumerate(OPERANDS):
            for dim, size in said.tile_sizes(name, operand).items():
                d = problem.dims.index(dim)
                if problem.shape.relevant[j, d]:
                    fixed[i, j, d] = size
    nodes = [_Place(int(i), j) for j in range(3) for i in chains[j, 1:] if i >= 0]
    depth = [
        len({node.level if even else node for node in nodes if above[node.level] >> axis & 1})
        for axis in range(len(problem.axis_names))
    ]
    return Hierarchy(
        chains=chains,
        above=above,
        ranks=_ranks(problem, above),
        fixed=fixed,
        order=order,
        stated=bool((fixed > 0).any() or (order >= 0).any()),
        depth=np.array(depth, np.int64),
        n_nodes=len({node.level if even else node for node in nodes}),
    )


def math_or(values: Iterator[int]) -> int:
    """
    >>> math_or(iter([1, 4, 5]))
    5
    """
    total = 0
    for value in values:
        total |= value
    return total


def _multiplied(problem: Problem, level: int) -> int:
    """Bits of the spatial axes along which a level has several instances: their units lie outside it."""
    per = problem.levels_used[level].per
    first = len(CHIP_AXES)
    own = {axis.name: first + i for i, axis in enumerate(problem.dataflow.axes)}
    chip = {"chip": 0, "core": 1}.get(per, 3)
    if per in COARSE:
        return chip
    if per == "pe":
        return chip | math_or(1 << axis for axis in own.values())
    default = first + ("row", "column").index(per) if per not in own else own[per]
    return chip | 1 << default


def _ranks(problem: Problem, above: Ints) -> Ints:
    """Ranks of levels by the axes whose units lie outside, used or not, under the conventions where that counts.

    Where a tile is kept only while the level above stands still, or whole words move with each tile, what lies between
    the tiles of two levels costs something even where no units are used: units of an axis stand at one height.
    """
    ranks = np.full(len(above), -1, np.int64)
    counting = problem.machine.counting
    if not counting[NESTED_REUSE] and counting[WORDS] != TRANSFERRED:
        return ranks
    axes = {axis for axis in range(len(problem.axis_names)) if _unrolls(problem, axis)} or {0}
    counted = np.array([sum(int(bits) >> axis & 1 for axis in axes) for bits in above], np.int64)
    return ranks if (counted == counted[0]).all() else counted


def _unrolls(problem: Problem, axis: int) -> bool:
    """Whether an axis may hold a loop of the op."""
    if axis < len(CHIP_AXES):
        return problem.axis_sizes[axis] > 1 and bool((problem.shape.relevant[2] & (problem.sizes > 1)).any())
    if problem.flow[0]:
        return False
    names: set[str] = set()
    for entry in problem.dataflow.axes[axis - len(CHIP_AXES)].dims(problem.op.kind):
        names |= set(getattr(problem.op, entry)) if entry in GROUPS else {entry}
    return any(problem.op.loops.get(name, 1) > 1 for name in names)


def _units(chosen: Choices) -> tuple[Ints, Ints]:
    """(ways, most, 3) loops over units (dim, factor, axis) in the order of their axes, and how many each way has."""
    units = np.zeros((len(chosen.dims), chosen.dims.shape[1], 3), np.int64)
    counts = np.zeros(len(chosen.dims), np.int64)
    for way, (dims, factors) in enumerate(zip(chosen.dims, chosen.factors, strict=True)):
        rows = [
            (int(axis), int(dim), int(factor))
            for dim, factor, axis in zip(dims, factors, chosen.slot_axis, strict=True)
            if dim >= 0 and factor > 1
        ]
        counts[way] = len(rows)
        for i, (axis, dim, factor) in enumerate(sorted(rows)):
            units[way, i] = dim, factor, axis
    return units, counts


def _most_rows(problem: Problem, hierarchy: Hierarchy, perfect: bool) -> int:
    """Choices of heights of one operand in the longest nest, at most."""
    loops = min(sum(_longest_chain(int(size), perfect) for size in problem.sizes) + len(problem.axis_names) + 4, 62)
    tiles = max(int((chain >= 0).sum()) - 1 for chain in hierarchy.chains)
    rows = math.comb(loops + max(tiles, 0), max(tiles, 0))
    if rows > _MOST_ROWS:
        raise InfeasibleError(
            f"nests of {loops} loops leave {rows:,} choices of heights for the tiles of one operand, "
            f"more than the {_MOST_ROWS:,} that an enumeration keeps"
        )
    return rows


def _longest_chain(size: int, perfect: bool) -> int:
    """Loops that a dimension can be cut into: its prime factors, or as often as it can be halved.

    >>> _longest_chain(12, True), _longest_chain(13, True), _longest_chain(13, False)
    (3, 1, 4)
    """
    if not perfect:
        return max(0, (size - 1).bit_length())
    count, rest = 0, size
    while rest > 1:
        rest //= divisors_of(rest)[1]
        count += 1
    return count


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
            if name not in best or extreme.value < best[name].value:
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

"""The small legal set the plain mapper tries: tile sizes per GEMM-view group, and spatial unrollings."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.base import SpatialAxis
from archsim.sim.problem import CHIP_AXES, COARSE, GROUPS, Problem

MAX_TILES = 3000
"""Tile combinations per search; chains are thinned evenly to stay below (the set never depends on capacities)."""
MAX_PE_TILE = 64
"""Largest tile of a GEMM-view group tried inside a PE; every doubling up to it is."""
MAX_PE_PARENT_TILES = 120
"""Tile combinations of the stages above, where PEs hold tiles of their own."""
MAX_SPATIAL_OPTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """chains: (stages, 3 groups, longest chain, dims of the longest group) tile sizes, lengths: (stages, 3).

    Spatial slots have a stage and an axis; each option gives them dims and factors.
    """

    chains: NDArray[np.int64]
    lengths: NDArray[np.int64]
    slot_stage: NDArray[np.int64]
    slot_axis: NDArray[np.int64]
    dims: NDArray[np.int64]
    factors: NDArray[np.int64]


def candidates(problem: Problem, *, perfect: bool = False) -> Candidates:
    """All candidates for a problem; `search` combines them with loop orders. `perfect`: tiles and factors divide."""
    stages = _stage_chains(problem, perfect)
    longest = max(len(chain) for chains in stages for chain in chains)
    table = np.ones((len(stages), 3, longest, problem.groups.shape[1]), np.int64)
    for s, chains in enumerate(stages):
        for g, chain in enumerate(chains):
            for i, tile in enumerate(chain):
                table[s, g, i, : len(tile)] = tile
    slots = _slots(problem)
    options = _spatial_options(problem, slots, perfect)
    return Candidates(
        chains=table,
        lengths=np.array([[len(chain) for chain in chains] for chains in stages], np.int64),
        slot_stage=np.array([slot[1] for slot in slots], np.int64),
        slot_axis=np.array([slot[0] for slot in slots], np.int64),
        dims=np.array([[dim for dim, _ in option] for option in options], np.int64),
        factors=np.array([[factor for _, factor in option] for option in options], np.int64),
    )


Chain = list[tuple[int, ...]]


def _stage_chains(problem: Problem, perfect: bool) -> list[list[Chain]]:
    """Tiles to try at each stage; the outermost holds everything. Inside a PE small tiles, elsewhere thinned chains."""
    full = [_chain(problem, group, perfect) for group in GROUPS[:3]]
    below = problem.n_stages - 1
    if not problem.flow[0] and below > 1 and _stage_of(problem, COARSE) == below:
        small = [[tile for tile in chain if math.prod(tile) <= MAX_PE_TILE] for chain in full]
        outer = _thin(full, MAX_PE_PARENT_TILES ** (1 / (below - 1)))
        return [full] + [outer] * (below - 1) + [small]
    return [full] + [_thin(full, MAX_TILES ** (1 / below) * (2.0 if below > 1 else 1.0))] * below if below else [full]


def _group_dims(problem: Problem, group: str) -> tuple[str, ...]:
    dims: tuple[str, ...] = getattr(problem.op, group)
    return dims


def _unit(problem: Problem, group: str) -> int:
    """Smallest tile worth trying: what fills the array, for engines with passes."""
    if not problem.flow[0]:
        return 1
    g = GROUPS.index(group)
    if g == problem.flow[1]:
        return int(problem.array[0])
    if g == problem.flow[2]:
        return int(problem.array[1])
    return int(max(problem.array))


def _chain(problem: Problem, group: str, perfect: bool) -> Chain:
    """Tiles of a group: the innermost dimension grown to its full size, then the next, from `_unit` up.

    It grows by doubling, or through its divisors where tiles must divide. In engines with passes, steps past the array
    are cut to whole folds of it: 28 channels with a 3 x 3 filter fill 252 of 256 rows, 32 would leave a fold of 32.
    """
    dims = _group_dims(problem, group)
    sizes = [problem.op.loops[dim] for dim in dims]
    tile = [1] * len(dims)
    chain = [tuple(tile)]
    fold = 1 if perfect else _fold(problem, group)
    for i, size in enumerate(sizes):
        for step in _growth(size, perfect):
            tile[i] = step if step == size else _whole_folds(step, math.prod(sizes[:i]), fold)
            chain.append(tuple(tile))
    chain = list(dict.fromkeys(chain))
    unit = min(_unit(problem, group), math.prod(sizes))
    big_enough = [step for step in chain if math.prod(step) >= unit]
    return big_enough or chain[-1:]


def _fold(problem: Problem, group: str) -> int:
    """How many of a group's flattened iterations one pass takes side by side; 1 where it does not lie on an axis."""
    g = GROUPS.index(group)
    if not problem.flow[0] or g not in problem.flow[1:3]:
        return 1
    return int(problem.array[0] if g == problem.flow[1] else problem.array[1])


def _whole_folds(step: int, inner: int, fold: int) -> int:
    """
    >>> _whole_folds(32, 9, 256), _whole_folds(64, 9, 256), _whole_folds(8, 9, 256)
    (28, 56, 8)
    """
    folds = step * inner // fold
    return max(1, folds * fold // inner) if folds else step


def _growth(size: int, perfect: bool) -> list[int]:
    """
    >>> _growth(12, perfect=False), _growth(12, perfect=True)
    ([2, 4, 8, 12], [2, 3, 4, 6, 12])
    """
    if perfect:
        return [step for step in range(2, size + 1) if size % step == 0]
    return [2**i for i in range(1, size.bit_length()) if 2**i < size] + [size] * (size > 1)


def _thin(chains: list[Chain], most: float) -> list[Chain]:
    """Drop every other tile of the longest chain (keeping its ends) until the product is at most `most`."""
    while math.prod(len(chain) for chain in chains) > most and max(map(len, chains)) > 2:
        which = max(range(3), key=lambda g: len(chains[g]))
        chain = chains[which]
        kept = chain[::2]
        if kept[-1] != chain[-1]:
            kept = [*kept[:-1], chain[-1]] if len(kept) > 2 else [*kept, chain[-1]]
        chains = [kept if g == which else chains[g] for g in range(3)]
    return chains


def _stage_of(problem: Problem, finer_than: tuple[str, ...]) -> int:
    """First stage (from 1) that has a level with instances finer than `finer_than`; else below all stages."""
    stages = [
        int(problem.level_stage[i].max()) for i, level in enumerate(problem.levels_used) if level.per not in finer_than
    ]
    return max(1, min([stage for stage in stages if stage > 0], default=problem.n_stages))


def _shared_along(problem: Problem, position: int) -> tuple[str, ...]:
    """Places of memories that all units along one of the array's own axes share."""
    names = [axis.name for axis in problem.dataflow.axes]
    others = [name for i, name in enumerate(names) if i != position]
    return (
        *COARSE,
        *others,
        *(name for i, name in enumerate(("row", "column")) if i != position and name not in names),
    )


def _slots(problem: Problem) -> list[tuple[int, int]]:
    """(axis, stage) of each spatial slot: core, array, then up to three loops on each of the array's own axes."""
    slots = [(0, _stage_of(problem, ("chip",))), (1, _stage_of(problem, ("chip", "core")))]
    if not problem.flow[0]:
        for i in range(len(problem.dataflow.axes)):
            slots += [(len(CHIP_AXES) + i, _stage_of(problem, _shared_along(problem, i)))] * 3
    return slots


def _spatial_options(problem: Problem, slots: list[tuple[int, int]], perfect: bool) -> list[list[tuple[int, int]]]:
    """Ways to unroll: for cores and arrays one splittable dimension each, for own axes greedy fills in each order."""
    index = {dim: i for i, dim in enumerate(problem.dims)}
    choices: list[list[list[tuple[int, int]]]] = []
    for axis in range(len(CHIP_AXES)):
        size = problem.axis_sizes[axis]
        choices.append([[(-1, 1)]] if size == 1 else _splits(problem, index, size, perfect))
    if not problem.flow[0]:
        for position, axis_record in enumerate(problem.dataflow.axes):
            choices.append(_fills(problem, axis_record, index, problem.axis_sizes[len(CHIP_AXES) + position], perfect))
    options = [list(itertools.chain.from_iterable(option)) for option in itertools.product(*choices)]
    unique = list(dict.fromkeys(tuple(option) for option in options))
    ranked = sorted(unique, key=lambda option: -_work_per_step(problem, option))
    return [list(option) for option in ranked[:MAX_SPATIAL_OPTIONS]]


def _splits(problem: Problem, index: dict[str, int], size: int, perfect: bool) -> list[list[tuple[int, int]]]:
    """One dimension of the batch, rows or columns shared out over `size` units (never the reduction)."""
    options: list[list[tuple[int, int]]] = []
    for group in ("batch", "columns", "rows"):
        for dim in _group_dims(problem, group):
            factor = _unrolling(size, problem.op.loops[dim], perfect)
            if factor > 1:
                options.append([(index[dim], factor)])
    return options or [[(-1, 1)]]


def _fills(
    problem: Problem, axis: SpatialAxis, index: dict[str, int], size: int, perfect: bool
) -> list[list[tuple[int, int]]]:
    names = [dim for entry in axis.dims(problem.op.kind) for dim in _expand(problem, entry)]
    dims = [dim for dim in dict.fromkeys(names) if problem.op.loops[dim] > 1][:4]
    fills = []
    for order in itertools.permutations(dims):
        left = size
        fill: list[tuple[int, int]] = []
        for dim in order:
            factor = _unrolling(left, problem.op.loops[dim], perfect)
            if factor > 1 and len(fill) < 3:
                fill.append((index[dim], factor))
                left //= factor
        fills.append((fill + [(-1, 1)] * 3)[:3])
    return fills or [[(-1, 1)] * 3]


def _unrolling(units: int, size: int, perfect: bool) -> int:
    """Units to use for a loop of `size`: as many as there are, or the largest divisor of the loop."""
    most = min(units, size)
    return max(step for step in range(1, most + 1) if size % step == 0) if perfect else most


def _expand(problem: Problem, entry: str) -> tuple[str, ...]:
    if entry in GROUPS:
        return _group_dims(problem, entry)
    return (entry,) if entry in problem.op.loops else ()


def _work_per_step(problem: Problem, option: tuple[tuple[int, int], ...]) -> float:
    """Mean units at work: iterations over steps in time."""
    ways = [1] * len(problem.dims)
    for dim, factor in option:
        if dim >= 0:
            ways[dim] *= factor
    work = 1.0
    for size, factor in zip(problem.sizes.tolist(), ways, strict=True):
        work *= size / math.ceil(size / factor)
    return work

"""The plain mapper's loop over a small legal set of mappings, costed by the one cost function."""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

import numpy as np

from archsim.core.kernels import kernel
from archsim.sim.cost_kernels import cost, fits
from archsim.sim.kernels import (
    CAPACITY,
    COMPUTE,
    DOUBLE_BUFFER,
    ENERGY_PJ,
    INPUTS,
    MEMORY_STALLS,
    OUTPUTS,
    READ_BW,
    RESERVED,
    TOTAL,
    WEIGHTS,
    Bools,
    Floats,
    Ints,
    Machine,
    Nest,
    Scratch,
    Shape,
    box_elements,
    empty_nest,
    scratch,
    tile_sizes,
    whole_elements,
)
from archsim.sim.pass_kernels import array_factor, compute_cycles

LATENCY, ENERGY, EDP, WEIGHTED = 0, 1, 2, 3


@kernel
def build_loops(
    choice: Ints,
    orders: Ints,
    chains: Ints,
    groups: Ints,
    sizes: Ints,
    spatial_stage: Ints,
    spatial_dim: Ints,
    spatial_factor: Ints,
    spatial_axis: Ints,
    passes: int,
    stage_position: Ints,
    nest: Nest,
) -> int:
    """Loops of one candidate; returns how many. `stage_position[s]` becomes the loops above stage s's tiles.

    choice[s, g] picks the tile of group g at stage s from chains[s, g, choice] (one size per dimension of the group);
    stage 0 holds everything. orders[s] is the group innermost in the loops between stage s and the next.
    Spatial slot i stands right above the tiles of stage `spatial_stage[i]` (the number of stages: below them all).
    """
    n_stages = choice.shape[0]
    n = 0
    stage_position[0] = 0
    for d in range(sizes.shape[0]):
        nest.base[d] = 1
    for s in range(n_stages):
        last = s + 1 == n_stages
        if last:
            n = _spatial(n_stages, spatial_stage, spatial_dim, spatial_factor, spatial_axis, n, nest)
        if s == 0:
            for j in range(groups.shape[1]):
                d = groups[3, j]
                if d >= 0 and sizes[d] > 1:
                    below = 1
                    for i in range(spatial_dim.shape[0]):
                        if spatial_dim[i] == d:
                            below *= spatial_factor[i]
                    nest.dim[n], nest.factor[n], nest.axis[n] = d, (sizes[d] + below - 1) // below, -1
                    n += 1
        if last and passes:
            _base(choice[s], chains[s], groups, sizes, spatial_stage, spatial_dim, spatial_factor, n_stages, nest.base)
            break
        for step in range(3):
            g = (orders[s] + 1 + step) % 3
            for back in range(groups.shape[1]):
                j = groups.shape[1] - 1 - back
                d = groups[g, j]
                if d < 0:
                    continue
                outer = sizes[d]
                if s > 0:
                    outer = _tile(
                        s, sizes[d], chains[s, g, choice[s, g], j], d, spatial_stage, spatial_dim, spatial_factor
                    )
                if last:
                    ways = _spatial_factor(n_stages, d, spatial_stage, spatial_dim, spatial_factor)
                    factor = (outer + ways - 1) // ways
                else:
                    inner = chains[s + 1, g, choice[s + 1, g], j]
                    inner = _tile(s + 1, sizes[d], inner, d, spatial_stage, spatial_dim, spatial_factor)
                    inner *= _spatial_factor(s + 1, d, spatial_stage, spatial_dim, spatial_factor)
                    factor = (outer + inner - 1) // inner
                if factor > 1:
                    nest.dim[n], nest.factor[n], nest.axis[n] = d, factor, -1
                    n += 1
        if not last:
            n = _spatial(s + 1, spatial_stage, spatial_dim, spatial_factor, spatial_axis, n, nest)
            stage_position[s + 1] = n
    return n


@kernel
def _spatial(
    stage: int,
    spatial_stage: Ints,
    spatial_dim: Ints,
    spatial_factor: Ints,
    spatial_axis: Ints,
    n: int,
    nest: Nest,
) -> int:
    for i in range(spatial_dim.shape[0]):
        if spatial_stage[i] == stage and spatial_dim[i] >= 0 and spatial_factor[i] > 1:
            nest.dim[n], nest.factor[n], nest.axis[n] = spatial_dim[i], spatial_factor[i], spatial_axis[i]
            n += 1
    return n


@kernel
def _tile(
    stage: int,
    size: int,
    tile: int,
    d: int,
    spatial_stage: Ints,
    spatial_dim: Ints,
    spatial_factor: Ints,
) -> int:
    """Tile of a dimension at `stage`, at most a unit's share of it where units lie above that stage."""
    ways = 1
    for i in range(spatial_dim.shape[0]):
        if spatial_stage[i] <= stage and spatial_dim[i] == d:
            ways *= spatial_factor[i]
    return min(tile, (size + ways - 1) // ways)


@kernel
def _spatial_factor(stage: int, d: int, spatial_stage: Ints, spatial_dim: Ints, spatial_factor: Ints) -> int:
    product = 1
    for i in range(spatial_dim.shape[0]):
        if spatial_stage[i] == stage and spatial_dim[i] == d:
            product *= spatial_factor[i]
    return product


@kernel
def _base(
    choice: Ints,
    chains: Ints,
    groups: Ints,
    sizes: Ints,
    spatial_stage: Ints,
    spatial_dim: Ints,
    spatial_factor: Ints,
    n_stages: int,
    base: Ints,
) -> None:
    """Array tile: the innermost stage's tile, shared out over arrays where the spatial loops lie below it.

    A single stage holds everything, whatever `choice` says.
    """
    for g in range(3):
        for j in range(groups.shape[1]):
            d = groups[g, j]
            if d < 0:
                continue
            ways = _spatial_factor(n_stages, d, spatial_stage, spatial_dim, spatial_factor)
            inner = sizes[d] if n_stages == 1 else chains[g, choice[g], j]
            inner = _tile(n_stages - 1, sizes[d], inner, d, spatial_stage, spatial_dim, spatial_factor)
            base[d] = (inner + ways - 1) // ways


@kernel
def _score(objective: int, cycles: float, energy_pj: float, weights: Floats) -> float:
    if objective == LATENCY:
        return cycles
    if objective == ENERGY:
        return energy_pj
    if objective == EDP:
        return cycles * energy_pj
    return cycles ** weights[0] * energy_pj ** weights[1]


@kernel
def _encloses(outer: Ints, inner: Ints) -> bool:
    larger = 0
    for j in range(outer.shape[0]):
        larger += 1 if inner[j] > outer[j] else 0
    return larger == 0


@kernel
def _too_big(
    only: int,
    choice: Ints,
    chains: Ints,
    shape: Shape,
    level_stage: Ints,
    resident: Bools,
    machine: Machine,
    ways: Ints,
    spatial_stage: Ints,
    spatial_dim: Ints,
    spatial_factor: Ints,
    tile: Ints,
) -> bool:
    """Whether a level cannot hold the tiles of `choice` at their final width: a quick, safe `fits`.

    `ways` are the units each dimension is unrolled over: a tile short of the rest changes over time. `only`: the tiles
    of one stage, -1 for all.
    """
    sizes, groups, levels = shape.sizes, shape.groups, machine.levels
    for level in range(levels.shape[0]):
        need = 0.0
        for operand in range(3):
            stage = level_stage[level, operand]
            whole = resident[level, operand] or stage == 0
            if (stage < 0 and not resident[level, operand]) or (only >= 0 and stage != only):
                continue
            for d in range(sizes.shape[0]):
                tile[d] = sizes[d] if whole else 1
            if not whole:
                for g in range(3):
                    for j in range(groups.shape[1]):
                        if groups[g, j] >= 0:
                            d = groups[g, j]
                            size = chains[stage, g, choice[stage, g], j]
                            tile[d] = _tile(stage, sizes[d], size, d, spatial_stage, spatial_dim, spatial_factor)
            copies = 1.0
            if levels[level, DOUBLE_BUFFER] > 0:
                for d in range(sizes.shape[0]):
                    if shape.relevant[operand, d] and tile[d] * ways[d] < sizes[d]:
                        copies = 2.0
            need += copies * box_elements(operand, shape, tile) * machine.bits[operand]
        if need > levels[level, CAPACITY] - levels[level, RESERVED]:
            return True
    return False


@kernel
def _array_pj(home: Ints, last: Ints, shape: Shape, machine: Machine, scratch: Scratch) -> float:
    """Energy, at least, of what passes move at the innermost levels (where these are not the outermost too)."""
    total = 0.0
    for operand in range(3):
        level = last[operand]
        if level < 0 or level == home[operand]:
            continue
        pj = machine.read_pj[level, operand]
        if operand == OUTPUTS:
            pj = min(machine.write_pj[level, OUTPUTS], machine.write_pj[level, 3])
        elements = whole_elements(operand, shape)
        total += elements * array_factor(operand, machine.flow, scratch.folds, scratch.n_tiles) * pj
    return total


@kernel
def _outermost(
    innermost: int,
    shape: Shape,
    machine: Machine,
    tile: Ints,
    home: Ints,
    child: Ints,
    elements: Floats,
) -> tuple[float, float]:
    """Energy and read time, at least, of the traffic out of the outermost levels, with group `innermost` innermost.

    `child` is the next level that holds each operand (-1: none), which the same traffic fills. An operand is refetched
    for every tile of the group it lacks, unless all loops inside that group's stand still.
    """
    sizes, groups, read_pj, write_pj = shape.sizes, shape.groups, machine.read_pj, machine.write_pj
    total = 0.0
    cycles = 0.0
    for operand in range(3):
        level = home[operand]
        if level < 0:
            continue
        lacking = 1 if operand == INPUTS else (0 if operand == WEIGHTS else 2)
        times = 1.0
        for step in range(3):
            g = (innermost + 2 * step) % 3
            n = 1.0
            for j in range(groups.shape[1]):
                if groups[g, j] >= 0:
                    n *= (sizes[groups[g, j]] + tile[groups[g, j]] - 1) // tile[groups[g, j]]
            if g == lacking:
                break
            if n > 1:
                times = 0.0
        if times == 0.0:
            times = 1.0
            for j in range(groups.shape[1]):
                d = groups[lacking, j]
                if d >= 0:
                    times *= (sizes[d] + tile[d] - 1) // tile[d]
        if operand == OUTPUTS:
            again = (times - 1.0) * (read_pj[level, 3] + write_pj[level, 3])
            total += elements[operand] * (write_pj[level, operand] + again)
        else:
            total += elements[operand] * times * read_pj[level, operand]
            if child[operand] >= 0:
                total += elements[operand] * times * write_pj[child[operand], operand]
            if level == home[WEIGHTS] and machine.operand_bw[level, operand] == 0:
                cycles += elements[operand] * times * machine.bits[operand] / machine.levels[level, READ_BW]
    return total, cycles


@kernel
def search(
    shape: Shape,
    machine: Machine,
    level_stage: Ints,
    resident: Bools,
    chains: Ints,
    chain_lengths: Ints,
    spatial_stage: Ints,
    spatial_dims: Ints,
    spatial_factors: Ints,
    spatial_axis: Ints,
    n_axes: int,
    objective: int,
    weights: Floats,
    elements: Floats,
    held: Ints,
    fixed_pj: float,
    leak_pj_per_cycle: float,
    bound: float,
    best_choice: Ints,
    best_orders: Ints,
    counters: Ints,
) -> int:
    """Best candidate by score, ties by the other of time and energy, then by order of enumeration.

    level_stage[level, operand] is the stage whose tile the level holds (-1: not used; resident operands stand at
    position 0 of their level). Returns the index of the best spatial choice, or -1 when nothing fits.
    `elements` of each operand and, in the rows of `held`, its outermost, second and innermost level (-1: none) give a
    bound: candidates whose compute cycles with the traffic of these alone score no better than `bound` or the best so
    far are not costed. Large tiles come first, so that the bound is soon a good one.
    counters: [0] costed, [1] rejected for capacity, [2] passed over by the bound.
    """
    sizes, groups = shape.sizes, shape.groups
    n_stages = best_choice.shape[0]
    n_dims = sizes.shape[0]
    n_levels = machine.levels.shape[0]
    nest = empty_nest(n_dims)
    room = scratch(n_dims, n_levels, n_axes)
    out = room.out
    tile = np.ones(n_dims, np.int64)
    position = np.zeros(n_stages, np.int64)
    tiles = np.full((n_levels, 3), -1, np.int64)
    choice = np.zeros((n_stages, 3), np.int64)
    orders = np.zeros(n_stages, np.int64)
    total_orders = 3 ** (n_stages - 1)
    innermost = n_stages - 1
    total_tiles = 1
    block = 1
    for s in range(1, n_stages):
        block = total_tiles
        total_tiles *= chain_lengths[s, 0] * chain_lengths[s, 1] * chain_lengths[s, 2]
    best = -1
    best_score = bound
    best_second = np.inf
    ways = np.ones(n_dims, np.int64)
    for option in range(spatial_dims.shape[0]):
        ways[:] = 1
        for i in range(spatial_dims.shape[1]):
            if spatial_dims[option, i] >= 0:
                ways[spatial_dims[option, i]] *= spatial_factors[option, i]
        index = total_tiles
        while index > 0:
            index -= 1
            rest = index
            nested = True
            for s in range(1, n_stages):
                for g in range(3):
                    choice[s, g] = rest % chain_lengths[s, g]
                    rest //= chain_lengths[s, g]
                    if s > 1 and not _encloses(chains[s - 1, g, choice[s - 1, g]], chains[s, g, choice[s, g]]):
                        nested = False
            if (
                innermost > 1
                and (index + 1) % block == 0
                and _too_big(
                    innermost,
                    choice,
                    chains,
                    shape,
                    level_stage,
                    resident,
                    machine,
                    ways,
                    spatial_stage,
                    spatial_dims[option],
                    spatial_factors[option],
                    tile,
                )
            ):
                counters[1] += block
                index -= block - 1
                continue
            if not nested:
                continue
            if _too_big(
                -1,
                choice,
                chains,
                shape,
                level_stage,
                resident,
                machine,
                ways,
                spatial_stage,
                spatial_dims[option],
                spatial_factors[option],
                tile,
            ):
                counters[1] += 1
                continue
            orders[:] = 0
            n_loops = build_loops(
                choice,
                orders,
                chains,
                groups,
                sizes,
                spatial_stage,
                spatial_dims[option],
                spatial_factors[option],
                spatial_axis,
                machine.flow[0],
                position,
                nest,
            )
            compute_cycles(shape, nest, n_loops, machine, room)
            cycles = np.ceil(out[COMPUTE])
            floor_pj = fixed_pj + leak_pj_per_cycle * cycles
            if machine.flow[0]:
                floor_pj += _array_pj(held[0], held[2], shape, machine, room)
            if n_stages > 1:
                tile_sizes(shape, nest, n_loops, position[1], tile)
            for order in range(total_orders):
                least_pj = 0.0
                least_cycles = cycles
                if n_stages > 1:
                    least_pj, reading = _outermost(order % 3, shape, machine, tile, held[0], held[1], elements)
                    if machine.counting[MEMORY_STALLS]:
                        least_cycles = max(cycles, np.floor(reading))
                score = _score(objective, least_cycles, floor_pj + least_pj, weights)
                second = floor_pj + least_pj if objective == LATENCY else least_cycles
                if score > best_score or (score == best_score and second >= best_second):
                    counters[2] += 1
                    continue
                rest = order
                for s in range(n_stages - 1):
                    orders[s] = rest % 3
                    rest //= 3
                n_loops = build_loops(
                    choice,
                    orders,
                    chains,
                    groups,
                    sizes,
                    spatial_stage,
                    spatial_dims[option],
                    spatial_factors[option],
                    spatial_axis,
                    machine.flow[0],
                    position,
                    nest,
                )
                for level in range(n_levels):
                    for operand in range(3):
                        stage = level_stage[level, operand]
                        tiles[level, operand] = -1 if stage < 0 else position[stage]
                        if resident[level, operand]:
                            tiles[level, operand] = 0
                if not fits(shape, nest, n_loops, tiles, machine, room):
                    counters[1] += 1
                    continue
                cost(shape, nest, n_loops, tiles, machine, room)
                counters[0] += 1
                cycles = np.ceil(out[TOTAL])
                energy = out[ENERGY_PJ] + fixed_pj + leak_pj_per_cycle * cycles
                score = _score(objective, cycles, energy, weights)
                second = energy if objective == LATENCY else cycles
                if score < best_score or (score == best_score and second < best_second):
                    best, best_score, best_second = option, score, second
                    best_choice[:] = choice
                    best_orders[:] = orders
    return best

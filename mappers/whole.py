"""A layer as one tile: what conventions take that know no capacities."""

from __future__ import annotations

from archsim.sim.cost import pass_loops
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import Problem
from archsim.workloads.op import OPERANDS


def whole_layer(problem: Problem) -> Mapping:
    """The whole op as one array tile, whatever the memories hold."""
    tile = {dim: int(size) for dim, size in zip(problem.dims, problem.sizes, strict=True)}
    batch = tuple(Loop(dim, tile[dim]) for dim in problem.op.batch if tile[dim] > 1)
    for dim in problem.op.batch:
        tile[dim] = 1
    tiles = {
        level.name: {
            str(operand): 0 if problem.level_stage[i, j] == 0 else len(batch)
            for j, operand in enumerate(OPERANDS)
            if problem.level_stage[i, j] >= 0
        }
        for i, level in enumerate(problem.levels_used)
    }
    if not problem.flow[0]:
        loops = (*batch, *(Loop(dim, size) for dim, size in tile.items() if size > 1))
        return Mapping(dataflow=problem.dataflow.name, loops=loops, tiles=tiles)
    return Mapping(
        dataflow=problem.dataflow.name,
        loops=batch,
        tiles=tiles,
        array_tile=tile,
        passes=pass_loops(problem, tile),
    )

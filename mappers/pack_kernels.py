"""A search's arrays in few: handing over sixty arrays to a kernel takes longer than searching for a GEMM of one row.

What a plan holds is packed once for all its searches, what a machine holds once for all its plans.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# numpy's stubs let an element of an array be an array again, where numba sees a number.

from __future__ import annotations

from functools import lru_cache

import numpy as np

from archsim.core.kernels import kernel, view_of
from archsim.mappers.goal_kernels import N_COUNTERS, N_VALUES, Best
from archsim.mappers.space_kernels import Space, Ways
from archsim.mappers.table_kernels import packed, row_of, table_of
from archsim.sim.kernels import MAX_LOOPS, N_OUT, N_TRAFFIC, Bools, Floats, Ints, Machine, Shape

(
    SIZES,
    WINDOWS,
    GROUPS,
    FLOW,
    ARRAY,
    NODES,
    DIVISORS,
    SERIAL,
    FIXED,
    POOLS,
    PLACED,
    INNERMOST,
    HOMES,
    ALONE,
    TILES,
    DIMS,
    FACTORS,
    SLOT_AXIS,
    SLOT_BOUND,
    STEPS,
    JUMPS,
    NUMBERS,
) = range(22)
"""Tables of a plan's integers. NUMBERS: see `PERFECT`."""
PERFECT, EDGES, N_BOUNDS, ROWS = range(4)
"""Of a plan's single numbers, as in `Space` and `Task`."""
RELEVANT, MULTICAST = range(2)
"""Tables of its truth values."""
TIMING, COUNTING, LEVELS, BITS, STORED_BITS, READ_PJ, WRITE_PJ, WORDS, WORD_PJ, OPERAND_BW = range(10)
"""Tables of a machine."""


def packed_machine(machine: Machine) -> Floats:
    """The floating-point tables of a machine."""
    m = machine
    tables = (
        m.timing, m.counting, m.levels, m.bits, m.stored_bits, m.read_pj, m.write_pj, m.words, m.word_pj, m.operand_bw,
    )  # fmt: skip
    values: Floats = packed(tables, np.float64)
    return values


def packed_plan(shape: Shape, machine: Machine, space: Space, ways: Ways, steps: Ints, jumps: Ints, rows: int) -> Ints:
    """The integers of a plan, in the order of `SIZES` to `NUMBERS`."""
    numbers = np.array([space.perfect, space.edges, space.n_bounds, rows], np.int64)
    tables = (
        shape.sizes, shape.windows, shape.groups, machine.flow, machine.array, space.nodes, space.divisors,
        space.serial, space.fixed, space.pools, space.placed, space.innermost, space.homes, space.alone,
        ways.tiles, ways.dims, ways.factors, ways.slot_axis, ways.slot_bound, steps, jumps, numbers,
    )  # fmt: skip
    values: Ints = packed(tables, np.int64)
    return values


def packed_flags(shape: Shape, machine: Machine) -> Bools:
    """Which dimensions index each operand, and along which axes one access serves all."""
    values: Bools = np.concatenate([shape.relevant.ravel(), machine.multicast.ravel()])
    return values


@kernel
def shape_of(plan: Ints, flags: Bools) -> Shape:
    """The op of a packed plan."""
    sizes = row_of(SIZES, plan)
    n = sizes.shape[0]
    return Shape(sizes, view_of(flags, 0, (3, n)), table_of(WINDOWS, plan), table_of(GROUPS, plan))


@kernel
def machine_of(plan: Ints, flags: Bools, machine: Floats) -> Machine:
    """A packed machine as a packed plan uses it."""
    begin = 3 * row_of(SIZES, plan).shape[0]
    return Machine(
        row_of(FLOW, plan),
        row_of(ARRAY, plan),
        row_of(TIMING, machine),
        row_of(COUNTING, machine),
        view_of(flags, begin, (3, (flags.shape[0] - begin) // 3)),
        table_of(LEVELS, machine),
        row_of(BITS, machine),
        table_of(STORED_BITS, machine),
        table_of(READ_PJ, machine),
        table_of(WRITE_PJ, machine),
        table_of(WORDS, machine),
        table_of(WORD_PJ, machine),
        table_of(OPERAND_BW, machine),
    )


@kernel
def space_of(plan: Ints, taken: Floats) -> Space:
    """The space of a packed plan, with what is kept whole."""
    numbers = row_of(NUMBERS, plan)
    return Space(
        table_of(NODES, plan),
        table_of(DIVISORS, plan),
        numbers[PERFECT],
        numbers[EDGES],
        numbers[N_BOUNDS],
        table_of(SERIAL, plan),
        table_of(FIXED, plan),
        table_of(POOLS, plan),
        row_of(PLACED, plan),
        row_of(INNERMOST, plan),
        table_of(HOMES, plan),
        taken,
        row_of(ALONE, plan),
    )


@kernel
def ways_of(plan: Ints) -> Ways:
    """The ways to begin of a packed plan."""
    return Ways(
        table_of(TILES, plan),
        table_of(DIMS, plan),
        table_of(FACTORS, plan),
        row_of(SLOT_AXIS, plan),
        row_of(SLOT_BOUND, plan),
    )


@kernel
def steps_of(plan: Ints) -> tuple[Ints, Ints, int]:
    """The program of a packed plan: its steps, its jumps, the steps of the longest way through it."""
    return table_of(STEPS, plan), row_of(JUMPS, plan), row_of(NUMBERS, plan)[ROWS]


@lru_cache(maxsize=256)
def _nothing(n_dims: int, n_levels: int) -> tuple[Ints, Floats]:
    """Room for the result of a search that has found nothing: see `found_of`."""
    floats = np.zeros(N_VALUES + N_TRAFFIC * n_levels * 3 + N_OUT + n_levels)
    floats[:N_VALUES] = [np.inf, np.inf, np.inf, np.inf, 0.0, np.inf]
    ints = np.zeros(N_COUNTERS + 1 + 3 * MAX_LOOPS + 3 * n_levels + n_dims, np.int64)
    ints[N_COUNTERS] = -1
    return ints, floats


def nothing_found(n_dims: int, n_levels: int, known: float) -> tuple[Ints, Floats]:
    """Room for the result of a search; only what scores below `known` will count."""
    ints, floats = _nothing(n_dims, n_levels)
    ints, floats = ints.copy(), floats.copy()
    floats[0] = known
    return ints, floats


def found_of(ints: Ints, floats: Floats, front: Floats, n_dims: int, n_levels: int) -> Best:
    """The result of a search from the two arrays that it is written to, which it shares."""
    loops, tiles = N_COUNTERS + 1, N_COUNTERS + 1 + 3 * MAX_LOOPS
    base, traffic = tiles + 3 * n_levels, N_VALUES
    out = traffic + N_TRAFFIC * n_levels * 3
    return Best(
        floats[:N_VALUES],
        ints[loops:tiles].reshape((3, MAX_LOOPS)),
        ints[tiles:base].reshape((n_levels, 3)),
        ints[base : base + n_dims],
        ints[N_COUNTERS:loops],
        ints[:N_COUNTERS],
        front,
        floats[traffic:out].reshape((N_TRAFFIC, n_levels, 3)),
        floats[out : out + N_OUT],
        floats[out + N_OUT : out + N_OUT + n_levels],
    )


@kernel
def found_kernel(ints: Ints, floats: Floats, front: Floats, n_dims: int, n_levels: int) -> Best:
    """`found_of`, in a kernel."""
    loops, tiles = N_COUNTERS + 1, N_COUNTERS + 1 + 3 * MAX_LOOPS
    base, traffic = tiles + 3 * n_levels, N_VALUES
    out = traffic + N_TRAFFIC * n_levels * 3
    return Best(
        view_of(floats, 0, (N_VALUES,)),
        view_of(ints, loops, (3, MAX_LOOPS)),
        view_of(ints, tiles, (n_levels, 3)),
        view_of(ints, base, (n_dims,)),
        view_of(ints, N_COUNTERS, (1,)),
        view_of(ints, 0, (N_COUNTERS,)),
        front,
        view_of(floats, traffic, (N_TRAFFIC, n_levels, 3)),
        view_of(floats, out, (N_OUT,)),
        view_of(floats, out + N_OUT, (n_levels,)),
    )

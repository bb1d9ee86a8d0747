"""Pairs of products that run as one (attention, MLPs): every way to cut them, and the plan of one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.mappers.chains import Chain
from archsim.mappers.fusion_kernels import (
    EDP,
    ENERGY,
    LATENCY,
    TRAFFIC,
    WEIGHTED,
    Pair,
    Price,
    pair_held,
    pair_moves,
    pair_space,
)
from archsim.mappers.fusion_setting import Around, Homes, Setting, double_buffers, least_energy
from archsim.sim.frame import GROUPS
from archsim.sim.fused import Kept, Moved, Plan, TileWork
from archsim.sim.kernels import Floats, Ints
from archsim.sim.machine import timing_array
from archsim.sim.problem import build_problem, data_rate, element_bits
from archsim.sim.records import FusedTiles, OpCost
from archsim.sim.vector import vector_cost
from archsim.workloads.op import OPERANDS, Op, OperandName, VectorOp
from archsim.workloads.vector_costs import vector_costs

OBJECTIVES = {"latency": LATENCY, "energy": ENERGY, "edp": EDP, "weighted": WEIGHTED, "traffic": TRAFFIC}
DIMS = ("b", "m", "f", "k", "n")
ORDERS = ("rows outside", "columns outside")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSpace:
    """Every cut of one pair that fits the memories, the best bound first."""

    chain: Chain
    accelerator: Accelerator
    homes: Homes
    setting: Setting
    around: Around
    pair: Pair
    cuts: Ints
    """(C, 6): order, then tiles of b, m, f, k, n."""
    bounds: Floats
    """What the objective is at least, in cycles and pJ (or bits of traffic)."""

    def plan(self, index: int) -> Plan:
        """The plan of one cut."""
        order, tiles = int(self.cuts[index, 0]), np.ascontiguousarray(self.cuts[index, 1:])
        return pair_plan(self, order, tiles)


def pair_of(chain: Chain, homes: Homes, setting: Setting, around: Around) -> Pair:
    """The chain as the kernels take it."""
    first, last = chain.firsts[0], chain.last
    level = 0 if homes.weights is homes.home else 1
    room = [homes.home.capacity_bits - around.taken_bits, homes.weights.capacity_bits]
    return Pair(
        sizes=np.array([first.loops[d] for d in ("b", "m", "n", "k")] + [last.loops["n"]], np.int64),
        firsts=len(chain.firsts),
        softmax=chain.kind == "attention",
        read_first=setting.counting.first_partial_read is True,
        bits=np.array([
            element_bits(first.inputs.format),
            sum(element_bits(op.weights.format) for op in chain.firsts) / len(chain.firsts),
            middle_bits(chain, setting),
            element_bits(last.weights.format),
            element_bits(last.outputs.format),
            setting.sum_bits,
            setting.held_bits(last.outputs.format),
        ]),
        room=np.array(room),
        double=np.array([double_buffers(item, setting.counting) for item in (homes.home, homes.weights)], np.int64),
        weight_level=level,
        x_stays=around.input_stays,
        y_stays=around.output_stays,
    )  # fmt: skip


def middle_bits(chain: Chain, setting: Setting) -> float:
    """Width of what lies between, the widest of what it is in turn: the vector operations work in place."""
    widths = [setting.held_bits(op.outputs.format) for op in chain.firsts]
    for op in chain.vectors:
        widths += [element_bits(op.input_format), element_bits(op.format)]
    return max(*widths, element_bits(chain.last.inputs.format))


def pair_space_of(
    chain: Chain, accelerator: Accelerator, homes: Homes, setting: Setting, around: Around, objective: str
) -> PairSpace:
    """Every cut of a chain that fits; none when even the smallest tiles do not."""
    pair = pair_of(chain, homes, setting, around)
    price = price_of(chain, accelerator, homes, setting, objective)
    sizes = [int(size) for size in pair.sizes]
    shared = accelerator.cores * accelerator.engine.arrays
    blocks = [1, min(shared, sizes[0]), *(2**i for i in range(sizes[0].bit_length())), sizes[0]]
    m_tiles, f_tiles = (np.array(block_sizes(size), np.int64) for size in sizes[1:3])
    k_tiles, n_tiles = (np.array(halved(size), np.int64) for size in sizes[3:])
    most = 2 * len(k_tiles) * (len(m_tiles) * len(f_tiles) * 2 + len(blocks))
    table, values = np.zeros((most, 6), np.int64), np.zeros(most)
    found = pair_space(pair, price, np.array(blocks, np.int64), m_tiles, f_tiles, k_tiles, n_tiles, table, values)
    table, values = table[:found], values[:found]
    volume = -table[:, 1:].prod(axis=1)
    by_bound = np.lexsort((table[:, 0], volume, values))
    return PairSpace(
        chain=chain, accelerator=accelerator, homes=homes, setting=setting, around=around, pair=pair,
        cuts=table[by_bound], bounds=values[by_bound],
    )  # fmt: skip


def block_sizes(size: int) -> list[int]:
    """For each number of blocks that a size can be cut in, the smallest block that gives it.

    Traffic depends on the number alone, so no other size can move less, and any other holds more.

    >>> block_sizes(10)
    [10, 5, 4, 3, 2, 1]
    """
    sizes, block = [], size
    while block > 1:
        sizes.append(block)
        block = math.ceil(size / math.ceil(size / (block - 1)))
    return [*sizes, 1]


def halved(size: int) -> list[int]:
    """The size and the powers of two below it, falling.

    >>> halved(10)
    [10, 8, 4, 2, 1]
    """
    return [size, *(2**i for i in range(size.bit_length() - 1, -1, -1) if 2**i < size)]


def price_of(chain: Chain, accelerator: Accelerator, homes: Homes, setting: Setting, objective: str) -> Price:
    """What moves and products cost at least; docs/fusion.md says why nothing is below."""
    first, last = chain.firsts[0], chain.last
    far, counting = homes.far, setting.counting
    problem = build_problem(first, accelerator, accelerator.engine.dataflows[0], counting, setting.accumulator)
    vectors = [vector_cost_on_chip(op, accelerator, setting) for op in chain.vectors]
    macs_pj, pj_per_cycle = least_energy(chain, accelerator, setting)
    fixed_pj = sum(macs_pj) + sum(cost.total_energy_j - cost.energy_j.get("leakage", 0.0) for cost in vectors) * 1e12
    own = bool(far.operand_bits_per_cycle)
    flows, timing = _flows(chain, accelerator, setting)
    stalls = counting.memory_stalls and not own
    return Price(
        pj=move_pj(chain, homes, setting),
        read_cycles=1 / far.read_bits_per_cycle if stalls else 0.0,
        write_cycles=1 / far.write_bits_per_cycle if stalls else 0.0,
        shared=far.shared_ports,
        flows=flows,
        timing=timing,
        array=problem.array,
        near_pj=np.array([_near_pj(op, homes) for op in (first, last)]),
        direct=np.array([float(_direct(first, accelerator, homes, name)) for name in OPERANDS]),
        units=float(accelerator.cores * accelerator.engine.arrays),
        peak=max(problem.peak_macs_per_cycle, peak_macs(last, accelerator)),
        fixed_cycles=float(sum(cost.cycles for cost in vectors)),
        fixed_pj=fixed_pj,
        pj_per_cycle=pj_per_cycle,
        objective=OBJECTIVES[objective],
        exponents=np.array(setting.mapper.exponents, np.float64),
    )


def peak_macs(op: Op, accelerator: Accelerator) -> float:
    """MACs in a cycle at the op's formats and on its data, all PEs at work."""
    return accelerator.units * data_rate(op, accelerator.engine).macs_per_unit_cycle


def _flows(chain: Chain, accelerator: Accelerator, setting: Setting) -> tuple[Ints, Floats]:
    """Groups and timing of the dataflows an engine with passes may use; the faster rate of both products."""
    chosen = setting.mapper.dataflows
    flows = [flow for flow in accelerator.engine.dataflows if flow.stream and (not chosen or flow.name in chosen)]
    per_unit = max(peak_macs(op, accelerator) for op in (*chain.firsts, chain.last)) / accelerator.units
    groups = [[GROUPS.index(name) for name in (flow.axes[0].gemm_dims[0], flow.axes[1].gemm_dims[0], flow.stream)]
              for flow in flows]  # fmt: skip
    timing = [
        timing_array(flow.timing, setting.counting, per_unit, output_stationary=flow.stationary == "outputs")
        for flow in flows
    ]
    return np.array(groups, np.int64).reshape(-1, 3), np.array(timing, np.float64).reshape(-1, 9)


def move_pj(chain: Chain, homes: Homes, setting: Setting) -> Floats:
    """pJ of one element that comes or goes, at both ends: X, W1, W2, Y, Y partial read and written."""
    far, home = homes.far, homes.home
    back = 1.0 if setting.counting.write_back_read else 0.0

    def read(bits: float, level: object = home) -> float:
        target = homes.weights if level is homes.weights else home
        return far.read_energy.per_element_pj(bits) + target.write_energy.per_element_pj(bits)

    def written(bits: float) -> float:
        return far.write_energy.per_element_pj(bits) + back * home.read_energy.per_element_pj(bits)

    first, last, sums = chain.firsts[0], chain.last, setting.sum_bits
    weights = [read(element_bits(op.weights.format), homes.weights) for op in chain.firsts]
    return np.array([
        read(element_bits(first.inputs.format)), sum(weights) / len(weights),
        read(element_bits(last.weights.format), homes.weights),
        written(element_bits(last.outputs.format)), read(sums), written(sums),
    ])  # fmt: skip


def _near_pj(op: Op, homes: Homes) -> list[float]:
    """pJ of one element at its home on chip: inputs and weights read, a result written."""
    home, weights = homes.home, homes.weights
    return [
        home.read_energy.per_element_pj(element_bits(op.inputs.format)),
        weights.read_energy.per_element_pj(element_bits(op.weights.format)),
        home.write_energy.per_element_pj(element_bits(op.outputs.format)),
    ]


def _direct(op: Op, accelerator: Accelerator, homes: Homes, name: OperandName) -> bool:
    """Whether the array takes an operand from its home on chip, with no level between."""
    home = homes.weights if name == "weights" else homes.home
    role = op.operand(name).role.value
    serving = [level for level in accelerator.memories if level.per != "pe" and level.serves(name, role)]
    return serving[-1] is home


def vector_cost_on_chip(op: VectorOp, accelerator: Accelerator, setting: Setting) -> OpCost:
    """The op with all it reads and writes on chip."""
    return vector_cost(
        op, accelerator, setting.counting, resident_inputs=1.0, resident_outputs=True, array=setting.array
    )


def pair_plan(space: PairSpace, order: int, tiles: Ints) -> Plan:
    """One cut as a plan: tiles of all products, what is held, what moves."""
    chain, pair = space.chain, space.pair
    sizes = [int(size) for size in pair.sizes]
    blocks = [math.ceil(size / int(tile)) for size, tile in zip(sizes, tiles, strict=True)]
    kept = _kept(space, tiles)
    works = tuple(_works(space, tiles))
    vectors = [(len(chain.firsts) + i, vector_cost_on_chip(op, space.accelerator, space.setting))
               for i, op in enumerate(chain.vectors)]  # fmt: skip
    if chain.kind == "attention" and blocks[2] > 1:
        softmax = next(i for i, op in enumerate(chain.vectors) if op.kind == "softmax")
        vectors.append((len(chain.firsts) + softmax, _rescaling(space, blocks[2])))
    loops = list(zip(DIMS, sizes, (int(tile) for tile in tiles), strict=True))
    if order:
        loops[1], loops[2] = loops[2], loops[1]
    tile_of = {(item.tensor, item.level): item.elements * item.element_bits for item in kept}
    first_bits = sum(bits for (tensor, _), bits in tile_of.items() if tensor in _first_tensors(space))
    return Plan(
        tiles=FusedTiles(kind=chain.kind, loops=tuple(loops), choice=ORDERS[order]),
        kept=kept,
        moved=_moved(space, order, tiles),
        works=works,
        vectors=tuple(vectors),
        steps=blocks[0] * blocks[1] * blocks[2] * max(blocks[3], blocks[4]),
        first_bits=first_bits,
        last_bits=0.0 if pair.y_stays else math.prod(int(tiles[i]) for i in (0, 1, 4)) * float(pair.bits[4]),
    )


def _first_tensors(space: PairSpace) -> tuple[str, ...]:
    """Tensors of which a tile must have come before anything can start."""
    weights = tuple(f"{op.name}.weights" for op in space.chain.firsts)
    return weights if space.pair.x_stays else (f"{space.chain.firsts[0].name}.inputs", *weights)


def _kept(space: PairSpace, tiles: Ints) -> tuple[Kept, ...]:
    """What the levels hold; sums over several tiles at the width of sums, as the kernels count it."""
    chain, pair, home, there = space.chain, space.pair, space.homes.home.name, space.homes.weights.name
    held = np.zeros((6, 2), np.int64)
    pair_held(pair, tiles, held)
    sums, summed_s, summed_y = space.setting.sum_bits, tiles[3] < pair.sizes[3], tiles[2] < pair.sizes[2]
    wide_s = max(float(pair.bits[2]), sums) if summed_s else float(pair.bits[2])
    wide_y = max(float(pair.bits[6]), sums) if summed_y else float(pair.bits[6])
    first, last = chain.firsts[0], chain.last

    def row(tensor: str, index: int, bits: float, level: str = home, parts: int = 1) -> Kept:
        elements, copies = int(held[index, 0]) // parts, int(held[index, 1])
        return Kept(level=level, tensor=tensor, elements=elements, element_bits=bits, copies=copies)

    rows = [row(f"{first.name}.inputs", 0, float(pair.bits[0]))]
    rows += [row(f"{op.name}.weights", 1, element_bits(op.weights.format), there, len(chain.firsts))
             for op in chain.firsts]  # fmt: skip
    rows += [row(f"{op.name}.outputs", 2, wide_s, parts=len(chain.firsts)) for op in chain.firsts]
    rows += [row(f"{last.name}.weights", 3, float(pair.bits[3]), there), row(f"{last.name}.outputs", 4, wide_y)]
    if held[5, 0]:
        rows.append(row("row statistics", 5, sums))
    return tuple(rows)


def _works(space: PairSpace, tiles: Ints) -> list[TileWork]:
    """Tiles of all products with how often they run, whole ones and edges apart."""
    chain = space.chain
    b, m, f, k, n = (_edges(int(s), int(t)) for s, t in zip(space.pair.sizes, tiles, strict=True))
    works = []
    for member, op in enumerate(chain.firsts):
        works += _tiled(space, member, op, {"b": b, "m": m, "n": f, "k": k})
    return works + _tiled(space, len(chain.members) - 1, chain.last, {"b": b, "m": m, "n": n, "k": f})


def _edges(size: int, tile: int) -> list[tuple[int, int]]:
    """(size, how many) of the whole tiles, then of the smaller last one.

    >>> _edges(10, 4), _edges(8, 4)
    ([(4, 2), (2, 1)], [(4, 2)])
    """
    whole, rest = divmod(size, tile)
    return [(tile, whole)] + ([(rest, 1)] if rest else [])


def _tiled(space: PairSpace, member: int, op: Op, edges: dict[str, list[tuple[int, int]]]) -> list[TileWork]:
    blocks = sum(times for _, times in edges["k"])
    if blocks > 1:
        op = replace(op, outputs=replace(op.outputs, format=space.setting.accumulator))
    summed = op.elements("outputs") * (blocks - 1)
    works: list[TileWork] = []
    for cut in _product_of(edges):
        sizes = {dim: size for dim, (size, _) in cut.items()}
        works.append(
            TileWork(
                member=member,
                op=resized(op, sizes),
                times=math.prod(times for _, times in cut.values()),
                level=space.homes.home.name,
                summed=summed if not works else 0,
            )
        )
    return works


def _product_of(edges: dict[str, list[tuple[int, int]]]) -> list[dict[str, tuple[int, int]]]:
    cuts: list[dict[str, tuple[int, int]]] = [{}]
    for dim, pieces in edges.items():
        cuts = [cut | {dim: piece} for cut in cuts for piece in pieces]
    return cuts


def resized(op: Op, sizes: dict[str, int]) -> Op:
    """The op with other sizes of some loops."""
    return replace(op, loops={**op.loops, **sizes}, dims={**op.dims, **sizes}, count=1)


def _moved(space: PairSpace, order: int, tiles: Ints) -> tuple[Moved, ...]:
    """What crosses to and from the off-chip memory, by op and operand."""
    chain, pair, last = space.chain, space.pair, len(space.chain.members) - 1
    counts = np.zeros(8, np.int64)
    pair_moves(pair, tiles, order, counts)
    home, there = space.homes.home.name, space.homes.weights.name
    rows = [Moved(member=0, operand="inputs", level=home, bits=float(pair.bits[0]), reads=int(counts[0]))]
    rows += [
        Moved(member=i, operand="weights", level=there, bits=element_bits(op.weights.format), reads=int(counts[1]))
        for i, op in enumerate(chain.firsts)
    ]
    rows.append(Moved(member=last, operand="weights", level=there, bits=float(pair.bits[3]), reads=int(counts[2])))
    rows.append(
        Moved(
            member=last, operand="outputs", level=home, bits=float(pair.bits[4]), writes=int(counts[3]),
            partial_reads=int(counts[4] + counts[6]), partial_writes=int(counts[5] + counts[7]),
            partial_bits=space.setting.sum_bits,
        )
    )  # fmt: skip
    return tuple(rows)


def _rescaling(space: PairSpace, blocks: int) -> OpCost:
    """The vector work that an online softmax has beyond a plain one: old results scaled, row statistics kept."""
    table, fmt = vector_costs(), space.setting.accumulator
    b, m, _, _, n = (int(size) for size in space.pair.sizes)
    elements = b * m * n * (blocks - 1)
    operations = elements * table["online-softmax"].operations + b * m * blocks * table["row-statistics"].operations
    op = VectorOp(
        name="online softmax",
        kind="softmax",
        elements=elements,
        reads_per_element=table["online-softmax"].reads,
        operations_per_element=operations / elements,
        format=fmt,
        input_format=fmt,
    )
    return vector_cost_on_chip(op, space.accelerator, space.setting)

"""Two convolutions that run as one, tile by tile of the last result: every way to cut them, and the plan of one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from archsim.arch.accelerator import Accelerator
from archsim.mappers.chains import Chain
from archsim.mappers.fusion_halo import AxisCut, axis_cut, halo_axes
from archsim.mappers.fusion_pairs import (
    block_sizes,
    halved,
    middle_bits,
    move_pj,
    peak_macs,
    resized,
    vector_cost_on_chip,
)
from archsim.mappers.fusion_setting import Around, Homes, Setting, double_buffers, least_energy
from archsim.sim.fused import Kept, Moved, Plan, TileWork
from archsim.sim.kernels import Floats
from archsim.sim.problem import element_bits
from archsim.sim.records import FusedTiles
from archsim.workloads.op import Op

KEEP, REMAKE = "rows of the halo are kept", "the halo is made again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvCut:
    """One cut: tiles of the last result's rows and columns, and of both convolutions' output channels."""

    rows: AxisCut
    columns: AxisCut
    keep: bool
    first_channels: int
    last_channels: int

    @property
    def tiles(self) -> int:
        """Tiles of one image."""
        return self.rows.count * self.columns.count


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvSpace:
    """Every cut of two convolutions that fits the memories, the best bound first."""

    chain: Chain
    accelerator: Accelerator
    homes: Homes
    setting: Setting
    around: Around
    cuts: tuple[ConvCut, ...]
    bounds: Floats

    def plan(self, index: int) -> Plan:
        """The plan of one cut."""
        return conv_plan(self, self.cuts[index])


def conv_space_of(
    chain: Chain, accelerator: Accelerator, homes: Homes, setting: Setting, around: Around, objective: str
) -> ConvSpace:
    """Every cut of a chain that fits; none when even the smallest tiles do not."""
    space = ConvSpace(
        chain=chain, accelerator=accelerator, homes=homes, setting=setting, around=around, cuts=(), bounds=np.zeros(0)
    )
    height, width = halo_axes(chain.firsts[0], chain.last)
    across = [axis_cut(width, size, keep=False) for size in block_sizes(width.last)]
    room = ConvRoom.of(space)
    cuts = []
    for keep in (True, False):
        for size in block_sizes(height.last):
            down = axis_cut(height, size, keep=keep)
            if keep and down.count == 1:
                continue
            for columns in across:
                cuts += _channel_cuts(space, room, down, columns, keep)
    bound = _Bound.of(space, objective)
    values = np.array([bound.value(space, cut) for cut in cuts])
    order = sorted(range(len(cuts)), key=lambda i: (values[i], cuts[i].tiles, -cuts[i].first_channels, i))
    return replace(space, cuts=tuple(cuts[i] for i in order), bounds=values[order] if cuts else values)


def _channel_cuts(space: ConvSpace, room: ConvRoom, rows: AxisCut, columns: AxisCut, keep: bool) -> list[ConvCut]:
    """Cuts of the channels that fit beside a tile: for each of the first convolution's the largest of the last's,
    unless a larger one of the first leaves as much to the last."""
    first, last = space.chain.firsts[0], space.chain.last
    mine, theirs = ([op.dims["k"]] if op.dims["groups"] > 1 else halved(op.dims["k"]) for op in (first, last))
    found: list[ConvCut] = []
    widest = 0
    for a in mine:
        b = next((size for size in theirs if size > widest and room.fits(rows, columns, a, size)), None)
        if b is not None:
            found.append(ConvCut(rows=rows, columns=columns, keep=keep, first_channels=a, last_channels=b))
            widest = b
        if widest == theirs[0]:
            break
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvRoom:
    """What `conv_kept` holds as plain numbers, for the many cuts that are tried: bits for each element of a cut."""

    home: float
    """Bits of the home of activations that the chain may take."""
    weights: float
    """Those of the filters' level; 0 where it is the same."""
    same: bool
    here: int
    beside: int
    """Copies of what comes and goes: activations, filters."""
    images: int
    inputs: float
    """For each input position, all channels; 0 where the input stays anyway."""
    middle: float
    outputs: float
    """For each result; 0 where the results stay anyway."""
    first_filter: float
    last_filter: float
    """For each output channel."""
    first_channels: int
    last_channels: int

    @classmethod
    def of(cls, space: ConvSpace) -> ConvRoom:
        first, last = space.chain.firsts[0], space.chain.last
        home, there, counting = space.homes.home, space.homes.weights, space.setting.counting
        stay = space.around
        inputs, outputs = element_bits(first.inputs.format), space.setting.held_bits(last.outputs.format)
        taken = stay.taken_bits
        taken += first.elements("inputs") * inputs if stay.input_stays else 0.0
        taken += last.elements("outputs") * outputs if stay.output_stays else 0.0
        return cls(
            home=home.capacity_bits - taken,
            weights=0.0 if there is home else there.capacity_bits,
            same=there is home,
            here=1 + double_buffers(home, counting),
            beside=1 + double_buffers(there, counting),
            images=last.dims["n"],
            inputs=0.0 if stay.input_stays else first.dims["c"] * inputs,
            middle=first.dims["k"] * middle_bits(space.chain, space.setting),
            outputs=0.0 if stay.output_stays else outputs,
            first_filter=_filters(first, 1) * element_bits(first.weights.format),
            last_filter=_filters(last, 1) * element_bits(last.weights.format),
            first_channels=first.dims["k"],
            last_channels=last.dims["k"],
        )

    def fits(self, rows: AxisCut, columns: AxisCut, first_channels: int, last_channels: int) -> bool:
        """Whether every level holds what the cut needs."""
        several = self.images * rows.count * columns.count > 1
        cut = self.last_channels > last_channels
        home = self.inputs * rows.box * columns.box * (self.here if several else 1)
        home += self.middle * rows.window * columns.window
        home += self.outputs * last_channels * rows.size * columns.size * (self.here if several or cut else 1)
        filters = self.first_filter * first_channels * (self.beside if self.first_channels > first_channels else 1)
        filters += self.last_filter * last_channels * (self.beside if cut else 1)
        return home + filters <= self.home if self.same else home <= self.home and filters <= self.weights


def conv_kept(space: ConvSpace, cut: ConvCut) -> tuple[Kept, ...]:
    """What the levels hold: windows of the input and of the middle tensor, filters, and a tile of the result."""
    chain, home, there = space.chain, space.homes.home, space.homes.weights
    first, last = chain.firsts[0], chain.last
    here = 1 + double_buffers(home, space.setting.counting)
    beside = 1 + double_buffers(there, space.setting.counting)
    several = last.dims["n"] * cut.tiles > 1
    channels = last.dims["k"] > cut.last_channels
    inputs = first.dims["c"] * cut.rows.box * cut.columns.box
    outputs = cut.last_channels * cut.rows.size * cut.columns.size
    filters = (_filters(first, cut.first_channels), _filters(last, cut.last_channels))
    stay = space.around
    return (
        Kept(level=home.name, tensor=f"{first.name}.inputs", element_bits=element_bits(first.inputs.format),
             elements=first.elements("inputs") if stay.input_stays else inputs,
             copies=here if several and not stay.input_stays else 1),
        Kept(level=there.name, tensor=f"{first.name}.weights", element_bits=element_bits(first.weights.format),
             elements=filters[0], copies=beside if first.dims["k"] > cut.first_channels else 1),
        Kept(level=home.name, tensor=f"{first.name}.outputs", element_bits=middle_bits(chain, space.setting),
             elements=first.dims["k"] * cut.rows.window * cut.columns.window),
        Kept(level=there.name, tensor=f"{last.name}.weights", element_bits=element_bits(last.weights.format),
             elements=filters[1], copies=beside if channels else 1),
        Kept(level=home.name, tensor=f"{last.name}.outputs", element_bits=space.setting.held_bits(last.outputs.format),
             elements=last.elements("outputs") if stay.output_stays else outputs,
             copies=here if (several or channels) and not stay.output_stays else 1),
    )  # fmt: skip


def _filters(op: Op, channels: int) -> int:
    """Weights of some of the output channels."""
    return op.elements("weights") // op.dims["k"] * channels


def conv_moved(space: ConvSpace, cut: ConvCut) -> tuple[Moved, ...]:
    """What crosses to and from the off-chip memory. Filters come once where all are held, else for each tile."""
    first, last = space.chain.firsts[0], space.chain.last
    home, there = space.homes.home.name, space.homes.weights.name
    images, end = last.dims["n"], len(space.chain.members) - 1
    passes = [
        1 if op.dims["k"] == channels else images * cut.tiles
        for op, channels in ((first, cut.first_channels), (last, cut.last_channels))
    ]
    inputs = images * first.dims["c"] * cut.rows.fetched * cut.columns.fetched
    return (
        Moved(member=0, operand="inputs", level=home, bits=element_bits(first.inputs.format),
              reads=0 if space.around.input_stays else inputs),
        Moved(member=0, operand="weights", level=there, bits=element_bits(first.weights.format),
              reads=first.elements("weights") * passes[0]),
        Moved(member=end, operand="weights", level=there, bits=element_bits(last.weights.format),
              reads=last.elements("weights") * passes[1]),
        Moved(member=end, operand="outputs", level=home, bits=element_bits(last.outputs.format),
              writes=0 if space.around.output_stays else last.elements("outputs")),
    )  # fmt: skip


def made(space: ConvSpace, cut: ConvCut) -> int:
    """Elements of the middle tensor that are computed, those of halos made again counted again."""
    first = space.chain.firsts[0]
    return first.dims["n"] * first.dims["k"] * cut.rows.made * cut.columns.made


def conv_plan(space: ConvSpace, cut: ConvCut) -> Plan:
    """One cut as a plan: tiles of both convolutions, what is held, what moves."""
    chain = space.chain
    first, last = chain.firsts[0], chain.last
    kept = conv_kept(space, cut)
    sizes = (last.dims["n"], last.dims["q"], last.dims["p"], first.dims["k"], last.dims["k"])
    tiles = (1, cut.columns.size, cut.rows.size, cut.first_channels, cut.last_channels)
    works = _first_works(space, cut) + _last_works(space, cut)
    bits = {item.tensor: item.elements * item.element_bits for item in kept}
    stay = space.around
    first_bits = bits[f"{first.name}.weights"] + (0.0 if stay.input_stays else bits[f"{first.name}.inputs"])
    vectors = tuple(
        (1 + i, vector_cost_on_chip(replace(op, elements=made(space, cut)), space.accelerator, space.setting))
        for i, op in enumerate(chain.vectors)
    )
    return Plan(
        tiles=FusedTiles(
            kind=chain.kind,
            loops=tuple(zip(("n", "q", "p", "k1", "k2"), sizes, tiles, strict=True)),
            choice=KEEP if cut.keep else REMAKE,
        ),
        kept=kept,
        moved=conv_moved(space, cut),
        works=tuple(works),
        vectors=vectors,
        steps=last.dims["n"] * cut.tiles,
        first_bits=first_bits,
        last_bits=0.0 if stay.output_stays else bits[f"{last.name}.outputs"],
    )


def _channels(op: Op, tile: int) -> list[tuple[int, int]]:
    """(output channels in one group, how many such tiles)."""
    groups = op.dims["groups"]
    if groups > 1:
        return [(op.dims["k"] // groups, 1)]
    whole, rest = divmod(op.dims["k"], tile)
    return [(tile, whole)] + ([(rest, 1)] if rest else [])


def _first_works(space: ConvSpace, cut: ConvCut) -> list[TileWork]:
    op, home = space.chain.firsts[0], space.homes.home.name
    shapes: dict[tuple[int, int], int] = {}
    for (_, rows), down in cut.rows.shapes:
        for (_, columns), across in cut.columns.shapes:
            if rows and columns:
                shapes[rows, columns] = shapes.get((rows, columns), 0) + down * across
    return _works(op, 0, shapes, cut.first_channels, home)


def _last_works(space: ConvSpace, cut: ConvCut) -> list[TileWork]:
    op, home = space.chain.last, space.homes.home.name
    shapes: dict[tuple[int, int], int] = {}
    for (rows, _), down in cut.rows.shapes:
        for (columns, _), across in cut.columns.shapes:
            shapes[rows, columns] = shapes.get((rows, columns), 0) + down * across
    return _works(op, len(space.chain.members) - 1, shapes, cut.last_channels, home)


def _works(op: Op, member: int, shapes: dict[tuple[int, int], int], channels: int, home: str) -> list[TileWork]:
    return [
        TileWork(
            member=member,
            op=resized(op, {"n": 1, "p": rows, "q": columns, "k": size}),
            times=op.dims["n"] * times * repeats,
            level=home,
        )
        for (rows, columns), times in shapes.items()
        for size, repeats in _channels(op, channels)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """What no cut of a chain can be below, from what it moves and computes."""

    objective: str
    exponents: tuple[float, float]
    pj: Floats
    read_cycles: float
    write_cycles: float
    shared: bool
    cycles_per_mac: float
    made_pj: float
    """MACs of the first convolution, for each element made."""
    last_pj: float
    pj_per_cycle: float
    vector_cycles: float
    vector_pj: float
    """Of all vector operations, for each element made."""

    @classmethod
    def of(cls, space: ConvSpace, objective: str) -> _Bound:
        chain, far, setting = space.chain, space.homes.far, space.setting
        first = chain.firsts[0]
        macs_pj, pj_per_cycle = least_energy(chain, space.accelerator, setting)
        vectors = [vector_cost_on_chip(op, space.accelerator, setting) for op in chain.vectors]
        elements = first.elements("outputs")
        energy = sum(cost.total_energy_j - cost.energy_j.get("leakage", 0.0) for cost in vectors) * 1e12
        stalls = setting.counting.memory_stalls and not far.operand_bits_per_cycle
        return cls(
            objective=objective,
            exponents=setting.mapper.exponents,
            pj=move_pj(chain, space.homes, setting),
            read_cycles=1 / far.read_bits_per_cycle if stalls else 0.0,
            write_cycles=1 / far.write_bits_per_cycle if stalls else 0.0,
            shared=far.shared_ports,
            cycles_per_mac=1 / max(peak_macs(op, space.accelerator) for op in (first, chain.last)),
            made_pj=macs_pj[0] / elements,
            last_pj=macs_pj[1],
            pj_per_cycle=pj_per_cycle,
            vector_cycles=sum(cost.cycles - 1 for cost in vectors) / elements,
            vector_pj=energy / elements,
        )

    def value(self, space: ConvSpace, cut: ConvCut) -> float:
        moved = conv_moved(space, cut)
        read, written = (sum(getattr(item, name) for item in moved) for name in ("read_bits", "written_bits"))
        if self.objective == "traffic":
            return float(read + written)
        first, last = space.chain.firsts[0], space.chain.last
        elements = made(space, cut)
        macs = first.macs / first.elements("outputs") * elements + last.macs
        times = (float(read * self.read_cycles), float(written * self.write_cycles))
        transfers = sum(times) if self.shared else max(times)
        cycles = max(macs * self.cycles_per_mac + elements * self.vector_cycles, transfers)
        pj = self.last_pj + elements * (self.made_pj + self.vector_pj)
        pj += sum(item.reads * self.pj[i] for i, item in enumerate(moved)) + moved[-1].writes * self.pj[3]
        pj += cycles * self.pj_per_cycle
        match self.objective:
            case "latency":
                value = cycles
            case "energy":
                value = pj
            case "edp":
                value = cycles * pj
            case _:
                value = cycles ** self.exponents[0] * pj ** self.exponents[1]
        return float(value)

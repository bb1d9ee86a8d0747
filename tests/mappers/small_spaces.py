"""Random problems small enough to try every mapping of."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Dataflow, SpatialAxis
from archsim.arch.engines.systolic import SystolicEngine
from archsim.arch.formats import Format, format
from archsim.arch.memory import UNLIMITED, AccessEnergy, EnergyBasis, MemoryLevel
from archsim.sim.conventions import Counting, counting
from archsim.sim.cost import Costing
from archsim.sim.problem import Problem, build_problem
from archsim.workloads.op import OPERANDS, Op
from tests.sim.builders import UNIT, accelerator, spatial

ALL = frozenset(OPERANDS)
CONVENTIONS = ("archsim", "accelforge", "timeloop", "zigzag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One problem with what the search may do."""

    problem: Problem
    costing: Costing
    accumulator: Format
    perfect: bool
    skipped: frozenset[tuple[str, str]]
    text: str


def gemm(rng: random.Random, most: int) -> Op:
    sizes = {dim: rng.choice([1, 2, 3, 4, 5, 6][:most]) for dim in "mnk"}
    return Op.gemm("x", b=rng.choice([1, 1, 1, 2]), **sizes)


def one_row(rng: random.Random) -> Op:
    """A GEMM of one row or one column: each weight or each input is of use once."""
    sizes = {dim: rng.choice([2, 3, 5, 6, 7]) for dim in "mnk"} | {rng.choice("mn"): 1}
    return Op.gemm("x", b=rng.choice([1, 1, 1, 2]), **sizes)


def long_row(rng: random.Random) -> Op:
    """A GEMM of one or two rows or columns, whose other sizes may fill words in several ways."""
    sizes = {dim: rng.choice([4, 6, 8, 12]) for dim in "mnk"} | {rng.choice("mn"): rng.choice([1, 1, 2])}
    return Op.gemm("x", **sizes)


def conv(rng: random.Random, most: int) -> Op:
    groups = rng.choice([1, 1, 1, 2, 3])
    depthwise = groups > 1 and rng.random() < 0.5
    wide = rng.random() < 0.2
    return Op.conv(
        "x",
        n=1,
        k=groups * (1 if depthwise else rng.choice([1, 1, 2, 3])),
        c=groups * (1 if depthwise else rng.choice([1, 1, 2, 3])),
        p=rng.choice([2, 3, 4, 5, 6][: most - 1]),
        q=rng.choice([2, 3]) if wide else 1,
        r=rng.choice([1, 2, 3]),
        s=rng.choice([1, 2]) if wide else 1,
        stride_h=rng.choice([1, 1, 2, 3]),
        stride_w=rng.choice([1, 2]) if wide else 1,
        dilation_h=rng.choice([1, 1, 2]),
        groups=groups,
    )


def formatted(rng: random.Random, op: Op) -> Op:
    pick = [format(rng.choice(["int8", "int8", "int4", "int2"])) for _ in range(3)]
    return op.with_formats(inputs=pick[0], weights=pick[1], outputs=pick[2])


def memory(rng: random.Random, name: str, rank: int, per: str, *, words: bool) -> MemoryLevel:
    """A level; the further in, the cheaper and (for the most part) the smaller."""
    outermost = rank == 0
    operands = ALL
    if not outermost and rng.random() < 0.4:
        operands = frozenset(rng.sample(OPERANDS, rng.choice([1, 2])))
    word = rng.choice([8, 16, 32]) if words else 0
    scale = 4.0 * 0.3**rank

    def energy() -> AccessEnergy:
        value = scale * rng.choice([0.5, 1.0, 2.0])
        if word:
            return AccessEnergy(value_pj=value * word, basis=EnergyBasis.ACCESS, width_bits=word)
        return AccessEnergy(value_pj=value)

    return MemoryLevel(
        name=name,
        technology="sram",
        capacity_bits=UNLIMITED if outermost else rng.choice([16, 24, 40, 64, 100, 160, 260, 400]),
        operands=operands,
        per=per,
        read_bits_per_cycle=rng.choice([4.0, 8.0, 16.0, 64.0]),
        write_bits_per_cycle=rng.choice([4.0, 8.0, 16.0, 64.0]),
        shared_ports=rng.random() < 0.5,
        operand_bits_per_cycle=(("weights", 8.0),) if rng.random() < 0.15 else (),
        read_word_bits=word,
        write_word_bits=word,
        double_buffer=not outermost and rng.random() < 0.4,
        read_energy=energy(),
        write_energy=energy(),
        leakage_w=rng.choice([0.0, 1e-4]),
        off_chip=outermost,
    )


def with_ports(rng: random.Random, machine: Accelerator) -> Accelerator:
    """A machine whose memories have ports for some of their operands alone."""
    widths = [1.0, 2.0, 4.0, 16.0]
    return replace(
        machine,
        memories=tuple(
            replace(
                level,
                operand_bits_per_cycle=tuple(
                    (name, rng.choice(widths)) for name in sorted(level.operands) if rng.random() < 0.5
                ),
            )
            for level in machine.memories
        ),
    )


def axes(rng: random.Random, most: int) -> tuple[SpatialAxis, ...]:
    made = []
    for name in ("x", "y")[: rng.choice([1, 1, 2])]:
        gemm_dims = rng.choice([("n",), ("k",), ("m",), ("m", "k"), ("n", "k"), ("m", "n", "k"), ("b", "n")])
        conv_dims = rng.choice([("k",), ("c",), ("rows",), ("p", "r"), ("r",), ("p",), ("k", "reduction"), ("g", "p")])
        made.append(
            SpatialAxis(
                name=name,
                size=rng.choice([2, 3, 4][:most]),
                gemm_dims=gemm_dims,
                conv_dims=conv_dims,
                multicast=frozenset(o for o in ("inputs", "weights") if rng.random() < 0.6),
                reduce=frozenset(o for o in ("outputs",) if rng.random() < 0.6),
            )
        )
    return tuple(made)


def window_axes(rng: random.Random, most: int) -> tuple[SpatialAxis, ...]:
    """Units side by side along what windows slide over: what theirs have in common is sent once."""
    return tuple(
        SpatialAxis(
            name=name,
            size=rng.choice([2, 3, 4][:most]),
            gemm_dims=("n",),
            conv_dims=rng.choice([("p", "r"), ("r",), ("p",), ("p", "r", "k"), ("c", "r")]),
            multicast=frozenset(rng.choice([(), ("inputs",), ("inputs", "weights")])),
            reduce=frozenset(rng.choice([(), ("outputs",)])),
        )
        for name in ("x", "y")[: rng.choice([1, 2, 2])]
    )


def chip(
    rng: random.Random, levels: int, *, words: bool, passes: bool, most: int, windows: bool = False
) -> Accelerator:
    if passes:
        engine = SystolicEngine(
            rows=rng.choice([2, 3, 4]),
            columns=rng.choice([2, 3, 4]),
            permitted=(rng.choice(["ws", "os", "is"]),),
            count=rng.choice([1, 1, 2]),
            fold_overlap=rng.random() < 0.5,
            weight_double_buffer=rng.random() < 0.5,
            unit=UNIT,
        )
        own = ["array"]
    else:
        made = window_axes(rng, most) if windows else axes(rng, most)
        engine = spatial(*made)
        own = ["pe", "pe", *(axis.name for axis in made)]
    places = ["chip"] * levels
    inner = rng.choice(own)
    if levels > 1 and rng.random() < 0.6:
        places[-1] = inner
    if levels > 2 and places[-1] != "chip" and rng.random() < 0.3:
        places[-2] = rng.choice(["core", inner])
    memories = [memory(rng, f"m{i}", i, place, words=words) for i, place in enumerate(places)]
    return accelerator(engine, *memories, cores=rng.choice([1, 1, 1, 2]))


def bypasses(rng: random.Random, machine: Accelerator) -> frozenset[tuple[str, str]]:
    if rng.random() < 0.7:
        return frozenset()
    return frozenset(
        (level.name, name) for level in machine.memories[1:] for name in sorted(level.operands) if rng.random() < 0.3
    )


def _op_on_a_chip(
    rng: random.Random, seed: int, kind: str, levels: int, most: int, convention: str, windowed: float
) -> tuple[Op, Accelerator]:
    """An op of a kind and a machine for it; a share `windowed` of kinds that are not convolutions are these."""
    if kind in ("row", "words"):
        op = formatted(rng, one_row(rng) if kind == "row" else long_row(rng))
    else:
        windows = kind in ("conv", "windows") or (windowed > 0.0 and rng.random() < windowed)
        op = formatted(rng, conv(rng, most) if windows else gemm(rng, most))
    machine = chip(
        rng,
        levels,
        words=convention in ("timeloop", "zigzag"),
        passes=kind == "passes" or (kind == "row" and seed % 7 == 6),
        most=most,
        windows=kind == "windows",
    )
    return op, machine


def case(seed: int, kind: str, *, ports: bool = False) -> Case:
    """A random problem; `kind`: gemm, row, words (rows, in whole words), conv, windows or passes.

    `ports`: its memories have ports for single operands.
    """
    rng = random.Random(f"{kind}{seed}")
    levels = rng.choice([1, 2, 2, 2, 3, 3, 4])
    most = {1: 6, 2: 5, 3: 4, 4: 3}[levels]
    convention = rng.choice(["archsim", "archsim", *CONVENTIONS])
    if kind == "words":
        convention = "zigzag"
    op, machine = _op_on_a_chip(rng, seed, kind, levels, most, convention, 0.3)
    if ports:
        machine = with_ports(random.Random(seed * 10 + len(kind)), machine)
    flow: Dataflow = machine.engine.dataflows[0]
    switches: Counting = counting(convention)
    accumulator = format(rng.choice(["int16", "int32", "int8"]))
    problem = build_problem(op, machine, flow, switches, accumulator)
    return Case(
        problem=problem,
        costing=Costing.of(machine, problem, accumulator, switches),
        accumulator=accumulator,
        perfect=rng.random() < 0.3,
        skipped=bypasses(rng, machine),
        text=f"{kind}{seed} {convention} {dict(op.dims)} {[(m.per, sorted(m.operands)) for m in machine.memories]}",
    )


def scarce(seed: int, kind: str) -> Case:
    """A random problem as `case`, on memories that hold a few elements of each operand."""
    rng = random.Random(f"tight{kind}{seed}")
    levels = rng.choice([2, 2, 2, 3, 3, 3, 4])
    most = {2: 5, 3: 4, 4: 3}[levels]
    convention = rng.choice(["archsim", "archsim", *CONVENTIONS])
    if kind == "words":
        convention = "zigzag"
    share = 0.4 if kind == "passes" else 0.0
    op, machine = _op_on_a_chip(rng, seed, kind, levels, most, convention, share)
    widths = {str(name): _width(op.operand(name).format) for name in OPERANDS}
    widths["outputs"] = max(rng.choice([4, 8, 8, 16]), widths["outputs"])
    accumulator = format(f"int{widths['outputs']}")
    outermost, *inner = machine.memories
    machine = replace(machine, memories=(outermost, *(_shrunk(rng, level, widths) for level in inner)))
    if rng.random() < 0.2:
        machine = with_ports(rng, machine)
    switches = counting(convention)
    problem = build_problem(op, machine, machine.engine.dataflows[0], switches, accumulator)
    skipped = frozenset[tuple[str, str]]()
    if rng.random() < 0.4:
        pairs = [(level.name, name) for level in machine.memories[1:] for name in sorted(level.operands)]
        skipped = frozenset(pair for pair in pairs if rng.random() < 0.3)
    return Case(
        problem=problem,
        costing=Costing.of(machine, problem, accumulator, switches),
        accumulator=accumulator,
        perfect=rng.random() < 0.4,
        skipped=skipped,
        text=f"scarce {kind}{seed} {convention} {dict(op.dims)} {[level.capacity_bits for level in machine.memories]}",
    )


def _width(element: Format | None) -> int:
    assert element is not None
    return int(element.name.removeprefix("int"))


def _shrunk(rng: random.Random, level: MemoryLevel, widths: dict[str, int]) -> MemoryLevel:
    """A level with room for one to six elements of each operand that it holds, two of each where it holds the next."""
    operands = level.operands
    if rng.random() < 0.3:
        operands = frozenset(rng.sample(sorted(operands), rng.choice([1, len(operands)])))
    twice = rng.random() < 0.5
    room = sum(rng.choice([1, 1, 1, 2, 2, 3, 4, 6]) * widths[name] * (2 if twice else 1) for name in sorted(operands))
    slack = rng.choice([0, 0, 0, 1, 2, 4, 8])
    return replace(level, operands=operands, double_buffer=twice, capacity_bits=room + slack)

"""Mappings that ZigZag 3.9.1 found and costed, and the same mappings costed here under its convention.

ZigZag cuts one loop order per operand, and lets a PE's register of one operand hold loops that the shared memory of
another operand has outside its tile. In one nest the spatial loops cannot stand inside the one and outside the other,
so each operand's traffic is taken from a nest with the spatial loops where that operand needs them: their order with
loops in time changes no count of that operand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from archsim.sim.mapping import Loop, Mapping
from archsim.workloads.op import Op
from tests.validation.machines import costed, machine, with_bits
from tests.validation.measure import read

MEMORIES = {
    "os8": {"outputs": "rf_o"},
    "ws8": {"weights": "rf_w"},
    "ws32": {"weights": "rf_w"},
    "rf3": {"outputs": "rf_o", "weights": "rf_w", "inputs": "rf_i"},
    "pe1": {"outputs": "rf", "weights": "rf", "inputs": "rf"},
}
"""The register of each operand; below it `sram` and `dram` hold all."""
LETTERS = {"O": "outputs", "W": "weights", "I": "inputs"}
GEMM = {"M": "m", "N": "n", "K": "k"}
CONV = {"B": "n", "K": "k", "C": "c", "OY": "p", "OX": "q", "FY": "r", "FX": "s", "G": "g"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row: energy in pJ and cycles, ours and ZigZag's."""

    case: str
    name: str
    divides: bool
    """Whether the loops multiply to the layer's sizes: where not, ZigZag counts fractions of PEs."""
    one_nest: bool
    """Whether every register tile lies within every shared tile: then one nest tells the cycles too."""
    energy_pj: float
    zigzag_pj: float
    cycles: float
    zigzag_cycles: float


@cache
def runs() -> tuple[Run, ...]:
    """Every row on a machine in `designs/validation` that states its mapping."""
    rows = [row for row in read("zigzag/cases.csv") if row["arch"] in MEMORIES]
    spatial = {(row["arch"], row["workload"]): row["spatial"] for row in rows if row["spatial"]}
    stated = [row for row in rows if row["temporal_inner_to_outer_per_memory"]]
    return tuple(_run(row, spatial[row["arch"], row["workload"]]) for row in stated)


def _run(row: dict[str, str], unrolled: str) -> Run:
    design = machine(f"zigzag-{row['arch']}")
    op, letters = op_of(row)
    cuts = _cuts(row["temporal_inner_to_outer_per_memory"], letters)
    spatial = [
        Loop(letters[dim], int(factor), axis.lower())
        for axis, dim, factor in re.findall(r"(D\d): \{([A-Z]+): (\d+)", unrolled)
        if int(factor) > 1
    ]
    by_operand = {}
    for operand in cuts:
        mapping = _mapping(cuts, spatial, MEMORIES[row["arch"]], operand)
        by_operand[operand] = costed(design, op, mapping)[1]
    plain = by_operand["outputs"]
    total = plain.energy_j["mac"] + sum(
        line.energy_j for operand, cost in by_operand.items() for line in cost.traffic if line.operand == operand
    )
    sizes = dict.fromkeys(op.loops, 1)
    for loop in plain.mapping.loops if plain.mapping else ():
        sizes[loop.dim] *= loop.factor
    return Run(
        case=row["case"],
        name=f"{row['arch']} {row['workload']}",
        divides=sizes == dict(op.loops),
        one_nest=_reach(MEMORIES[row["arch"]], cuts) <= _shared_reach(MEMORIES[row["arch"]], cuts),
        energy_pj=total * 1e12,
        zigzag_pj=float(row["energy_pJ"]),
        cycles=float(plain.cycles),
        zigzag_cycles=float(row["latency_cc"] or 0),
    )


def op_of(row: dict[str, str]) -> tuple[Op, dict[str, str]]:
    name = row["workload"]
    bits = {"weights": 4 if "_w4" in name else 8, "outputs": 32 if "_o32" in name else 8}
    if not row["conv_dims"]:
        return with_bits(Op.gemm(name, m=int(row["M"]), n=int(row["N"]), k=int(row["K"])), **bits), GEMM
    dims = {CONV[dim]: size for dim, size in json.loads(row["conv_dims"]).items()}
    return with_bits(Op.conv(name, **{dim: dims.get(dim, 1) for dim in "nkcpqrs"}), **bits), CONV


def _cuts(text: str, letters: dict[str, str]) -> dict[str, list[list[Loop]]]:
    """Operand to its memories, innermost first, each with its loops, innermost first."""
    if text.startswith('{"'):
        listed = json.loads(text)
        return {
            LETTERS[letter]: [[Loop(letters[dim], factor) for dim, factor in memory] for memory in memories]
            for letter, memories in listed.items()
        }
    found = {}
    for letter, body in re.findall(r"([OWI]): (\[\[.*?\]\])(?=,|\})", text):
        memories = re.findall(r"\[((?:\([A-Z]+, \d+\)(?:, )?)*)\]", body[1:-1])
        found[LETTERS[letter]] = [
            [Loop(letters[dim], int(factor)) for dim, factor in re.findall(r"\(([A-Z]+), (\d+)\)", memory)]
            for memory in memories
        ]
    return found


def _mapping(cuts: dict[str, list[list[Loop]]], spatial: list[Loop], registers: dict[str, str], of: str) -> Mapping:
    """The nest with the spatial loops right above the register of operand `of`, or inside its shared tile."""
    order = [loop for memory in cuts[of] for loop in memory]
    place = len(order) - len(cuts[of][0]) if of in registers else len(order) - _reach(registers, cuts)
    if of not in registers:
        place = max(place, len(order) - len(cuts[of][0]))
    order.reverse()
    loops = (*order[:place], *spatial, *order[place:])
    tiles: dict[str, dict[str, int]] = {}
    for operand, memories in cuts.items():
        names = ([registers[operand]] if operand in registers else []) + ["sram", "dram"]
        above = len(order)
        for name, memory in zip(names, memories, strict=True):
            above -= len(memory)
            inside = name == registers.get(operand)
            tiles.setdefault(name, {})[operand] = above + len(spatial) if inside else above
    return Mapping(dataflow="spatial", loops=loops, tiles=tiles)


def _reach(registers: dict[str, str], cuts: dict[str, list[list[Loop]]]) -> int:
    """Loops inside the largest register tile."""
    return max((len(cuts[operand][0]) for operand in registers), default=0)


def _shared_reach(registers: dict[str, str], cuts: dict[str, list[list[Loop]]]) -> int:
    """Loops inside the smallest tile of the shared memory."""
    return min(
        sum(len(memory) for memory in memories[: 2 if operand in registers else 1])
        for operand, memories in cuts.items()
    )


def energies() -> Iterator[tuple[float, float]]:
    """(ours, ZigZag's) of the mappings that divide."""
    return ((run.energy_pj, run.zigzag_pj) for run in runs() if run.divides)


def cycles() -> Iterator[tuple[float, float]]:
    return ((run.cycles, run.zigzag_cycles) for run in runs() if run.divides and run.one_nest and run.zigzag_cycles)

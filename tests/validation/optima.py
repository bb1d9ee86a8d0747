"""Optima that others published or that their mappers found, and what the search here finds on the same machines."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

from archsim.api.design import Design
from archsim.api.evaluate import mapper_settings
from archsim.mappers.constraints import Constraints, SpatialConstraint
from archsim.mappers.found import Found
from archsim.mappers.search import find_mapping
from archsim.workloads.op import Op
from tests.validation.machines import machine, with_bits
from tests.validation.measure import read
from tests.validation.zigzag_runs import op_of

BUDGET_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """One row of a study: the same quantity, ours and theirs, and what is known about theirs."""

    name: str
    case: str
    ours: float
    theirs: float
    proven: bool
    """Our value is the least of the space, proven."""
    complete: bool
    """Theirs is, by an enumeration."""

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs


def best(design: Design, op: Op, **changes: object) -> Found:
    """The best mapping of `op`, under the design's settings with some of them changed."""
    settings = replace(mapper_settings(design), budget_s=BUDGET_S, tolerance=0.0, **changes)  # type: ignore[arg-type]
    found = find_mapping(op, design.accelerator, settings, design.simulation.switches, design.accumulator)
    assert found is not None
    return found


# ---- AccelForge's study: exact optima by an enumeration of its own


@cache
def accelforge(objective: str, perfect: bool = True) -> tuple[Optimum, ...]:
    """Energy in pJ or cycles; the study's latency on machine A is a lower bound, on B an optimum."""
    return tuple(_accelforge(row, objective, perfect) for row in read("accelforge/cases.csv"))


def _accelforge(row: dict[str, str], objective: str, perfect: bool) -> Optimum:
    letter = row["arch"][-1].lower()
    design = machine(f"accelforge-{letter}", f"hardware.memory.glb.capacity={row['glb_bytes']} B")
    m, n, k = (int(row[size]) for size in "MNK")
    op = with_bits(Op.gemm("gemm", m=m, n=n, k=k))
    found = best(design, op, objective=objective, perfect_factors=perfect)
    energy = objective == "energy"
    return Optimum(
        name=f"accelforge-{letter} {m}x{n}x{k}",
        case=row["glb_bytes"],
        ours=found.cost.total_energy_j * 1e12 if energy else float(found.cost.cycles),
        theirs=float(row["E_opt_pJ"] if energy else row["L_opt_cycles"]),
        proven=found.optimal,
        complete=energy or letter == "b",
    )


# ---- Timeloop's mapper runs: the best that each of its searches found


@cache
def timeloop() -> tuple[Optimum, ...]:
    """EDP in pJ x cycles of the problems of its runs on the two machines."""
    rows = [row for row in read("timeloop/mapper_runs.csv") if row["best_edp_pJcycles"]]
    ours = {(row["arch"], row["problem"]): None for row in rows}
    found = {key: best(_timeloop_machine(key[0]), _timeloop_op(key[1]), objective="edp") for key in ours}
    return tuple(
        Optimum(
            name=f"{row['arch']} {row['problem']}",
            case=row["run"],
            ours=found[row["arch"], row["problem"]].cost.total_energy_j
            * 1e12
            * found[row["arch"], row["problem"]].cost.cycles,
            theirs=float(row["best_edp_pJcycles"]),
            proven=found[row["arch"], row["problem"]].optimal,
            complete=False,
        )
        for row in rows
    )


TIMELOOP_OPS = {
    "gemm_128x256x512": Op.gemm("gemm", m=128, n=256, k=512),
    "gemm_512x768x768": Op.gemm("gemm", m=512, n=768, k=768),
    "conv56_64": Op.conv("conv", k=64, c=64, p=56, q=56, r=3, s=3),
    "conv28_128_s2": Op.conv("conv", k=128, c=128, p=28, q=28, r=3, s=3, stride_h=2, stride_w=2),
    "conv_pw": Op.conv("conv", k=64, c=256, p=56, q=56, r=1, s=1),
}


def _timeloop_op(name: str) -> Op:
    return with_bits(TIMELOOP_OPS[name])


def _timeloop_machine(name: str) -> Design:
    """Its runs left the mapper free to pass by both memories with any data space."""
    passing = [f'hardware.memory.{level}.bypass=["inputs", "weights", "outputs"]' for level in ("glb", "rf")]
    return machine(f"timeloop-{name.lower().replace('_', '-')}", *passing)


# ---- ZigZag: its engine, samples and enumerations


@cache
def zigzag() -> tuple[Optimum, ...]:
    """Energy in pJ of every row on machines of `designs/validation` whose objective it is."""
    rows = [row for row in read("zigzag/cases.csv") if row["arch"] in ("os8", "ws8", "ws32", "rf3", "pe1")]
    return tuple(_zigzag(row) for row in rows if row["objective"] == "energy")


def _zigzag(row: dict[str, str]) -> Optimum:
    found = _zigzag_best(row["arch"], row["workload"])
    note = f"{row['note']} {row['engine']}"
    return Optimum(
        name=f"zigzag-{row['arch']} {row['workload']}",
        case=row["case"],
        ours=found.cost.total_energy_j * 1e12,
        theirs=float(row["energy_pJ"]),
        proven=found.optimal,
        complete="GLOBAL OPTIMUM" in note or "all loop orders x all uneven" in note,
    )


@cache
def _zigzag_best(arch: str, workload: str) -> Found:
    """The least energy with the spatial unrolling as given, where its factors divide; else with any that do."""
    rows = [row for row in read("zigzag/cases.csv") if row["arch"] == arch and row["workload"] == workload]
    op, letters = op_of(rows[0])
    given = next(row["spatial"] for row in rows if row["spatial"])
    unrolled = [
        (axis.lower(), letters[dim], int(factor))
        for axis, dim, factor in re.findall(r"(D\d): \{([A-Z]+): (\d+)", given)
    ]
    axes = tuple(
        SpatialConstraint(axis=axis, exact=((dim, factor),))
        for axis, dim, factor in unrolled
        if factor > 1 and op.loops[dim] % factor == 0
    )
    return best(machine(f"zigzag-{arch}"), op, objective="energy", constraints=Constraints(spatial=axes))

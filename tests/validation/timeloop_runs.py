"""Fixed mappings that Timeloop 3.0.3 costed, and the same mappings costed here under its convention."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from archsim.mappers.timeloop import read_timeloop_mapping
from archsim.sim.cost import Raw
from archsim.sim.kernels import FILLS, READS, UPDATES
from archsim.sim.mapping import Mapping
from archsim.sim.records import OpCost
from archsim.workloads.op import OPERANDS, Op
from tests.validation.machines import costed, machine, with_bits
from tests.validation.measure import DATA, read

SPACES = {"A": "inputs", "B": "weights", "Z": "outputs"}
LEVELS = ("dram", "glb", "rf")
PLANES = {"reads": READS, "fills": FILLS, "updates": UPDATES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One mapping: Timeloop's rows and what archsim says."""

    name: str
    op: Op
    mapping: Mapping
    raw: Raw
    cost: OpCost
    summary: dict[str, str]
    levels: tuple[dict[str, str], ...]

    @property
    def gaps(self) -> bool:
        """Whether windows have strides or dilations: tiles of inputs then have gaps, which Timeloop fills."""
        keys = ("stride_h", "stride_w", "dilation_h", "dilation_w")
        return any(self.op.dims.get(key, 1) > 1 for key in keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Elements that one instance of a level moves for one operand."""

    run: Run
    level: str
    operand: str
    plane: str
    ours: float
    theirs: float

    @property
    def halo(self) -> bool:
        return self.operand == "inputs" and self.run.op.kind == "conv"


@cache
def runs() -> tuple[Run, ...]:
    levels: dict[str, list[dict[str, str]]] = {}
    for row in read("timeloop/fixed_mappings_levels.csv"):
        levels.setdefault(row["mapping_id"], []).append(row)
    return tuple(_run(row, levels[row["mapping_id"]]) for row in read("timeloop/fixed_mappings_summary.csv"))


def _run(summary: dict[str, str], levels: list[dict[str, str]]) -> Run:
    name = summary["mapping_id"]
    design = machine(f"timeloop-{summary['arch'].lower().replace('_', '-')}")
    op, mapping = read_timeloop_mapping(DATA / "timeloop" / "inputs" / f"{name}.yaml", levels=LEVELS)
    op = with_bits(op)
    raw, cost = costed(design, op, mapping)
    return Run(name=name, op=op, mapping=mapping, raw=raw, cost=cost, summary=summary, levels=tuple(levels))


def counts() -> Iterator[Count]:
    """Every read, fill and update of every level that keeps an operand."""
    for run in runs():
        for row in run.levels:
            operand = SPACES.get(row["dataspace"], row["dataspace"].lower())
            i, j = LEVELS.index(row["level"].lower()), OPERANDS.index(operand)  # type: ignore[arg-type]
            if row["kept"] == "0":
                continue
            for plane, index in PLANES.items():
                ours = float(run.raw.traffic[index, i, j] / run.raw.used[i])
                yield Count(
                    run=run,
                    level=LEVELS[i],
                    operand=operand,
                    plane=plane,
                    ours=ours,
                    theirs=float(row[plane]),
                )


def energies() -> Iterator[tuple[Run, str, str, float, float]]:
    """(run, level, operand, ours, theirs) in pJ over all instances."""
    for run in runs():
        ours = {(row.level, row.operand): row.energy_j * 1e12 for row in run.cost.traffic}
        for row in run.levels:
            if row["kept"] == "1":
                operand = SPACES.get(row["dataspace"], row["dataspace"].lower())
                level = row["level"].lower()
                yield run, level, operand, ours[level, operand], float(row["energy_pJ_total"])

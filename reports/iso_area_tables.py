"""An iso-area comparison as terminal tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.reports.tables import plain_table
from archsim.reports.values import engineering, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.reports.iso_area import IsoAreaComparison, ScaledDesign


def iso_area_tables(result: IsoAreaComparison) -> list[RenderableType]:
    """What `archsim compare --iso-area` prints: arrays, workloads, means."""
    return [_designs(result), _workloads(result)]


def _designs(result: IsoAreaComparison) -> RenderableType:
    columns = [
        ("design", "left"),
        ("array", "text"),
        ("own", "right"),
        ("PEs", "right"),
        ("area", "right"),
        ("unused", "right"),
    ]
    columns += [("speedup", "right"), ("energy gain", "right")]
    rows = [
        (
            design.name,
            _shapes(design),
            design.own_array,
            f"{design.units:,}",
            f"{design.area_mm2:.4g} mm²",
            percent(result.unused_fraction(index)),
            f"{result.mean_speedup(index):.3f}",
            f"{result.mean_energy_gain(index):.3f}",
        )
        for index, design in enumerate(result.designs)
    ]
    title = f"At {result.area_mm2:.4g} mm² of PEs and decoders; gains over {result.designs[0].name}, geometric means"
    return plain_table(title, columns, rows)


def _shapes(design: ScaledDesign) -> str:
    return ", ".join([design.array, *(f"{phase} {shape}" for phase, shape in design.phases.items())])


def _workloads(result: IsoAreaComparison) -> RenderableType:
    columns = [("workload", "left"), ("phase", "text"), ("design", "left")]
    columns += [("latency", "right"), ("energy", "right"), ("speedup", "right"), ("energy gain", "right")]
    rows = [
        (
            work.name if index == 0 else "",
            work.phase if index == 0 else "",
            outcome.design,
            engineering(outcome.latency_s, "s"),
            engineering(outcome.energy_j, "J"),
            f"{work.speedup(index):.3f}",
            f"{work.energy_gain(index):.3f}",
        )
        for work in result.workloads
        for index, outcome in enumerate(work.outcomes)
    ]
    return plain_table("Workloads", columns, rows)

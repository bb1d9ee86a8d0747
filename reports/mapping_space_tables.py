"""A whole space of mappings as terminal text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.reports.mapping import PJ_PER_J
from archsim.reports.mapping_space import UNITS
from archsim.reports.tables import plain_table
from archsim.reports.values import engineering

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.reports.mapping_space import MappingSpace, Placed

LEAST_SHARE = 1e-4


def space_tables(report: MappingSpace) -> list[RenderableType]:
    """Sizes and places, one a line, then the best by each objective and the spread."""
    from rich.text import Text

    return [Text("\n".join(lines(report))), best_table(report), spread_table(report)]


def lines(report: MappingSpace) -> list[str]:
    space = report.space
    kind = f"{report.tiles} tiles, {report.factors} factors{', constrained' if report.constrained else ''}"
    told = [
        f"{report.work} on {report.design_name}: {kind}",
        f"mappings  {space.mappings:,}",
        f"legal     {space.legal:,} ({_share(space.legal / max(1, space.mappings))} fit the memories)",
        f"found     {_placed(report, report.found)}{'' if report.found.optimal else ', not proven'}",
    ]
    if report.given is not None:
        told.append(f"given     {_placed(report, report.given)}")
    return told


def _placed(report: MappingSpace, placed: Placed) -> str:
    value = f"{placed.value:.6g} {UNITS[report.objective]}"
    if placed.better == 0:
        return f"{value}: no legal mapping is better"
    share = _share(report.share_better(placed))
    return f"{value}: {placed.better:,} legal mappings are better ({share})"


def _share(fraction: float) -> str:
    return f"{100 * fraction:.3g} %" if fraction == 0 or fraction >= LEAST_SHARE else f"{100 * fraction:.1e} %"


def _energy(energy_pj: float) -> str:
    return engineering(energy_pj / PJ_PER_J, "J", 5)


def best_table(report: MappingSpace) -> RenderableType:
    rows = [
        (
            name,
            engineering(best.cycles / report.clock_hz, "s"),
            f"{best.cycles:,.0f}",
            _energy(best.energy_pj),
            f"{best.cycles * best.energy_pj:.4g}",
        )
        for name, best in report.space.best.items()
    ]
    heads = (("best by", "left"), ("time", "right"), ("cycles", "right"), ("energy", "right"), ("pJ cycles", "right"))
    return plain_table("Best of all legal mappings", list(heads), rows)


def spread_table(report: MappingSpace) -> RenderableType:
    """Energy and cycles that a share of the legal mappings stays below, over the least."""
    space = report.space
    energies, cycles = report.energy_quantiles_pj(), report.cycle_quantiles()
    rows = [
        (
            f"{100 * share:g} %",
            _energy(energies[share]),
            f"{energies[share] / space.least_energy_pj:.2f}x",
            f"{cycles[share]:,.0f}",
            f"{cycles[share] / space.least_cycles:.2f}x",
        )
        for share in energies
    ]
    rows.append(
        (
            "all",
            _energy(space.most_energy_pj),
            f"{space.most_energy_pj / space.least_energy_pj:.2f}x" if space.legal else "",
            f"{space.most_cycles:,.0f}",
            f"{space.most_cycles / space.least_cycles:.2f}x" if space.legal else "",
        )
    )
    heads = ("of the mappings", "energy below", "over the least", "cycles below", "over the least")
    return plain_table("Spread of the legal mappings", [(head, "right") for head in heads], rows)

"""Terminal tables of a run's front and of the questions asked about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from archsim.core.spelling import spelled
from archsim.reports.page.quantities import axis_labels, total
from archsim.reports.quantity_text import condition_text, quantity_text, times_text
from archsim.reports.tables import plain_table
from archsim.reports.values import MISSING, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.reports.dominance import AxisChange, Contender, Dominance
    from archsim.reports.finding import Finding
    from archsim.reports.sensitivity import Sensitivity
    from archsim.reports.sweep_front import FrontDesign, RunDesign, SweepFront

ROWS = 40
"""Designs of the table, at most: of a longer front those with most room between them, the ends and the knees first."""
CONTENDERS = 8
REASONS = 5
MOST_PERCENT = 10.0
"""Share of a bound beyond which a miss is told as a factor."""
Column = tuple[str, str]


def front_tables(front: SweepFront) -> list[RenderableType]:
    """The front, with what failed and what the figures mean."""
    shown = _shown(front.designs)
    labels = axis_labels(front.axes)
    columns: list[Column] = [("point", "right"), *((labels[key], "left") for key in front.axes)]
    columns += [(total(name).label, "right") for name in front.names] + [("", "left")]
    rows = [(*_design_cells(item.design, front.axes, front.names), "knee" if item.knee else "") for item in shown]
    title = f"Pareto front of {front.run}: {len(front.designs)} of {front.feasible:,} feasible designs"
    return [plain_table(title, columns, rows), "\n".join(_front_notes(front, len(shown)))]


def _shown(designs: Sequence[FrontDesign]) -> list[FrontDesign]:
    if len(designs) <= ROWS:
        return list(designs)
    ranked = sorted(designs, key=lambda item: (not item.knee, -item.crowding))[:ROWS]
    return [item for item in designs if any(item is other for other in ranked)]


def _front_notes(front: SweepFront, shown: int) -> Iterable[str]:
    if shown < len(front.designs):
        yield f"{shown} of {len(front.designs)} designs shown, spread over the front; --out DIR writes all of them"
    failed = sum(front.failed.values())
    further = f" ({front.further:,} of them evaluated for questions)" if front.further else ""
    yield f"{front.points:,} points{further}, {failed:,} failed" + (
        f"; constraints: {', '.join(map(condition_text, front.constraints))}" if front.constraints else ""
    )
    for reason, count in list(front.failed.items())[:REASONS]:
        yield f"  {count:,} failed: {reason}"
    if front.constraints and not front.feasible and failed < front.points:
        yield "no design keeps all constraints: --minimize TOTAL says which of them bind and what misses least"
    if front.covered_fraction is not None:
        yield f"covers {percent(front.covered_fraction)} of the box from its best values to the worst feasible ones"
    scales = [f"{total(one.name).label} {'log' if one.log else 'linear'}" for one in front.objectives]
    if front.designs and not front.knees:
        yield "no knee: the front does not bend towards the ideal point on these scales (" + ", ".join(scales) + ")"
    elif front.designs:
        yield "knee: bends most towards the ideal point; scales: " + ", ".join(scales)


def _design_cells(design: RunDesign, axes: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    index = design.point_id[:8] if design.index is None else str(design.index)
    values = (quantity_text(name, design.values.get(name), 4) for name in names)
    return (index, *(_value(design.axes.get(key)) for key in axes), *values)


def _value(value: Any) -> str:
    if value is None:
        return MISSING
    return value if isinstance(value, str) else spelled(value)


def dominance_tables(dominance: Dominance) -> list[RenderableType]:
    """What dominates the design, or comes nearest to it."""
    design = dominance.design
    name = _name(design)
    about = ", ".join(quantity_text(one, design.values.get(one), 4) for one in dominance.names)
    columns: list[Column] = [("point", "right"), ("change", "text")]
    columns += [(total(one).label, "right") for one in dominance.names] + [("", "left")]
    if dominance.dominating:
        shown = dominance.dominating[:CONTENDERS]
        title = f"{dominance.dominating_count:,} designs dominate {name} ({about}), the smallest change first"
    else:
        shown = dominance.nearest
        title = f"Nothing dominates {name} ({about})" + ("; nearest to it" if shown else "")
    if not shown:
        return ["\n".join([title, *_dominance_notes(dominance, 0)])]
    table = plain_table(title, columns, [_contender_cells(one, dominance.names) for one in shown])
    return [table, "\n".join(_dominance_notes(dominance, len(shown)))]


def _name(design: RunDesign) -> str:
    return f"point {design.point_id[:8] if design.index is None else design.index}"


def _contender_cells(one: Contender, names: Sequence[str]) -> tuple[str, ...]:
    index = one.design.point_id[:8] if one.design.index is None else str(one.design.index)
    changes = ", ".join(_change(change) for change in one.changes)
    return (
        index,
        changes,
        *(times_text(one.ratios.get(name)) for name in names),
        "on the front" if one.on_front else "",
    )


def _change(change: AxisChange) -> str:
    label = axis_labels((change.key,))[change.key]
    return f"{label} {_value(change.before)} → {_value(change.after)}"


def _dominance_notes(dominance: Dominance, shown: int) -> Iterable[str]:
    if not dominance.feasible:
        yield "the design itself misses a constraint"
    if shown < len(dominance.dominating):
        yield f"{shown} of {dominance.dominating_count:,} shown; --json lists up to 1,000"
    if dominance.always:
        yield "in all of them: " + ", ".join(_change(change) for change in dominance.always)
    if dominance.kept and dominance.dominating:
        labels = axis_labels(tuple(dominance.kept))
        yield "in none of them changed: " + ", ".join(f"{labels[key]} {_value(v)}" for key, v in dominance.kept.items())
    known = (
        f"{dominance.neighbours_known} of its {dominance.neighbours} neighbours (one step of one axis) are evaluated"
    )
    new = f", {dominance.evaluated} points of this question among all" if dominance.evaluated else ""
    yield f"compared with {dominance.compared:,} feasible designs; {known}{new}"
    if not dominance.dominating and dominance.neighbours_known < dominance.neighbours:
        yield "--evaluate N looks at neighbours that are not"


def finding_tables(finding: Finding, axes: tuple[str, ...]) -> list[RenderableType]:
    """The answer to an inverse question, and the evidence for it."""
    what = f"{'smallest' if finding.sense == 'min' else 'largest'} {total(finding.total).label}"
    conditions = " and ".join(condition_text(one.condition) for one in finding.conditions)
    what += f" with {conditions}" if conditions else ""
    labels = axis_labels(axes)
    columns: list[Column] = [("", "left"), ("point", "right"), *((labels[key], "left") for key in axes)]
    columns += [(total(name).label, "right") for name in finding.names] + [("misses", "text")]
    rows = []
    if finding.answer is not None:
        rows.append(("answer", *_design_cells(finding.answer, axes, finding.names), ""))
    rows += [("next", *_design_cells(one, axes, finding.names), "") for one in finding.runners_up[:3]]
    rows += [
        ("nearest", *_design_cells(one.design, axes, finding.names), _missed(one.missed)) for one in finding.nearest[:3]
    ]
    title = what if finding.answer else f"No design has {conditions or total(finding.total).label}"
    evidence = [_evidence_table(finding)] if finding.conditions else []
    return [plain_table(title, columns, rows), *evidence, _finding_note(finding)]


def _missed(missed: Any) -> str:
    return ", ".join(f"{condition_text(condition)} by {_miss(value)}" for condition, value in missed.items())


def _miss(fraction: float) -> str:
    """How far a bound is missed: as a share of it, or as a factor.

    >>> _miss(0.25), _miss(1999.0)
    ('25.0 %', 'a factor of 2,000')
    """
    return percent(fraction) if fraction < MOST_PERCENT else f"a factor of {1 + fraction:,.0f}"


def _evidence_table(finding: Finding) -> RenderableType:
    columns: list[Column] = [("condition", "left"), ("kept by", "right"), ("best value", "right"), ("slack", "right")]
    columns += [("without it", "text")]
    rows = []
    for one in finding.conditions:
        name = one.condition.split()[0]
        without = "the same answer" if finding.answer else "still none"
        if one.without is not None:
            better = quantity_text(finding.total, one.without.values.get(finding.total), 4)
            without = f"{better} ({_name(one.without)}): it binds"
        best, slack = quantity_text(name, one.best, 4), percent(one.slack)
        rows.append((condition_text(one.condition), f"{one.kept_by:,}", best, slack, without))
    return plain_table("What each condition does", columns, rows)


def _finding_note(finding: Finding) -> str:
    text = (
        f"{finding.tried:,} of {finding.space:,} points tried, {finding.failed:,} failed, {finding.feasible:,} keep all"
    )
    new = f"; {finding.evaluated:,} evaluated for this question" if finding.evaluated else ""
    proof = "; the whole space was tried: this is proven" if finding.proven else "; --evaluate N searches further"
    return text + new + proof


def sensitivity_tables(sensitivity: Sensitivity) -> list[RenderableType]:
    """Per axis: factors one at a time, elasticities, Sobol indices."""
    keys = tuple(next(iter(sensitivity.sobol.indices.values()), {}))
    labels = axis_labels(keys)
    responses = {response.key: response for response in sensitivity.responses}
    columns: list[Column] = [("axis", "left")]
    for name in sensitivity.names:
        label = total(name).label
        columns += [(f"{label}: range", "right"), ("slope", "right"), ("by itself", "right"), ("in all", "right")]
    rows = []
    for key in keys:
        cells = [labels[key]]
        for name in sensitivity.names:
            index = sensitivity.sobol.indices[name][key]
            response = responses.get(key)
            factor = None if response is None else response.factors.get(name)
            slope = None if response is None else response.elasticities.get(name)
            cells += [
                MISSING if factor is None else f"x{factor:.3g}",
                MISSING if slope is None else f"{slope:+.2f}",
                _share(index.first, index.first_interval),
                _share(index.total, index.total_interval),
            ]
        rows.append(tuple(cells))
    title = (
        f"What each axis does, around the {sensitivity.centre_name} ({_name(sensitivity.centre)}) and over the space"
    )
    return [plain_table(title, columns, rows), "\n".join(_sensitivity_notes(sensitivity))]


def _share(value: float | None, interval: float | None) -> str:
    if value is None:
        return MISSING
    return f"{100 * value:.0f}" + (f" ± {100 * interval:.0f} %" if interval else " %")


def _sensitivity_notes(sensitivity: Sensitivity) -> Iterable[str]:
    sobol = sensitivity.sobol
    scales = [f"{total(one.name).label} {'log' if one.log else 'linear'}" for one in sensitivity.objectives]
    yield "range: largest over smallest value with this axis alone; slope: of the logarithms at the centre"
    yield (
        "by itself, in all: Sobol indices, first order and total, with 95 % intervals, from "
        f"{sobol.samples:,} points ({sobol.method}); scales: {', '.join(scales)}"
    )
    if sobol.note:
        yield sobol.note

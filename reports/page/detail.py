"""One evaluated design as the page shows it from within."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from archsim.core.provenance import ESTIMATE
from archsim.reports import plot_data
from archsim.reports.groups import LayerGroup, grouped
from archsim.reports.page.record import DesignDetail, LayerBar, Span
from archsim.reports.tables import summary_lines
from archsim.reports.values import plain

if TYPE_CHECKING:
    from archsim.reports.evaluation import Evaluation

LAYERS = 40
"""Rows of the layer breakdown; longer traces are folded, then cut to the largest."""
SPANS = 400
"""Stretches of the timeline; the shortest neighbours are drawn as one beyond that."""


def design_detail(
    evaluation: Evaluation, *, row: int | None = None, name: str | None = None, note: str = ""
) -> DesignDetail:
    """The design of an evaluation; `row` is the point it is in a sweep's table."""
    cost = evaluation.cost
    return DesignDetail(
        row=row,
        name=evaluation.design_name if name is None else name,
        note=note,
        totals=tuple(summary_lines(evaluation)),
        energy_j=dict(cost.energy_j),
        area_mm2=dict(cost.area_mm2),
        layers=tuple(_bar(group) for group in grouped(cost.layers, LAYERS)),
        roofline=plot_data.roofline(evaluation),
        timeline=timeline(evaluation),
        resolved=json.dumps(plain(evaluation.resolved), indent=2, ensure_ascii=False),
        warnings=tuple(cost.warnings),
        estimates=tuple(cost.estimates),
        sources=tuple(_sources(evaluation)),
    )


def timeline(evaluation: Evaluation, limit: int = SPANS) -> tuple[Span, ...]:
    """The layers one after the other, in trace order, each with all its runs; at most `limit` stretches.

    Beyond that, neighbours of the same phase and bound that are too short to be seen stand as one.
    """
    spans: list[Span] = []
    start_s = 0.0
    for layer in evaluation.cost.layers:
        duration_s = layer.cost.latency_s * layer.count
        spans.append(
            Span(
                name=layer.name,
                phase=layer.phase,
                bound=layer.cost.bound,
                runs=layer.count,
                start_s=start_s,
                duration_s=duration_s,
            )
        )
        start_s += duration_s
    return tuple(spans) if len(spans) <= limit else tuple(_joined(spans, start_s / limit, limit))


def _joined(spans: list[Span], short_s: float, limit: int) -> list[Span]:
    """Runs of short neighbours as one; "short" doubles until few enough are left."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last is not None and last.phase == span.phase and last.duration_s + span.duration_s <= short_s:
            joined[-1] = _both(last, span)
        else:
            joined.append(span)
    return joined if len(joined) <= limit else _joined(joined, 2 * short_s, limit)


def _both(first: Span, second: Span) -> Span:
    longer = first if first.duration_s >= second.duration_s else second
    return Span(
        name=f"{first.name.split(' … ')[0]} … {second.name}",
        phase=first.phase,
        bound=longer.bound,
        runs=first.runs + second.runs,
        start_s=first.start_s,
        duration_s=first.duration_s + second.duration_s,
    )


def _bar(group: LayerGroup) -> LayerBar:
    waiting = {f"waiting for {level}": time_s for level, time_s in group.stall_s.items()}
    return LayerBar(
        name=group.name,
        phase=group.phase,
        runs=group.occurrences,
        dims=_dims(group.dims),
        time_s=group.latency_s,
        parts_s={"compute": group.compute_s} | waiting,
        energy_j=dict(group.energy_j),
        bound=group.bound,
        utilization=group.utilization,
        dram_bytes=group.dram_bytes,
        is_rest=group.is_rest,
    )


def _dims(dims: Mapping[str, tuple[int, int]]) -> str:
    return " ".join(f"{name}{low}" if low == high else f"{name}{low}-{high}" for name, (low, high) in dims.items())


def _sources(evaluation: Evaluation) -> Iterator[str]:
    """Where the figures come from that are not estimates: the accelerator's, and each memory's energies."""
    accelerator = evaluation.accelerator
    yield from accelerator.sources
    for level in accelerator.memories:
        energies = (level.read_energy, level.write_energy)
        sources = {energy.source for energy in energies if energy is not None}
        for source in sorted(source for source in sources if not source.startswith(ESTIMATE)):
            yield f"memory {level.name}: {source}"

"""`archsim.compare_dataflows`: the best mapping for each pair of formats under each dataflow."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archsim.api.design import Design
from archsim.api.evaluate import mapper_settings
from archsim.api.map import Work, chosen_design, chosen_work, search, without_workload
from archsim.arch.formats import Format, format
from archsim.core.errors import InfeasibleError, InputError, Problem
from archsim.core.spelling import spelled
from archsim.mappers.found import Found
from archsim.reports.dataflows import ANY, Cell, DataflowComparison, Outcome
from archsim.reports.mapping import PJ_PER_J, objective_value
from archsim.reports.values import ratio
from archsim.workloads.op import Op

FLOWS = ("os", "ws", "is")
Pair = tuple[Format, Format]
"""Formats of weights and of inputs."""


def compare_dataflows(
    design: Design | Mapping[str, Any] | str | Path,
    *,
    formats: Sequence[str] = (),
    dataflows: Sequence[str] = (),
    layer: str | None = None,
    op: Op | None = None,
    overrides: Sequence[str] = (),
) -> DataflowComparison:
    """Every format under every dataflow, over the ops that `layer` or `op` name, else over all of the workload.

    A format holds for weights and inputs, or is ``WEIGHTS/INPUTS``; outputs and accumulator are the design's. With no
    formats the ops keep theirs. Dataflows are those the array would have if the hardware permitted nothing else;
    ``any`` leaves the choice to each op. Empty: os, ws, is and any (for an array given by its axes: any).

    Raises:
        InputError: wrong input, every problem at once.
    """
    chosen = chosen_design(design, overrides, workload_required=op is None)
    work = chosen_work(chosen, layer, op)
    flows, remarks = _flows(chosen, dataflows)
    cells = [
        _cell(chosen, [_formatted(item, pair) for item in work], flow, pair)
        for pair in _pairs(formats)
        for flow in flows
    ]
    return DataflowComparison(
        design_name=chosen.name,
        work=work_text(chosen, work),
        objective=chosen.mapper.objective,
        cells=tuple(cells),
        remarks=remarks,
    )


def work_text(design: Design, work: Sequence[Work]) -> str:
    if len(work) > 1:
        return f"{sum(item.count for item in work)} ops of {design.trace.name}"
    op = work[0].op
    return f"{op.name} ({' '.join(f'{dim}={size}' for dim, size in op.dims.items())})"


def _pairs(texts: Sequence[str]) -> list[Pair | None]:
    """The format pairs that texts spell; [None] where there are none."""
    problems: list[Problem] = []
    pairs: list[Pair | None] = []
    for text in texts:
        weights, slash, inputs = text.partition("/")
        read = []
        for name in (weights, inputs if slash else weights):
            try:
                read.append(format(name.strip()))
            except InputError as error:
                problems += [Problem(key="--formats", message=p.message, hint=p.hint) for p in error.problems]
        if len(read) == 2:
            pairs.append((read[0], read[1]))
    if problems:
        raise InputError(dict.fromkeys(problems))
    return pairs or [None]


def _flows(design: Design, asked: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    array = design.resolved["hardware"]["array"]
    for name in asked:
        if name not in (*FLOWS, ANY):
            hint = f"known: {', '.join((*FLOWS, ANY))}"
            raise InputError(Problem(key="--dataflows", message=f"unknown dataflow {spelled(name)}", hint=hint))
    if array.get("axes"):
        if set(asked) - {ANY}:
            message = "the array is given by its axes, which say what is unrolled"
            hint = "leave --dataflows out, or describe the array by rows and cols"
            raise InputError(Problem(key="--dataflows", message=message, hint=hint))
        return [ANY], ()
    flows = list(dict.fromkeys(asked)) or [*FLOWS, ANY]
    permitted = array.get("dataflows", [])
    missing = [flow for flow in flows if flow not in (*permitted, ANY)]
    remark = f"{', '.join(missing)}: not in hardware.array.dataflows; shown as if the array could"
    return flows, (remark,) if missing else ()


def _formatted(work: Work, pair: Pair | None) -> Work:
    if pair is None:
        return work
    assert work.op.outputs.format is not None
    op = work.op.with_formats(weights=pair[0], inputs=pair[1], outputs=work.op.outputs.format)
    return Work(op=op, names=work.names, count=work.count)


def _cell(design: Design, work: list[Work], flow: str, pair: Pair | None) -> Cell:
    named = pair or (work[0].op.weights.format, work[0].op.inputs.format)
    weights, inputs = (fmt.name if fmt is not None else "" for fmt in named)
    variants = [_with_flow(design, name) for name in _tried(design, flow)]
    outcome, why_not = None, None
    try:
        outcome = outcome_of(work, variants)
    except InfeasibleError as error:
        why_not = str(error)
    return Cell(weights=weights, inputs=inputs, dataflow=flow, outcome=outcome, why_not=why_not)


def _tried(design: Design, flow: str) -> tuple[str, ...]:
    """Dataflows to try as hardware of their own: a spatial array of rows and columns has one at a time."""
    by_axes = bool(design.resolved["hardware"]["array"].get("axes"))
    if by_axes:
        return ("",)
    return FLOWS if flow == ANY and design.accelerator.kind == "spatial" else (flow,)


def _with_flow(design: Design, flow: str) -> Design:
    """The design with an array that has this dataflow only."""
    overrides = [f'hardware.array.dataflows=["{flow}"]', "mapper.dataflows=[]"] if flow else []
    return without_workload(design, overrides)


def outcome_of(work: Sequence[Work], variants: Sequence[Design]) -> Outcome:
    """Sums over the work, each op on the variant that serves it best."""
    cycles, latency_s, macs_at_peak, dram_bytes = 0, 0.0, 0.0, 0.0
    energy: Counter[str] = Counter()
    bounds: Counter[str] = Counter()
    flows: Counter[str] = Counter()
    gaps: list[float] = []
    settings = mapper_settings(variants[0])
    for item in work:
        found = _best(item.op, variants)
        cost = found.cost
        time_s = cost.latency_s * item.count
        cycles += cost.cycles * item.count
        latency_s += time_s
        macs_at_peak += time_s * (cost.utilization or 0.0)
        dram_bytes += cost.dram_bytes * item.count
        energy.update({name: joules * item.count for name, joules in cost.energy_j.items()})
        bounds[cost.bound] += time_s  # type: ignore[assignment]
        flows[cost.mapping.dataflow if cost.mapping else ""] += time_s  # type: ignore[assignment]
        gaps.append(found.gap)
    energy_j = {name: float(joules) for name, joules in energy.items()}
    energy_pj = math.fsum(energy_j.values()) * PJ_PER_J
    return Outcome(
        value=objective_value(settings.objective, cycles, energy_pj, settings.exponents),
        cycles=cycles,
        latency_s=latency_s,
        energy_j=energy_j,
        utilization=ratio(macs_at_peak, latency_s),
        bounds=_shares(bounds),
        flows=_shares(flows),
        dram_bytes=dram_bytes,
        optimal=all(gap == 0 for gap in gaps),
        gap=max(gaps) if math.isfinite(max(gaps)) else None,
    )


def _best(op: Op, variants: Sequence[Design]) -> Found:
    """The best of the designs' mappings; InfeasibleError of the first when none has any."""
    found: list[Found] = []
    reason: InfeasibleError | None = None
    for design in variants:
        try:
            found.append(search(design, op))
        except InfeasibleError as error:
            reason = reason or error
    if not found:
        assert reason is not None
        raise reason
    return min(found, key=lambda item: item.value)


def _shares(times: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(times.values()) or 1.0
    return {name: time / total for name, time in sorted(times.items(), key=lambda item: (-item[1], item[0]))}

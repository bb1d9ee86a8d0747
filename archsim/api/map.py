"""`archsim.map`: the best mapping of ops on a design with its proof, or the cost of a mapping that is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import archsim
from archsim.api.changes import Change, hardware_changes
from archsim.api.design import Design, design_from_dict, load_design
from archsim.api.evaluate import mapper_settings
from archsim.core.errors import InfeasibleError, InputError, Problem, nearest
from archsim.core.spelling import brief, spelled
from archsim.mappers.breaches import breaches
from archsim.mappers.found import Found
from archsim.mappers.given import Given
from archsim.mappers.legality import Settled, crossings, settle, unlisted_bypasses
from archsim.mappers.mapping_files import read_given
from archsim.mappers.remedies import overflows
from archsim.mappers.search import MapperSettings, find_mapping, score
from archsim.mappers.unmet import unmet
from archsim.reports.mapping import Help, MappedOp
from archsim.sim.cost import Costing, cost_mapping
from archsim.sim.infeasible import check_off_chip, no_tile
from archsim.sim.layers import merged_names
from archsim.sim.occupancy import occupancy
from archsim.sim.ports import port_uses
from archsim.sim.problem import build_problem
from archsim.sim.published import refuse_published
from archsim.sim.records import OpCost
from archsim.sim.schedule import signature
from archsim.workloads.op import OPERANDS, Op
from archsim.workloads.options import QuantizationOptions
from archsim.workloads.policies import SparsityPolicy, apply_quantization, apply_sparsity, mask_file
from archsim.workloads.trace import Trace

WORTH_A_CHANGE = 0.1
"""Memories that hold an op up for this fraction of its time are changed too when asking what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Equal ops: one of them, the names of all, and how often they run."""

    op: Op
    names: tuple[str, ...]
    count: int


def map_ops(
    design: Design | Mapping[str, Any] | str | Path,
    *,
    layer: str | None = None,
    op: Op | None = None,
    mapping: str | Path | None = None,
    helped: bool = False,
    overrides: Sequence[str] = (),
) -> tuple[MappedOp, ...]:
    """The best mapping of ops on a design; the design needs no workload when `op` or a file with a problem says it.

    `layer` is a name or glob of the workload's ops; `op` another op, which takes the design's formats where it has
    none; with neither every distinct op of the workload is mapped. `mapping` is a file with a mapping of the
    one op to cost. `helped` searches anew with twice the binding resource. `overrides` are ``dotted.key=value`` texts.

    Raises:
        InputError: wrong input, every problem at once.
        InfeasibleError: an op has no mapping that fits the memories.
    """
    chosen = chosen_design(design, overrides, workload_required=layer is not None or (op is None and mapping is None))
    given = None if mapping is None else _read(mapping, chosen)
    if op is None and layer is None and given is not None:
        op = given.op
    work = chosen_work(chosen, layer, op)
    if given is None:
        return tuple(_helped(chosen, _searched(chosen, item)) if helped else _searched(chosen, item) for item in work)
    if len(work) > 1:
        names = ", ".join(brief(item.names[0]) for item in work[:4])
        message = f"is the mapping of one op, the workload has {len(work)} distinct ones ({names}, ...)"
        raise InputError(Problem(file=str(mapping), message=message, hint="choose one with --layer or --gemm"))
    return (_costed(chosen, work[0], given),)


def chosen_design(
    design: Design | Mapping[str, Any] | str | Path, overrides: Sequence[str], *, workload_required: bool
) -> Design:
    """The design that a path, plain values, or a Design (to which no overrides apply) stands for."""
    if isinstance(design, Design):
        return design
    if isinstance(design, Mapping):
        return design_from_dict(design, overrides, workload_required=workload_required)
    return load_design(design, overrides, workload_required=workload_required)


def chosen_work(design: Design, layer: str | None, op: Op | None) -> list[Work]:
    """The ops to map, equal ones once, with formats.

    Raises:
        InputError: no op has the name, or the workload has none that is mapped.
    """
    refuse_published(design.simulation.convention, "a search for mappings")
    if op is not None and layer is None:
        return [Work(op=with_formats(op, design), names=(op.name,), count=op.count)]
    groups: dict[Any, list[Op]] = {}
    for item in design.trace.ops:
        if isinstance(item, Op):
            groups.setdefault((signature(item), item.phase if item.phase in design.phases else ""), []).append(item)
    works = [
        Work(op=ops[0], names=merged_names([one.name for one in ops]), count=sum(one.count for one in ops))
        for ops in groups.values()
    ]
    if layer is None:
        if not works:
            raise InputError(Problem(message=f"the workload {design.trace.name} has no op with a mapping"))
        return works
    return _named(layer, works, design.trace)


def _named(layer: str, works: list[Work], trace: Trace) -> list[Work]:
    """The work that `layer` names: an op, a row of the layer table, or a glob."""
    by_row = [work for work in works if layer in work.names]
    if by_row:
        return [replace(by_row[0], op=replace(by_row[0].op, name=layer))]
    for item in trace.ops:
        if item.name == layer:
            if not isinstance(item, Op):
                message = f"layer '{brief(layer)}' runs on the vector unit: it has no mapping"
                raise InputError(Problem(key="--layer", message=message))
            return [Work(op=item, names=(layer,), count=item.count)]
    matching = [work for work in works if any(fnmatchcase(name, layer) for name in work.names)]
    if matching:
        return matching
    names = [name for work in works for name in work.names]
    near = nearest(layer, names)
    hint = f"did you mean '{near}'?" if near else f"layers: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
    raise InputError(Problem(key="--layer", message=f"no layer '{brief(layer)}' in {trace.name}", hint=hint))


def with_formats(op: Op, design: Design) -> Op:
    """The op with the design's formats and sparsity on operands that have none; masks of files are layers' own."""
    policy = QuantizationOptions.model_validate(design.resolved["quantization"]).policy()
    trace, _ = apply_quantization(Trace(name=op.name, ops=(op,), parameters=0), replace(policy, layers=()))
    stated = design.resolved.get("sparsity", {})
    patterns = {key: stated[key] for key in OPERANDS if stated.get(key) and mask_file(stated[key]) is None}
    if patterns:
        trace, _ = apply_sparsity(trace, SparsityPolicy(**patterns))
    (quantized,) = trace.ops
    assert isinstance(quantized, Op)
    return quantized


def search(design: Design, op: Op, *, front: int = 0) -> Found:
    """The best mapping of an op with formats; with `front`, up to so many points of its front of energy and time.

    Raises:
        InfeasibleError: no tile fits the memories, or none keeps the constraints; the message says what would help.
    """
    accelerator, settings = design.accelerator_for(op.phase), replace(mapper_settings(design), front=front)
    counting = design.simulation.switches
    check_off_chip(op, accelerator)
    found = find_mapping(op, accelerator, settings, counting, design.accumulator)
    if found is not None:
        return found

    def fits(memories: Any) -> bool:
        changed = replace(accelerator, memories=memories)
        return find_mapping(op, changed, settings, counting, design.accumulator) is not None

    def has(other: MapperSettings) -> bool:
        return find_mapping(op, accelerator, other, counting, design.accumulator) is not None

    raise unmet(op, settings, has) or no_tile(op, accelerator, fits)


def _searched(design: Design, work: Work) -> MappedOp:
    found = search(design, work.op)
    assert found.cost.mapping is not None
    accelerator = design.accelerator_for(work.op.phase)
    flow = next(flow for flow in accelerator.engine.dataflows if flow.name == found.cost.mapping.dataflow)
    problem = build_problem(work.op, accelerator, flow, design.simulation.switches, design.accumulator)
    settings = mapper_settings(design)
    stopped = not found.optimal and not settings.tolerance and not settings.constraints.of(work.op)
    return replace(_mapped(design, work, Settled(problem=problem, mapping=found.cost.mapping), found), stopped=stopped)


def _read(path: str | Path, design: Design) -> Given:
    levels = tuple(level.name for level in design.accelerator.memories)
    axes = tuple(axis.name for axis in design.accelerator.engine.dataflows[0].axes)
    return read_given(path, levels, axes)


def _costed(design: Design, work: Work, given: Given) -> MappedOp:
    """A given mapping with its cost, and how far the best found is from it."""
    op, accelerator, counting = work.op, design.accelerator_for(work.op.phase), design.simulation.switches
    if given.op is not None and dict(given.op.loops) != dict(op.loops):
        message = f"is a mapping of {_dims(given.op)}, not of {brief(op.name)} ({_dims(op)})"
        raise InputError(Problem(file=given.file, message=message))
    settled = settle(given, op, accelerator, counting, design.accumulator)
    costing = Costing.of(accelerator, settled.problem, design.accumulator, counting)
    cost = cost_mapping(settled.problem, settled.mapping, costing)
    settings = mapper_settings(design)
    best = find_mapping(op, accelerator, settings, counting, design.accumulator)
    broken = breaches(settled.problem, settled.mapping, settings.constraints, cost.mapping_utilization or 0.0)
    too_large = overflows(settled.problem, settled.mapping)
    bypassed = any(unlisted_bypasses(settled.problem, settled.mapping))
    crossed = any(crossings(settled.problem, settled.mapping))
    outside = _outside(too_large=bool(too_large), broken=bool(broken), bypassed=bypassed, crossed=crossed)
    mapped = _mapped(design, work, settled, _judged(cost, settings, best, in_space=outside is None))
    return replace(
        mapped,
        given=given.file,
        overflows=too_large,
        outside=outside,
        warnings=(*mapped.warnings, *(f"{text}: the search would not take this mapping" for text in broken)),
    )


def _outside(*, too_large: bool, broken: bool, bypassed: bool, crossed: bool) -> str | None:
    """What the mappings that a search may take have and this one lacks; None for one of them."""
    if too_large:
        return "fits the memories"
    if broken:
        return "keeps the constraints"
    if bypassed:
        return "passes by only what `bypass` lists"
    return "keeps tiles inside units within those outside of them" if crossed else None


def given_cost(design: Design, work: Work, file: str | Path) -> OpCost:
    """The cost of one occurrence of an op under the mapping in a file, whether its tiles fit or not."""
    op, accelerator, counting = work.op, design.accelerator_for(work.op.phase), design.simulation.switches
    settled = settle(_read(file, design), op, accelerator, counting, design.accumulator)
    return cost_mapping(
        settled.problem, settled.mapping, Costing.of(accelerator, settled.problem, design.accumulator, counting)
    )


def _judged(cost: OpCost, settings: MapperSettings, best: Found | None, *, in_space: bool) -> Found:
    """What the search proves about a mapping of that cost; one that no search may take is never the optimum."""
    if best is None:
        raise InfeasibleError("no mapping fits the memories")
    return replace(
        best,
        record=lambda: cost,
        least=best.bound,
        optimal=in_space and best.optimal and score(cost, settings) <= best.value,
        evaluated=best.evaluated + 1,
    )


def _dims(op: Op) -> str:
    return " ".join(f"{dim}={size}" for dim, size in op.loops.items() if size > 1)


def _mapped(design: Design, work: Work, settled: Settled, found: Found) -> MappedOp:
    settings = mapper_settings(design)
    return MappedOp(
        design_name=design.name,
        archsim_version=archsim.__version__,
        names=work.names,
        count=work.count,
        op=work.op,
        accelerator=design.accelerator_for(work.op.phase),
        problem=settled.problem,
        found=found,
        exponents=settings.exponents,
        occupancy=occupancy(settled.problem, settled.mapping),
        ports=port_uses(settled.problem, settled.mapping),
        warnings=(*design.warnings, *settled.warnings),
    )


def _helped(design: Design, mapped: MappedOp) -> MappedOp:
    """With what twice the binding resource would give: the memory that binds, else the array."""
    names = [level.name for level in design.accelerator.memories]
    about = {mapped.cost.bound if mapped.cost.bound in names else "array"}
    about |= {stall.level for stall in mapped.cost.stalls if stall.cycles > WORTH_A_CHANGE * mapped.cost.cycles}
    changes = [change for change in hardware_changes(design) if change.about in about]
    return replace(
        mapped, help=tuple(help_of(design, mapped.op, mapped.cost.cycles, mapped.cost.total_energy_j, changes))
    )


def help_of(design: Design, op: Op, cycles: int, energy_j: float, changes: Sequence[Change]) -> Iterator[Help]:
    """What each change does to an op's best mapping; changes that the design cannot take are left out."""
    for change in changes:
        try:
            cost = search(without_workload(design, change.overrides), op).cost
        except (InputError, InfeasibleError):
            continue
        yield Help(
            change=change.text,
            overrides=change.overrides,
            cycles=cost.cycles,
            energy_j=cost.total_energy_j,
            bound=cost.bound,
            speedup=cycles / cost.cycles,
            energy_gain=energy_j / cost.total_energy_j,
        )


def without_workload(design: Design, overrides: Sequence[str]) -> Design:
    """The design's hardware and mapper with overrides, for ops that have their formats already."""
    values = {key: table for key, table in design.resolved.items() if key not in ("workload", "sparsity")}
    values["quantization"] = {key: value for key, value in values["quantization"].items() if key != "layers"}
    return design_from_dict(values, overrides, name=design.name, workload_required=False)


def _check_sizes(key: str, sizes: Sequence[int]) -> None:
    if any(size < 1 for size in sizes):
        raise InputError(Problem(key=key, message=f"sizes must be at least 1 (got {spelled(list(sizes))})"))


def gemm_op(sizes: Sequence[int]) -> Op:
    """The op ``gemm`` of (m, n, k) or (b, m, n, k)."""
    if len(sizes) not in (3, 4):
        raise InputError(Problem(key="--gemm", message=f"takes M,N,K or B,M,N,K (got {spelled(list(sizes))})"))
    _check_sizes("--gemm", sizes)
    b, m, n, k = sizes if len(sizes) == 4 else (1, *sizes)
    return Op.gemm("gemm", m=m, n=n, k=k, b=b)


def conv_op(sizes: Sequence[int]) -> Op:
    """The op ``conv`` of (n, k, c, p, q, r, s[, stride[, dilation[, groups]]])."""
    if not 7 <= len(sizes) <= 10:
        message = f"takes N,K,C,P,Q,R,S[,STRIDE[,DILATION[,GROUPS]]] (got {spelled(list(sizes))})"
        raise InputError(Problem(key="--conv", message=message))
    _check_sizes("--conv", sizes)
    n, k, c, p, q, r, s, stride, dilation, groups = (*sizes, 1, 1, 1)[:10]
    try:
        return Op.conv(
            "conv", n=n, k=k, c=c, p=p, q=q, r=r, s=s, stride_h=stride, stride_w=stride,
            dilation_h=dilation, dilation_w=dilation, groups=groups,
        )  # fmt: skip
    except ValueError as error:
        raise InputError(Problem(key="--conv", message=str(error))) from None

"""`archsim.explain`: what bounds a layer of a design on its workload, and what would help, evaluated anew."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import archsim
from archsim.api.changes import Change, hardware_changes
from archsim.api.design import Design, design_from_dict, rooted
from archsim.api.evaluate import evaluate
from archsim.api.map import chosen_design
from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.data import DataRate
from archsim.core.errors import InfeasibleError, InputError, Problem, nearest
from archsim.core.spelling import brief
from archsim.mappers.mapping_text import loop_nest
from archsim.reports.evaluation import Evaluation
from archsim.reports.explanation import Effect, Explanation
from archsim.reports.run_folder import RESOLVED, SUMMARY
from archsim.reports.values import known_sum
from archsim.sim.occupancy import occupancy
from archsim.sim.ports import port_uses
from archsim.sim.problem import Problem as OpProblem
from archsim.sim.problem import build_problem, data_rate
from archsim.sim.records import LayerCost
from archsim.workloads.op import OPERANDS, Op

WORTH_A_CHANGE = 0.05
"""Memories with this share of a layer's stalls or energy are changed when asking what would help."""
_RANGES = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
LARGEST_BYTES = 100_000_000


def explain(
    source: Design | Mapping[str, Any] | str | Path,
    layer: str | None = None,
    *,
    overrides: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> Explanation:
    """Why a layer costs what it does: of a design, or of a run folder of `archsim evaluate`.

    `layer` is a row of the layer table or an op; None: the one that takes the most time. Every change is evaluated on
    the whole workload, so that what it does to placement and to other layers is in the result. `progress` is told
    each one.

    Raises:
        InputError: wrong input; no such layer.
        InfeasibleError: an op has no mapping that fits the memories.
    """
    design = _design(source, overrides)
    evaluation = evaluate(design)
    row = _row(evaluation, layer)
    member = _member(design, row)
    effects = _effects(design, evaluation, row, member.name if member is not None else row.name, progress)
    mapped = isinstance(member, Op) and row.cost.mapping is not None
    problem = _problem(design, row, member) if mapped and isinstance(member, Op) else None
    return Explanation(
        design_name=design.name,
        archsim_version=archsim.__version__,
        layer=row,
        total_latency_s=evaluation.cost.latency_s,
        total_energy_j=_energy(evaluation),
        loop_nest=loop_nest(problem, row.cost.mapping) if problem and row.cost.mapping else None,
        occupancy=occupancy(problem, row.cost.mapping) if problem and row.cost.mapping else (),
        ports=port_uses(problem, row.cost.mapping) if problem and row.cost.mapping else (),
        effects=tuple(effects),
        data=_data(member, design.accelerator_for(member.phase)) if mapped and isinstance(member, Op) else None,
    )


def _data(op: Op, accelerator: Accelerator) -> DataRate | None:
    """What the engine makes of the op's data, where it makes use of them."""
    found = data_rate(op, accelerator.engine)
    return found if found.exploited or found.imbalance or found.executed < 1 else None


def _design(source: Design | Mapping[str, Any] | str | Path, overrides: Sequence[str]) -> Design:
    if isinstance(source, str | Path):
        path = Path(source)
        if path.is_dir():
            return _from_run(path / RESOLVED, overrides)
        if path.name == SUMMARY:
            return _from_run(path.parent / RESOLVED, overrides)
        if path.suffix == ".json":
            return _from_run(path, overrides)
    return chosen_design(source, overrides, workload_required=True)


def _from_run(path: Path, overrides: Sequence[str]) -> Design:
    """The design of a run, from the resolved design it left."""
    try:
        text = path.read_text("utf-8") if path.stat().st_size <= LARGEST_BYTES else ""
        document = json.loads(text)
    except OSError as error:
        hint = "a run folder of archsim evaluate holds one"
        raise InputError(Problem(file=str(path), message=f"cannot be read: {error.strerror}", hint=hint)) from None
    except (ValueError, RecursionError):
        raise InputError(Problem(file=str(path), message="is not the resolved design of a run")) from None
    values = document.get("design") if isinstance(document, dict) else None
    if not isinstance(values, dict):
        raise InputError(Problem(file=str(path), message="is not the resolved design of a run"))
    files = document.get("files", {})
    return design_from_dict(rooted(values, files) if isinstance(files, dict) else values, overrides)


def _row(evaluation: Evaluation, layer: str | None) -> LayerCost:
    """The row that `layer` names, or the one that takes the most time."""
    rows = evaluation.cost.layers
    if layer is None:
        return max(rows, key=lambda row: row.cost.latency_s * row.count)
    for row in rows:
        if row.name == layer or _covers(row.name, layer):
            return row
    names = [row.name for row in rows]
    near = nearest(layer, names)
    hint = f"did you mean '{near}'?" if near else f"layers: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"
    raise InputError(
        Problem(key="--layer", message=f"no layer '{brief(layer)}' in {evaluation.design_name}", hint=hint)
    )


def _covers(row: str, name: str) -> bool:
    """Whether the row of equal blocks stands for an op.

    >>> _covers("layers.0-2,5.q_proj", "layers.5.q_proj"), _covers("layers.0-2.q_proj", "layers.3.q_proj")
    (True, False)
    """
    parts, own = row.split("."), name.split(".")
    if len(parts) != len(own):
        return False
    return all(part == one or (one.isdigit() and _within(part, int(one))) for part, one in zip(parts, own, strict=True))


def _within(ranges: str, number: int) -> bool:
    if not _RANGES.fullmatch(ranges):
        return False
    for run in ranges.split(","):
        first, _, last = run.partition("-")
        if int(first) <= number <= int(last or first):
            return True
    return False


def _member(design: Design, row: LayerCost) -> Any:
    """One of the ops that a row stands for."""
    for op in design.trace.ops:
        if op.phase == row.phase and (op.name == row.name or _covers(row.name, op.name)):
            return op
    return None


def _problem(design: Design, row: LayerCost, op: Op) -> OpProblem:
    """The op with the operands that the schedule kept on chip."""
    accelerator, mapping = design.accelerator_for(op.phase), row.cost.mapping
    assert mapping is not None
    flow = next(flow for flow in accelerator.engine.dataflows if flow.name == mapping.dataflow)
    resident = frozenset(name for name in OPERANDS if not _from_outermost(design, op, name, mapping.tiles))
    return build_problem(op, accelerator, flow, design.simulation.switches, design.accumulator, resident=resident)


def _from_outermost(design: Design, op: Op, operand: Any, tiles: Mapping[str, Mapping[str, int]]) -> bool:
    role = op.operand(operand).role.value
    first = next((level for level in design.accelerator.memories if level.serves(operand, role)), None)
    return first is None or operand in tiles.get(first.name, {})


def _energy(evaluation: Evaluation) -> float:
    return known_sum(evaluation.cost.energy_j) or 0.0


def _effects(
    design: Design, before: Evaluation, row: LayerCost, name: str, progress: Callable[[str], None] | None
) -> Iterator[Effect]:
    """What each relevant change does; those that the design cannot take are left out."""
    for change in _relevant(hardware_changes(design), row):
        if progress is not None:
            progress(change.text)
        try:
            after = evaluate(design_from_dict(design.rooted, change.overrides, name=design.name))
        except (InputError, InfeasibleError):
            continue
        found = _row(after, name if any(_covers(one.name, name) for one in after.cost.layers) else row.name)
        yield Effect(
            change=change.text,
            overrides=change.overrides,
            latency_s=found.cost.latency_s,
            energy_j=found.cost.total_energy_j,
            bound=found.cost.bound,
            speedup=row.cost.latency_s / found.cost.latency_s,
            energy_gain=row.cost.total_energy_j / found.cost.total_energy_j,
            total_speedup=before.cost.latency_s / after.cost.latency_s,
            total_energy_gain=_energy(before) / _energy(after),
        )


def _relevant(changes: Sequence[Change], row: LayerCost) -> list[Change]:
    """Changes of what binds the layer, of memories that hold it up or take its energy, and of the array under an op."""
    cost = row.cost
    about = {cost.bound, "vector" if cost.mapping is None else "array"}
    for stall in cost.stalls:
        if stall.cycles > WORTH_A_CHANGE * cost.cycles:
            about.add(stall.level)
    about |= {name for name, joules in cost.energy_j.items() if joules > WORTH_A_CHANGE * cost.total_energy_j}
    return [change for change in changes if change.about in about]

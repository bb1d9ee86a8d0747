"""`archsim.compare_iso_area`: designs with arrays scaled to the same compute area, on the same workloads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from archsim.api.design import Design, design_from_dict, load_design
from archsim.api.evaluate import evaluate
from archsim.core.errors import InputError, Problem
from archsim.reports.iso_area import IsoAreaComparison, Outcome, ScaledDesign, Workload
from archsim.sim.totals import compute_area_mm2, unit_costs

SLACK = 1e-9
"""Relative excess of an area that is rounding."""
_SHAPE = frozenset({"rows", "cols", "axes"})


def compare_iso_area(
    designs: Sequence[str | Path],
    *,
    models: Sequence[str] = (),
    phases: Sequence[str] = (),
    area_mm2: float | None = None,
    overrides: Sequence[str] = (),
) -> IsoAreaComparison:
    """Speed and energy of design files whose arrays have the largest number of PEs that fits the same compute area.

    The area (PEs and decoders) is `area_mm2`, else that of the first design, which keeps its array; gains are over the
    first design. Workloads are `models` in each of `phases`, else the first design's own. `overrides` apply to all.

    Raises:
        InputError: a design is wrong or has no area, or no array fits.
    """
    if len(designs) < 2:
        raise InputError(Problem(message=f"an iso-area comparison needs two designs or more (got {len(designs)})"))
    loaded = [load_design(path, overrides) for path in designs]
    names = [design.name for design in loaded]
    if len(set(names)) < len(names):
        message = f"designs need names of their own (got {', '.join(names)})"
        raise InputError(Problem(key="design.name", message=message))
    if area_mm2 is not None and not area_mm2 > 0:
        raise InputError(Problem(key="area_mm2", message=f"must be above 0 (got {area_mm2:g} mm^2)"))
    works = list(_workloads(loaded[0], models, phases))
    budget_mm2 = _area(loaded[0]) if area_mm2 is None else area_mm2
    scaled = [loaded[0] if i == 0 and area_mm2 is None else _scaled(d, budget_mm2) for i, d in enumerate(loaded)]
    return IsoAreaComparison(
        area_mm2=budget_mm2,
        designs=tuple(_summary(own, design) for own, design in zip(loaded, scaled, strict=True)),
        workloads=tuple(_evaluated(work, scaled) for work in works),
    )


def _workloads(first: Design, models: Sequence[str], phases: Sequence[str]) -> Iterator[dict[str, Any]]:
    """`[workload]` tables: the first design's own, with other models and phases."""
    own: dict[str, Any] = {key: value for key, value in first.rooted["workload"].items() if value is not None}
    for model in models or (None,):
        for phase in phases or (None,):
            table = deepcopy(own)
            if model is not None:
                for source in ("trace", "config", "onnx"):
                    table.pop(source, None)
                table["model"] = model
            if phase is not None:
                table["phase"] = phase
            yield table


def _evaluated(work: Mapping[str, Any], designs: Sequence[Design]) -> Workload:
    outcomes = []
    for design in designs:
        own = {**design.rooted, "workload": dict(work)}
        totals = evaluate(design_from_dict(own, name=design.name)).to_dict()["totals"]
        outcomes.append(Outcome(design=design.name, latency_s=totals["latency_s"], energy_j=totals["energy_j"]))
    source = next(str(work[key]) for key in ("model", "trace", "config", "onnx") if work.get(key) is not None)
    return Workload(name=Path(source).name, phase=str(work.get("phase") or "forward"), outcomes=tuple(outcomes))


def _summary(own: Design, scaled: Design) -> ScaledDesign:
    shapes = {phase: _sides_text(array) for phase, array in _shapes(scaled).items()}
    return ScaledDesign(
        name=scaled.name,
        array=shapes.pop(""),
        phases=shapes,
        own_array=_sides_text(own.resolved["hardware"]["array"]),
        units=scaled.accelerator.pes,
        area_mm2=_area(scaled),
    )


def _area(design: Design) -> float:
    """PEs and decoders of a design, in mm2, at the formats of its workload."""
    area = compute_area_mm2(design.accelerator, unit_costs(design.trace, design.accelerator, design.accumulator))
    if area is None:
        message = f"{design.name} has no area of PEs to compare"
        raise InputError(Problem(key="hardware.array.pe_area", message=message, hint="state pe_area"))
    return area


def _scaled(design: Design, budget_mm2: float) -> Design:
    """The design with each of its array's shapes the largest that fits."""
    values = deepcopy(design.rooted)
    for phase, shape in _shapes(design).items():
        array = values["hardware"]["array"]
        _set_sides(array["phase"][phase] if phase else array, shape, _largest(design, shape, budget_mm2))
    return design_from_dict(values, name=design.name)


def _largest(design: Design, shape: Mapping[str, Any], budget_mm2: float) -> tuple[int, int]:
    """Rows and columns of the largest array of nearly this shape within the area.

    Columns stay as they are, doubled or halved only where the area is several times another; rows are as many as fit.
    """
    rows, columns = _sides(shape)
    scale = budget_mm2 / _area(_with_sides(design, shape, (rows, columns)))
    columns = max(1, round(columns * 2 ** round(math.log2(scale) / 2)))
    rows = int(scale * math.prod(_sides(shape)) / columns) + 1
    while rows > 0:
        if _area(_with_sides(design, shape, (rows, columns))) <= budget_mm2 * (1 + SLACK):
            return rows, columns
        rows -= 1
    message = f"no array of {design.name} fits {budget_mm2:.4g} mm2"
    raise InputError(Problem(key="hardware.array", message=message, hint="give a larger area"))


def _with_sides(design: Design, shape: Mapping[str, Any], sides: tuple[int, int]) -> Design:
    """The design with an array of one shape."""
    values = deepcopy(design.rooted)
    array = values["hardware"]["array"]
    array["phase"] = {}
    _set_sides(array, shape, sides)
    return design_from_dict(values, name=design.name)


def _sides(array: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns, or the sizes of the first two axes."""
    axes = array.get("axes")
    if axes:
        return int(axes[0]["size"]), int(axes[1]["size"]) if len(axes) > 1 else 1
    return int(array["rows"]), int(array["cols"])


def _shapes(design: Design) -> dict[str, dict[str, Any]]:
    """The array's keys and, by phase, those that give it another shape."""
    array = design.resolved["hardware"]["array"]
    phases = array.get("phase", {})
    return {"": array} | {phase: {**array, **keys} for phase, keys in phases.items() if _SHAPE & keys.keys()}


def _set_sides(array: dict[str, Any], shape: Mapping[str, Any], sides: tuple[int, int]) -> None:
    """Give an array the sides, in the words of `shape`: rows and columns or axes."""
    if not shape.get("axes"):
        _scale_shapes(array, math.prod(sides) / math.prod(_sides(shape)))
        array["rows"], array["cols"] = sides
        return
    array["axes"] = deepcopy(list(shape["axes"]))
    for axis, size in zip(array["axes"], sides, strict=False):
        axis["size"] = size


def _scale_shapes(array: dict[str, Any], factor: float) -> None:
    """Other ways to wire the array's lanes have as many more or fewer rows; one that has not a row left is dropped."""
    if array.get("shapes"):
        scaled = [{**shape, "rows": math.floor(shape["rows"] * factor + SLACK)} for shape in array["shapes"]]
        array["shapes"] = [shape for shape in scaled if shape["rows"] > 0]


def _sides_text(array: Mapping[str, Any]) -> str:
    return "x".join(str(side) for side in _sides(array))

"""What evaluating points gives: one row each, a failed one with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from archsim.explore.space import Point

OK, FAILED = "ok", "failed"

TOTALS = (
    "latency_s",
    "cycles",
    "energy_j",
    "area_mm2",
    "power_w",
    "edp_js",
    "macs",
    "utilization",
    "dram_bytes",
    "peak_memory_bytes",
    "throughput_per_s",
    "tops",
    "tops_per_w",
    "ttft_s",
    "tpot_s",
    "accuracy",
)
"""Totals of `archsim.evaluation/1` that are numbers, in its order: columns of every run."""
BREAKDOWNS = ("energy_j", "area_mm2", "resources")
"""Tables by component: columns ``energy_j.mac``, ``area_mm2.glb``, ``resources.lut``."""

Values = Mapping[str, float | None]
_SUMMED = frozenset({"latency_s", "cycles", "energy_j", "macs", "dram_bytes"})
_LARGEST = frozenset({"area_mm2", "peak_memory_bytes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PointResult:
    """One row of a run."""

    point_id: str
    """SHA-256 (hex) of everything that determines the row: the resolved design without names, and the model version."""
    point: Point
    status: Literal["ok", "failed"]
    reason: str | None = None
    """Why a failed point failed."""
    values: Values = field(default_factory=dict)
    """Totals and ``energy_j.<component>``, ``area_mm2.<component>``; None for what does not exist. Empty if failed."""


def evaluation_values(document: Mapping[str, Any]) -> dict[str, float | None]:
    """The columns that one evaluation's JSON document gives."""
    totals = document["totals"]
    values: dict[str, float | None] = {name: _number(totals[name]) for name in TOTALS}
    tables = {"energy_j": document["energy_j"], "area_mm2": document["area_mm2"], "resources": totals["resources"]}
    for name, table in tables.items():
        values |= {f"{name}.{component}": _number(value) for component, value in table.items()}
    return values


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def combined(parts: Sequence[tuple[str, float, Values]]) -> dict[str, float | None]:
    """Totals over several workloads, given as (name, weight, values), and each one's own under ``<name>.<total>``.

    A weight says how often a workload runs. Times, cycles, energies, MACs and bytes are weighted sums; area, resources
    and peak memory the largest; power, EDP, TOPS and utilization those of the sums; throughput, time to the first token
    and per token the weighted means over the workloads that have them (of throughput over time). What any workload
    lacks, a sum lacks.
    """
    names = list(dict.fromkeys(name for _, _, values in parts for name in values))
    weights = [weight for _, weight, _ in parts]
    total = {name: _combined(name, weights, [values.get(name) for *_, values in parts]) for name in names}
    latency, energy, macs = total["latency_s"], total["energy_j"], total["macs"]
    total["power_w"] = _ratio(energy, latency)
    total["edp_js"] = None if energy is None or latency is None else energy * latency
    total["tops"] = _ratio(None if macs is None else 2 * macs / 1e12, latency)
    total["tops_per_w"] = _ratio(total["tops"], total["power_w"])
    total["utilization"] = _utilization(parts)
    total["throughput_per_s"] = _throughput(parts)
    for workload, _, values in parts:
        total |= {f"{workload}.{name}": values[name] for name in TOTALS}
    return total


def _combined(name: str, weights: Sequence[float], values: Sequence[float | None]) -> float | None:
    known = [(weight, value) for weight, value in zip(weights, values, strict=True) if value is not None]
    table = name.partition(".")[0]
    if table in _LARGEST or table == "resources":
        return max((value for _, value in known), default=None)
    if table in _SUMMED:  # a component that a workload does not use costs it nothing
        whole = len(known) == len(values) or (table != name and known)
        return math.fsum(weight * value for weight, value in known) if whole else None
    return _mean(known)


def _mean(weighted: Sequence[tuple[float, float]]) -> float | None:
    return _ratio(math.fsum(w * value for w, value in weighted), math.fsum(w for w, _ in weighted))


def _utilization(parts: Sequence[tuple[str, float, Values]]) -> float | None:
    """MACs over what the array could have done: cycles x peak = MACs / utilization of each workload."""
    done = [(w * (v["macs"] or 0.0), v["utilization"]) for _, w, v in parts]
    known = [(macs, share) for macs, share in done if share]
    return _ratio(math.fsum(macs for macs, _ in known), math.fsum(macs / share for macs, share in known))


def _throughput(parts: Sequence[tuple[str, float, Values]]) -> float | None:
    """What is put out per second of the whole mix: each workload's rate over the time that it takes."""
    rates = [(w * (v["latency_s"] or 0.0), v["throughput_per_s"]) for _, w, v in parts]
    return None if any(rate is None for _, rate in rates) else _mean([(w, rate or 0.0) for w, rate in rates])


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return None if numerator is None or not denominator else numerator / denominator

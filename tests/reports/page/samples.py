"""Pages made by hand: a design space whose trade-off is known, so that the page is tested apart from any simulator."""

from __future__ import annotations

import numpy as np

from archsim.reports.page.detail import design_detail
from archsim.reports.page.quantities import Quantity, axis_labels, total
from archsim.reports.page.record import Bound, Column, Evidence, FloatArray, Front, SweepPage
from tests.reports import samples

HOSTILE = "<script>alert(1)</script>"
BREAKING = "</script><img src=x onerror=alert(2)>\u2028&amp;"
AXES = ("hardware.array.rows", "hardware.memory.glb.capacity", "hardware.memory.dram.bandwidth", "quantization.weights")
FORMATS = ("int8", "int4:g128", "fp16", HOSTILE)


def front_of(first: FloatArray, second: FloatArray) -> np.ndarray:
    """Rows that no other beats in both (less is better), by the book."""
    order = np.lexsort((second, first))
    best, rows = np.inf, []
    for row in order:
        if second[row] < best:
            best = second[row]
            rows.append(row)
    return np.array(sorted(rows), np.int64)


def sweep_page(points: int = 400, *, title: str = f"sweep of {HOSTILE}", designs: int = 6, seed: int = 7) -> SweepPage:
    """A space of four axes; one point in 23 fails, for two reasons."""
    random = np.random.default_rng(seed)
    rows = random.choice([8.0, 16.0, 32.0, 64.0, 128.0], points)
    capacity = random.choice(2.0 ** np.arange(15, 22), points)
    bandwidth = random.uniform(8, 256, points)
    code = random.integers(0, len(FORMATS), points).astype(np.float64)
    bits = np.array([8.0, 4.25, 16.0, 6.0])[code.astype(int)]
    reason = np.where(np.arange(points) % 23 == 5, 1 + (np.arange(points) % 2), 0)
    failed = reason > 0
    mac_j = 2e-3 * (bits / 8) ** 1.3 * random.uniform(0.97, 1.05, points)
    dram_j = 4e-3 * bits / 8 / np.sqrt(capacity / 2**18)
    latency = 0.2 * bits / 8 / bandwidth + 0.5 / rows**2 + 2e-4
    area = rows**2 * 4e-4 * (bits / 8) + capacity / 2**20 * 1.1 + 0.003 * bandwidth
    values = {
        "latency_s": latency,
        "energy_j": mac_j + dram_j,
        "area_mm2": area,
        "utilization": np.clip(0.9 - rows / 300, 0, 1),
        "dram_bytes": 5e8 * bits / 8 / np.sqrt(capacity / 2**18),
        "energy_j.mac": mac_j,
        "energy_j.dram": dram_j,
        "area_mm2.mac": rows**2 * 4e-4 * (bits / 8),
        "area_mm2.glb": capacity / 2**20 * 1.1,
    }
    for column in values.values():
        column[failed] = np.nan
    ok = np.flatnonzero(~failed)
    front = ok[front_of(values["latency_s"][ok], values["area_mm2"][ok])]
    feasible = ~failed & (np.nan_to_num(area, nan=np.inf) <= 20)
    return SweepPage(
        title=title,
        subtitle="grid over 4 axes; Llama-2-7B decode, 2,048 tokens of context",
        facts=(
            ("points", f"{points:,}"),
            ("failed", f"{int(failed.sum())}"),
            ("Pareto front", f"{front.size} designs"),
        ),
        columns=(*_axes(rows, capacity, bandwidth, code), *(_total(key, column) for key, column in values.items())),
        index=np.arange(points, dtype=np.int64),
        reason=reason,
        reasons=("ok", f"glb holds 32 KiB, a tile needs 48 KiB ({BREAKING})", "the array has no such dataflow"),
        feasible=feasible,
        fronts=(Front(name="Pareto front", rows=front),),
        knees=(int(front[front.size // 2]),) if front.size else (),
        command="archsim evaluate design.toml",
        base={key: float(column[ok[0]]) for key, column in values.items()} if ok.size else None,
        bounds=(Bound(key="area_mm2", operator="<=", value=20.0, text="area ≤ 20 mm²"),),
        designs=tuple(_detail(int(row), place) for place, row in enumerate(front[:designs])),
        evidence=Evidence(
            estimates=("estimate: a vector operation costs the mean of a multiplication and an addition", HOSTILE),
            sources=("memory dram: Micron, LPDDR5, 2020",),
            versions=(("archsim", "0.1.0"), ("numpy", np.__version__)),
        ),
    )


def _detail(row: int, place: int):
    evaluation = samples.small() if place % 2 == 0 else samples.large(8)
    return design_detail(evaluation, row=row, name=HOSTILE if place == 0 else f"design {place}")


def _axes(rows: FloatArray, capacity: FloatArray, bandwidth: FloatArray, code: FloatArray) -> tuple[Column, ...]:
    labels = axis_labels(AXES)
    plain = Quantity
    return (
        Column(key=AXES[0], quantity=plain(label=labels[AXES[0]]), role="axis", values=rows),
        Column(
            key=AXES[1], quantity=plain(label=labels[AXES[1]], unit="B", style="bytes"), role="axis", values=capacity
        ),
        Column(key=AXES[2], quantity=plain(label=labels[AXES[2]], unit="GB/s"), role="axis", values=bandwidth),
        Column(key=AXES[3], quantity=plain(label=labels[AXES[3]]), role="axis", values=code, categories=FORMATS),
    )


def _total(key: str, values: FloatArray) -> Column:
    objectives = ("latency_s", "area_mm2", "energy_j")
    role = (
        "energy"
        if key.startswith("energy_j.")
        else "area"
        if key.startswith("area_mm2.")
        else "objective"
        if key in objectives
        else "total"
    )
    return Column(key=key, quantity=total(key), role=role, values=values, goal="min" if role == "objective" else None)

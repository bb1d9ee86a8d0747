"""Rows on networks, formats and components: figures archsim builds up against published ones."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from archsim.arch.formats import format
from archsim.arch.interpolation import log_log
from archsim.workloads.models import model
from tests.validation.measure import Row, exact, read, relative
from tests.workloads.published import published

DERIVED = "no published figure"
"""How the source of MACs begins that only follow from the published parameters."""

ML_DTYPES = {
    "fp8_e4m3": ml_dtypes.float8_e4m3fn,
    "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp4_e2m1": ml_dtypes.float4_e2m1fn,
    "bf16": ml_dtypes.bfloat16,
    "fp16": np.float16,
}


def network_rows() -> list[Row]:
    rows = published()
    parameters = [(float(model(row.name).parameters), row.parameters) for row in rows]
    macs = [
        (float(model(row.name, phase=row.phase or None, context=row.context).macs), row.macs)
        for row in rows
        if row.macs is not None and not row.macs_source.startswith(DERIVED)
    ]
    return [
        relative("parameters of the catalog's networks", "papers and model cards (tests/workloads)", parameters),
        relative("MACs of the catalog's networks", "papers, torchvision, timm (tests/workloads)", macs),
        rounding_row(),
        sram_row(),
    ]


def rounding_row(count: int = 100_000) -> Row:
    """Rounding of seeded values to each small float, against ml_dtypes (numpy for fp16), value for value."""
    x = np.random.default_rng(7).standard_normal(count).astype(np.float32)
    pairs: list[tuple[float, float]] = []
    for name, dtype in ML_DTYPES.items():
        ours = format(name).round(x)
        theirs = x.astype(dtype).astype(np.float64)
        pairs.append((float((ours == theirs).sum()), float(count)))
    row = exact("rounding to small floats: values of each type that agree", "", pairs)
    return Row(
        what=row.what, source="ml_dtypes and numpy, 7 types, seeded values", rows=count * len(pairs), error=row.error
    )


def sram_row() -> Row:
    """Read energy at each inner capacity of the grid, interpolated between its neighbours as `sram_cost` does."""
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in read("components/sram_cacti.csv"):
        point = (float(row["size_bytes"]), float(row["read_energy_pJ"]))
        curves.setdefault((row["tech_nm"], row["width_bits"]), []).append(point)
    pairs = []
    for points in curves.values():
        points.sort()
        for before, left_out, after in zip(points, points[1:], points[2:], strict=False):
            guess = log_log(left_out[0], (before[0], after[0]), (before[1], after[1]))
            pairs.append((guess, left_out[1]))
    return relative("SRAM read energy: each capacity left out of the grid in turn", "CACTI 7 grid", pairs)

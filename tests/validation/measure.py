"""Measured errors: what archsim says against what others published, ran or measured. One function a row group.

Reads the reference data beside the repository; a checkout without them has no rows to measure.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from archsim.arch.accelerator import Accelerator, VectorUnit
from archsim.arch.engines.systolic import SystolicEngine
from archsim.arch.engines.units import UnitModel, UnitOverrides
from archsim.arch.formats import format
from archsim.arch.memory import UNLIMITED, MemoryLevel
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import Counting, counting
from archsim.sim.cycle import simulate_gemm
from archsim.sim.records import OpCost
from archsim.sim.systolic import gemm_cycles
from archsim.workloads.op import Op

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
DATAFLOWS = ("os", "ws", "is")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of docs/validation.md."""

    what: str
    source: str
    rows: int
    error: str


def exact(what: str, source: str, pairs: list[tuple[float, float]]) -> Row:
    """A claim of equality: how many of (ours, reference) differ, and by how much at most."""
    wrong = [(ours, reference) for ours, reference in pairs if ours != reference]
    worst = max((abs(ours - ref) / abs(ref) if ref else abs(ours) for ours, ref in wrong), default=0.0)
    error = "0 (all equal)" if not wrong else f"{len(wrong)} differ, by up to {100 * worst:.2g} %"
    return Row(what=what, source=source, rows=len(pairs), error=error)


def relative(what: str, source: str, pairs: list[tuple[float, float]]) -> Row:
    """A comparison: mean and median absolute relative error, and the worst."""
    errors = [abs(ours - reference) / reference for ours, reference in pairs]
    text = f"mean {_percent(statistics.fmean(errors))}, median {_percent(statistics.median(errors))}, "
    return Row(what=what, source=source, rows=len(pairs), error=text + f"worst {_percent(max(errors))}")


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def read(path: str) -> list[dict[str, str]]:
    with (DATA / path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def array_chip(
    rows: int,
    columns: int,
    dataflow: str,
    *,
    fold_overlap: bool = False,
    weight_double_buffer: bool = False,
    dram_bits_per_cycle: float = UNLIMITED,
    sram_bits: float = UNLIMITED,
) -> Accelerator:
    """A bare array over one SRAM and a DRAM: what a run of an array simulator describes."""
    unit = UnitModel(node_nm=45.0, overrides=UnitOverrides(mac_energy_pj=1.0, pe_area_um2=1.0, pe_leakage_w=0.0))
    engine = SystolicEngine(
        rows=rows,
        columns=columns,
        permitted=(dataflow,),
        fold_overlap=fold_overlap,
        weight_double_buffer=weight_double_buffer,
        unit=unit,
    )
    dram = MemoryLevel(
        name="dram",
        technology="dram",
        off_chip=True,
        read_bits_per_cycle=dram_bits_per_cycle,
        write_bits_per_cycle=dram_bits_per_cycle,
        shared_ports=True,
    )
    sram = MemoryLevel(name="sram", technology="sram", double_buffer=True, capacity_bits=sram_bits)
    return Accelerator(
        name="array",
        kind="systolic",
        clock_hz=1e9,
        node_nm=45.0,
        cores=1,
        engine=engine,
        memories=(dram, sram),
        vector=VectorUnit(lanes=1, energy_pj=1.0),
    )


def cost(op: Op, chip: Accelerator, counts: Counting) -> OpCost:
    int8 = format("int8")
    settled = op.with_formats(inputs=int8, weights=int8, outputs=int8)
    best = best_mapping(settled, chip, MapperSettings(objective="latency"), counts, format("int32"))
    assert best is not None
    return best


# ---- SCALE-Sim 3.0.0


def scalesim_op(row: dict[str, str]) -> Op:
    """The run's layer; output sizes by the tool's own rule (partial windows counted, no padding)."""
    if row["kind"] == "gemm":
        return Op.gemm(row["layer"], m=int(row["M"]), n=int(row["N"]), k=int(row["K"]))
    size = {key: int(row[key]) for key in ("ifmap_h", "ifmap_w", "filter_h", "filter_w", "stride_h")}
    stride = size["stride_h"]
    return Op.conv(
        row["layer"],
        k=int(row["num_filters"]),
        c=int(row["channels"]),
        p=-(-(size["ifmap_h"] - size["filter_h"] + stride) // stride),
        q=-(-(size["ifmap_w"] - size["filter_w"] + stride) // stride),
        r=size["filter_h"],
        s=size["filter_w"],
        stride_h=stride,
        stride_w=stride,
    )


@cache
def scalesim_runs() -> tuple[tuple[dict[str, str], OpCost], ...]:
    """Every dense run with what the scale-sim convention says of it."""
    counts = counting("scale-sim")
    return tuple(
        (
            row,
            cost(scalesim_op(row), array_chip(int(row["array_rows"]), int(row["array_cols"]), row["dataflow"]), counts),
        )
        for row in read("scalesim/runs.csv")
        if row["sparsity_n"] == row["sparsity_m"]
    )


def scalesim_cycles() -> list[tuple[float, float]]:
    return [
        (ours.compute_cycles, int(row["compute_cycles"]) - int(row["stall_cycles"] or 0))
        for row, ours in scalesim_runs()
    ]


def scalesim_accesses() -> list[tuple[float, float]]:
    pairs = []
    for row, ours in _stall_free():
        found = {(item.level, item.operand): item for item in ours.traffic}
        pairs.append((found["sram", "inputs"].reads, float(row["sram_ifmap_reads"])))
        pairs.append((found["sram", "weights"].reads, float(row["sram_filter_reads"])))
        pairs.append((found["sram", "outputs"].updates, float(row["sram_ofmap_writes"])))
    return pairs


def scalesim_utilizations() -> list[tuple[float, float]]:
    """Percentages rounded to nine digits: the tool prints them with binary rounding noise."""
    columns = {
        "overall_util": "utilization",
        "mapping_eff": "mapping_utilization",
        "compute_util": "compute_utilization",
    }
    return [
        (round(100 * getattr(ours, attribute), 9), round(float(row[column]), 9))
        for row, ours in _stall_free()
        for column, attribute in columns.items()
    ]


def _stall_free() -> Iterator[tuple[dict[str, str], OpCost]]:
    return ((row, ours) for row, ours in scalesim_runs() if row["stall_cycles"] == "0" and row["sram_ifmap_reads"])


def default_against_scalesim(dataflow: str) -> list[tuple[float, float]]:
    """The default convention's cycles beside the tool's: not an error but the difference the switches make."""
    pairs = []
    for row, _ in scalesim_runs():
        if row["dataflow"] == dataflow:
            op, rows, columns = scalesim_op(row), int(row["array_rows"]), int(row["array_cols"])
            m, n, k = (op.size(dims) for dims in (op.rows, op.columns, op.reduction))
            ours = gemm_cycles(m, n, k, rows=rows, cols=columns, dataflow=dataflow)
            pairs.append((float(ours), float(int(row["compute_cycles"]) - int(row["stall_cycles"] or 0))))
    return pairs


# ---- the PE-level simulator against numpy and the closed form


@cache
def random_gemms(count: int = 1000, seed: int = 2026) -> tuple[tuple[bool, int, int], ...]:
    """(product equals numpy's, simulated cycles, closed-form cycles) of seeded random GEMMs and options."""
    rng = np.random.default_rng(seed)
    results = []
    for i in range(count):
        m, n, k = (int(value) for value in rng.integers(1, 48, 3))
        rows, columns = (int(value) for value in rng.integers(1, 13, 2))
        dataflow = DATAFLOWS[i % 3]
        overlap, double = bool(rng.integers(2)), bool(rng.integers(2))
        a, b = rng.integers(-128, 128, (m, k)), rng.integers(-128, 128, (k, n))
        run = simulate_gemm(
            a, b, rows=rows, cols=columns, dataflow=dataflow, fold_overlap=overlap, weight_double_buffer=double
        )
        closed = gemm_cycles(
            m, n, k, rows=rows, cols=columns, dataflow=dataflow, fold_overlap=overlap, weight_double_buffer=double
        )
        results.append((bool((run.product == a @ b).all()), run.cycles, closed))
    return tuple(results)


# ---- ONNXim: a cycle-level NPU simulator with a Gemmini-like weight-stationary array


ONNXIM = {
    # configuration: array size, DRAM bytes per cycle at 1 GHz, bytes on chip, bytes of an element
    "A_8x8_c1_ddr4_int8": (8, 25.6, 80 * 1024, 1),
    "B_8x8_c1_hbm2_int8": (8, 614.0, 80 * 1024, 1),
    "D_128x128_c1_hbm2_fp16": (128, 614.0, 36 * 1024 * 1024, 2),
}


def onnxim(configuration: str) -> list[tuple[float, float]]:
    """GEMMs on one of its single-core machines: weights preloaded, passes overlapped, label bandwidth, no fit."""
    size, dram_bytes, sram_bytes, element_bytes = ONNXIM[configuration]
    chip = array_chip(
        size,
        size,
        "ws",
        fold_overlap=True,
        weight_double_buffer=True,
        dram_bits_per_cycle=8 * dram_bytes / element_bytes,
        sram_bits=8 * sram_bytes / element_bytes,
    )
    pairs = []
    for row in read("onnxim/runs.csv"):
        if row["config"] == configuration and row["op"] == "gemm" and row["status"] == "ok":
            m, n, k = (int(row[key]) for key in "MNK")
            ours = cost(Op.gemm("x", m=m, n=n, k=k), chip, counting())
            pairs.append((float(ours.cycles), float(row["cycles"])))
    return pairs


# ---- the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    what: str
    source: str
    summarise: Callable[[str, str, list[tuple[float, float]]], Row]
    pairs: Callable[[], list[tuple[float, float]]]

    def row(self) -> Row:
        return self.summarise(self.what, self.source, self.pairs())


SCALE_SIM = "runs of SCALE-Sim 3.0.0"
MEASUREMENTS = (
    Measurement(
        what="`scale-sim` convention: cycles net of stalls", source=SCALE_SIM, summarise=exact, pairs=scalesim_cycles
    ),
    Measurement(
        what="`scale-sim` convention: SRAM reads of inputs and weights, writes of outputs",
        source=f"{SCALE_SIM} without stalls",
        summarise=exact,
        pairs=scalesim_accesses,
    ),
    Measurement(
        what="`scale-sim` convention: overall, mapping and compute utilization",
        source=f"{SCALE_SIM} without stalls",
        summarise=exact,
        pairs=scalesim_utilizations,
    ),
    Measurement(
        what="PE-level simulation: matrix product",
        source="numpy, seeded random GEMMs, arrays, dataflows and options",
        summarise=exact,
        pairs=lambda: [(float(equal), 1.0) for equal, _, _ in random_gemms()],
    ),
    Measurement(
        what="closed form: cycles of one GEMM on one array",
        source="PE-level simulation, the same runs",
        summarise=exact,
        pairs=lambda: [(float(closed), float(simulated)) for _, simulated, closed in random_gemms()],
    ),
    Measurement(
        what="weight-stationary 8 x 8 array, HBM2, passes overlapped: cycles of GEMMs",
        source="runs of ONNXim (a1e8629), machine B (compute decides)",
        summarise=relative,
        pairs=lambda: onnxim("B_8x8_c1_hbm2_int8"),
    ),
    Measurement(
        what="the same array with DDR4: cycles of GEMMs",
        source="runs of ONNXim, machine A (banks and rows of its DRAM are not modelled here)",
        summarise=relative,
        pairs=lambda: onnxim("A_8x8_c1_ddr4_int8"),
    ),
    Measurement(
        what="128 x 128 array, HBM2, fp16: cycles of GEMMs",
        source="runs of ONNXim, machine D (its DRAM sustains 67 % of the label bandwidth used here)",
        summarise=relative,
        pairs=lambda: onnxim("D_128x128_c1_hbm2_fp16"),
    ),
)

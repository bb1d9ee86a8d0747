"""Sparse engines against Sparseloop's stored runs and the measurements beside them: cycles, mapped by archsim's search.

Machines have the lanes, bandwidths and capacities of the reference; nothing is fitted to a row. Metadata take as many
bits as they need.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from typing import Any

from archsim.api.design import Design, design_from_dict
from archsim.api.evaluate import mapper_settings
from archsim.mappers.search import best_mapping
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.records import OpCost
from archsim.workloads.op import Op
from archsim.workloads.operand_data import operand_data
from tests.validation.machines import costed, machine, with_bits
from tests.validation.measure import Row, read, relative

Pairs = list[tuple[float, float]]
SIZE = 128
"""Rows, columns and reduction of figure 1's matrices."""
TENSOR_CORES: dict[str, dict[str, Any]] = {
    "TC-RF2x-24-bandwidth": {"base": "tensor-core"},
    "STC-RF2x-24-bandwidth": {"base": "sparse-tensor-core"},
    "STC_flexible-RF2x-24-bandwidth": {
        "base": "flexible-sparse-tensor-core",
        "array": {"metadata": {"weights": "n:m", "inputs": "dense"}},
    },
    "STC_flexible-RF2x-24-bandwidth-RLE": {
        "base": "flexible-sparse-tensor-core",
        "array": {"metadata": {"weights": "n:m", "inputs": "dense"}},
    },
    "STC_flexible_dualCompress-RF2x-24-bandwidth-RLE": {"base": "flexible-sparse-tensor-core"},
    "DSTC-RF2x-24-bandwidth": {"base": "dual-side-tensor-core"},
}
_DENSITY = re.compile(r"'(\w+)': ([0-9.]+)")
STRUCTURED = {"1.0": None, "0.5": "2:4", "0.3333": "2:6", "0.25": "2:8"}
SUMS_KIB = 8
"""Room for sums in the register files: 8-bit ones, as there."""


@cache
def tensor_core(name: str) -> Design:
    """A design of figure 15, counted in a steady state: loads and write-backs of one tile beside the next."""
    values = TENSOR_CORES[name]
    return design_from_dict(
        {
            "hardware": {**values, "memory": [{"name": "rf", "capacity": f"{SUMS_KIB} KiB"}]},
            "quantization": {"weights": "int8", "activations": "int8", "accumulator": "int8"},
            "mapper": {"objective": "latency"},
            "simulation": {"counting": {"latency": "throughput", "reserve": "none"}},
        },
        workload_required=False,
    )


def best(design: Design, op: Op) -> OpCost:
    """The cost of the mapping that the search finds."""
    settings, counts = mapper_settings(design), design.simulation.switches
    cost = best_mapping(op, design.accelerator, settings, counts, design.accumulator)
    assert cost is not None
    return cost


def product(m: int, n: int, k: int, *, weights: str | None, inputs: str | None, bits: int = 8) -> Op:
    op = with_bits(Op.gemm("g", m=m, n=n, k=k), inputs=bits, weights=bits, outputs=bits)
    return replace(op, weights=replace(op.weights, sparsity=weights), inputs=replace(op.inputs, sparsity=inputs))


def tensor_core_cost(row: dict[str, str]) -> OpCost:
    """A row's layer: weights are its A (M x K), inputs its B; K as the reference pads it to whole groups."""
    m, n = int(row["N"]), int(row["M"])
    k = int(row["alg_computes"]) // (m * n)
    density = row["weight_density"]
    weights = STRUCTURED[density]
    if row["design"].startswith("STC-") and weights is not None:
        weights = "2:4"
    if row["design"].startswith("DSTC") and weights is not None:
        weights = f"random:{density}"
    op = product(m, n, k, weights=weights, inputs=f"random:{row['input_density']}")
    return best(tensor_core(row["design"]), op)


@cache
def tensor_cores() -> tuple[tuple[str, str, float, float], ...]:
    """(design, weight density, cycles here, cycles there) of every row of figure 15."""
    rows = read("sparseloop/fig15_tensorcore_designs_ref.csv")
    return tuple(
        (row["design"], row["weight_density"], tensor_core_cost(row).cycles, float(row["cycles"])) for row in rows
    )


def of_designs(*starts: str) -> Pairs:
    return [(ours, theirs) for name, _, ours, theirs in tensor_cores() if name.startswith(starts)]


def speedup_of_2_4() -> Pairs:
    """Dense tensor core over 2:4 at density one half, and 2."""
    cycles = {
        (row["design"].split("-")[0], row["M"], row["K"]): tensor_core_cost(row).cycles
        for row in read("sparseloop/fig15_tensorcore_designs_ref.csv")
        if row["weight_density"] == "0.5" and row["design"].startswith(("TC", "STC-"))
    }
    return [
        (cycles["TC", m, k] / ours, 2.0)
        for (name, m, k), ours in cycles.items()
        if name == "STC" and ("TC", m, k) in cycles
    ]


def one_mac_cost(density: float, kept: str) -> OpCost:
    """Two sparse matrices on figure 1's machine; each row of A stays while B streams, as there."""
    pattern = f"random:{density:.12f}"
    op = product(SIZE, SIZE, SIZE, weights=pattern, inputs=pattern)
    mapping = Mapping(
        dataflow="spatial",
        loops=(Loop("m", SIZE), Loop("n", SIZE), Loop("k", SIZE)),
        tiles={
            "backing": {"inputs": 0, "weights": 0, "outputs": 0},
            "buffer": {"inputs": 1, "weights": 2},
            "register": {"outputs": 2},
        },
    )
    return costed(machine(f"sparseloop-{kept}"), op, mapping)[1]


def lists_and_masks() -> dict[str, Pairs]:
    """Cycles by way of keeping; the density is that of the pairs that the reference computes."""
    found: dict[str, Pairs] = {"bitmask": [], "coordinate": []}
    for row in read("sparseloop/fig1_bitmask_vs_coordlist_ref.csv"):
        kept = "bitmask" if row["format_saf"].startswith("bitmask") else "coordinate"
        density = math.sqrt(int(row["actual_computes"]) / int(row["alg_computes"]))
        found[kept].append((one_mac_cost(density, kept).cycles, float(row["cycles"])))
    return found


def dual_side_cycles(weights: float, inputs: float) -> int:
    """The dual-side tensor core on a product of 4096 x 4096 x 4096."""
    patterns = [f"random:{density}" if density < 1 else None for density in (weights, inputs)]
    op = product(4096, 4096, 4096, weights=patterns[0], inputs=patterns[1], bits=16)
    return best(machine("dstc-measured", "mapper.objective=latency"), op).cycles


def dual_side() -> Pairs:
    """Time over that of dense operands, and as measured."""
    dense = dual_side_cycles(1.0, 1.0)
    rows = read("sparseloop/fig13_dstc_measured_baseline.csv")
    return [
        (dual_side_cycles(float(row["B_density"]), float(row["A_density"])) / dense, float(row["normalized"]))
        for row in rows
    ]


def eyeriss_v2() -> Pairs:
    """Cycles of Eyeriss V2's PE at a layer's share of useful MACs, and as its authors measured them."""
    design = machine("sparseloop-coordinate", 'hardware.memory.buffer.bandwidth="unlimited"')
    rows = [row for row in read("sparseloop/fig12_eyerissv2pe_ref_outputs.csv") if row["density_model"] == "uniform"]
    pairs = {}
    for row in rows:
        macs, share = int(row["alg_computes"]), int(row["actual_computes"]) / int(row["alg_computes"])
        op = product(1, macs // SIZE, SIZE, weights=f"random:{share:.12f}", inputs=None)
        rate = design.accelerator.engine.data_rate(operand_data(op, "weights"), operand_data(op, "inputs"))
        pairs[row["layer"]] = (macs / rate.macs_per_unit_cycle, float(row["ground_truth_cycles"]))
    return list(pairs.values())


SPAD_WORDS = 2
"""Inputs that a PE's scratchpad hands over in a cycle."""


def gated_spad() -> Pairs:
    """Eyeriss's time over its dense time, as Sparseloop describes it: zero inputs are skipped, yet read."""
    design = design_from_dict(
        {
            "hardware": {
                "kind": "sparse",
                "clock": "200 MHz",
                "array": {
                    "rows": 1, "cols": 1, "dataflow": "os",
                    "zeros": "skip", "zeros_of": ["inputs"], "window_cycles": 0,
                },
                "memory": [
                    {"name": "dram", "technology": "ddr4", "bandwidth": "unlimited"},
                    {"name": "spad", "technology": "register", "operands": ["inputs"],
                     "read_bandwidth": f"{SPAD_WORDS * 2} B/cycle"},
                ],
            },
            "quantization": {"weights": "int16", "activations": "int16", "accumulator": "int16"},
            "simulation": {"counting": {"latency": "throughput", "reserve": "none"}},
        },
        workload_required=False,
    )  # fmt: skip
    mapping = Mapping(
        dataflow="spatial",
        loops=(Loop("m", SIZE), Loop("n", SIZE), Loop("k", SIZE)),
        tiles={"dram": {"inputs": 0, "weights": 0, "outputs": 0}, "spad": {"inputs": 1}},
    )
    pairs = []
    for row in read("sparseloop/table7_eyeriss_ref.csv"):
        densities = dict(_DENSITY.findall(row["densities"]))
        op = product(SIZE, SIZE, SIZE, weights=None, inputs=f"random:{densities['Inputs']}", bits=16)
        ours = costed(design, op, mapping)[1].cycles / SIZE**3
        pairs.append((ours, int(row["eyeriss_sparse_cycles"]) / int(row["dense_cycles"])))
    return pairs


def sparse_rows() -> list[Row]:
    """Rows of docs/validation.md."""
    kept, stored = lists_and_masks(), "stored runs of Sparseloop"
    return [
        relative("speedup of 2:4 tensor cores", stored, speedup_of_2_4()),
        relative("cycles, dense and 2:4 tensor cores", stored, of_designs("TC", "STC-")),
        relative("cycles, flexible N:M tensor cores", stored, of_designs("STC_flexible")),
        relative("cycles, dual-side tensor core", stored, of_designs("DSTC")),
        relative("cycles, coordinate lists that skip", stored, kept["coordinate"]),
        relative("cycles, bitmasks that gate", stored, kept["bitmask"]),
        relative("time of the dual-side tensor core over its dense time", "measurements of Wang et al.", dual_side()),
        relative("time of Eyeriss's PEs on AlexNet over their dense time", stored, gated_spad()),
        relative("cycles, Eyeriss V2's PE on sparse MobileNet", "its authors' simulations", eyeriss_v2()),
    ]

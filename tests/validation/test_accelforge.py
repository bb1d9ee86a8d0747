"""AccelForge's counts: its rules written out again for random mappings, and optima of its study mapped by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.sim.kernels import FILLS, READS, UPDATES
from archsim.sim.mapping import Loop, Mapping
from archsim.workloads.op import OPERANDS, Op
from tests.validation import measure
from tests.validation.machines import costed, machine, with_bits

IRRELEVANT = {"inputs": "n", "weights": "m", "outputs": "k"}
DRAM_PJ, GLB_READ_PJ, GLB_WRITE_PJ, RF_READ_PJ, RF_WRITE_PJ, MAC_PJ = 64, 6, 7, 0.10, 0.12, 0.2


@st.composite
def mappings(draw: st.DrawFn) -> tuple[Op, Mapping]:
    """Loops in time, perhaps unrolled loops on both axes, loops in time inside: each operand cut where it likes."""
    outer = [Loop(dim, draw(st.sampled_from([2, 3, 4]))) for dim in draw(st.permutations("mnkmn"))]
    side = [
        Loop(draw(st.sampled_from("mnk")), draw(st.sampled_from([2, 4])), axis) for axis in draw(st.permutations("xyx"))
    ]
    inner = [Loop(dim, 2) for dim in draw(st.permutations("mnk"))]
    loops = (*outer, *side, *inner)
    sizes = dict.fromkeys("mnk", 1)
    for loop in loops:
        sizes[loop.dim] *= loop.factor
    glb = {name: draw(st.integers(0, len(outer))) for name in OPERANDS}
    rf = {name: draw(st.integers(len(outer) + len(side), len(loops))) for name in OPERANDS}
    tiles = {"dram": dict.fromkeys(OPERANDS, 0), "glb": glb, "rf": rf}
    return with_bits(Op.gemm("x", **sizes)), Mapping(dataflow="spatial", loops=loops, tiles=tiles)


def reuse(mapping: Mapping, level: str, operand: str) -> int:
    """Size of the operand's irrelevant dimension inside its tile, loops in time that stand still above it included."""
    position, dim = mapping.tiles[level][operand], IRRELEVANT[operand]
    inside = math.prod(loop.factor for loop in mapping.loops[position:] if loop.dim == dim and loop.axis is None)
    outermost = 0 if level == "glb" else max(lifted(mapping, "glb", name) for name in OPERANDS)
    for loop in mapping.loops[max(outermost, lifted(mapping, level, operand)) : position]:
        inside *= loop.factor if loop.axis is None else 1
    return inside


def lifted(mapping: Mapping, level: str, operand: str) -> int:
    """Where a tile lies above the loops in time that stand still for it."""
    position = mapping.tiles[level][operand]
    while position > 0:
        loop = mapping.loops[position - 1]
        if loop.axis is None and loop.dim != IRRELEVANT[operand]:
            break
        position -= 1
    return position


@given(mappings())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_counts_energy_and_latency_follow_its_rules(case: tuple[Op, Mapping]) -> None:
    op, mapping = case
    m, n, k = (op.loops[dim] for dim in "mnk")
    v = m * n * k
    side = {dim: math.prod(loop.factor for loop in mapping.loops if loop.dim == dim and loop.axis) for dim in "mnk"}
    # Inside the shared buffer's tile lie all units; inside a register's only its own loops.
    n_a, m_b, k_c = (reuse(mapping, "glb", name) * side[IRRELEVANT[name]] for name in OPERANDS)
    n_r, m_r, k_r = (reuse(mapping, "rf", name) for name in OPERANDS)
    dram_reads = (m * k * n // n_a, k * n * m // m_b, m * n * (k // k_c - 1))
    dram_writes = (0, 0, m * n * (k // k_c))
    pe_reads = (v // (n_r * side["n"]), v // (m_r * side["m"]), v // (k_r * side["k"]) - m * n)
    pe_writes = (0, 0, v // (k_r * side["k"]))
    rf_fills = (v // n_r, v // m_r, v // k_r - m * n * side["k"])
    rf_reads = (v, v, v - m * n * side["k"] + v // k_r)
    raw, cost = costed(machine("accelforge-a"), op, mapping)
    expected = {
        ("reads", 0): dram_reads,
        ("updates", 0): dram_writes,
        ("fills", 1): dram_reads,
        ("reads", 1): tuple(a + b for a, b in zip(pe_reads, dram_writes, strict=True)),
        ("updates", 1): pe_writes,
        ("fills", 2): rf_fills,
        ("reads", 2): rf_reads,
        ("updates", 2): (0, 0, v),
    }
    planes = {"reads": READS, "fills": FILLS, "updates": UPDATES}
    for (plane, level), counts in expected.items():
        assert tuple(raw.traffic[planes[plane], level]) == counts, (plane, level)
    dram = sum(dram_reads) + sum(dram_writes)
    glb_reads, glb_writes = sum(pe_reads) + sum(dram_writes), sum(dram_reads) + sum(pe_writes)
    energy = DRAM_PJ * dram + GLB_READ_PJ * glb_reads + GLB_WRITE_PJ * glb_writes + MAC_PJ * v
    energy += RF_READ_PJ * sum(rf_reads) + RF_WRITE_PJ * (sum(rf_fills) + v)
    assert cost.total_energy_j * 1e12 == pytest.approx(energy, rel=1e-12)
    latency = max(v / math.prod(side.values()), dram / 16, max(glb_reads, glb_writes) / 64)
    assert cost.cycles == math.ceil(latency)


WHOLE = dict.fromkeys(OPERANDS, 0)
OPTIMA = {
    ("archA", "64", "64", "64"): Mapping(
        dataflow="spatial",
        loops=(Loop("k", 16, "x"), Loop("k", 4, "y"), Loop("m", 2, "y"), Loop("n", 64), Loop("m", 32)),
        tiles={"dram": WHOLE, "glb": WHOLE, "rf": {"inputs": 3, "weights": 4, "outputs": 5}},
    ),
    ("archA", "1", "4096", "4096"): Mapping(
        dataflow="spatial",
        loops=(Loop("n", 32), Loop("k", 16), Loop("n", 4, "x"), Loop("k", 256), Loop("n", 32)),
        tiles={
            "dram": WHOLE,
            "glb": {"inputs": 0, "weights": 2, "outputs": 0},
            "rf": {"inputs": 4, "weights": 5, "outputs": 3},
        },
    ),
    ("archB", "1", "4096", "4096"): Mapping(
        dataflow="spatial",
        loops=(Loop("n", 256), Loop("k", 256), Loop("n", 16, "x"), Loop("k", 16, "y")),
        tiles={"dram": WHOLE, "glb": {"inputs": 0, "weights": 2, "outputs": 0}, "wreg": {"weights": 4}},
    ),
}


@pytest.mark.skipif(not measure.DATA.is_dir(), reason="the reference data are not beside this checkout")
def test_optima_of_the_study_cost_what_it_says() -> None:
    rows = [row for row in measure.read("accelforge/cases.csv") if row["glb_bytes"] == "65536"]
    found = 0
    for row in rows:
        mapping = OPTIMA.get((row["arch"], row["M"], row["N"], row["K"]))
        if mapping is None:
            continue
        op = with_bits(Op.gemm("x", m=int(row["M"]), n=int(row["N"]), k=int(row["K"])))
        raw, cost = costed(machine(f"accelforge-{row['arch'][-1].lower()}"), op, mapping)
        assert raw.fits
        assert cost.total_energy_j * 1e12 == pytest.approx(float(row["E_opt_pJ"]), rel=1e-6)
        found += 1
    assert found == len(OPTIMA)

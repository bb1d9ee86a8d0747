"""How many steps a proof takes: bounds that get looser show here first, and on every machine alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.api.design import Design, load_design
from archsim.api.evaluate import mapper_settings
from archsim.api.map import chosen_design, search
from archsim.arch.formats import format
from archsim.mappers.branch import Outcome, search_problem
from archsim.mappers.found import Found
from archsim.mappers.search import find_mapping
from archsim.sim.cost import Costing
from archsim.workloads.op import Op
from tests.validation.machines import machine, problem_on, with_bits

ROOT = Path(__file__).resolve().parents[2]


def proven(name: str, op: Op) -> Outcome:
    """The search of an op on one of the machines of `designs/validation`, under its convention."""
    design = machine(name)
    problem = problem_on(design, op)
    costing = Costing.of(design.accelerator, problem, design.accumulator, design.simulation.switches)
    outcome = search_problem(problem, costing, mapper_settings(design))
    assert outcome.optimal
    return outcome


@pytest.mark.parametrize(
    ("name", "m", "n", "k", "most"),
    [
        ("zigzag-os8", 4096, 4096, 4096, 10_000),
        ("zigzag-os8", 1, 4096, 4096, 400),
        ("zigzag-ws8", 1024, 1024, 1024, 15_000),
        ("zigzag-ws8", 1, 4096, 4096, 200),
        ("accelforge-a", 512, 512, 512, 45_000),
        ("accelforge-a", 1, 4096, 4096, 250),
        ("accelforge-b", 4096, 4096, 4096, 500),
    ],
)
def test_proofs_of_gemms_take_few_steps(name: str, m: int, n: int, k: int, most: int) -> None:
    assert proven(name, with_bits(Op.gemm("gemm", m=m, n=n, k=k))).walked <= most


def test_products_with_one_row_on_a_real_machine_are_proven_at_once() -> None:
    """Every weight is read once: bounds on time decide, with the step that no transfer overlaps with."""
    design = load_design(ROOT / "designs" / "llama-2-7b-decode.toml")
    found = {
        (op.loops["n"], op.loops["k"]): best_mapping_of(design, op)
        for op in design.trace.ops
        if isinstance(op, Op) and op.loops["b"] == 1
    }
    assert {(4096, 11008), (32000, 4096)} <= found.keys()
    assert all(best.optimal and best.evaluated <= 100 for best in found.values())


def best_mapping_of(design: Design, op: Op) -> Found:
    found = find_mapping(
        op, design.accelerator, mapper_settings(design), design.simulation.switches, design.accumulator
    )
    assert found is not None
    return found


def test_a_convolution_counted_in_words_is_proven() -> None:
    op = Op.conv("conv", n=1, k=64, c=64, p=56, q=56, r=3, s=3)
    assert proven("zigzag-os8", with_bits(op)).walked <= 170_000


@pytest.mark.parametrize(
    ("base", "objective", "op"),
    [
        ("eyeriss", "energy", Op.conv("pointwise", n=1, k=128, c=512, p=28, q=28, r=1, s=1)),
        ("simba", "energy", Op.gemm("projection", m=512, n=3072, k=768)),
        ("nvdla", "edp", Op.gemm("projection", m=512, n=768, k=3072)),
    ],
)
def test_layers_on_arrays_of_the_catalog_are_proven_in_the_default_budget(base: str, objective: str, op: Op) -> None:
    """Sums that reach a buffer partial, and memories of one operand beside a shared one, bound what is left."""
    table = {
        "hardware": {"base": base},
        "workload": {"model": "resnet-50"},
        "quantization": {"weights": "int8", "inputs": "int8", "accumulator": "int24"},
        "mapper": {"objective": objective},
    }
    byte = format("int8")
    design = chosen_design(table, (), workload_required=False)
    assert search(design, op.with_formats(inputs=byte, weights=byte, outputs=byte)).optimal


def test_a_product_of_one_row_and_one_column_moves_full_words() -> None:
    """Neither of its operands is ever reused, and both fill a word with the same tile: 1,578 pJ by hand.

    Three words of DRAM (512 pJ), one each of inputs, weights and outputs in and out of the SRAM (4 pJ), 9, 9 and 17 of
    the registers (0.4 pJ), 8 MACs (0.5 pJ).
    """
    by_hand = 3 * 512 + 6 * 4 + (9 + 9 + 17) * 0.4 + 8 * 0.5
    dot = with_bits(Op.gemm("dot", m=1, n=1, k=8))
    assert proven("zigzag-pe1", dot).energy_pj == pytest.approx(by_hand, rel=1e-12)

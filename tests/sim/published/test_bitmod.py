"""BitMoD's rules on products small enough to count by hand."""

from __future__ import annotations

from typing import Any

import pytest

import archsim
from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.sim.published.bitmod import port_energy, simulated_bits


def evaluate(base: str, weights: Any, *, m: int, n: int, k: int, convention: str = "bitmod-2024", **array: Any) -> Any:
    from pathlib import Path

    Path("one.csv").write_text(f"name,kind,phase,b,m,n,k\nfc,gemm,prefill,1,{m},{n},{k}\n", encoding="utf-8")
    design = {
        "hardware": {"base": base} | ({"array": array} if array else {}),
        "workload": {"trace": "one.csv"},
        "quantization": {"weights": weights, "inputs": "fp16", "outputs": "fp16", "accumulator": "fp32"},
        "simulation": {"convention": convention},
    }
    return archsim.evaluate(design).to_dict()


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_tiles_times_the_latency_of_the_terms() -> None:
    """ceil(100 / 4) * ceil(40 / 32) * ceil(33 / 32) tiles of two cycles."""
    layer = evaluate("bitmod-28nm", "bitmod-fp4:g128", m=33, n=40, k=100)["layers"][0]
    assert layer["compute_cycles"] == 25 * 2 * 2 * 2


@pytest.mark.parametrize(
    ("bits", "cycles_2024", "cycles_2025"), [(3, 2, 2), (4, 2, 2), (5, 2, 3), (6, 3, 3), (8, 4, 4)]
)
def test_latency_by_revision(bits: int, cycles_2024: int, cycles_2025: int) -> None:
    """Half the bits: rounded half to even at first, up later."""
    found = [
        evaluate("bitmod-28nm", f"bitmod-int{bits}:g128", m=1, n=1, k=4, convention=convention)["layers"][0]
        for convention in ("bitmod-2024", "bitmod-2025")
    ]
    assert [layer["compute_cycles"] for layer in found] == [cycles_2024, cycles_2025]


def test_bit_parallel_arrays_take_a_cycle_a_tile() -> None:
    layer = evaluate("fp16-28nm", "fp16", m=25, n=33, k=7)["layers"][0]
    assert layer["compute_cycles"] == 7 * 2 * 2


def test_dram_moves_whole_bytes_of_rows_in_whole_cycles() -> None:
    """Rows of 5 weights of 3.0625 bits take 2 bytes; 40 of them, 10 bytes of inputs, 80 of results: 170 / 32 cycles."""
    weights = {"format": "bitmod-fp3:g128", "storage_bits": 3.0625}
    document = evaluate("bitmod-28nm", weights, m=1, n=40, k=5)
    assert document["totals"]["dram_bytes"] == 40 * 2 + 10 + 80
    assert document["totals"]["cycles"] == max(2 * 2 * 2, int(170 * 8 / 256))


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("bitmod-fp4:g128", 4.0625),
        ("bitmod-int8:g128", 8.0625),
        ("bitmod-fp4:g64", 4.125),
        ("int4:g128", 4.125),
        ("fp16", 16.0),
        ("int8", 8.0),
    ],
)
def test_weights_count_with_their_scales_and_without_choices(name: str, bits: float) -> None:
    assert simulated_bits(format(name)) == bits
    assert simulated_bits(format({"format": name, "storage_bits": 5.25})) == 5.25


def test_operands_that_both_exceed_their_buffer_are_fetched_again() -> None:
    """Weights 1 MiB, inputs 2 MiB: weights for each of four buffers of inputs, or inputs twice, which moves less."""
    document = evaluate("fp16-28nm", "fp16", m=1024, n=512, k=1024)
    weights, inputs, results = 2**20, 2**21, 2**20
    assert document["totals"]["dram_bytes"] == weights + 2 * inputs + results


def test_idle_pes_burn_as_those_at_work() -> None:
    document = evaluate("bitmod-28nm", "bitmod-fp4:g128", m=1, n=1, k=4)
    assert document["energy_j"]["mac"] == pytest.approx(1024 * 2 * 0.56 * 1.5e-12)


def test_the_array_of_the_phase_is_taken() -> None:
    """4 by 256 PEs of 2 terms over 1024 channels, of which the base's decode array says nothing."""
    layer = evaluate("bitmod-28nm", "bitmod-fp4:g128", m=256, n=1024, k=4, rows=4, cols=256)["layers"][0]
    assert layer["compute_cycles"] == 256 * 2


def test_ports_between_known_widths_cost_between_theirs() -> None:
    (narrow, _), (between, _), (wide, _) = (port_energy(bits) for bits in (256, 300, 384))
    assert narrow < between < wide


def test_hardware_it_cannot_stand_for_is_refused() -> None:
    with pytest.raises(InputError, match="counts one array of output channels by tokens"):
        evaluate("gemmini-16x16", "int8", m=1, n=1, k=1)


def test_every_result_says_whose_rules_it_follows() -> None:
    (warning,) = evaluate("fp16-28nm", "fp16", m=1, n=1, k=1)["warnings"]
    assert "docs/published-simulators.md" in warning


def test_there_are_no_mappings_to_search() -> None:
    evaluate("fp16-28nm", "fp16", m=1, n=1, k=1)
    design = {
        "hardware": {"base": "fp16-28nm"},
        "workload": {"trace": "one.csv"},
        "simulation": {"convention": "bitmod-2024"},
    }
    with pytest.raises(InputError, match="has no mappings"):
        archsim.map_ops(design)


@pytest.mark.parametrize(
    ("simulation", "message"),
    [({"counting": {"os_drain": True}}, "no switch applies"), ({"fidelity": "cycle"}, "cannot refine")],
)
def test_switches_and_cycle_fidelity_do_not_apply(simulation: dict[str, Any], message: str) -> None:
    design = {
        "hardware": {"base": "fp16-28nm"},
        "workload": {"model": "opt-125m"},
        "simulation": {"convention": "bitmod-2025"} | simulation,
    }
    with pytest.raises(InputError, match=message):
        archsim.evaluate(design)


@pytest.mark.parametrize(
    ("workload", "message"),
    [
        ({"model": "resnet-18"}, "'conv1' is a conv"),
        (
            {"model": "mixtral-8x7b", "phase": "prefill", "context": 32},
            "gate_proj' has 8 rows, other layers 32",
        ),
        ({"model": "deepseek-v3", "phase": "decode", "context": 32}, "differ in the size of a head"),
    ],
)
def test_networks_that_its_rules_do_not_know_are_refused(workload: dict[str, Any], message: str) -> None:
    quantization = {"weights": "bitmod-fp4:g128", "inputs": "fp16", "outputs": "fp16", "accumulator": "fp32"}
    design = {
        "hardware": {"base": "bitmod-28nm"},
        "workload": workload,
        "quantization": quantization,
        "simulation": {"convention": "bitmod-2024"},
    }
    with pytest.raises(InputError, match=message):
        archsim.evaluate(design)

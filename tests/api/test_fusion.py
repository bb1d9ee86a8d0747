"""Fusion in an evaluation: totals stay consistent, what lies between stays on chip, every chain is accounted for."""

from __future__ import annotations

from typing import Any

import pytest

import archsim
from archsim.api.fusion import fuse_chains
from archsim.core.errors import InputError
from archsim.reports.evaluation import Evaluation
from archsim.reports.fusion_tables import fusion_tables

DESIGN: dict[str, Any] = {
    "hardware": {
        "kind": "systolic",
        "clock": "1 GHz",
        "node": "28 nm",
        "array": {"rows": 32, "cols": 32, "dataflows": ["os", "ws"]},
        "memory": [
            {"name": "dram", "technology": "lpddr5", "bandwidth": "16 GB/s"},
            {
                "name": "glb",
                "technology": "sram",
                "capacity": "256 KiB",
                "read_bandwidth": "128 B/cycle",
                "write_bandwidth": "128 B/cycle",
                "double_buffer": True,
            },
        ],
        "vector": {"lanes": 64},
    },
    "workload": {"model": "gpt-2", "phase": "prefill", "batch": 1, "context": 512},
    "quantization": {"weights": "int8", "activations": "int8", "kv_cache": "int8"},
    "mapper": {"budget": "2 ms"},
}
AUTO = 'mapper.fusion="auto"'


@pytest.fixture(scope="module")
def apart() -> Evaluation:
    return archsim.evaluate(DESIGN)


@pytest.fixture(scope="module")
def fused() -> Evaluation:
    return archsim.evaluate(DESIGN, overrides=[AUTO])


def test_ops_run_one_by_one_unless_asked(apart: Evaluation) -> None:
    assert apart.cost.chains == ()
    assert "fusion" not in apart.to_dict()
    assert all("fused" not in layer for layer in apart.to_dict()["layers"])


def test_fused_attention_takes_its_scores_off_the_dram(apart: Evaluation, fused: Evaluation) -> None:
    heads, rows, d = 12, 512, 64
    attention = next(chain for chain in fused.cost.chains if chain.kind == "attention")
    assert attention.taken
    assert attention.name == "layers.0-11.attn"
    assert attention.tiles is not None
    tiles = {dim: (size, tile) for dim, size, tile in attention.tiles.loops}
    blocks = -(-rows // tiles["m"][1])
    again = blocks if tiles["f"][0] > tiles["f"][1] else 1
    assert attention.fused_dram_bytes == heads * rows * d * (2 + 2 * again)
    assert attention.separate_dram_bytes is not None
    assert attention.separate_dram_bytes > 4 * heads * rows * rows
    assert attention.fused_dram_bytes is not None
    saved = 12 * (attention.separate_dram_bytes - attention.fused_dram_bytes)
    assert apart.totals["dram_bytes"] - fused.totals["dram_bytes"] >= saved * (1 - 1e-12)


def test_macs_are_conserved_and_energy_is_the_sum_of_its_parts(apart: Evaluation, fused: Evaluation) -> None:
    assert fused.totals["macs"] == apart.totals["macs"]
    for layer in fused.cost.layers:
        cost = layer.cost
        assert cost.cycles == cost.compute_cycles + cost.stall_cycles
        assert sum(stall.cycles for stall in cost.stalls) == cost.stall_cycles
        traffic = sum(row.energy_j for row in cost.traffic)
        assert traffic == pytest.approx(sum(cost.energy_j.get(name, 0.0) for name in ("dram", "glb")))
    layers = sum(layer.cost.total_energy_j * layer.count for layer in fused.cost.layers)
    assert layers == pytest.approx(fused.totals["energy_j"])
    cycles = sum(layer.cost.cycles * layer.count for layer in fused.cost.layers)
    assert cycles == fused.totals["cycles"]


def test_the_softmax_keeps_its_work(apart: Evaluation, fused: Evaluation) -> None:
    alone, inside = (
        next(layer.cost for layer in found.cost.layers if layer.name.endswith("softmax")) for found in (apart, fused)
    )
    assert inside.compute_cycles >= alone.compute_cycles
    assert inside.energy_j["vector"] >= alone.energy_j["vector"]
    assert inside.dram_bytes == 0


def test_fusion_never_worsens_what_the_schedule_minimises(apart: Evaluation, fused: Evaluation) -> None:
    def value(found: Evaluation) -> float:
        return (
            found.totals["latency_s"] / apart.totals["latency_s"] + found.totals["energy_j"] / apart.totals["energy_j"]
        )

    assert value(fused) <= value(apart)


def test_every_chain_says_what_became_of_it_and_what_it_holds(fused: Evaluation) -> None:
    document = fused.to_dict()["fusion"]
    assert {chain["kind"] for chain in document} == {"attention", "mlp"}
    for chain in document:
        assert (chain["why_not"] is None) == chain["fused"]
        assert sum(item["bytes"] for item in chain["held"]) <= 256 * 1024
        assert {item["capacity_bytes"] for item in chain["held"]} == {256 * 1024}
        assert chain["bound"] <= chain["value"]
    assert any("fused" in layer for layer in fused.to_dict()["layers"])


def test_a_chain_is_asked_for_by_name() -> None:
    (row,) = fuse_chains(DESIGN, "layers.3.attn")
    assert row.name == "layers.0-11.attn"
    assert len(fusion_tables((row,), held=True)) == 2
    with pytest.raises(InputError, match=r"no chain 'layers\.0\.attm'"):
        fuse_chains(DESIGN, "layers.0.attm")


def test_whole_layer_conventions_say_why_nothing_is_fused() -> None:
    rows = fuse_chains(DESIGN, overrides=['simulation.convention="scale-sim"'])
    assert {row.why_not for row in rows} == {"the convention runs every layer as one tile"}

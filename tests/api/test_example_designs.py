"""The examples do what their comments promise."""

from __future__ import annotations

from pathlib import Path

import pytest

import archsim

DESIGNS = Path(__file__).resolve().parents[2] / "designs"


def test_decode_waits_for_memory() -> None:
    path = DESIGNS / "llama-2-7b-decode.toml"
    plain = archsim.evaluate(path).totals
    slower = archsim.evaluate(path, overrides=["hardware.memory.hbm.bandwidth=230.4 GB/s"]).totals
    wider = archsim.evaluate(path, overrides=["quantization.weights=int8:g128"]).totals
    assert slower["latency_s"] / plain["latency_s"] == pytest.approx(2.0, rel=0.03)
    bytes_ratio = wider["dram_bytes"] / plain["dram_bytes"]
    assert bytes_ratio > 1.5
    assert wider["latency_s"] / plain["latency_s"] == pytest.approx(bytes_ratio, rel=0.03)


def test_narrower_blocks_fill_the_same_area_with_more_units() -> None:
    names = ("mxfp8", "mxint8", "nvfp4", "nvint4")
    result = archsim.compare_iso_area([DESIGNS / "blocks" / f"{name}.toml" for name in names])
    units = [design.units for design in result.designs]
    assert units == sorted(units)
    assert all(design.area_mm2 <= result.area_mm2 for design in result.designs)


def test_ternary_weights_whole_are_faster_than_two_bits_apart() -> None:
    path, prompt = DESIGNS / "lookup" / "bitnet.toml", "workload.phase=prefill"
    apart = ("hardware.array.table_digits=binary", "quantization.weights=bipolar-int2")
    whole = archsim.evaluate(path, overrides=[prompt]).totals
    bits = archsim.evaluate(path, overrides=[prompt, *apart]).totals
    assert whole["latency_s"] < bits["latency_s"]
    assert whole["energy_j"] < bits["energy_j"]

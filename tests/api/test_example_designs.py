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

"""Designs with `[sparsity]` on sparse arrays, end to end: time, energy, storage, warnings, sweeps, single products."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archsim
from archsim.api.design import load_design
from archsim.api.map import gemm_op, with_formats
from archsim.core.errors import InputError

Write = Callable[..., Path]
Run = Callable[..., dict[str, Any]]
DESIGN = """\
[hardware]
base = "sparse-tensor-core"

[workload]
trace = "net.csv"

[quantization]
weights = "int8"
activations = "int8"

[sparsity]
weights = "2:4"

[mapper]
objective = "latency"
"""
TRACE = """\
name,kind,m,n,k,b,c,p,q,r,s
wide,gemm,512,256,1024,1,,,,,
conv,conv,,1,64,,64,14,14,3,3
"""


@pytest.fixture
def design(write: Write) -> Path:
    write(TRACE, "net.csv")
    return write(DESIGN)


@pytest.fixture
def run(design: Path) -> Run:
    """Evaluates the design with keys over it; the document."""
    return lambda *overrides: archsim.evaluate(design, overrides=overrides).to_dict()


def test_compute_bound_layers_take_half_the_time_with_2_4(run: Run) -> None:
    dense, sparse = run('sparsity.weights="dense"'), run()
    for was, now in zip(dense["layers"], sparse["layers"], strict=True):
        assert now["compute_cycles"] == pytest.approx(was["compute_cycles"] / 2, abs=1)
    assert sparse["energy_j"]["mac"] == pytest.approx(dense["energy_j"]["mac"] / 2)
    assert sparse["totals"]["energy_j"] < dense["totals"]["energy_j"]
    assert sparse["warnings"] == dense["warnings"] == []


def test_memories_hold_packed_weights(run: Run) -> None:
    dense, sparse = run('sparsity.weights="dense"'), run()
    weights = 256 * 1024 + 64 * 64 * 9
    saved_bytes = weights * (8 - (8 + 2) / 2) / 8
    footprint = dense["totals"]["peak_memory_bytes"] - sparse["totals"]["peak_memory_bytes"]
    assert footprint == pytest.approx(saved_bytes, rel=1e-6)
    assert dense["totals"]["dram_bytes"] - sparse["totals"]["dram_bytes"] >= saved_bytes


@pytest.mark.parametrize(
    ("pattern", "why"),
    [("3:4", "takes weights of 2:4 only (3:4 does not fit)"), ("random:0.5", "takes weights of 2:4 only")],
)
def test_patterns_that_selectors_cannot_take_run_dense_and_are_told(run: Run, pattern: str, why: str) -> None:
    dense, other = run('sparsity.weights="dense"'), run(f'sparsity.weights="{pattern}"')
    assert other["warnings"] == [f"a sparse array {why}: 2 ops, such as wide, are computed and stored dense"]
    assert other["totals"]["cycles"] == dense["totals"]["cycles"]
    assert other["totals"]["dram_bytes"] == dense["totals"]["dram_bytes"]


@pytest.mark.parametrize("base", ["dual-side-tensor-core", "sparten", "flexible-sparse-tensor-core"])
def test_the_catalog_s_arrays_make_use_of_zeros_in_inputs_too(run: Run, base: str) -> None:
    keys = [f'hardware.base="{base}"']
    plain = run(*keys, 'sparsity.weights="dense"')
    packed = run(*keys, 'sparsity.weights="2:8"', 'sparsity.inputs="random:0.5"')
    assert packed["totals"]["cycles"] < 0.7 * plain["totals"]["cycles"]
    assert packed["totals"]["energy_j"] < plain["totals"]["energy_j"]
    assert packed["warnings"] == []


def test_gating_saves_energy_and_no_time(run: Run) -> None:
    keys = ['hardware.base="tensor-core"', 'hardware.array.zeros="gate"', 'sparsity.weights="random:0.5"']
    dense, gated = run(*keys[:2], 'sparsity.weights="dense"'), run(*keys)
    assert gated["totals"]["cycles"] == dense["totals"]["cycles"]
    assert gated["energy_j"]["mac"] == pytest.approx(dense["energy_j"]["mac"] / 2)
    clocked = run(*keys, "hardware.array.idle_energy_fraction=0.2")
    assert clocked["energy_j"]["mac"] == pytest.approx(dense["energy_j"]["mac"] * 0.6)


def test_a_memory_that_holds_operands_expanded_carries_their_zeros(run: Run) -> None:
    base = ['hardware.base="tensor-core"', "hardware.array.metadata.inputs=rle", 'sparsity.weights="dense"']
    packed = run(*base, 'sparsity.inputs="random:0.25"')
    expanded = run(*base, 'sparsity.inputs="random:0.25"', 'hardware.memory.smem.expanded=["inputs"]')
    assert expanded["totals"]["dram_bytes"] <= packed["totals"]["dram_bytes"] * 1.5
    assert expanded["energy_j"]["smem"] > 1.3 * packed["energy_j"]["smem"]


def test_an_explanation_says_what_zeros_do(design: Path) -> None:
    keys = ['hardware.base="sparten"', 'sparsity.inputs="random:0.4"']
    found = archsim.explain(design, "wide", overrides=keys).to_dict()["data"]
    assert found["executed_fraction"] == pytest.approx(0.2)
    assert found["gated_fraction"] == 0.0
    assert 0 < found["waiting_fraction"] < 0.5
    assert found["exploited"] == ["inputs", "weights"]
    plain = archsim.explain(design, "wide", overrides=['sparsity.weights="dense"']).to_dict()
    assert plain["data"] is None


def test_a_single_product_takes_the_design_s_sparsity(design: Path) -> None:
    loaded = load_design(design)
    assert with_formats(gemm_op([8, 8, 8]), loaded).weights.sparsity == "2:4"


def test_a_sweep_over_densities_gives_what_evaluate_gives(run: Run, design: Path, write: Write, tmp_path: Path) -> None:
    patterns = ["2:4", "random:0.5"]
    write(
        f"""\
design = "{design.name}"
[axes]
"sparsity.weights" = {patterns}
"hardware.array.zeros" = ["skip"]
[objectives]
latency_s = "min"
""".replace("'", '"'),
        "sweep.toml",
    )
    table = archsim.sweep("sweep.toml", out=tmp_path / "run", workers=1).frame()
    for pattern in patterns:
        whole = run(f'sparsity.weights="{pattern}"')["totals"]
        row = table[table["sparsity.weights"] == pattern].iloc[0]
        for key in ("cycles", "energy_j", "dram_bytes", "peak_memory_bytes"):
            assert row[key] == whole[key], key


def test_a_ratio_that_is_none_is_refused_with_its_place(run: Run) -> None:
    with pytest.raises(InputError, match="1 <= N < M"):
        run('hardware.array.ratios=["5:4"]')

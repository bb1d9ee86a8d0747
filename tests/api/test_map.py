"""`archsim map` in Python: best mappings, given ones, comparisons, fronts and explanations."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from archsim.api.changes import hardware_changes
from archsim.api.dataflows import compare_dataflows
from archsim.api.design import design_from_dict
from archsim.api.evaluate import evaluate
from archsim.api.explain import explain
from archsim.api.front import distinct, mapping_front
from archsim.api.map import conv_op, gemm_op, map_ops
from archsim.core.errors import InfeasibleError, InputError
from archsim.reports.front import Point
from archsim.reports.values import plain
from archsim.workloads.op import Op

HARDWARE: dict[str, Any] = {
    "kind": "systolic",
    "clock": "1 GHz",
    "node": "28 nm",
    "array": {"rows": 16, "cols": 16, "dataflows": ["os", "ws"]},
    "memory": [
        {"name": "dram", "technology": "lpddr5", "bandwidth": "16 GB/s", "ports": "shared"},
        {"name": "glb", "technology": "sram", "capacity": "64 KiB", "double_buffer": True,
         "read_bandwidth": "32 B/cycle", "write_bandwidth": "32 B/cycle"},
    ],
    "vector": {"lanes": 16},
}  # fmt: skip
DESIGN = {
    "hardware": HARDWARE,
    "quantization": {"weights": "int8", "activations": "int8"},
    "mapper": {"objective": "energy"},
}
TRACE = """\
name,kind,m,n,k,elements
blocks.0.a,gemm,64,64,64,
blocks.0.act,elementwise,,,,4096
blocks.1.a,gemm,64,64,64,
blocks.1.act,elementwise,,,,4096
head,gemm,8,100,64,
"""


@pytest.fixture
def worked(tmp_path: Path) -> dict[str, Any]:
    """The design with a small workload."""
    (tmp_path / "t.csv").write_text(TRACE, "utf-8")
    return DESIGN | {"workload": {"trace": str(tmp_path / "t.csv")}}


def test_the_document_of_a_mapping_holds_what_the_contract_says() -> None:
    (mapped,) = map_ops(DESIGN, op=gemm_op([100, 200, 300]), helped=True)
    document = mapped.to_dict()
    contract = {
        "op",
        "objective",
        "value",
        "bound",
        "gap",
        "optimal",
        "energy_pj",
        "cycles",
        "edp",
        "evaluated",
        "pruned",
    }
    contract |= {"space", "mapping", "loop_nest", "traffic", "pareto"}
    assert document["schema"] == "archsim.mapping/1"
    assert contract <= set(document)
    assert document["value"] == document["energy_pj"]
    assert document["edp"] == document["energy_pj"] * document["cycles"]
    assert document["energy_pj"] == pytest.approx(sum(document["energy_by_component_pj"].values()))
    assert document == json.loads(json.dumps(plain(document), allow_nan=False))
    assert document["help"]


def test_what_is_found_can_be_given_back_at_the_same_cost(tmp_path: Path) -> None:
    op = gemm_op([100, 200, 300])
    (found,) = map_ops(DESIGN, op=op)
    for name, text in (("m.json", json.dumps(found.to_dict())), ("m.txt", found.loop_nest)):
        (tmp_path / name).write_text(text, "utf-8")
        (given,) = map_ops(DESIGN, op=op, mapping=tmp_path / name)
        assert given.cost == found.cost
        assert given.legal
        assert given.given == str(tmp_path / name)


def test_a_given_mapping_that_does_not_fit_is_costed_and_said_to_be_illegal(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("dataflow os\nglb: inputs | weights | outputs\n", "utf-8")
    (given,) = map_ops(DESIGN, op=gemm_op([300, 300, 300]), mapping=tmp_path / "m.txt")
    assert not given.legal
    document = given.to_dict()
    assert not document["legal"]
    assert document["overflows"][0]["level"] == "glb"
    assert document["overflows"][0]["excess_bytes"] > 0
    assert document["cycles"] > 0


def test_a_given_mapping_that_no_search_may_take_is_never_the_proven_optimum(tmp_path: Path) -> None:
    op = gemm_op([300, 300, 300])
    (tmp_path / "m.txt").write_text("dataflow os\nglb: inputs | weights | outputs\n", "utf-8")
    (too_large,) = map_ops(DESIGN, op=op, mapping=tmp_path / "m.txt")
    (best,) = map_ops(DESIGN, op=op)
    assert best.found.optimal
    assert too_large.value < best.value
    assert not too_large.found.optimal
    assert too_large.bound == pytest.approx(best.value)
    assert too_large.gap == pytest.approx(too_large.value / best.value - 1)
    (tmp_path / "best.json").write_text(json.dumps(best.to_dict()), "utf-8")
    tight = ["mapper.constraints.tiles.glb={m=7}"]
    (broken,) = map_ops(DESIGN, op=op, mapping=tmp_path / "best.json", overrides=tight)
    assert broken.legal
    assert not broken.found.optimal
    assert broken.gap is not None
    assert broken.gap < 0


def test_a_timeloop_mapping_brings_its_problem(tmp_path: Path) -> None:
    axes = [{"name": "x", "size": 16, "dims": ["m", "n"], "multicast": ["weights"]}]
    memory = [
        {"name": "DRAM", "technology": "lpddr5"},
        {"name": "GLB", "technology": "sram", "capacity": "64 KiB"},
    ]
    hardware = {"kind": "spatial", "clock": "1 GHz", "array": {"axes": axes}, "memory": memory}
    (tmp_path / "m.yaml").write_text(
        """\
problem:
  shape:
    dimensions: [M, N, K]
    data-spaces:
    - {name: A, projection: [[[M]], [[K]]]}
    - {name: B, projection: [[[K]], [[N]]]}
    - {name: Z, projection: [[[M]], [[N]]], read-write: true}
  instance: {M: 32, N: 8, K: 4}
mapping:
- {target: DRAM, type: temporal, factors: M=2 N=1 K=1, permutation: KNM}
- {target: GLB, type: spatial, factors: M=16 N=1 K=1, permutation: MNK, split: 3}
- {target: GLB, type: temporal, factors: M=1 N=8 K=4, permutation: KNM}
""",
        "utf-8",
    )
    (mapped,) = map_ops({"hardware": hardware}, mapping=tmp_path / "m.yaml")
    assert mapped.op.macs == 32 * 8 * 4
    assert list(mapped.mapping.tiles) == ["DRAM", "GLB"]
    assert mapped.cost.compute_cycles == 2 * 8 * 4
    with pytest.raises(InputError, match="is a mapping of m=32 n=8 k=4, not of gemm"):
        map_ops({"hardware": hardware}, op=gemm_op([32, 8, 5]), mapping=tmp_path / "m.yaml")


def test_every_distinct_op_of_a_workload_is_mapped_once(worked: dict[str, Any]) -> None:
    mapped = map_ops(worked)
    assert [(item.names, item.count) for item in mapped] == [(("blocks.0-1.a",), 2), (("head",), 1)]


@pytest.mark.parametrize("name", ["blocks.0-1.a", "blocks.1.a", "blocks*"])
def test_a_layer_goes_by_its_row_its_name_or_a_glob(worked: dict[str, Any], name: str) -> None:
    (mapped,) = map_ops(worked, layer=name)
    assert dict(mapped.op.loops) == {"b": 1, "m": 64, "n": 64, "k": 64}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("hed", "no layer 'hed' in t\nhint: did you mean 'head'?"),
        ("blocks.0.act", "layer 'blocks.0.act' runs on the vector unit: it has no mapping"),
    ],
)
def test_a_layer_without_a_mapping_is_refused(worked: dict[str, Any], layer: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        map_ops(worked, layer=layer)
    assert message in str(raised.value)


def test_one_mapping_is_not_that_of_many_ops(worked: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("for m in 0..4\n", "utf-8")
    with pytest.raises(InputError, match="the workload has 2 distinct ones"):
        map_ops(worked, mapping=tmp_path / "m.txt")


NARROW = tuple(f"hardware.memory.glb.{way}_bandwidth='1 B/cycle'" for way in ("read", "write"))
"""Ports of a memory of a few bytes."""


def test_an_op_that_fits_nowhere_says_what_would_do() -> None:
    with pytest.raises(InfeasibleError, match=r"glb is too small \(8 B\), 16 B would do"):
        map_ops(DESIGN, op=gemm_op([64, 64, 64]), overrides=["hardware.memory.glb.capacity='8 B'", *NARROW])


@pytest.mark.parametrize("sizes", [[1, 2], [1, 2, 3, 4, 5]])
def test_a_gemm_has_three_sizes_or_four(sizes: list[int]) -> None:
    with pytest.raises(InputError, match="takes M,N,K or B,M,N,K"):
        gemm_op(sizes)


@pytest.mark.parametrize("op_of", [lambda: gemm_op([1, 2, 0]), lambda: conv_op([1, 2, 3, 4, 5, 6, -7])])
def test_sizes_below_one_are_refused(op_of: Callable[[], Op]) -> None:
    with pytest.raises(InputError, match="sizes must be at least 1"):
        op_of()


def test_a_convolution_takes_stride_dilation_and_groups() -> None:
    assert dict(conv_op([1, 8, 4, 5, 6, 3, 3, 2, 1, 4]).dims) == {
        "n": 1, "k": 8, "c": 4, "p": 5, "q": 6, "r": 3, "s": 3,
        "stride_h": 2, "stride_w": 2, "dilation_h": 1, "dilation_w": 1, "groups": 4,
    }  # fmt: skip
    with pytest.raises(InputError, match="groups must divide k and c"):
        conv_op([1, 8, 4, 5, 6, 3, 3, 1, 1, 3])


def test_dataflows_and_formats_are_compared_cell_by_cell() -> None:
    compared = compare_dataflows(DESIGN, formats=["int8", "int4:g128/fp16"], op=gemm_op([64, 64, 64]))
    assert compared.formats == ["int8", "int4:g128/fp16"]
    assert compared.dataflows == ["os", "ws", "is", "any"]
    for name in compared.formats:
        cells = {cell.dataflow: cell.outcome for cell in compared.of(name)}
        free = cells["any"]
        assert free is not None
        assert free.value == min(outcome.value for outcome in cells.values() if outcome is not None)
        (alone,) = map_ops(DESIGN, op=gemm_op([64, 64, 64]))
        if name == "int8":
            assert min(o.value for flow, o in cells.items() if o and flow in ("os", "ws")) == pytest.approx(alone.value)
    document = compared.to_dict()
    assert document["schema"] == "archsim.dataflows/1"
    assert sum(row["best"] for row in document["rows"]) == 2
    assert document["remarks"] == ["is: not in hardware.array.dataflows; shown as if the array could"]
    assert any("wins" in text for text in document["findings"])
    assert document == json.loads(json.dumps(document, allow_nan=False))


def test_a_workload_is_compared_as_a_whole(worked: dict[str, Any]) -> None:
    compared = compare_dataflows(worked, dataflows=["os", "ws"])
    total = sum(
        item.energy_pj * item.count
        for item in map_ops(worked | {"mapper": {"objective": "energy", "dataflows": ["os"]}})
    )
    outcome = compared.cells[0].outcome
    assert outcome is not None
    assert outcome.value == pytest.approx(total)


def test_formats_alone_are_held_against_the_best_of_them() -> None:
    compared = compare_dataflows(DESIGN, formats=["int8", "int4"], dataflows=["os"], op=gemm_op([64, 64, 64]))
    first, second = compared.findings()
    assert first.startswith("int4 wins (")
    assert second.startswith("    int8: ")
    assert "x the objective" in second
    (alone,) = compare_dataflows(DESIGN, formats=["int8"], dataflows=["os"], op=gemm_op([8, 8, 8])).findings()
    assert alone.startswith("int8: ")


def test_a_cell_that_fits_nothing_says_why_and_the_others_stay() -> None:
    tight = design_from_dict(DESIGN, ["hardware.memory.glb.capacity='16 B'", *NARROW], workload_required=False)
    compared = compare_dataflows(tight, formats=["int4:g128", "fp32"], dataflows=["os"], op=gemm_op([64, 64, 64]))
    fits, fails = compared.cells
    assert fits.outcome is not None
    assert fails.outcome is None
    assert fails.why_not is not None
    assert compared.findings()[1].startswith("fp32: op 'gemm': its smallest tile does not fit")


def test_wrong_formats_and_dataflows_are_named() -> None:
    with pytest.raises(InputError) as raised:
        compare_dataflows(DESIGN, formats=["int8", "itn4", "fp99"], op=gemm_op([8, 8, 8]))
    assert len(raised.value.problems) == 2
    with pytest.raises(InputError, match="unknown dataflow 'ow'"):
        compare_dataflows(DESIGN, dataflows=["ow"], op=gemm_op([8, 8, 8]))


def test_the_front_trades_time_for_energy() -> None:
    front = mapping_front(DESIGN, op=gemm_op([128, 128, 128]))
    best = front.front
    assert best
    assert [p.cycles for p in best] == sorted(p.cycles for p in best)
    assert [p.energy_pj for p in best] == sorted((p.energy_pj for p in best), reverse=True)
    fastest = map_ops(DESIGN | {"mapper": {"objective": "latency"}}, op=gemm_op([128, 128, 128]))[0]
    (thriftiest,) = map_ops(DESIGN, op=gemm_op([128, 128, 128]))
    assert best[0].cycles == fastest.cost.cycles
    assert best[-1].energy_pj == pytest.approx(thriftiest.energy_pj)


def test_points_of_a_front_that_differ_by_rounding_alone_are_one() -> None:
    points = [(100.0, 5.0, False), (100.0, 5.000000000000001, True), (100.0, 5.1, True), (101.0, 5.0, True)]
    made = [
        Point(cycles=cycles, energy_pj=energy, latency_s=1e-9 * cycles, optimal=optimal, gap=None)
        for cycles, energy, optimal in points
    ]
    assert distinct(made) == [made[1], made[2], made[3]]


def test_the_front_of_a_memory_sweeps_its_size_in_powers_of_two() -> None:
    front = mapping_front(DESIGN, "glb", op=gemm_op([128, 128, 128]))
    sizes = [point.capacity_bytes or 0 for point in front.points]
    assert [b / a for a, b in pairwise(sizes)] == [2.0] * (len(sizes) - 1)
    assert 65536.0 in sizes
    (design,) = map_ops(DESIGN, op=gemm_op([128, 128, 128]))
    here = next(point for point in front.points if point.capacity_bytes == 65536.0)
    assert here.energy_pj == pytest.approx(design.energy_pj)
    assert front.to_dict()["memory"] == "glb"


@pytest.mark.parametrize(("memory", "message"), [("gbl", "did you mean 'glb'?"), ("dram", "no size to trade")])
def test_a_memory_without_a_size_has_no_front(memory: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        mapping_front(DESIGN, memory, op=gemm_op([8, 8, 8]))
    assert message in str(raised.value)


def test_an_explanation_is_of_the_evaluated_layer_and_its_gains_are_evaluations(worked: dict[str, Any]) -> None:
    explained = explain(worked, "blocks.1.a")
    evaluation = evaluate(worked)
    row = next(layer for layer in evaluation.cost.layers if layer.name == "blocks.1.a")
    assert explained.layer == row
    assert explained.loop_nest is not None
    (effect,) = [item for item in explained.effects if item.change == "twice the bandwidth of dram"]
    again = evaluate(worked, overrides=effect.overrides)
    assert effect.total_speedup == evaluation.cost.latency_s / again.cost.latency_s
    assert effect.speedup >= 1
    document = explained.to_dict()
    assert document["schema"] == "archsim.explanation/1"
    assert document == json.loads(json.dumps(document, allow_nan=False))


def test_a_run_folder_is_explained_like_its_design(worked: dict[str, Any], tmp_path: Path) -> None:
    evaluate(worked).save(tmp_path / "run")
    for source in (tmp_path / "run", tmp_path / "run" / "summary.json"):
        explained = explain(source)
        assert explained.to_dict() == explain(worked).to_dict()
    slowest = max(evaluate(worked).cost.layers, key=lambda layer: layer.cost.latency_s * layer.count)
    assert explained.layer == slowest


def test_operations_on_the_vector_unit_are_explained_without_a_mapping(worked: dict[str, Any]) -> None:
    explained = explain(worked, "blocks.0.act")
    assert explained.loop_nest is None
    assert explained.effects


def test_a_layer_that_is_not_there_is_named(worked: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no layer 'hed'"):
        explain(worked, "hed")
    with pytest.raises(InputError, match="cannot be read"):
        explain(tmp_path)


def test_every_change_of_the_hardware_is_one_the_design_takes() -> None:
    design = design_from_dict(DESIGN, workload_required=False)
    changes = hardware_changes(design)
    assert {change.about for change in changes} == {"dram", "glb", "array", "vector"}
    for change in changes:
        changed = design_from_dict(DESIGN, change.overrides, workload_required=False)
        assert changed.accelerator != design.accelerator

"""Points evaluated together are the points evaluated alone, to the bit, whatever the axes are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.core.toml import TomlDocument
from archsim.explore.evaluate_points import PointEvaluator
from archsim.explore.lru import Recent
from archsim.explore.results import PointResult
from archsim.explore.space import Point
from archsim.explore.study import EvaluatorSpec, WeightedWorkload

EXAMPLES = settings(max_examples=12, deadline=None, derandomize=True)
TRACE = """\
name,kind,count,phase,b,m,n,k,elements,after,weight_role
embed,gather,1,decode,,,,,256,,
norm,norm,2,decode,,,,,256,embed,
q,gemm,2,decode,1,1,256,256,,norm,parameter
k,gemm,2,decode,1,1,256,256,,norm,parameter
scores,gemm,2,decode,4,1,33,64,,q;k,kv
softmax,softmax,2,decode,,,,,132,scores,
read,gemm,2,decode,4,1,64,33,,softmax;k,kv
out,gemm,2,decode,1,1,256,256,,read,parameter
sum,elementwise,2,decode,,,,,256,out;embed,
up,gemm,1,decode,1,1,512,256,,sum,parameter
act,elementwise,1,decode,,,,,512,up,
down,gemm,1,decode,1,1,256,512,,act,parameter
"""
SPATIAL: dict[str, Any] = {
    "kind": "spatial",
    "clock": "1 GHz",
    "node": "28 nm",
    "array": {
        "axes": [
            {
                "name": "x",
                "size": 4,
                "dims": ["m", "n", "k", "b"],
                "multicast": ["inputs", "weights"],
                "reduce": ["outputs"],
            },
            {"name": "y", "size": 4, "dims": ["n", "k"], "multicast": ["inputs"], "reduce": ["outputs"]},
        ],
        "idle_energy_fraction": 0.1,
    },
    "memory": [
        {"name": "dram", "technology": "lpddr5", "bandwidth": "16 B/cycle", "ports": "shared"},
        {"name": "glb", "technology": "sram", "capacity": "8 KiB", "bandwidth": "32 B/cycle", "double_buffer": True},
    ],
}
SYSTOLIC: dict[str, Any] = {
    "kind": "systolic",
    "clock": "500 MHz",
    "array": {"rows": 8, "cols": 8, "dataflows": ["ws", "os"], "phase": {"decode": {"fold_overlap": True}}},
    "memory": [
        {"name": "dram", "technology": "ddr4", "bandwidth": {"weights": "8 B/cycle", "inputs": "4 B/cycle"}},
        {"name": "glb", "technology": "sram", "capacity": "8 KiB", "read_width": "64 bit", "write_width": "64 bit",
         "read_energy": "10 pJ", "write_energy": "12 pJ"},
    ],
}  # fmt: skip
MACHINES = {"spatial": SPATIAL, "systolic": SYSTOLIC}
HARDWARE: Mapping[str, Sequence[Any]] = {
    "hardware.clock": ["1 GHz", "700 MHz"],
    "hardware.node": ["28 nm", "16 nm"],
    "hardware.cores": [1, 2],
    "hardware.memory.glb.capacity": ["2 KiB", "8 KiB", "100 KiB", "256 B", "1 B"],
    "hardware.memory.glb.banks": [1, 2],
    "hardware.memory.dram.bandwidth": ["8 B/cycle", "3.2 GB/s", {"outputs": "2 B/cycle"}],
    "hardware.memory.dram.capacity": ["1 GiB", "100 KiB"],
    "hardware.memory.dram.technology": ["hbm2e", "nonsense"],
    "hardware.vector.lanes": [2, 16],
    "hardware.vector.rates": [{"softmax": 0.25}],
    "hardware.array.mac_energy": ["0.3 pJ"],
    "hardware.array.idle_energy_fraction": [0.0, 0.5],
    "simulation.convention": ["archsim", "zigzag", "timeloop"],
    "simulation.counting": [{"memory_stalls": False}],
}
OWN: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "spatial": {"hardware.array.axes.x.size": [2, 8], "hardware.memory.glb.per": ["core"]},
    "systolic": {
        "hardware.array.rows": [4, 16, 0],
        "hardware.array.cols": [8, 16],
        "hardware.array.dataflows": [["os"], ["any"]],
        "simulation.convention": ["archsim", "scale-sim"],
    },
}
WORK: Mapping[str, Sequence[Any]] = {
    "quantization.weights": ["int8", "int4:g128", "int99"],
    "quantization.activations": ["int8", "fp16"],
    "quantization.effects": [["dequantize"]],
    "mapper.objective": ["energy", "latency", "edp", "weighted"],
    "mapper.factors": ["perfect"],
    "mapper.fusion": ["auto"],
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "small.csv"
    path.write_text(TRACE, encoding="utf-8")
    return path


def evaluator(
    hardware: Mapping[str, Any],
    trace: Path,
    mappings: Literal["best", "fixed"] = "best",
    workloads: tuple[WeightedWorkload, ...] = (WeightedWorkload(),),
) -> PointEvaluator:
    values = {
        "design": {"name": "small"},
        "hardware": hardware,
        "workload": {"trace": trace.name},
        "mapper": {"budget": "0.002 s"},
    }
    spec = EvaluatorSpec(
        design=TomlDocument(name="design.toml", values=values),
        path=trace.parent / "design.toml",
        overrides=(),
        workloads=workloads,
        model_version="a version",
        mappings=mappings,
    )
    return PointEvaluator(spec)


@st.composite
def points(draw: st.DrawFn, axes: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Points on a few axes, each set at some of them."""
    keys = draw(st.lists(st.sampled_from(sorted(axes)), min_size=1, max_size=5, unique=True))
    found = []
    for index in range(draw(st.integers(2, 6))):
        chosen = [key for key in keys if draw(st.integers(0, 9)) > 0]
        found.append(Point(index, (), tuple((key, draw(st.sampled_from(axes[key]))) for key in chosen)))
    return found


def assert_equal(together: Sequence[PointResult], alone: Sequence[PointResult]) -> None:
    for one, other in zip(together, alone, strict=True):
        assert one == other
        assert list(one.values) == list(other.values)


@pytest.mark.parametrize("machine", MACHINES)
@EXAMPLES
@given(data=st.data())
def test_points_together_equal_points_alone(machine: str, data: st.DataObject, trace: Path) -> None:
    some = data.draw(points({**HARDWARE, **WORK, **OWN[machine]}))
    assert_equal(
        evaluator(MACHINES[machine], trace).evaluate(some), evaluator(MACHINES[machine], trace).evaluate_plainly(some)
    )


@pytest.mark.parametrize("machine", MACHINES)
@EXAMPLES
@given(data=st.data())
def test_fixed_mappings_together_equal_fixed_mappings_alone(machine: str, data: st.DataObject, trace: Path) -> None:
    some = data.draw(points({**HARDWARE, **WORK, **OWN[machine]}))
    mine, plain = evaluator(MACHINES[machine], trace, "fixed"), evaluator(MACHINES[machine], trace, "fixed")
    assert_equal(mine.evaluate(some), plain.evaluate_plainly(some))


@pytest.mark.parametrize("mappings", ["best", "fixed"])
@pytest.mark.parametrize("machine", MACHINES)
def test_most_points_need_no_evaluation_of_their_own(
    machine: str, mappings: Literal["best", "fixed"], trace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: PointEvaluator, point: Point) -> PointResult:
        raise AssertionError(f"evaluated alone: {point.values}")

    monkeypatch.setattr(PointEvaluator, "_row", refuse)
    values = [
        ("hardware.memory.glb.capacity", "16 KiB"),
        ("hardware.clock", "2 GHz"),
        ("hardware.memory.dram.capacity", "80 KiB"),
    ]
    some = [Point(i, (), (value, ("quantization.weights", "int8:channel"))) for i, value in enumerate(values)]
    rows = evaluator(MACHINES[machine], trace, mappings).evaluate(some)
    assert [row.status for row in rows] == ["ok", "ok", "failed"]
    assert len({row.point_id for row in rows}) == len(rows)
    assert rows[2].reason is not None
    assert "op 'up': its tensors take" in rows[2].reason


def test_a_fixed_mapping_that_does_not_fit_says_so(trace: Path) -> None:
    small = [Point(0, (), (("hardware.memory.glb.capacity", "64 B"),))]
    (fixed,) = evaluator(SPATIAL, trace, "fixed").evaluate(small)
    assert fixed.status == "failed"
    assert fixed.reason is not None
    assert "does not fit as it is mapped on the base design" in fixed.reason


def test_what_does_not_decide_a_mapping_searches_for_none(trace: Path) -> None:
    mine = evaluator(SPATIAL, trace)
    mine.evaluate([Point(0, (), (("hardware.vector.lanes", 2),))])
    before = mine.searches
    rows = mine.evaluate([Point(1, (), (("hardware.vector.lanes", 8),))])
    assert rows[0].status == "ok"
    assert mine.searches == before > 0


def test_several_workloads_are_combined_as_they_are_alone(trace: Path) -> None:
    workloads = (
        WeightedWorkload(name="narrow", weight=2.0, overrides=(("quantization.weights", "int4"),)),
        WeightedWorkload(name="wide"),
    )
    some = [Point(0, (), (("hardware.clock", "2 GHz"),)), Point(1, (), (("hardware.clock", "nonsense"),))]
    mine = evaluator(SPATIAL, trace, workloads=workloads)
    assert_equal(mine.evaluate(some), mine.evaluate_plainly(some))


def test_fixed_mappings_are_the_best_ones_at_the_base_design(trace: Path) -> None:
    base = [Point(0, (), ())]
    (best,) = evaluator(SYSTOLIC, trace).evaluate(base)
    (fixed,) = evaluator(SYSTOLIC, trace, "fixed").evaluate(base)
    assert fixed.values == best.values
    assert fixed.point_id != best.point_id


def test_a_better_mapping_is_never_worse_than_a_fixed_one(trace: Path) -> None:
    some = [
        Point(0, (), (("hardware.memory.glb.capacity", size), ("mapper.objective", "energy")))
        for size in ("4 KiB", "16 KiB", "64 KiB")
    ]
    pairs = zip(
        evaluator(SYSTOLIC, trace).evaluate(some), evaluator(SYSTOLIC, trace, "fixed").evaluate(some), strict=True
    )
    for best, fixed in pairs:
        if fixed.status == "ok":
            assert (best.values["energy_j"] or 0) <= (fixed.values["energy_j"] or 0) * (1 + 1e-9)


def test_what_was_used_least_recently_is_forgotten_first() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key

    recent: Recent[str] = Recent(2)
    for key in ("a", "b", "a", "c", "a", "b"):
        assert recent.get(key, partial(make, key)) == key
    assert made == ["a", "b", "c", "b"]
    assert len(recent) == 2

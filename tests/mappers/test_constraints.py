"""`[mapper.constraints]` is checked against the ops and the hardware, and reaches the search as one record."""

from __future__ import annotations

from typing import Any

import pytest

from archsim.api.design import Design, design_from_dict
from archsim.core.errors import InputError
from archsim.mappers.constraints import Constraints, OrderConstraint, SpatialConstraint, TileConstraint
from archsim.workloads.op import Op

MEMORIES = [
    {"name": "dram", "technology": "lpddr5"},
    {"name": "glb", "technology": "sram", "capacity": "64 KiB", "bypass": ["weights"]},
    {"name": "wreg", "technology": "register", "capacity": "1 KiB", "operands": ["weights"], "per": "pe"},
]
AXES = [{"name": "x", "size": 16, "dims": ["n", "k"]}, {"name": "y", "size": 8, "dims": ["k", "c"]}]


def design(constraints: dict[str, Any], *, kind: str = "spatial") -> Design:
    array: dict[str, Any] = {"axes": AXES} if kind == "spatial" else {"rows": 8, "cols": 8}
    hardware = {"kind": kind, "clock": "1 GHz", "array": array, "memory": MEMORIES}
    return design_from_dict({"hardware": hardware, "mapper": {"constraints": constraints}}, workload_required=False)


def refusals(constraints: dict[str, Any], *, kind: str = "spatial") -> list[str]:
    with pytest.raises(InputError) as raised:
        design(constraints, kind=kind)
    return [str(problem).removeprefix("mapper.constraints.") for problem in raised.value.problems]


GEMM = Op.gemm("g", m=8, n=32, k=64)
CONV = Op.conv("c", k=32, c=16, p=8, q=8, r=3, s=3)


def test_nothing_stated_constrains_nothing() -> None:
    assert not design({}).mapper.constraints.record()
    assert design({}).resolved["mapper"]["constraints"] == {}


def test_every_kind_of_constraint_reaches_the_record() -> None:
    record = design(
        {
            "min_utilization": 0.5,
            "spatial": {"x": {"gemm": {"n": 16}, "conv": ["k"]}, "core": []},
            "tiles": {"glb": {"weights": {"n": 64}, "m": 4}},
            "bypass": {"glb": ["weights"]},
            "order": {"glb": ["n", "k"]},
        }
    ).mapper.constraints.record()
    assert record.min_utilization == 0.5
    assert record.of(GEMM).axis("x") == SpatialConstraint(axis="x", kind="gemm", exact=(("n", 16),))
    assert record.of(CONV).axis("x") == SpatialConstraint(axis="x", kind="conv", dims=("k",))
    assert record.of(GEMM).axis("core") == SpatialConstraint(axis="core")
    assert record.of(GEMM).tile_sizes("glb", "weights") == {"n": 32, "m": 4}
    assert record.of(GEMM).tile_sizes("glb", "inputs") == {"m": 4}
    assert record.order_at("glb") == ("n", "k")
    assert record.bypassed("glb") == {"weights"}
    assert record.bypassed("dram") == frozenset()


def test_dimensions_that_an_op_lacks_are_no_constraint_on_it() -> None:
    record = Constraints(
        spatial=(SpatialConstraint(axis="x", exact=(("c", 4),)), SpatialConstraint(axis="y", dims=("rows", "c"))),
        tiles=(TileConstraint(level="glb", sizes=(("p", 2),)),),
        order=(OrderConstraint(level="glb", dims=("p", "q")),),
    )
    assert record.of(GEMM) == Constraints(spatial=(SpatialConstraint(axis="y", dims=("m",)),))
    assert record.of(CONV).axis("y") == SpatialConstraint(axis="y", dims=("q", "p", "n", "c"))


def test_a_resolved_design_reads_back() -> None:
    first = design({"spatial": {"x": {"n": 8}}, "tiles": {"glb": {"n": 4}}})
    again = design_from_dict(first.resolved, workload_required=False)
    assert again.mapper.constraints.record() == first.mapper.constraints.record()
    assert again.resolved == first.resolved


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"min_utilization": 1.5}, "min_utilization: must be at most 1 (got 1.5)"),
        ({"spatial": {"x": {"n": 0}}}, "spatial.x: n must be a whole number from 1 to 1000000000 (got 0)"),
        ({"spatial": {"x": "n"}}, "spatial.x: must be a list of dimensions (got 'n')\nhint: such as [\"n\", \"k\"]"),
        ({"spatial": {"x": ["w"]}}, "spatial.x: unknown dimension 'w'"),
        ({"spatial": {"x": {"n": 32}}}, "spatial.x: unrolls 32 over an axis of 16 units"),
        ({"spatial": {"z": ["n"]}}, "spatial.z: unknown axis\nhint: known: array, core, x, y"),
        ({"spatial": {"x": {"gemm": ["n"], "k": 4}}}, "spatial.x: has 'k' beside gemm and conv"),
        ({"tiles": {"gbl": {"n": 4}}}, "tiles.gbl: unknown memory\nhint: did you mean 'glb'?"),
        ({"tiles": {"glb": 4}}, "tiles.glb: must be a table of sizes (got 4)"),
        ({"tiles": {"glb": {"weights": 4}}}, "tiles.glb: weights must be a table of sizes (got 4)"),
        ({"order": {"gbl": ["n", "k"]}}, "order.gbl: unknown memory\nhint: did you mean 'glb'?"),
        ({"order": {"glb": ["n", "n"]}}, "order.glb: names a dimension twice (got ['n', 'n'])"),
        ({"order": {"glb": ["rows"]}}, "order.glb: unknown dimension 'rows'"),
        ({"bypass": {"wreg": ["inputs"]}}, "bypass.wreg: wreg does not serve inputs anyway"),
        ({"bypass": {"dram": ["inputs"]}}, "bypass.dram: dram is where inputs come from: it cannot be bypassed"),
        (
            {"bypass": {"glb": ["inputs"]}},
            "bypass.glb: inputs cannot pass glb by: its bypass does not list them\nhint: hardware.memory.glb.bypass = ",
        ),
        ({"bypass": {"glb": ["weight"]}}, "bypass.glb[0]: must be one of inputs, weights, outputs (got 'weight')"),
        ({"tile": {}}, "tile: unknown key\nhint: did you mean 'tiles'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_key(constraints: dict[str, Any], message: str) -> None:
    (found,) = refusals(constraints)
    assert found.startswith(message)


def test_rows_and_columns_of_a_systolic_array_are_unrolled_by_its_dataflow() -> None:
    (found,) = refusals({"spatial": {"row": {"k": 8}}}, kind="systolic")
    assert found.startswith("spatial.row: is unrolled by the dataflow of a systolic array")


def test_all_mistakes_are_told_at_once() -> None:
    assert len(refusals({"spatial": {"z": ["n"]}, "tiles": {"gbl": {"n": 4}}, "bypass": {"dram": ["inputs"]}})) == 3

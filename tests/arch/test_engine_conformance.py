"""What every kind of engine promises, whatever it is: rates, energies, areas and storage of any pair of formats."""

from __future__ import annotations

import math
from typing import Any

import pytest

from archsim.arch.build import build_accelerator
from archsim.arch.engines.base import Engine
from archsim.arch.engines.data import DenseData
from archsim.arch.formats import Format, format
from archsim.arch.kinds import KINDS
from archsim.arch.options import HardwareOptions

FORMATS = ("int8", "int4:g128", "fp16", "pot4", "ternary", "gobo3", "mxfp8", "nvfp4", "olive4", "bitmod-fp4:g128")
GRID = {"rows": 8, "cols": 4}
AXES = [
    {"name": "row", "size": 8, "dims": ["columns"], "multicast": ["inputs"]},
    {"name": "column", "size": 4, "dims": ["rows"], "multicast": ["weights"]},
]
ARRAYS: dict[str, dict[str, Any]] = {"spatial": {"axes": AXES}, "sparse": {"axes": AXES}}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def engine(kind: str) -> Engine:
    table = {"kind": kind, "clock": "1 GHz", "node": "28 nm", "array": ARRAYS.get(kind, GRID)}
    table["memory"] = [{"name": "m", "technology": "sram"}]
    return build_accelerator(HardwareOptions.model_validate(table), name="x").engine


def pairs() -> list[tuple[Format, Format]]:
    weights = [format(name) for name in FORMATS]
    return [(w, format(name)) for w in weights for name in ("int8", "fp16")]


@EVERY_KIND
def test_an_engine_has_its_kinds_name_units_and_dataflows(kind: str) -> None:
    found = engine(kind)
    assert found.kind == kind
    assert found.units == 32 * found.arrays
    names = [flow.name for flow in found.dataflows]
    assert names
    assert len(set(names)) == len(names)


@EVERY_KIND
def test_every_pair_of_formats_has_a_rate_an_energy_and_an_area(kind: str) -> None:
    found, total = engine(kind), format("fp32").arithmetic
    for weights, inputs in pairs():
        rate = found.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic)
        cost = found.unit_cost(weights.arithmetic, inputs.arithmetic, total)
        assert 0 < rate < math.inf
        assert cost.energy_pj > 0
        assert cost.area_um2 is not None
        assert cost.area_um2 > 0
        assert cost.leakage_w >= 0


@EVERY_KIND
def test_data_of_which_nothing_is_known_is_no_faster_than_its_arithmetic(kind: str) -> None:
    found, total = engine(kind), format("fp32").arithmetic
    for weights, inputs in pairs():
        w, x = DenseData(format=weights, reduction=4096), DenseData(format=inputs, reduction=4096)
        rate = found.data_rate(w, x)
        assert rate.macs_per_unit_cycle <= found.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic) + 1e-9
        assert 0 <= rate.imbalance < 1
        assert found.data_cost(w, x, total).energy_pj > 0
        assert found.stored_bits("weights", w) == float(weights.bits_per_element)


@EVERY_KIND
def test_what_a_design_states_of_its_pes_is_taken(kind: str) -> None:
    array = ARRAYS.get(kind, GRID) | {"mac_energy": "2 pJ", "pe_area": "100 um^2", "energy_factor": 1.5}
    table = {"kind": kind, "clock": "1 GHz", "node": "28 nm", "array": array}
    table["memory"] = [{"name": "m", "technology": "sram"}]
    found = build_accelerator(HardwareOptions.model_validate(table), name="x").engine
    eight = format("int8").arithmetic
    cost = found.unit_cost(eight, eight, format("int32").arithmetic)
    assert (cost.energy_pj, cost.area_um2) == (3.0, 100.0)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("outlier", "rates", {"int4": 2}),
        ("centroid", "rates", {"int4": 2}),
        ("shift-add", "rates", {"int4": 2}),
        ("lookup", "rates", {"int4": 2}),
        ("lookup", "lanes", 4),
    ],
)
def test_a_common_key_that_an_engine_makes_nothing_of_is_told(kind: str, key: str, value: object) -> None:
    options = HardwareOptions.model_validate(
        {
            "kind": kind,
            "clock": "1 GHz",
            "node": "28 nm",
            "array": GRID | {key: value},
            "memory": [{"name": "m", "technology": "sram"}],
        }
    )
    assert list(KINDS[kind].idle_keys(options.array)) == [f"hardware.array.{key} says nothing for kind '{kind}'"]
